"""The whole through the real window: real pages, slots and workers, on the bundled images."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from iterand_engine.machine.texts import percent
from iterand_engine.machine.workspace import open_workspace_dir
from iterand_engine.store import RunState, Store
from iterand_gui.pages.runs.lines.columns import COLUMN
from iterand_gui.pages.runs.panel_parts import FindingView
from tests.gui.window_world import World, click, open_window
from tests.paths import ROOT
from tests.patience import PATIENCE_S, SHOWN_WITHIN_S, seconds_here
from tests.slot_processes import Queue, kill

# A person starts the window, queues what the form says, and watches; somebody else ends it.
PERSON = """
import sys
from pathlib import Path
from PySide6.QtCore import QTimer
from iterand_gui.shell.app import Workbench, make_application
from iterand_gui.session.remembered import Memory
from tests.command_line import TINY

application = make_application()
workbench = Workbench(application, Memory(Path(sys.argv[2])))
workbench.open(Path(sys.argv[1]))
window = workbench.window

def queue():
    if window.page is None:
        return
    page = window.show_page("new")
    if timer.interval() == 20:
        page.take({**TINY, "training": {**TINY["training"], "epochs": 1000000, "lr": 0.01}})
        timer.setInterval(50)
    elif page.launch.button.isEnabled() and "1 run" in page.launch.button.text():
        timer.stop()
        page.launch.button.click()

timer = QTimer()
timer.timeout.connect(queue)
timer.start(20)
application.exec()
"""


@pytest.fixture
def first_window(tmp_path: Path, qtbot: QtBot) -> None:
    """Qt opens two files with the first window of a process and keeps them; they are no leak."""
    folder = tmp_path / "first"
    folder.mkdir()
    workspace = open_workspace_dir(folder)
    with Store.open(workspace) as store, open_window(Queue(workspace, store), folder, qtbot) as world:
        world.until(lambda: world.window.page is not None)


@pytest.fixture
def cpu_queue(first_window: None, queue: Queue) -> Queue:
    """A queue that has one slot, whatever the machine has."""
    queue.set(devices=("cpu",))
    return queue


@pytest.fixture
def world(cpu_queue: Queue, tmp_path: Path, qtbot: QtBot) -> Iterator[World]:
    with open_window(cpu_queue, tmp_path, qtbot) as world:
        yield world


def stored_points(world: World, run_id: str) -> int:
    return len(world.queue.store.reader.series(run_id, "accuracy").steps)


def test_that_a_run_is_queued_watched_stopped_resumed_and_finished(world: World) -> None:
    (run_id,) = world.queue_from_form({"training.epochs": "40"})
    assert world.runs.model.index_of_run(run_id).siblingAtColumn(COLUMN["state"]).data() in (
        "Queued",
        "Starting",
        "Running",
    )
    world.open(run_id)
    world.until_state(run_id, RunState.RUNNING)
    first = world.until_points(0)
    assert world.until_points(first) <= stored_points(world, run_id)

    world.do("stop")
    world.until_state(run_id, RunState.STOPPED)
    world.until(lambda: "Stopped" in world.run.header.text)
    stopped = world.queue.store.reader.run(run_id)
    assert 0 < stopped.step < (stopped.total_steps or 0)
    world.until(lambda: world.accuracy.point_count("accuracy") == stopped.step)
    world.queue.until(lambda: not world.queue.slots())

    world.do("resume")
    world.until_points(stopped.step)
    world.until_state(run_id, RunState.FINISHED)
    world.until(lambda: "Finished" in world.run.header.text)
    finished = world.queue.store.reader.run(run_id)
    assert len(finished.environments) == 2
    world.until(lambda: world.accuracy.point_count("accuracy") == finished.total_steps)
    assert finished.total_steps == stored_points(world, run_id)
    assert finished.val_accuracy is not None
    world.until(lambda: percent(finished.val_accuracy) in world.run.header.text)


def test_that_a_small_sweep_fills_in_cell_by_cell(world: World) -> None:
    run_ids = world.queue_from_form({"method.randomize_rate": "0.05, 0.5"}, "&Queue 2 runs")
    page = world.runs
    world.until(lambda: page.model.rowCount() == 1)
    line = page.model.index(0, 0)
    page.table.setCurrentIndex(line)
    world.until(lambda: page.panel.grid.isVisible())
    cells = page.panel.grid.model()
    assert cells.rowCount() * cells.columnCount() == 2
    for run_id in run_ids:
        world.until_state(run_id, RunState.FINISHED)
    world.until(lambda: page.model.index(0, COLUMN["n"]).data() == "2 of 2")
    assert len({run.group_key for run in world.queue.store.reader.runs()}) == 2
    assert page.model.rowCount(line) == 2
    world.until(lambda: all(cells.index(row, 0).data() not in ("", None) for row in range(cells.rowCount())))


def test_that_a_killed_worker_is_shown_soon_and_all_such_runs_resume(world: World) -> None:
    (run_id,) = world.queue_from_form({"training.epochs": "1000000", "training.lr": "0.01"})
    world.queue.until_stepping(run_id)
    kill(world.queue.worker_pid(run_id))
    killed_s = time.monotonic()
    page = world.runs
    state = page.model.index_of_run(run_id).siblingAtColumn(COLUMN["state"])
    world.until(lambda: state.data() == "Interrupted")
    assert time.monotonic() - killed_s < seconds_here(SHOWN_WITHIN_S)
    killed_at = world.queue.store.reader.run(run_id).step

    page.table.clearSelection()
    world.until(lambda: resume_button(world) is not None)
    button = resume_button(world)
    assert button is not None
    click(button)
    world.until_state(run_id, RunState.RUNNING)
    world.until(lambda: world.window.session.watcher.runs[run_id].step > killed_at)
    world.window.session.actions.stop_all()
    world.until_state(run_id, RunState.STOPPED)


def resume_button(world: World) -> QPushButton | None:
    """What the side panel offers for interrupted runs while nothing is chosen."""
    views = [one for one in world.runs.panel.findChildren(FindingView) if one.isVisible()]
    buttons = [button for view in views for button in view.findChildren(QPushButton)]
    return next((one for one in buttons if one.property("kind") == "resume" and one.isVisible()), None)


def test_that_training_outlives_a_killed_window_and_the_next_one_shows_it_live(
    cpu_queue: Queue, tmp_path: Path, qtbot: QtBot
) -> None:
    environment = {**os.environ, "PYTHONPATH": f"{os.environ['PYTHONPATH']}:{ROOT}"}
    words = [sys.executable, "-c", PERSON, str(cpu_queue.workspace.root), str(tmp_path / "first.json")]
    window = subprocess.Popen(words, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL)
    try:
        cpu_queue.until(lambda: bool(cpu_queue.store.reader.runs()))
        (run_id,) = [run.id for run in cpu_queue.store.reader.runs()]
        cpu_queue.until_stepping(run_id)
    finally:
        kill(window.pid)
        window.wait(PATIENCE_S)
    worker, at = cpu_queue.worker_pid(run_id), cpu_queue.store.reader.run(run_id).step
    cpu_queue.until(lambda: cpu_queue.store.reader.run(run_id).step > at)

    with open_window(cpu_queue, tmp_path, qtbot) as world:
        world.open(run_id)
        points = world.until_points(at)
        world.until_points(points)
        assert "Running" in world.run.header.text
        assert cpu_queue.worker_pid(run_id) == worker
        world.do("stop")
        world.until_state(run_id, RunState.STOPPED)
    assert len(cpu_queue.store.reader.run(run_id).environments) == 1

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
from tests.gui.open_window import OpenWindow, click, open_window
from tests.paths import ROOT
from tests.patience import PATIENCE_S, SHOWN_WITHIN_S, seconds_here
from tests.slot_processes import Queue, kill

# A user starts the window, queues what the form says, and watches; somebody else ends it.
USER = """
import sys
from pathlib import Path
from PySide6.QtCore import QTimer
from iterand_gui.shell.app import Workbench, make_application
from iterand_gui.session.remembered import Remembered
from tests.command_line import TINY

application = make_application()
workbench = Workbench(application, Remembered(Path(sys.argv[2])))
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
    with Store.open(workspace) as store, open_window(Queue(workspace, store), folder, qtbot) as gui:
        gui.until(lambda: gui.window.page is not None)


@pytest.fixture
def cpu_queue(first_window: None, queue: Queue) -> Queue:
    """A queue that has one slot, whatever the machine has."""
    queue.set(devices=("cpu",))
    return queue


@pytest.fixture
def gui(cpu_queue: Queue, tmp_path: Path, qtbot: QtBot) -> Iterator[OpenWindow]:
    with open_window(cpu_queue, tmp_path, qtbot) as gui:
        yield gui


def stored_points(gui: OpenWindow, run_id: str) -> int:
    return len(gui.queue.store.reader.series(run_id, "accuracy").steps)


def test_that_a_run_is_queued_watched_stopped_resumed_and_finished(gui: OpenWindow) -> None:
    (run_id,) = gui.queue_from_form({"training.epochs": "40"})
    assert gui.runs.model.index_of_run(run_id).siblingAtColumn(COLUMN["state"]).data() in (
        "Queued",
        "Starting",
        "Running",
    )
    gui.open(run_id)
    gui.until_state(run_id, RunState.RUNNING)
    first = gui.until_points(0)
    assert gui.until_points(first) <= stored_points(gui, run_id)

    gui.do("stop")
    gui.until_state(run_id, RunState.STOPPED)
    gui.until(lambda: "Stopped" in gui.run.header.text)
    stopped = gui.queue.store.reader.run(run_id)
    assert 0 < stopped.step < (stopped.total_steps or 0)
    gui.until(lambda: gui.accuracy.point_count("accuracy") == stopped.step)
    gui.queue.until(lambda: not gui.queue.slots())

    gui.do("resume")
    gui.until_points(stopped.step)
    gui.until_state(run_id, RunState.FINISHED)
    gui.until(lambda: "Finished" in gui.run.header.text)
    finished = gui.queue.store.reader.run(run_id)
    assert len(finished.environments) == 2
    gui.until(lambda: gui.accuracy.point_count("accuracy") == finished.total_steps)
    assert finished.total_steps == stored_points(gui, run_id)
    assert finished.val_accuracy is not None
    gui.until(lambda: percent(finished.val_accuracy) in gui.run.header.text)


def test_that_a_small_sweep_fills_in_cell_by_cell(gui: OpenWindow) -> None:
    run_ids = gui.queue_from_form({"method.randomize_rate": "0.05, 0.5"}, "&Queue 2 runs")
    page = gui.runs
    gui.until(lambda: page.model.rowCount() == 1)
    line = page.model.index(0, 0)
    page.table.setCurrentIndex(line)
    gui.until(lambda: page.panel.grid.isVisible())
    cells = page.panel.grid.model()
    assert cells.rowCount() * cells.columnCount() == 2
    for run_id in run_ids:
        gui.until_state(run_id, RunState.FINISHED)
    gui.until(lambda: page.model.index(0, COLUMN["n"]).data() == "2 of 2")
    assert len({run.group_key for run in gui.queue.store.reader.runs()}) == 2
    assert page.model.rowCount(line) == 2
    gui.until(lambda: all(cells.index(row, 0).data() not in ("", None) for row in range(cells.rowCount())))


def test_that_a_killed_worker_is_shown_soon_and_all_such_runs_resume(gui: OpenWindow) -> None:
    (run_id,) = gui.queue_from_form({"training.epochs": "1000000", "training.lr": "0.01"})
    gui.queue.until_stepping(run_id)
    kill(gui.queue.worker_pid(run_id))
    killed_s = time.monotonic()
    page = gui.runs
    state = page.model.index_of_run(run_id).siblingAtColumn(COLUMN["state"])
    gui.until(lambda: state.data() == "Interrupted")
    assert time.monotonic() - killed_s < seconds_here(SHOWN_WITHIN_S)
    killed_at = gui.queue.store.reader.run(run_id).step

    page.table.clearSelection()
    gui.until(lambda: resume_button(gui) is not None)
    button = resume_button(gui)
    assert button is not None
    click(button)
    gui.until_state(run_id, RunState.RUNNING)
    gui.until(lambda: gui.window.session.watcher.runs[run_id].step > killed_at)
    gui.window.session.actions.stop_all()
    gui.until_state(run_id, RunState.STOPPED)


def resume_button(gui: OpenWindow) -> QPushButton | None:
    """What the side panel offers for interrupted runs while nothing is chosen."""
    views = [one for one in gui.runs.panel.findChildren(FindingView) if one.isVisible()]
    buttons = [button for view in views for button in view.findChildren(QPushButton)]
    return next((one for one in buttons if one.property("kind") == "resume" and one.isVisible()), None)


def test_that_training_outlives_a_killed_window_and_the_next_one_shows_it_live(
    cpu_queue: Queue, tmp_path: Path, qtbot: QtBot
) -> None:
    environment = {**os.environ, "PYTHONPATH": f"{os.environ['PYTHONPATH']}:{ROOT}"}
    words = [sys.executable, "-c", USER, str(cpu_queue.workspace.root), str(tmp_path / "first.json")]
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

    with open_window(cpu_queue, tmp_path, qtbot) as gui:
        gui.open(run_id)
        points = gui.until_points(at)
        gui.until_points(points)
        assert "Running" in gui.run.header.text
        assert cpu_queue.worker_pid(run_id) == worker
        gui.do("stop")
        gui.until_state(run_id, RunState.STOPPED)
    assert len(cpu_queue.store.reader.run(run_id).environments) == 1

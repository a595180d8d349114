"""The views of the pictures: each knows how to bring the window there and when it is ready."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QEventLoop, QTimer
from PySide6.QtWidgets import QPushButton

from benchmarks.screenshots.runs import DIVERGED, GROUPS, KILLED, LIVE, SWEEP
from iterand_engine.store import RunState
from iterand_gui.pages.compare import ComparePage
from iterand_gui.pages.compare.results import Mode
from iterand_gui.pages.new import NewPage
from iterand_gui.pages.run import RunPage
from iterand_gui.pages.runs import RunsPage
from iterand_gui.plots.x_axis import XAxis
from iterand_gui.shell.main_window import MainWindow

PATIENCE_S = 60.0
NOTHING = "\N{EM DASH}"  # what stands for a number that is not known yet


class Stage:
    """A window and its runs by name.

    Args:
        window: shown.
    """

    def __init__(self, window: MainWindow) -> None:
        self.window = window
        self.until(lambda: window.session.watcher.has_read, "the first look at the store")

    def ids(self, *names: str) -> list[str]:
        """The runs that have one of these names, or belong to a sweep of that name."""
        watcher = self.window.session.watcher
        sweeps = [run_id for sweep in watcher.sweeps if sweep.name in names for run_id in sweep.run_ids]
        return [*sweeps, *(run.id for run in watcher.runs.values() if run.name in names)]

    def choose(self, *names: str) -> None:
        """Choose runs on all pages."""
        self.window.session.selection.set(self.ids(*names))

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Run the event loop until a condition holds."""
        deadline_s = time.monotonic() + PATIENCE_S
        while not condition():
            if time.monotonic() > deadline_s:
                raise SystemExit(f"Waited {PATIENCE_S:g} s in vain for {what}.")
            self.rest(0.05)

    def rest(self, seconds: float) -> None:
        """Let the window work."""
        loop = QEventLoop()
        QTimer.singleShot(round(seconds * 1000), loop.quit)
        loop.exec()


@dataclass(frozen=True)
class View:
    """One picture: its name, what brings the window there, the plots it has at least, and whether the
    documentation shows it."""

    name: str
    arrange: Callable[[Stage], object]
    plots: int = 0
    is_shown: bool = False


def _runs(stage: Stage, *names: str) -> RunsPage:
    page = stage.window.show_page("runs")
    assert isinstance(page, RunsPage)
    page.restore_state({})
    page.table.unfold(everything=False)
    stage.choose(*names)
    stage.until(lambda: bool(page.chosen().rows), "the chosen runs")
    return page


def _runs_group(stage: Stage) -> None:
    page = _runs(stage, "conv4-x0.25-iterand")
    (line, *_) = page.table.chosen_lines()
    page.table.setExpanded(line, True)


def _new(stage: Stage, *changes: tuple[str, str]) -> None:
    page = stage.window.show_page("new")
    assert isinstance(page, NewPage)
    page.form.reset_all()
    for path, text in changes:
        page.form.set_text(path, text)
    button = next(one for one in page.findChildren(QPushButton) if one.isDefault())
    stage.until(lambda: "run" in button.text(), "the plan")
    stage.until(lambda: page.summary.text("weights") not in ("", NOTHING), "the probe's answer")


def _new_wrong(stage: Stage) -> None:
    page = stage.window.show_page("new")
    assert isinstance(page, NewPage)
    page.form.set_text("method.sparsity", "1.5")


def _run(stage: Stage, name: str, tab: str) -> RunPage:
    stage.choose(name)
    page = stage.window.show_page("run")
    assert isinstance(page, RunPage)
    page.restore_state({})
    page.show_tab(tab)
    return page


def _compare(stage: Stage, mode: Mode, *names: str, log: bool = False) -> None:
    stage.choose(*(names or GROUPS))
    page = stage.window.show_page("compare")
    assert isinstance(page, ComparePage)
    page.restore_state({"axis": XAxis.EPOCH.value})
    page.choose_plot(mode)
    page.area.set_log(log)
    area = page.area  # where kept weights are counted, the probe is asked
    stage.until(lambda: area.plot is not None and bool(area.plot.keys()), "the plot")
    if mode is Mode.KEPT:
        stage.rest(0.3)  # what is not known yet is asked for by then
        stage.until(lambda: not stage.window.session.probe.is_busy, "the kept weights")


def _settings(key: str) -> Callable[[Stage], object]:
    return lambda stage: stage.window.show_page("settings").take(key)


def _palette(stage: Stage) -> None:
    _runs(stage, SWEEP)
    command = next(one for one in stage.window.commands() if one.text == "Find a command")
    command.run()


VIEWS = (
    View("runs", _runs_group, is_shown=True),
    View("runs-sweep", lambda stage: _runs(stage, SWEEP), is_shown=True),
    View("runs-interrupted", lambda stage: _runs(stage, KILLED)),
    View("runs-several", lambda stage: _runs(stage, *GROUPS)),
    View("palette", _palette),
    View("new", _new, is_shown=True),
    View(
        "new-sweep",
        lambda stage: _new(
            stage,
            ("model.width_factor", "0.125, 0.25, 0.5"),
            ("method.randomize_rate", "0.05, 0.1"),
            ("training.seed", "1-3"),
        ),
        is_shown=True,
    ),
    View("new-wrong", _new_wrong),
    View("run", lambda stage: _run(stage, LIVE[0], "curves"), plots=2, is_shown=True),
    View("run-layers", lambda stage: _run(stage, LIVE[0], "layers"), is_shown=True),
    View("run-configuration", lambda stage: _run(stage, LIVE[0], "configuration")),
    View("run-log", lambda stage: _run(stage, LIVE[0], "log")),
    View("run-diverged", lambda stage: _run(stage, DIVERGED, "log")),
    View("run-queued", lambda stage: _run(stage, LIVE[1], "configuration")),
    View("compare", lambda stage: _compare(stage, Mode.CURVES, *GROUPS[:6]), plots=1, is_shown=True),
    View("compare-many", lambda stage: _compare(stage, Mode.CURVES), plots=1),
    View("compare-width", lambda stage: _compare(stage, Mode.WIDTH, log=True), plots=1, is_shown=True),
    View("compare-kept", lambda stage: _compare(stage, Mode.KEPT), plots=1),
    View("settings", _settings("slots"), is_shown=True),
    *(View(f"settings-{key}", _settings(key)) for key in ("data", "disk", "test-set", "extensions")),
    *(View(f"settings-{key}", _settings(key)) for key in ("appearance", "workspace")),
)

# Of a workspace without runs.
EMPTY_VIEWS = (
    View("welcome", lambda stage: stage.window.show_page("runs"), is_shown=True),
    View("run-nothing", lambda stage: stage.window.show_page("run")),
    View("compare-nothing", lambda stage: stage.window.show_page("compare")),
    View("settings-disk-nothing", _settings("disk")),
)


def is_training(stage: Stage) -> bool:
    """Whether the window shows the live run."""
    runs = stage.window.session.watcher.runs
    return any(run.name == LIVE[0] and run.state is RunState.RUNNING for run in runs.values())

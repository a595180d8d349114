"""What several tests of the window share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from iterand_engine.machine.workspace import open_workspace_dir
from iterand_engine.store import Store
from iterand_gui.look import theme
from iterand_gui.plots.curve_plot import CurvePlot
from iterand_gui.session.session import Session
from tests.gui.open_runs_page import OpenRunsPage
from tests.gui.open_runs_page import opened as opened_page
from tests.gui.plot_tools import show
from tests.patience import WAIT_MS


class PatientBot(QtBot):
    """A bot whose waits without a time of their own are as patient as all others."""

    def waitUntil(self, callback: Callable[[], bool | None], *, timeout: int = WAIT_MS) -> None:  # noqa: N802
        """Wait until something is so."""
        super().waitUntil(callback, timeout=timeout)

    def waitSignal(self, *words: Any, timeout: int = WAIT_MS, **options: Any) -> Any:  # noqa: N802
        """Wait for a signal that the block, or something that it started, emits."""
        return super().waitSignal(*words, timeout=timeout, **options)

    def waitExposed(self, widget: QWidget, *, timeout: int = WAIT_MS) -> Any:  # noqa: N802
        """Wait for a widget that the block shows."""
        return super().waitExposed(widget, timeout=timeout)


@pytest.fixture
def qtbot(qapp: QApplication, request: pytest.FixtureRequest) -> QtBot:
    """pytest-qt's, more patient."""
    return PatientBot(request)


@pytest.fixture(autouse=True)
def own_run_colours() -> None:
    """No colour is given out yet, whatever tests ran before in this process: two curves never share one."""
    theme.run_colours.cache_clear()


@pytest.fixture
def open_runs_page(
    qtbot: QtBot, workspace_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[Callable[[Store], object]], OpenRunsPage]]:
    """Opens the Runs page over a store that a function fills."""
    with ExitStack() as stack:
        yield lambda store_runs: stack.enter_context(
            opened_page(qtbot, workspace_dir, monkeypatch, store_runs)
        )


@pytest.fixture
def plot(qtbot: QtBot) -> CurvePlot:
    """A plot of curves, shown, without any."""
    plot = CurvePlot("Loss", empty_text="Start a run to see its loss")
    show(qtbot, plot)
    return plot


@pytest.fixture
def session(workspace_dir: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """The session of an empty workspace whose queue nobody works through."""
    monkeypatch.setattr("iterand_gui.session.actions.drain.start_missing", lambda *_: [])
    opened = Session(open_workspace_dir(workspace_dir))
    opened.start()
    yield opened
    opened.close()

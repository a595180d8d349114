"""The window as its composition root opens it, within this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QEvent
from PySide6.QtWidgets import QWidget

from benchmarks.window.clock import run_for, run_until
from iterand_gui.live import collector
from iterand_gui.plots.curve_plot import CurvePlot
from iterand_gui.session.remembered import Remembered
from iterand_gui.shell.app import Workbench, make_application
from iterand_gui.shell.main_window import MainWindow

SIZE = (1600, 900)


@contextmanager
def opened(folder: Path) -> Iterator[MainWindow]:
    """Open a workspace, wait for its runs, and close the window again."""
    collector.put_off()
    workbench = Workbench(make_application(), Remembered(folder / "window.json"))
    workbench.open(folder)
    window = workbench.window
    assert window is not None
    window.resize(*SIZE)
    try:
        run_until(lambda: window.page is not None and window.session.watcher.has_read, 60)
        run_for(0.5)
        collector.begin(window)
        yield window
    finally:
        workbench.close()
        window.deleteLater()
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def drawn(plot: QWidget | None) -> int:
    """Points that a plot draws now, of all its curves."""
    return sum(len(plot.drawn_values(key)) for key in list(plot.keys())) if isinstance(plot, CurvePlot) else 0

"""The real window over a workspace whose queue is worked through by real slots, for tests of the whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLineEdit, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from iterand_engine.store import RunState
from iterand_gui.look.theme import Theme
from iterand_gui.pages.new import NewPage
from iterand_gui.pages.run import RunPage
from iterand_gui.pages.run.curves import CurvesTab
from iterand_gui.pages.runs import RunsPage
from iterand_gui.plots.curve_plot import CurvePlot
from iterand_gui.session.remembered import Remembered
from iterand_gui.session.session import Session
from iterand_gui.shell.main_window import MainWindow
from tests.command_line import TINY
from tests.gui.ending import put_away
from tests.patience import WAIT_MS
from tests.slot_processes import Queue

SIZE = (1280, 720)


class OpenWindow:
    """A window, and what a user does with it: everything by clicks and keys on what it shows.

    Args:
        queue: whose workspace it shows.
        window: shown.
        qtbot: waits.
    """

    def __init__(self, queue: Queue, window: MainWindow, qtbot: QtBot) -> None:
        self.queue, self.window, self.qtbot = queue, window, qtbot

    def until(self, condition: Callable[[], object]) -> None:
        """Let the window work until something is so."""
        self.qtbot.waitUntil(lambda: bool(condition()), timeout=WAIT_MS)

    # Pages.

    @property
    def new(self) -> NewPage:
        """The New page, in view."""
        page = self.window.show_page("new")
        assert isinstance(page, NewPage)
        return page

    @property
    def runs(self) -> RunsPage:
        """The Runs page, in view."""
        page = self.window.show_page("runs")
        assert isinstance(page, RunsPage)
        return page

    @property
    def run(self) -> RunPage:
        """The Run page, which has to be in view."""
        page = self.window.page
        assert isinstance(page, RunPage)
        return page

    @property
    def accuracy(self) -> CurvePlot:
        """The plot of the Run page that is shown first."""
        curves = self.run.tabs[0]
        assert isinstance(curves, CurvesTab)
        return curves.feed("accuracy").plot

    # What a user does.

    def queue_from_form(self, changes: Mapping[str, str], button: str = "&Queue 1 run") -> list[str]:
        """Type into the form of a tiny run, queue it, and see it on the Runs page; gives the new runs."""
        before = set(self.window.session.watcher.runs)
        page = self.new
        page.take(TINY)
        page.form.restore_open_groups(["training"])
        for path, text in changes.items():
            editor = page.form.field(path).editor
            assert isinstance(editor, QLineEdit)
            assert editor.isVisible()
            editor.setFocus()
            editor.selectAll()
            QTest.keyClicks(editor, text)
        self.until(lambda: page.launch.button.text() == button and page.launch.button.isEnabled())
        click(page.launch.button)
        self.until(lambda: isinstance(self.window.page, RunsPage))
        watcher = self.window.session.watcher
        self.until(lambda: set(watcher.runs) - before)
        return [run_id for run_id in watcher.runs if run_id not in before]

    def open(self, run_id: str) -> None:
        """Open a run from the table, by the keyboard."""
        page = self.runs
        self.until(lambda: page.model.index_of_run(run_id).isValid())
        page.table.setCurrentIndex(page.model.index_of_run(run_id))
        QTest.keyClick(page.table, Qt.Key.Key_Return)
        self.until(lambda: isinstance(self.window.page, RunPage) and self.window.page.header.text != "")

    def do(self, kind: str) -> None:
        """Click the button of the Run page's head that does this next step."""
        self.until(lambda: self._step(kind) is not None)
        button = self._step(kind)
        assert button is not None
        click(button)

    def until_state(self, run_id: str, state: RunState) -> None:
        """Wait until the window shows a run so."""
        runs = self.window.session.watcher.runs
        self.until(lambda: run_id in runs and runs[run_id].state is state)

    def until_points(self, more_than: int) -> int:
        """Wait until the curve of single steps has more points, and they are drawn; gives how many."""
        plot = self.accuracy
        self.until(lambda: plot.point_count("accuracy") > more_than and len(plot.drawn_values("accuracy")))
        return plot.point_count("accuracy")

    def _step(self, kind: str) -> QPushButton | None:
        buttons = self.run.header.findChildren(QPushButton)
        return next((one for one in buttons if one.property("kind") == kind and one.isVisible()), None)


def click(widget: QWidget) -> None:
    """Click in the middle."""
    assert widget.isEnabled()
    QTest.mouseClick(widget, Qt.MouseButton.LeftButton)


@contextmanager
def open_window(queue: Queue, folder: Path, qtbot: QtBot) -> Iterator[OpenWindow]:
    """The window as it starts, on a queue's workspace; closed and gone at the end.

    Args:
        queue: of the test.
        folder: where the window remembers its arrangement.
        qtbot: of the test.
    """
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    memory = Remembered(folder / "window.json")
    theme = Theme(application)
    window = MainWindow(Session(queue.workspace, memory=memory), memory, theme)
    window.resize(*SIZE)
    try:
        with qtbot.waitExposed(window):
            window.show()
        qtbot.waitUntil(lambda: window.session.watcher.has_read, timeout=WAIT_MS)
        yield OpenWindow(queue, window, qtbot)
    finally:
        window.close()
        put_away(window, theme)

"""A real workspace with its Run page in view, for tests of that page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtWidgets import QLabel, QWidget
from pytestqt.qtbot import QtBot

from iterand_engine.machine.workspace import open_workspace_dir
from iterand_engine.store import Store
from iterand_gui.live.store_watcher import StoreWatcher
from iterand_gui.pages.run import RunPage
from iterand_gui.pages.run.configuration import ConfigurationTab
from iterand_gui.pages.run.curves import CurvesTab
from iterand_gui.pages.run.layers import LayersTab
from iterand_gui.pages.run.log import LogTab
from iterand_gui.session.session import Session
from iterand_gui.widgets.empty_state import EmptyState
from iterand_gui.widgets.messages import Message
from tests.gui.ending import put_away
from tests.patience import WAIT_MS

SIZE = (1280, 720)


class OpenRunPage:
    """A session and its Run page."""

    def __init__(self, qtbot: QtBot, folder: Path) -> None:
        self.qtbot = qtbot
        self.session = Session(open_workspace_dir(folder))
        self.said: list[Message] = []
        self.session.messages.said.connect(self.said.append)
        self.page = RunPage(self.session)
        self.page.resize(*SIZE)
        self.page.restore_state({})
        self.session.start()
        self.until(lambda: self.watcher.has_read)

    @property
    def store(self) -> Store:
        """The workspace's store."""
        return self.session.store

    @property
    def watcher(self) -> StoreWatcher:
        """What looks at it."""
        return self.session.watcher

    @property
    def subscriptions(self) -> int:
        """How many there are."""
        return len(self.watcher._subscriptions)

    @property
    def curves(self) -> CurvesTab:
        """The tab of that name."""
        tab = self.page.tabs[0]
        assert isinstance(tab, CurvesTab)
        return tab

    @property
    def layers(self) -> LayersTab:
        """The tab of that name."""
        tab = self.page.tabs[1]
        assert isinstance(tab, LayersTab)
        return tab

    @property
    def configuration(self) -> ConfigurationTab:
        """The tab of that name."""
        tab = self.page.tabs[2]
        assert isinstance(tab, ConfigurationTab)
        return tab

    @property
    def log(self) -> LogTab:
        """The tab of that name."""
        tab = self.page.tabs[3]
        assert isinstance(tab, LogTab)
        return tab

    def show(self, run_id: str | None, tab: str = "curves") -> None:
        """Choose a run and bring the page into view, as the window does."""
        if run_id is not None:
            self.until(lambda: self._has_read(run_id))
            self.session.selection.set([run_id])
        self.page.show_tab(tab)
        if not self.page.isVisible():
            with self.qtbot.waitExposed(self.page):
                self.page.show()
            self.page.showing()

    def _has_read(self, run_id: str) -> bool:
        """Whether the watcher knows a run as it is stored."""
        (stored,) = self.store.reader.runs(ids=[run_id])
        known = self.watcher.runs.get(run_id)
        return known is not None and known.revision == stored.revision

    def hide(self) -> None:
        """Take the page out of view."""
        if self.page.isVisible():
            self.page.hiding()
            self.page.hide()

    def points(self, panel: str, series: str) -> int:
        """How many points a curve has."""
        return self.curves.feed(panel).plot.point_count(series)

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something while the window works."""
        self.qtbot.waitUntil(condition, timeout=WAIT_MS)

    def texts(self, widget: QWidget) -> list[str]:
        """What its labels say."""
        return [label.text() for label in widget.findChildren(QLabel)]

    def empty_text(self) -> str:
        """What stands where there is nothing to show; empty where there is something."""
        shown = [state for state in self.page.findChildren(EmptyState) if state.isVisible()]
        return shown[0].text if shown else ""

    def close(self) -> None:
        """Let go of everything."""
        self.hide()
        self.session.close()
        put_away(self.page, self.session)


@pytest.fixture
def gui(qtbot: QtBot, workspace_dir: Path) -> Iterator[OpenRunPage]:
    """An empty workspace; the page is not shown yet."""
    made = OpenRunPage(qtbot, workspace_dir)
    yield made
    made.close()

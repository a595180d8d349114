"""Test set: the lock that keeps test accuracy out of sight until the experiments are done."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Slot
from PySide6.QtWidgets import QCheckBox, QWidget

from iterand_engine.machine.settings import Settings
from iterand_gui.pages.settings.changes import SettingChanges
from iterand_gui.pages.settings.section import Section
from iterand_gui.session.session import Session


class TestSetSection(Section):
    """One switch and what it does."""

    __test__ = False  # no class of tests

    key = "test-set"
    title = "Test set"
    icon = "locked"
    about = (
        "Choices that are made by looking at test accuracy make it too good to be true. With the lock on,"
        " test accuracy is still computed once at the end of each run, but every page, table, figure, export"
        " and command shows “locked” in its place. Use validation accuracy to choose, and unlock what you"
        " report: unlocking a run is recorded with it."
    )

    def __init__(self, session: Session, changes: SettingChanges, parent: QWidget) -> None:
        super().__init__(session, changes, parent)
        self.lock = QCheckBox("&Lock the test set", self)
        self.lock.setAccessibleName("Lock the test set")
        self.row = changes.row(
            "", self.lock, "Holds for everybody who works in this workspace. Off at first.", self
        )
        self.lock.toggled.connect(self._store)
        self.column.addWidget(self.row)

    def show_settings(self, settings: Settings) -> None:
        """Show whether it is locked."""
        with QSignalBlocker(self.lock):
            self.lock.setChecked(settings.test_lock)

    @Slot(bool)
    def _store(self, locked: bool) -> None:
        self.changes.put("test_lock", "true" if locked else "false", self.row)

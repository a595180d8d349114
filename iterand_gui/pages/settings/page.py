"""The Settings page: chooses among its sections; each is made when it is first shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QShortcut
from PySide6.QtWidgets import (
    QApplication,
    QHBoxLayout,
    QStackedWidget,
    QWidget,
)

from iterand_gui.look import theme
from iterand_gui.pages.base import Page
from iterand_gui.pages.settings.appearance import AppearanceSection
from iterand_gui.pages.settings.changes import SettingChanges
from iterand_gui.pages.settings.data import DataSection
from iterand_gui.pages.settings.disk import DiskSection
from iterand_gui.pages.settings.extensions import ExtensionsSection
from iterand_gui.pages.settings.section import Section, SectionView
from iterand_gui.pages.settings.section_list import SectionList
from iterand_gui.pages.settings.slots import SlotsSection
from iterand_gui.pages.settings.test_set import TestSetSection
from iterand_gui.pages.settings.workspaces import WorkspaceSection
from iterand_gui.session.command import Command, Json
from iterand_gui.session.session import Session

SECTIONS: tuple[type[Section], ...] = (
    SlotsSection,
    DataSection,
    DiskSection,
    TestSetSection,
    ExtensionsSection,
    AppearanceSection,
    WorkspaceSection,
)


class SettingsPage(Page):
    """What a workspace and its window are set to. `take` takes the key of a section."""

    title = "Settings"
    icon = "settings"

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self._shown = False
        self._views: dict[str, SectionView] = {}
        self._changes = SettingChanges(session, self)
        self.section_list = SectionList(self)
        for section in SECTIONS:
            self.section_list.add(section.title, theme.icon(section.icon))
        self._stack = QStackedWidget(self)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self.section_list)
        row.addWidget(self._stack, 1)
        self.setFocusProxy(self.section_list)
        self.section_list.currentRowChanged.connect(self._show_row)
        QShortcut("F5", self, self.refresh, context=Qt.ShortcutContext.WidgetWithChildrenShortcut)

    @property
    def section(self) -> Section | None:
        view = self._stack.currentWidget()
        return view.section if isinstance(view, SectionView) else None

    def showing(self) -> None:
        """Look again at what other programs may have changed."""
        self._shown = True
        _application().applicationStateChanged.connect(self._application_state)
        if self.section_list.currentRow() < 0:
            self.section_list.setCurrentRow(0)
        elif self.section is not None:
            self.section.showing()
        self._changes.read()

    def hiding(self) -> None:
        """Let the section in view give everything back."""
        self._shown = False
        _application().applicationStateChanged.disconnect(self._application_state)
        if self.section is not None:
            self.section.hiding()

    def take(self, what: object) -> None:
        """Show a section, by its key."""
        for row, section in enumerate(SECTIONS):
            if section.key == what:
                self.section_list.setCurrentRow(row)

    @Slot()
    def refresh(self) -> None:
        """Look anew at everything in view."""
        self._changes.read()
        if self.section is not None:
            self.section.refresh(asked=True)

    def commands(self) -> list[Command]:
        """What the section in view can do, and the way to each section."""
        here = self.section.commands() if self.section is not None else []
        ways = [Command(f"Settings: {section.title}", self._goer(section.key)) for section in SECTIONS]
        return [*here, Command("Look again", self.refresh, "F5"), *ways]

    def save_state(self) -> Json:
        return {"section": self.section.key if self.section is not None else SECTIONS[0].key}

    def restore_state(self, state: Mapping[str, object]) -> None:
        """Show the section that was in view."""
        known = [section.key for section in SECTIONS]
        key = state.get("section")
        self.take(key if key in known else known[0])

    def _goer(self, key: str) -> Callable[[], None]:
        return lambda: self.take(key)

    @Slot(int)
    def _show_row(self, row: int) -> None:
        before = self.section
        kind = SECTIONS[row]
        if kind.key not in self._views:
            view = SectionView(kind(self.session, self._changes, self), self._stack)
            self._views[kind.key] = view
            self._stack.addWidget(view)
        self._stack.setCurrentWidget(self._views[kind.key])
        if self._shown and self.section is not before:
            if before is not None:
                before.hiding()
            self._views[kind.key].section.showing()

    @Slot(Qt.ApplicationState)
    def _application_state(self, state: Qt.ApplicationState) -> None:
        """Look anew when a person comes back from another program."""
        if state is Qt.ApplicationState.ApplicationActive and self.section is not None:
            self._changes.read()
            self.section.refresh()


def _application() -> QApplication:
    running = QApplication.instance()
    assert isinstance(running, QApplication)  # who makes widgets has one
    return running

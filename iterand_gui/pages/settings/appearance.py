"""Appearance: light, dark, or as the system is."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Slot
from PySide6.QtWidgets import QButtonGroup, QRadioButton, QWidget

from iterand_gui.look.theme import ThemeChoice
from iterand_gui.pages.settings.changes import SettingChanges
from iterand_gui.pages.settings.section import Section
from iterand_gui.session.session import Session

_CHOICES = (
    (ThemeChoice.SYSTEM, "As the &system: light or dark, whichever the desktop is set to"),
    (ThemeChoice.LIGHT, "&Light"),
    (ThemeChoice.DARK, "&Dark"),
)


class AppearanceSection(Section):
    """Chooses the theme; it is remembered for all workspaces."""

    key = "appearance"
    title = "Appearance"
    icon = "palette"
    about = "How the window looks. This is yours and holds in every workspace."

    def __init__(self, session: Session, changes: SettingChanges, parent: QWidget) -> None:
        super().__init__(session, changes, parent)
        column = self.part("Theme")
        self._group = QButtonGroup(self)
        self.buttons: dict[str, QRadioButton] = {}
        for choice, text in _CHOICES:
            button = QRadioButton(text, self)
            self._group.addButton(button)
            self.buttons[choice] = button
            column.addWidget(button)
        self._group.buttonToggled.connect(self._toggled)
        session.actions.choose_theme.connect(self._mark)

    def showing(self) -> None:
        """Show what is chosen now."""
        super().showing()
        memory = self.session.memory
        if memory is not None:
            self._mark(memory.text("theme", ThemeChoice.SYSTEM))

    @Slot(QRadioButton, bool)
    def _toggled(self, button: QRadioButton, checked: bool) -> None:
        if checked:
            name = next(name for name, each in self.buttons.items() if each is button)
            self.session.actions.choose_theme.emit(name)

    @Slot(str)
    def _mark(self, name: str) -> None:
        if name in self.buttons:
            with QSignalBlocker(self._group):
                self.buttons[name].setChecked(True)

"""What a section of the Settings page is: a heading, what it is about, and its controls below each other.

A section that is not in view costs nothing: it looks at the machine, the disk or the store only between
`showing` and `hiding`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QScrollArea, QVBoxLayout, QWidget

from iterand_engine.machine.settings import Settings
from iterand_gui.look import theme
from iterand_gui.pages.settings.changes import SettingChanges, SettingRow
from iterand_gui.pages.settings.parts import Heading, Text
from iterand_gui.session.command import Command

if TYPE_CHECKING:
    from iterand_gui.session.session import Session

WIDEST_PX = 860  # lines longer than this are hard to read


class Section(QWidget):
    """One section. Subclasses say what it is, add to `column`, and override what they need."""

    key: ClassVar[str]
    title: ClassVar[str]
    icon: ClassVar[str]
    about: ClassVar[str]

    def __init__(self, session: Session, changes: SettingChanges, parent: QWidget) -> None:
        super().__init__(parent)
        self.session, self.changes = session, changes
        self.is_in_view = False
        self.setAccessibleName(f"{self.title} settings")
        self.setMaximumWidth(WIDEST_PX)
        changes.refused.connect(self.show_stored)
        session.settings_changed.connect(self.show_settings)
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(*[theme.SPACE_XL] * 4)
        self.column.setSpacing(theme.SPACE_L)
        self.column.addWidget(Heading(self.title, self, large=True))
        self.column.addWidget(Text(self.about, self, muted=True))

    def showing(self) -> None:
        """The section comes into view."""
        self.is_in_view = True
        self.show_stored()
        self.refresh()

    def hiding(self) -> None:
        """It went out of view: give every subscription back."""
        self.is_in_view = False
        for row in self.findChildren(SettingRow):
            row.note.clear()

    def refresh(self, *, asked: bool = False) -> None:
        """Look anew at what may have changed outside.

        Args:
            asked: by a person, who will wait for what takes long.
        """

    def show_settings(self, settings: Settings) -> None:
        """Show settings in the controls, without storing them."""

    def show_stored(self) -> None:
        """Show the workspace's settings in the controls."""
        self.show_settings(self.session.settings)

    def commands(self) -> list[Command]:
        """What can be done here, for the command palette."""
        return []

    def part(self, heading: str) -> QVBoxLayout:
        """A column below a smaller heading."""
        column = QVBoxLayout()
        column.setSpacing(theme.SPACE_S)
        column.addWidget(Heading(heading, self))
        self.column.addLayout(column)
        return column


class SectionView(QScrollArea):
    """A section that scrolls; what gets the keyboard comes into view."""

    def __init__(self, section: Section, parent: QWidget) -> None:
        super().__init__(parent)
        self.section = section
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setAccessibleName(section.title)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        holder = QWidget(self)
        # The row knows how wide the section becomes, and so how high its texts are; a column does not.
        row = QHBoxLayout()
        row.addWidget(section, 1000)
        row.addStretch(1)
        column = QVBoxLayout(holder)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(row)
        column.addStretch(1)
        self.setWidget(holder)

"""The rail at the left: one button for each page, with icon and word."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QFrame, QToolButton, QVBoxLayout, QWidget

from iterand_gui.look import theme
from iterand_gui.look.plain import plain
from iterand_gui.pages import PageEntry

_WIDTH_PX = 76


class Navigation(QFrame):
    """The buttons of the pages; `chosen` carries the key of the page whose button was pressed."""

    chosen = Signal(str)

    def __init__(self, pages: Sequence[PageEntry], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("navigation")
        self.setAccessibleName("Pages")
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.setFixedWidth(_WIDTH_PX)
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.SPACE_XS, theme.SPACE_S, theme.SPACE_XS, theme.SPACE_S)
        column.setSpacing(theme.SPACE_XS)
        self._buttons: dict[str, QToolButton] = {}
        for number, entry in enumerate(pages, start=1):
            button = QToolButton(self)
            button.setText(entry.title)
            button.setIcon(theme.icon(entry.icon))
            button.setIconSize(QSize(theme.ICON_LARGE_PX, theme.ICON_LARGE_PX))
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
            button.setCheckable(True)
            button.setAutoExclusive(True)
            button.setAutoRaise(True)
            button.setFixedWidth(_WIDTH_PX - 2 * theme.SPACE_XS)
            button.setToolTip(plain(f"{entry.title} (Ctrl+{number})"))
            button.setAccessibleName(f"{entry.title} page")
            button.clicked.connect(self._chooser(entry.key))
            self._buttons[entry.key] = button
            column.addWidget(button)
        column.addStretch(1)

    def mark(self, key: str) -> None:
        """Show which page is in view."""
        self._buttons[key].setChecked(True)

    def _chooser(self, key: str) -> Callable[[], None]:
        return lambda: self.chosen.emit(key)

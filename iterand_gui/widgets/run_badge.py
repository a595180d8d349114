"""The state of a run, as a word and an icon whose shape is its own."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtGui import QIcon, QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import QHBoxLayout, QLabel, QWidget

from iterand_gui.look import theme


class Picture(QWidget):
    """An icon that is drawn when it is painted, so that it follows the theme."""

    def __init__(self, parent: QWidget, icon: QIcon | None = None, size_px: int = theme.ICON_PX) -> None:
        super().__init__(parent)
        self._icon = icon
        self.setFixedSize(QSize(size_px, size_px))

    def show_icon(self, icon: QIcon) -> None:
        self._icon = icon
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 (Qt)
        if self._icon is not None:
            self._icon.paint(QPainter(self), self.rect())


class StateBadge(QWidget):
    """The state of one run."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._state = ""
        self._picture = Picture(self)
        self._word = QLabel(self)
        self._word.setTextFormat(theme.PLAIN)
        self._word.setFont(theme.title_font(self.font()))
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.SPACE_XS)
        row.addWidget(self._picture, 0, Qt.AlignmentFlag.AlignVCenter)
        row.addWidget(self._word)

    @property
    def word(self) -> str:
        """The state in a word."""
        return self._word.text()

    def show_state(self, state: str) -> None:
        """Show a state, by the value of `RunState`."""
        if state != self._state:
            self._state = state
            self._picture.show_icon(theme.state_icon(state))
            self._word.setText(theme.state_word(state))
            self.setAccessibleName(f"State: {theme.state_word(state)}")
            self._colour()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 (Qt)
        """Take the colour that the theme has for the state."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.ApplicationPaletteChange:
            self._colour()

    def _colour(self) -> None:
        if self._state:
            palette = QPalette(self._word.palette())
            palette.setColor(QPalette.ColorRole.WindowText, theme.state_colour(self._state))
            self._word.setPalette(palette)

"""Shows a sentence about an error, with the icon and the colour that errors have everywhere."""

from __future__ import annotations

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QHBoxLayout, QLabel, QWidget

from iterand_gui.look import theme


class ErrorLine(QWidget):
    """Shows one sentence; it is hidden while it has none."""

    def __init__(self, name: str, parent: QWidget) -> None:
        """Make a hidden line.

        Args:
            name: its name for screen readers.
            parent: of the widget.
        """
        super().__init__(parent)
        self._icon = QLabel(self)
        self._icon.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._icon.setAccessibleName("Error")
        self._text = QLabel(self, textFormat=theme.PLAIN, wordWrap=True)
        self._text.setTextInteractionFlags(theme.SELECTABLE)
        self._text.setAccessibleName(name)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.SPACE_XS)
        row.addWidget(self._icon)
        row.addWidget(self._text, 1)
        self._colour()
        self.hide()

    @property
    def text(self) -> str:
        return self._text.text()

    def say(self, sentence: str) -> None:
        """Show another sentence; an empty one hides the line."""
        if sentence != self._text.text():
            self._text.setText(sentence)
        self.setVisible(bool(sentence))

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Take the colour of the new theme."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._colour()

    def _colour(self) -> None:
        palette = self._text.palette()
        palette.setColor(QPalette.ColorRole.WindowText, theme.colour("bad"))
        self._text.setPalette(palette)
        self._icon.setPixmap(theme.message_icon("error").pixmap(theme.ICON_PX, theme.ICON_PX))

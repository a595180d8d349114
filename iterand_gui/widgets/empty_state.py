"""The widget for a place that has nothing to show: it says why, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from iterand_gui.look import theme
from iterand_gui.widgets.run_badge import Picture

_WIDEST_PX = 520


@dataclass(frozen=True)
class Offer:
    """A button: its text with the mnemonic, and what it does."""

    text: str
    run: Callable[[], object]


class EmptyState(QWidget):
    """An icon, a heading, a sentence and at most a few buttons, in the middle."""

    def __init__(self, icon: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._heading, self._text = QLabel(self), QLabel(self)
        self._heading.setFont(theme.title_font(self.font()))
        self._text.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        self._text.setWordWrap(True)
        for label in (self._heading, self._text):
            label.setTextFormat(theme.PLAIN)
            label.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self._buttons = QHBoxLayout()
        self._buttons.setSpacing(theme.SPACE_S)
        column = QVBoxLayout(self)
        column.setSpacing(theme.SPACE_S)
        column.addStretch(2)
        picture = Picture(self, theme.icon(icon, "muted"), theme.ICON_LARGE_PX)
        for widget in (picture, self._heading, self._text):
            column.addWidget(widget, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addSpacing(theme.SPACE_S)
        column.addLayout(self._buttons)
        column.addStretch(3)
        self._offers: tuple[Offer, ...] = ()

    @property
    def text(self) -> str:
        return f"{self._heading.text()}. {self._text.text()}".strip()

    def say(self, heading: str, text: str = "", offers: Sequence[Offer] = ()) -> None:
        """Show another heading, text and buttons.

        Args:
            heading: what is not there.
            text: why, and what to do; a sentence.
            offers: what can be done here.
        """
        self._heading.setText(heading)
        self._text.setText(text)
        self._text.setVisible(bool(text))
        self._fit()
        self.setAccessibleName(self.text)
        if tuple(offer.text for offer in offers) != tuple(offer.text for offer in self._offers):
            self._make_buttons(offers)
        self._offers = tuple(offers)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 (Qt)
        """Another font needs another room."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self._fit()

    def _fit(self) -> None:
        """Set the height of the text: Qt gives a centred text of several lines the room of one."""
        width = min(_WIDEST_PX, self._text.fontMetrics().horizontalAdvance(self._text.text()) + theme.SPACE_S)
        self._text.setFixedSize(width, max(0, self._text.heightForWidth(width)))  # -1 where it is empty

    def _make_buttons(self, offers: Sequence[Offer]) -> None:
        while (item := self._buttons.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        self._buttons.addStretch(1)
        for number, offer in enumerate(offers):
            button = QPushButton(offer.text, self)
            button.setProperty("number", number)
            button.clicked.connect(self._clicked)
            self._buttons.addWidget(button)
        self._buttons.addStretch(1)

    def _clicked(self) -> None:
        button = self.sender()
        if isinstance(button, QPushButton):
            self._offers[button.property("number")].run()

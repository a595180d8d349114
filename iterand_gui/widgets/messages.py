"""Messages that block nothing: a line with text, at most one button, and a way to close it.

Known errors and results appear here, never in a dialog. Plain text only, since texts hold users' names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from iterand_gui.look import theme

Level = Literal["info", "warning", "error"]
SHOWN_S = 8.0  # information goes by itself; warnings and errors stay until they are closed
AT_ONCE = 3  # older ones go when more come
_ICONS: dict[Level, str] = {"info": "info", "warning": "warning", "error": "error"}
_WORDS: dict[Level, str] = {"info": "Note", "warning": "Warning", "error": "Error"}


@dataclass(frozen=True)
class Message:
    """One sentence for the user; `action` is the button's text and what it does.

    Of messages about one `topic` only the newest is shown: what an older one offers has been done by then.
    """

    level: Level
    text: str
    action: tuple[str, Callable[[], object]] | None = None
    topic: object = None


class Messages(QObject):
    """Collects everything that the user should read; the shell shows it."""

    said = Signal(object)  # Message

    def say(
        self, text: str, action: tuple[str, Callable[[], object]] | None = None, topic: object = None
    ) -> None:
        """Report what was done; the line goes by itself. Of one `topic` only the newest stays."""
        self.said.emit(Message("info", text, action, topic))

    def warn(self, text: str, action: tuple[str, Callable[[], object]] | None = None) -> None:
        """Show what the user should look at; the line stays until it is closed."""
        self.said.emit(Message("warning", text, action))

    def error(self, text: str, action: tuple[str, Callable[[], object]] | None = None) -> None:
        """Show what went wrong and what to do; the line stays until it is closed."""
        self.said.emit(Message("error", text, action))


class MessageBar(QWidget):
    """Shows the newest messages, one line each, above the page."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Messages")
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(0)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)

    def show_message(self, message: Message) -> None:
        """Add a line; the same sentence is shown once, and of each topic the newest."""
        lines = self.lines()
        for line in lines:
            before = line.message
            if before.text == message.text or (before.topic is not None and before.topic == message.topic):
                line.go()
        for line in self.lines()[: max(0, len(lines) - AT_ONCE + 1)]:
            line.go()
        self._column.addWidget(MessageLine(message, self))

    def take_out(self, line: MessageLine) -> None:
        """Remove a line without deleting it."""
        self._column.removeWidget(line)

    def lines(self) -> list[MessageLine]:
        """The lines shown, oldest first."""
        items = (self._column.itemAt(at) for at in range(self._column.count()))
        widgets = [item.widget() for item in items if item is not None]
        return [widget for widget in widgets if isinstance(widget, MessageLine)]


class MessageLine(QFrame):
    """One message with its button."""

    def __init__(self, message: Message, bar: MessageBar) -> None:
        super().__init__(bar)
        self.message = message
        self._bar = bar
        self.setObjectName("messageLine")
        self.setProperty("level", message.level)
        self.setAccessibleName(f"{_WORDS[message.level]}: {message.text}")
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.setAutoFillBackground(True)
        self.setBackgroundRole(QPalette.ColorRole.Base)
        row = QHBoxLayout(self)
        row.setContentsMargins(theme.SPACE_M, theme.SPACE_S, theme.SPACE_S, theme.SPACE_S)
        row.setSpacing(theme.SPACE_S)
        picture = QLabel(self)
        picture.setPixmap(theme.message_icon(message.level).pixmap(theme.ICON_PX, theme.ICON_PX))
        row.addWidget(picture)
        text = QLabel(message.text, self)
        text.setTextFormat(theme.PLAIN)
        text.setWordWrap(True)
        text.setTextInteractionFlags(theme.SELECTABLE)
        row.addWidget(text, 1)
        if message.action is not None:
            button = QPushButton(message.action[0], self)
            button.setObjectName("messageAction")
            button.clicked.connect(self._act)
            row.addWidget(button)
        close = QToolButton(self)
        close.setIcon(theme.icon("close"))
        close.setAutoRaise(True)
        close.setAccessibleName("Close this message")
        close.clicked.connect(self.go)
        row.addWidget(close)
        if message.level == "info":
            QTimer.singleShot(round(SHOWN_S * 1000), self, self.go)

    def go(self) -> None:
        self._bar.take_out(self)
        self.hide()
        self.deleteLater()

    def _act(self) -> None:
        assert self.message.action is not None
        self.message.action[1]()
        self.go()

"""Small widgets that every section of the Settings page uses: texts, a note, a question in place.

Limits: all texts are plain text; colours come from roles of the palette, so that they follow the theme.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent, QPalette, QWheelEvent
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from iterand_gui.look import theme
from iterand_gui.widgets.run_badge import Picture

Tone = Literal["good", "busy", "warn", "bad"]
_SIGNS: dict[Tone, tuple[str, theme.Role]] = {
    "good": ("check-circle", "good"),
    "busy": ("hourglass-medium", "accent"),
    "warn": ("warning", "warn"),
    "bad": ("warning-octagon", "bad"),
}


class Text(QLabel):
    """A text of any length: wrapped, plain, and it can be copied."""

    def __init__(self, text: str, parent: QWidget, *, muted: bool = False) -> None:
        super().__init__(text, parent, textFormat=theme.PLAIN, wordWrap=True)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        if muted:
            self.setForegroundRole(QPalette.ColorRole.PlaceholderText)


class Heading(QLabel):
    """The heading of a part; `large` that of a section."""

    def __init__(self, text: str, parent: QWidget, *, large: bool = False) -> None:
        super().__init__(text, parent, textFormat=theme.PLAIN)
        font = theme.title_font(self.font())
        if large:
            font.setPointSizeF(font.pointSizeF() * 1.35)
        self.setFont(font)


class Note(QWidget):
    """A line below a control: what is wrong, or what was done, with one button at most. Hidden if empty."""

    acted = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._picture = Picture(self)
        self._text = Text("", self)
        self._button = QPushButton(self)
        self._button.clicked.connect(self.acted)
        self._text.setAlignment(Qt.AlignmentFlag.AlignVCenter)
        self._row = button_row([self._picture, self._text, self._button])
        self.setLayout(self._row)
        self.clear()

    @property
    def text(self) -> str:
        return self._text.text()

    @property
    def button(self) -> QPushButton:
        """The button; hidden where there is nothing to do."""
        return self._button

    def say(self, text: str, tone: Tone = "good", action: str = "") -> None:
        """Say something.

        Args:
            text: a sentence.
            tone: done, under way, to be looked at, or wrong.
            action: the button's text; empty for no button.
        """
        self._picture.show_icon(theme.icon(*_SIGNS[tone]))
        self._text.setText(text)
        role = QPalette.ColorRole.BrightText if tone == "bad" else QPalette.ColorRole.WindowText
        self._text.setForegroundRole(role)
        self._text.setWordWrap(not action)  # beside a button stand a few words
        for at, stretch in ((1, not action), (3, bool(action))):
            self._row.setStretch(at, int(stretch))
        self._button.setText(action)
        self._button.setVisible(bool(action))
        self.setAccessibleName(f"Error: {text}" if tone == "bad" else text)
        self.setVisible(bool(text))

    def clear(self) -> None:
        self.say("")


class Question(QFrame):
    """Asks in place, without a dialog: what will happen, a button that does it and one that does not.

    Escape is no. `body` takes what the person should see before, above the buttons.
    """

    agreed = Signal()
    declined = Signal()

    def __init__(self, yes: str, no: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.setAutoFillBackground(True)
        self.setBackgroundRole(QPalette.ColorRole.AlternateBase)
        self._text = Text("", self)
        self.yes = QPushButton(yes, self)
        self.no = QPushButton(no, self)
        self.yes.clicked.connect(self.agreed)
        self.no.clicked.connect(self._decline)
        self.body = QVBoxLayout()
        self.body.setSpacing(theme.SPACE_S)
        column = QVBoxLayout(self)
        column.setContentsMargins(*[theme.SPACE_M] * 4)
        column.setSpacing(theme.SPACE_M)
        column.addWidget(self._text)
        column.addLayout(self.body)
        column.addLayout(button_row([self.yes, self.no]))
        self.hide()

    @property
    def text(self) -> str:
        return self._text.text()

    def ask(self, text: str, yes: str) -> None:
        """Show the question and put the keyboard on the harmless answer.

        Args:
            text: what will happen.
            yes: the text of the button that does it.
        """
        self._text.setText(text)
        self.yes.setText(yes)
        self.setAccessibleName(text)
        if self.isHidden():
            self.show()
            self.no.setFocus()
            QTimer.singleShot(0, self, self._come_into_view)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        if event.key() == Qt.Key.Key_Escape:
            self._decline()
        else:
            super().keyPressEvent(event)

    def _come_into_view(self) -> None:
        around = self.parentWidget()
        while around is not None and not isinstance(around, QScrollArea):
            around = around.parentWidget()
        if around is not None:
            around.ensureWidgetVisible(self)

    def _decline(self) -> None:
        self.hide()
        self.declined.emit()


class ValueChoice(QComboBox):
    """Some values to choose from, each with its text; the wheel scrolls the page."""

    def __init__(self, choices: Sequence[tuple[str, str]], parent: QWidget) -> None:
        super().__init__(parent)
        for value, text in choices:
            self.addItem(text, value)

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802 - Qt's name
        """Leave it to the page."""
        event.ignore()


class Number(QSpinBox):
    """A whole number that counts once it was entered; the wheel scrolls the page."""

    def __init__(self, least: int, most: int, parent: QWidget) -> None:
        super().__init__(parent)
        self.setRange(least, most)
        self.setKeyboardTracking(False)
        self.setMinimumWidth(120)

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802 - Qt's name
        """Leave it to the page."""
        event.ignore()


def button_row(buttons: Sequence[QWidget]) -> QHBoxLayout:
    """Buttons side by side, as wide as they need."""
    row = QHBoxLayout()
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(theme.SPACE_S)
    for button in buttons:
        row.addWidget(button)
    row.addStretch(1)
    return row

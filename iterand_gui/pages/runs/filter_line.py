"""The line that filters the table: text and conditions, fields completed while they are typed.

A line that makes no filter changes nothing in the table; why is said once the typing pauses.
"""

from __future__ import annotations

from PySide6.QtCore import QSize, QStringListModel, Qt, QTimer, Signal
from PySide6.QtGui import QAction, QKeyEvent, QPalette
from PySide6.QtWidgets import QCompleter, QHBoxLayout, QLabel, QLineEdit, QListView, QSizePolicy, QWidget

from iterand_engine.errors import UserError
from iterand_engine.results.filters import Filter, parse
from iterand_gui.look import theme
from iterand_gui.pages.runs.completion import Completions
from iterand_gui.widgets.run_badge import Picture

APPLY_AFTER_MS = 60
REPORT_AFTER_MS = 600
_ROWS = 10  # of the list of completions


class FilterLine(QLineEdit):
    """Reports a filter when the text makes one, and what is wrong with it when it does not."""

    filter_changed = Signal(object)  # Filter
    problem_changed = Signal(str)  # a sentence; empty where all is well
    left = Signal()  # the keyboard is to go to the table

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.filter = Filter()
        self.applied = ""  # the text of that
        self.problem = ""
        self._completions: Completions | None = None
        self._word_at = 0
        self.setAccessibleName("Filter of the runs")
        self.setPlaceholderText("Filter: text, or conditions such as width>=0.5 method:iterand state:running")
        self.setToolTip(
            "Words look into names; conditions compare fields. Ctrl+Space lists the fields (Ctrl+F)"
        )
        self.setClearButtonEnabled(True)
        search = QAction(theme.icon("search", "muted"), "Filter", self)
        self.addAction(search, QLineEdit.ActionPosition.LeadingPosition)
        self._completer = QCompleter(QStringListModel(self), self)
        self._completer.setWidget(self)
        self._completer.setCompletionMode(QCompleter.CompletionMode.UnfilteredPopupCompletion)
        self._completer.setMaxVisibleItems(_ROWS)
        self._popup = QListView(self)
        self._popup.setAccessibleName("Fields and values")
        self._completer.setPopup(self._popup)
        self._completer.activated[str].connect(self._complete)  # type: ignore[index]
        self._apply_soon = QTimer(self, singleShot=True, interval=APPLY_AFTER_MS)
        self._apply_soon.timeout.connect(self._apply)
        self._report_soon = QTimer(self, singleShot=True, interval=REPORT_AFTER_MS)
        self._report_soon.timeout.connect(self._report)
        self.textChanged.connect(self._text_changed)
        self.textEdited.connect(self._offer)
        self.returnPressed.connect(self._settle)

    def set_text(self, text: str) -> None:
        """Filter by another text at once."""
        self.setText(text)
        self._settle()

    def forget_fields(self) -> None:
        """Look for the fields anew: an extension has changed."""
        self._completions = None

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Down goes to the table; Escape clears the line, and leaves it where it is clear."""
        if event.key() == Qt.Key.Key_Space and event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self._offer("", asked=True)
        elif event.key() == Qt.Key.Key_Down:
            self.left.emit()
        elif event.key() == Qt.Key.Key_Escape:
            if self.text():
                self.set_text("")
            else:
                self.left.emit()
        else:
            super().keyPressEvent(event)

    def _text_changed(self, _text: str) -> None:
        self._apply_soon.start()
        self._report_soon.start()

    def _settle(self) -> None:
        """Apply and say at once."""
        self._apply()
        self._report()

    def _apply(self) -> None:
        self._apply_soon.stop()
        try:
            wanted = parse(self.text())
        except UserError as error:
            self.problem = str(error)
            return
        self.problem, self.applied = "", self.text()
        self._report()
        if wanted != self.filter:
            self.filter = wanted
            self.filter_changed.emit(wanted)

    def _report(self) -> None:
        self._report_soon.stop()
        self.problem_changed.emit(self.problem)

    def _offer(self, _text: str, *, asked: bool = False) -> None:
        if self._completions is None:
            self._completions = Completions()
        before = self.text()[: self.cursorPosition()]
        self._word_at, offered = self._completions.for_text(before, asked=asked)
        if not offered:
            self._popup.hide()
            return
        model = self._completer.model()
        assert isinstance(model, QStringListModel)
        model.setStringList(offered)
        at = self.cursorRect()
        at.setLeft(at.left() - self.fontMetrics().horizontalAdvance(before[self._word_at :]))
        at.setSize(QSize(self._popup.sizeHintForColumn(0) + 2 * theme.SPACE_XL, at.height()))
        self._completer.complete(at)

    def _complete(self, word: str) -> None:
        cursor = self.cursorPosition()
        whole = self.text()
        ends = word[-1].isalnum()
        done = f"{whole[: self._word_at]}{word}{' ' if ends and not whole[cursor:] else ''}"
        self.setText(done + whole[cursor:])
        self.setCursorPosition(len(done))
        self._offer("")


class Problem(QWidget):
    """What is wrong with the filter, below it; hidden where nothing is."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._text = QLabel(self)
        self._text.setTextFormat(theme.PLAIN)
        self._text.setTextInteractionFlags(theme.SELECTABLE)
        self._text.setWordWrap(True)
        self._text.setForegroundRole(QPalette.ColorRole.BrightText)
        self._text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        row = QHBoxLayout(self)
        row.setContentsMargins(theme.SPACE_XS, 0, 0, 0)
        row.setSpacing(theme.SPACE_S)
        row.addWidget(Picture(self, theme.icon("error", "bad")), 0, Qt.AlignmentFlag.AlignTop)
        row.addWidget(self._text, 1)
        self.hide()

    @property
    def text(self) -> str:
        return self._text.text()

    def say(self, text: str) -> None:
        """Say a sentence, or with an empty one nothing."""
        self._text.setText(text)
        self.setAccessibleName(f"Error: {text}" if text else "")
        self.setVisible(bool(text))

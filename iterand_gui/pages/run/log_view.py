"""A view for many lines of plain text, added in batches; it follows the newest and forgets the oldest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from PySide6.QtCore import Signal
from PySide6.QtGui import QResizeEvent, QTextCursor, QTextDocument
from PySide6.QtWidgets import QPlainTextEdit, QWidget

from iterand_gui.look import theme

MOST_LINES: Final = 20_000
_LONGEST_LINE: Final = 4000  # what is longer makes the view slow


class LogView(QPlainTextEdit):
    """Shows lines; scrolling up ends following, scrolling to the end begins it again."""

    follow_changed = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._follow = True
        self._unfinished = False  # whether the last line will be written anew
        self._is_empty = True
        self.setReadOnly(True)
        self.setUndoRedoEnabled(False)
        self.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.setMaximumBlockCount(MOST_LINES)
        self.setFont(theme.fixed_font())
        self.setAccessibleName("Log")
        self.setTextInteractionFlags(theme.SELECTABLE)
        bar = self.verticalScrollBar()
        bar.actionTriggered.connect(self._scrolled)
        bar.sliderReleased.connect(self._scrolled)

    def set_follow(self, follow: bool) -> None:
        """Keep the newest lines in view, or stay."""
        if follow != self._follow:
            self._follow = follow
            self.follow_changed.emit(follow)
        if follow:
            self._go_to_end()

    def forget(self) -> None:
        self.clear()
        self._unfinished, self._is_empty = False, True

    def append(self, lines: Sequence[str], unfinished: str) -> None:
        """Add whole lines, and one that is being written, which the next call writes anew.

        Args:
            lines: without their ends.
            unfinished: empty for none.
        """
        kept = [line[:_LONGEST_LINE] for line in lines[-MOST_LINES:]]
        if not kept and not unfinished and not self._unfinished:
            return
        cursor = QTextCursor(self.document())
        cursor.beginEditBlock()
        if self._unfinished:
            self._remove_last(cursor)
        added = [*kept, unfinished[:_LONGEST_LINE]] if unfinished else kept
        if added:
            cursor.movePosition(QTextCursor.MoveOperation.End)
            text = "\n".join(added)
            cursor.insertText(text if self._is_empty else f"\n{text}")
            self._is_empty = False
        self._unfinished = bool(unfinished)
        cursor.endEditBlock()
        if self._follow:
            self._go_to_end()

    def count(self, wanted: str) -> int:
        """How often a text occurs, small and capital letters alike."""
        return self.toPlainText().casefold().count(wanted.casefold())

    def find_text(self, wanted: str, *, backwards: bool, from_here: bool = False) -> bool:
        """Mark the next place of a text, beginning anew at the end; following ends where one is found.

        Args:
            wanted: the text.
            backwards: the one before instead.
            from_here: the place that is marked now may be it, as while the text is being typed.
        """
        if not wanted:
            return False
        cursor = self.textCursor()
        if from_here:
            cursor.setPosition(cursor.selectionStart())
            self.setTextCursor(cursor)
        way = QTextDocument.FindFlag.FindBackward if backwards else QTextDocument.FindFlag(0)
        found = self.find(wanted, way)
        if not found:
            end = QTextCursor.MoveOperation.End if backwards else QTextCursor.MoveOperation.Start
            self.moveCursor(end)
            found = self.find(wanted, way)
        if found:
            self.set_follow(False)
        return found

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 (Qt)
        """Keep the newest lines in view."""
        super().resizeEvent(event)
        if self._follow:
            self._go_to_end()

    def _remove_last(self, cursor: QTextCursor) -> None:
        cursor.movePosition(QTextCursor.MoveOperation.End)
        cursor.movePosition(QTextCursor.MoveOperation.StartOfBlock, QTextCursor.MoveMode.KeepAnchor)
        cursor.removeSelectedText()
        cursor.deletePreviousChar()
        self._is_empty = self.document().isEmpty()
        self._unfinished = False

    def _go_to_end(self) -> None:
        bar = self.verticalScrollBar()
        bar.setValue(bar.maximum())

    def _scrolled(self, _action: int = 0) -> None:
        bar = self.verticalScrollBar()
        self.set_follow(bar.sliderPosition() >= bar.maximum())

"""Tags and notes in the side panel: written by a person, saved when the field is left.

Tags are those that all chosen runs have; a change adds or removes for all of them. Notes belong to one run.
"""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtGui import QFocusEvent, QPalette
from PySide6.QtWidgets import QLabel, QLineEdit, QPlainTextEdit, QVBoxLayout, QWidget

from iterand_gui.look import theme

_NOTES_LINES = 6


class LabelsPart(QWidget):
    """Fields for the tags and notes of the chosen runs."""

    tags_changed = Signal(object, object, object)  # run ids, tags to add, tags to remove: tuples of texts
    notes_changed = Signal(str, str)  # run id, text

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._ids: tuple[str, ...] = ()
        self._tags: tuple[str, ...] = ()
        self._noted: str | None = None
        self._notes_known: str | None = None  # as stored; None until they were read
        self.tags = QLineEdit(self)
        self.tags.setAccessibleName("Tags")
        self.tags.setPlaceholderText("Words with spaces between")
        self.tags.editingFinished.connect(self._save_tags)
        self.notes = _Notes(self)
        self.notes.setAccessibleName("Notes")
        self.notes.setTabChangesFocus(True)
        self.notes.setFixedHeight(_NOTES_LINES * self.fontMetrics().lineSpacing())
        self.notes.left.connect(self.save)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_XS)
        tags_title, self._notes_title = QLabel("&Tags", self), QLabel(self)
        tags_title.setBuddy(self.tags)
        self._notes_title.setBuddy(self.notes)
        for label in (tags_title, self._notes_title):
            label.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        column.addWidget(tags_title)
        column.addWidget(self.tags)
        column.addSpacing(theme.SPACE_S)
        column.addWidget(self._notes_title)
        column.addWidget(self.notes)

    def show_runs(self, ids: Sequence[str], tags: Sequence[str], noted: str | None, title: str) -> None:
        """Show other runs, or the same as they are now; what was being written of others is saved.

        Args:
            ids: of the runs.
            tags: those that all of them have.
            noted: the run whose notes are shown; None for no notes.
            title: of the notes, with its mnemonic.
        """
        if tuple(ids) != self._ids or noted != self._noted:
            self.save()
            self._notes_known = None
            self.notes.clear()
        if noted is None or self._notes_known is None:
            self.notes.setReadOnly(True)  # until they were read
        is_new = tuple(ids) != self._ids
        self._ids, self._noted = tuple(ids), noted
        if is_new or (tuple(tags) != self._tags and not self.tags.hasFocus()):
            self._tags = tuple(tags)
            self.tags.setText(" ".join(tags))
        self.notes.setVisible(noted is not None)
        self._notes_title.setVisible(noted is not None)
        self._notes_title.setText(title)

    def show_notes(self, run_id: str, text: str) -> None:
        """The notes of a run were read."""
        if run_id == self._noted and self._notes_known is None:
            self._notes_known = text
            self.notes.setPlainText(text)
            self.notes.setReadOnly(False)

    def save(self) -> None:
        self._save_tags()
        text = self.notes.toPlainText()
        if self._noted is not None and self._notes_known not in (None, text):
            self._notes_known = text
            self.notes_changed.emit(self._noted, text)

    def _save_tags(self) -> None:
        now = tuple(dict.fromkeys(self.tags.text().replace(",", " ").split()))
        added = tuple(tag for tag in now if tag not in self._tags)
        removed = tuple(tag for tag in self._tags if tag not in now)
        self._tags = now
        self.tags.setText(" ".join(now))
        if self._ids and (added or removed):
            self.tags_changed.emit(self._ids, added, removed)


class _Notes(QPlainTextEdit):
    """Reports when the keyboard leaves it."""

    left = Signal()

    def focusOutEvent(self, event: QFocusEvent) -> None:  # noqa: N802 - Qt's name
        super().focusOutEvent(event)
        self.left.emit()

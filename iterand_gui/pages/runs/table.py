"""The table of all runs: unfolds, keeps the chosen lines through every change, and answers to keys.

What is chosen is said as lines of the model; a selection that comes from elsewhere is shown by run id.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from PySide6.QtCore import (
    QItemSelection,
    QItemSelectionModel,
    QItemSelectionRange,
    QModelIndex,
    QPoint,
    Qt,
    Signal,
)
from PySide6.QtGui import QContextMenuEvent, QGuiApplication, QKeyEvent, QKeySequence
from PySide6.QtWidgets import QAbstractItemView, QTreeView, QWidget

from iterand_gui.look import theme
from iterand_gui.look.fusion import give_room
from iterand_gui.pages.runs.columns import TableHeader
from iterand_gui.pages.runs.delegates import LineDelegate, NameDelegate, StateDelegate
from iterand_gui.pages.runs.lines.columns import COLUMN, COLUMNS
from iterand_gui.pages.runs.lines.model import RunTableModel

_INDENT_PX = 14
MOST_SHOWN = 1000  # runs of a selection from elsewhere; more are not looked for line by line
_FLAGS = QItemSelectionModel.SelectionFlag
_DELEGATES = {"state": StateDelegate, "name": NameDelegate}


class RunTable(QTreeView):
    """Shows a `RunTableModel`."""

    choice_changed = Signal()  # by the user
    open_asked = Signal()
    delete_asked = Signal()
    menu_asked = Signal(QPoint)  # on the screen

    def __init__(self, model: RunTableModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._runs = model
        self._is_following = False
        self.setAccessibleName("Runs")
        self.setAccessibleDescription(
            "Return opens a run, Space unfolds a line, Delete moves runs to the trash."
        )
        give_room(self)
        self.setModel(model)
        self.setUniformRowHeights(True)
        self.setIndentation(_INDENT_PX)
        self.setAllColumnsShowFocus(True)
        self.setExpandsOnDoubleClick(False)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.setFont(theme.number_font(self.font()))
        self.setItemDelegate(LineDelegate(self))
        for key, delegate in _DELEGATES.items():
            self.setItemDelegateForColumn(COLUMN[key], delegate(self))
        self.columns = TableHeader(self)
        self.header().setMinimumHeight(theme.ROW_PX)
        self.setSortingEnabled(True)
        self.selectionModel().selectionChanged.connect(self._selection_changed)

    def chosen_lines(self) -> list[QModelIndex]:
        """The chosen lines, the current one last."""
        # By ranges: of thousands of lines, Qt would ask for each cell.
        parts: list[QItemSelectionRange] = list(self.selectionModel().selection())  # type: ignore[call-overload]
        lines = [
            self._runs.index(row, 0, part.parent())
            for part in parts
            for row in range(part.top(), part.bottom() + 1)
        ]
        current = self.currentIndex().internalId() if self.currentIndex().isValid() else None
        return sorted(lines, key=lambda line: line.internalId() == current)

    def choose_runs(self, run_ids: Collection[str]) -> None:
        """Choose the lines of runs instead, unless those chosen stand for them already.

        Args:
            run_ids: the last one is brought into view. Lines that hold others are chosen where all runs that
                they show are among these.
        """
        wanted = set(run_ids)
        if len(wanted) > MOST_SHOWN or self._stand_for(wanted):
            return
        lines: dict[int, QModelIndex] = {}
        last = QModelIndex()
        for run_id in run_ids:
            last = self._line_for(self._runs.index_of_run(run_id), wanted)
            if last.isValid():
                lines[last.internalId()] = last
        self._choose(lines.values(), last)

    def choose_something(self) -> None:
        """Choose the current line, or the first, where none is chosen."""
        selection, current = self.selectionModel(), self.currentIndex()
        if not selection.hasSelection():
            line = current if current.isValid() else self._runs.index(0, 0)
            selection.setCurrentIndex(line, _FLAGS.ClearAndSelect | _FLAGS.Rows)

    def unfold(self, *, everything: bool) -> None:
        """Unfold or fold every line at the top."""
        for row in range(self._runs.rowCount()):
            self.setExpanded(self._runs.index(row, 0), everything)

    def copy_text(self) -> str:
        """The chosen lines with their titles, for a spreadsheet."""
        columns = [COLUMN[key] for key in self.columns.shown]
        rows = [[COLUMNS[column].title for column in columns]]
        for line in sorted(self.chosen_lines(), key=lambda line: self.visualRect(line).top()):
            rows.append([str(line.siblingAtColumn(column).data() or "") for column in columns])
        return "\n".join("\t".join(row) for row in rows)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Return opens, Delete deletes, Space unfolds, Ctrl+C copies."""
        is_plain = not event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        if is_plain and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.open_asked.emit()
        elif is_plain and event.key() == Qt.Key.Key_Delete:
            self.delete_asked.emit()
        elif is_plain and event.key() == Qt.Key.Key_Space:
            line = self.currentIndex().siblingAtColumn(0)
            self.setExpanded(line, not self.isExpanded(line))
        elif event.matches(QKeySequence.StandardKey.Copy):
            QGuiApplication.clipboard().setText(self.copy_text())
        else:
            super().keyPressEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:  # noqa: N802 - Qt's name
        """Ask for the menu; by the keyboard it opens at the current line."""
        if event.reason() is QContextMenuEvent.Reason.Keyboard:
            at = self.visualRect(self.currentIndex()).bottomLeft()
            self.menu_asked.emit(self.viewport().mapToGlobal(at))
        else:
            self.menu_asked.emit(event.globalPos())

    def _stand_for(self, wanted: set[str]) -> bool:
        """Whether the chosen lines are those of these runs: none is foreign, and no run is missing."""
        found: set[str] = set()
        for line in self.chosen_lines():
            own = self._runs.run_ids([line])
            if wanted.isdisjoint(own):
                return False
            found.update(own)
        return all(run_id in found for run_id in wanted if self._runs.index_of_run(run_id).isValid())

    def _line_for(self, line: QModelIndex, wanted: set[str]) -> QModelIndex:
        """The outermost line that shows nothing but wanted runs."""
        above = line.parent()
        while above.isValid() and wanted.issuperset(self._runs.run_ids([above])):
            line, above = above, above.parent()
        return line

    def _choose(self, lines: Iterable[QModelIndex], last: QModelIndex) -> None:
        choice = QItemSelection()
        for line in lines:
            choice.select(line, line)
        self._is_following = True
        self.selectionModel().select(choice, _FLAGS.ClearAndSelect | _FLAGS.Rows)
        if last.isValid():
            self.selectionModel().setCurrentIndex(last, _FLAGS.NoUpdate)
            self.scrollTo(last)
        self._is_following = False

    def _selection_changed(self, _now: QItemSelection, _before: QItemSelection) -> None:
        if not self._is_following:
            self.choice_changed.emit()

"""The table of slots: state by icon and word, the reason in full, one or several can be chosen."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

from iterand_gui.look import theme
from iterand_gui.look.fusion import give_room
from iterand_gui.look.plain import plain
from iterand_gui.pages.settings.slot_lines import SlotLine

_COLUMNS = ("Device", "Slot", "State", "What it does, or why not")
_MOST_PX = 12 * theme.ROW_PX


class SlotTable(QTableWidget):
    """Shows slot lines; the choice is kept by slot, whatever changes."""

    chosen = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(0, len(_COLUMNS), parent)
        give_room(self)
        self._lines: list[SlotLine] = []
        self.setAccessibleName("Slots")
        self.setHorizontalHeaderLabels(_COLUMNS)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setTabKeyNavigation(False)  # Tab leaves the table
        self.setIconSize(QSize(theme.ICON_PX, theme.ICON_PX))
        self.setWordWrap(True)
        self.setShowGrid(False)
        self.setAlternatingRowColors(True)
        self.verticalHeader().hide()
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setSectionResizeMode(3, QHeaderView.ResizeMode.Stretch)
        for column, longest in enumerate(("GPU-00000000, NVIDIA A100-SXM4-80GB", "Slot", "Not started")):
            width = self.fontMetrics().horizontalAdvance(longest) + 2 * theme.SPACE_M
            header.resizeSection(column, width + (theme.ICON_PX if column == 2 else 0))
        self.itemSelectionChanged.connect(self.chosen)

    @property
    def lines(self) -> list[SlotLine]:
        return self._lines

    def chosen_lines(self) -> list[SlotLine]:
        """The lines that are chosen."""
        return [self._lines[index.row()] for index in self.selectionModel().selectedRows()]

    def show_lines(self, lines: Sequence[SlotLine]) -> None:
        if list(lines) == self._lines:
            return
        chosen = {line.key for line in self.chosen_lines()}
        self._lines = list(lines)
        self.setRowCount(len(lines))
        self.clearSelection()
        for row, line in enumerate(lines):
            texts = (line.device, str(line.key.position), line.word, line.why)
            cells = [QTableWidgetItem(text) for text in texts]
            cells[0].setToolTip(plain(line.key.device))
            cells[2].setIcon(theme.icon(line.icon, line.role))
            for column, cell in enumerate(cells):
                self.setItem(row, column, cell)
                cell.setSelected(line.key in chosen)
        self._fit()
        self.chosen.emit()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Give reasons as many lines as they need now."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        for row in range(self.rowCount()):
            self.setRowHeight(row, max(theme.ROW_PX, self.sizeHintForRow(row) + theme.SPACE_S))
        rows_px = sum(self.rowHeight(row) for row in range(self.rowCount()))
        wanted = self.horizontalHeader().sizeHint().height() + rows_px + 2 * self.frameWidth()
        self.setFixedHeight(min(wanted, _MOST_PX))

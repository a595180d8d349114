"""A plot's points as a table on the screen."""

from __future__ import annotations

from PySide6.QtWidgets import QTableView, QWidget

from iterand_gui.look import theme
from iterand_gui.look.fusion import give_room
from iterand_gui.plots.tables import PlotTableModel, Table

_ROWS_MEASURED = 50  # for the width of the columns
_LEAST_COLUMN_PX = 90


class PlotTable(QTableView):
    """Shows a table; when the same table grows, the visible rows stay in place."""

    def __init__(self, title: str, parent: QWidget) -> None:
        super().__init__(parent)
        give_room(self)
        self._model = PlotTableModel(self)
        self.setModel(self._model)
        self.setAccessibleName(f"{title}: table")
        self.setAlternatingRowColors(True)
        self.setFont(theme.number_font(self.font()))
        self.setTabKeyNavigation(False)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(theme.ROW_PX)
        self.horizontalHeader().setHighlightSections(False)
        self.horizontalHeader().setMinimumSectionSize(_LEAST_COLUMN_PX)
        self.horizontalHeader().setResizeContentsPrecision(_ROWS_MEASURED)
        self._model.modelReset.connect(self.resizeColumnsToContents)

    def show_table(self, table: Table) -> None:
        self._model.show_table(table)

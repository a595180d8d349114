"""A sortable table with a line a layer: weights, kept, flips, distance over chance, redrawn and kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from PySide6.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QSortFilterProxyModel,
    Qt,
    Signal,
)
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from iterand_engine.machine import texts
from iterand_gui.look import theme
from iterand_gui.look.fusion import give_room
from iterand_gui.look.plain import plain

Index = QModelIndex | QPersistentModelIndex
_TOP = QModelIndex()


@dataclass(frozen=True)
class LayerLine:
    """One layer; NaN is what is not known or not recorded yet.

    `kept` and `flips` are shares of the weights, `distance` is that of the masks over what chance gives,
    `redrawn` counts draws so far, `revived` is the share kept of those that were redrawn last.
    """

    name: str
    number: int
    weights: float
    kept: float
    flips: float
    distance: float
    redrawn: float
    revived: float


@dataclass(frozen=True)
class LayerColumn:
    """One column: its title, what it says, the number that it shows, and how."""

    title: str
    help: str
    value: Callable[[LayerLine], float]
    text: Callable[[float], str]


COLUMNS: Final = (
    LayerColumn("Layer", "Name of the weight, in the order of the network", lambda line: line.number, str),
    LayerColumn("Weights", "Weights that are kept or removed", lambda line: line.weights, texts.whole),
    LayerColumn("Kept", "Share of them that is kept now", lambda line: line.kept, texts.percent),
    LayerColumn(
        "Flips", "Share that changed sides since the look before", lambda line: line.flips, texts.percent
    ),
    LayerColumn(
        "Distance / chance",
        "Distance of the mask from the first one; 1 is what chance alone gives",
        lambda line: line.distance,
        lambda value: texts.MISSING if math.isnan(value) else f"{value:.3f}",
    ),
    LayerColumn("Redrawn", "Draws of removed weights so far", lambda line: line.redrawn, texts.count),
    LayerColumn(
        "Redrawn and kept",
        "Of the weights that were redrawn last, the share that was kept at the next redraw",
        lambda line: line.revived,
        texts.percent,
    ),
)


class LayerRole(IntEnum):
    """What the model gives beside texts."""

    SORT = Qt.ItemDataRole.UserRole + 1
    NAME = Qt.ItemDataRole.UserRole + 2


class LayerModel(QAbstractTableModel):
    """Lines for Qt's views."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.lines: tuple[LayerLine, ...] = ()

    def show_lines(self, lines: Sequence[LayerLine]) -> None:
        """Show other lines; the same layers with other values stay where they are."""
        before, self.lines = self.lines, tuple(lines)
        if [line.name for line in before] != [line.name for line in self.lines]:
            self.beginResetModel()
            self.endResetModel()
        elif before != self.lines:
            self.dataChanged.emit(self.index(0, 0), self.index(len(lines) - 1, len(COLUMNS) - 1))

    def rowCount(self, parent: Index = _TOP) -> int:  # noqa: N802 (Qt)
        return 0 if parent.isValid() else len(self.lines)

    def columnCount(self, parent: Index = _TOP) -> int:  # noqa: N802 (Qt)
        return 0 if parent.isValid() else len(COLUMNS)

    def headerData(  # noqa: N802 (Qt)
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> object:
        """Titles, and what they mean."""
        if orientation is not Qt.Orientation.Horizontal:
            return None
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return COLUMNS[section].title
            case Qt.ItemDataRole.ToolTipRole:
                return plain(COLUMNS[section].help)
            case Qt.ItemDataRole.TextAlignmentRole:
                return _side(section)
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """A cell as a reader wants it."""
        line, column = self.lines[index.row()], COLUMNS[index.column()]
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return line.name if index.column() == 0 else column.text(column.value(line))
            case Qt.ItemDataRole.TextAlignmentRole:
                return _side(index.column())
            case LayerRole.SORT:
                return column.value(line)
            case LayerRole.NAME:
                return line.name
        return None


class _Sorted(QSortFilterProxyModel):
    """Sorts by numbers; what is not known comes last either way."""

    def lessThan(self, left: Index, right: Index) -> bool:  # noqa: N802 (Qt)
        """Whether one cell comes before another."""
        one, other = float(left.data(LayerRole.SORT)), float(right.data(LayerRole.SORT))
        if math.isnan(one) or math.isnan(other):
            unknown_last = self.sortOrder() is Qt.SortOrder.AscendingOrder
            return math.isnan(other) and not math.isnan(one) if unknown_last else math.isnan(one)
        return one < other


class LayerTable(QTableView):
    """Shows layers; `chosen` reports the name of the one that has the keyboard or was clicked."""

    chosen = Signal(object)  # name of a layer

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        give_room(self)
        self._model = LayerModel(self)
        self._sorted = _Sorted(self)
        self._sorted.setSourceModel(self._model)
        self.setModel(self._sorted)
        self.setAccessibleName("Layers")
        self.setFont(theme.number_font(self.font()))
        self.setAlternatingRowColors(True)
        self.setShowGrid(False)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setTabKeyNavigation(False)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(theme.ROW_PX)
        self.setSortingEnabled(True)
        self.sort_by(0, descending=False)
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.selectionModel().currentRowChanged.connect(self._row_changed)

    def show_lines(self, lines: Sequence[LayerLine]) -> None:
        self._model.show_lines(lines)

    def names(self) -> list[str]:
        """The layers as they stand below each other."""
        return [
            str(self._sorted.index(row, 0).data(LayerRole.NAME)) for row in range(self._sorted.rowCount())
        ]

    def choose(self, name: str | None) -> None:
        rows = self.names()
        if name in rows:
            self.setCurrentIndex(self._sorted.index(rows.index(name), 0))

    @property
    def sorting(self) -> tuple[int, bool]:
        """The column that lines are sorted by, and whether the greatest come first."""
        header = self.horizontalHeader()
        return header.sortIndicatorSection(), header.sortIndicatorOrder() is Qt.SortOrder.DescendingOrder

    def sort_by(self, column: int, *, descending: bool) -> None:
        order = Qt.SortOrder.DescendingOrder if descending else Qt.SortOrder.AscendingOrder
        self.sortByColumn(column, order)

    def _row_changed(self, current: QModelIndex, _before: QModelIndex) -> None:
        if current.isValid():
            self.chosen.emit(current.data(LayerRole.NAME))


def _side(column: int) -> Qt.AlignmentFlag:
    side = Qt.AlignmentFlag.AlignLeft if column == 0 else Qt.AlignmentFlag.AlignRight
    return side | Qt.AlignmentFlag.AlignVCenter

"""The points of a plot as a table, for those who read rather than look, and for CSV files. No pyqtgraph.

A table has all points; cells are made when they are shown, so that a million rows cost nothing.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from iterand_engine.config.metrics import Unit
from iterand_gui.plots.reduction import Steps, Values
from iterand_gui.plots.x_axis import Positions, XAxis

Cell = int | float | str | np.float32 | None
Index = QModelIndex | QPersistentModelIndex
_TOP = QModelIndex()
_BLOCK_ROWS = 256
_CSV_ROWS = 500


@dataclass(frozen=True)
class PlotColumn:
    """A column's name and what its numbers are; None for texts."""

    name: str
    unit: Unit | None


class Table(Protocol):
    """Rows that can be read block by block."""

    @property
    def columns(self) -> tuple[PlotColumn, ...]:
        """Names and kinds of the columns, from left to right."""

    @property
    def row_count(self) -> int:
        """How many rows there are."""

    def rows(self, first: int, end: int) -> list[tuple[Cell, ...]]:
        """The rows from `first` to before `end`; None is an empty cell."""


@dataclass(frozen=True)
class PlainTable:
    """A table whose rows are all in memory."""

    columns: tuple[PlotColumn, ...]
    cells: tuple[tuple[Cell, ...], ...]

    @property
    def row_count(self) -> int:
        """How many rows there are."""
        return len(self.cells)

    def rows(self, first: int, end: int) -> list[tuple[Cell, ...]]:
        """The rows from `first` to before `end`."""
        return list(self.cells[first:end])


class SeriesTable:
    """Series side by side: a row for each step that any of them has, also where a series has a step twice.

    Args:
        series: name, steps (never falling) and values of each.
        unit: what the values are.
        positions: of the one run that all series are of, to show epochs and times too; None for several runs.
    """

    def __init__(
        self, series: Sequence[tuple[str, Steps, Values]], unit: Unit, positions: Positions | None = None
    ) -> None:
        self._positions = positions or Positions()
        self._axes = [axis for axis in (XAxis.EPOCH, XAxis.TIME) if self._positions.can(axis)]
        units = {
            XAxis.EPOCH: PlotColumn("Epoch", Unit.NUMBER),
            XAxis.TIME: PlotColumn("Training time", Unit.SECONDS),
        }
        names = [PlotColumn(name, unit) for name, _, _ in series]
        self.columns = (PlotColumn("Step", Unit.COUNT), *(units[axis] for axis in self._axes), *names)
        self._keys = [_row_keys(steps) for _, steps, _ in series]
        self._values = [values for _, _, values in series]
        self._rows = _union(self._keys)

    @property
    def row_count(self) -> int:
        """How many rows there are."""
        return len(self._rows)

    def rows(self, first: int, end: int) -> list[tuple[Cell, ...]]:
        """The rows from `first` to before `end`; None where a series has no point."""
        keys = self._rows[first:end]
        steps = keys // _SAME_STEP
        columns: list[list[Cell]] = [steps.tolist()]
        columns += [self._positions.places(axis, steps).tolist() for axis in self._axes]
        for own, values in zip(self._keys, self._values, strict=True):
            if not len(own):
                columns.append([None] * len(keys))
                continue
            places = np.minimum(np.searchsorted(own, keys), len(own) - 1)
            has = own[places] == keys
            columns.append(
                [value if there else None for value, there in zip(values[places], has, strict=True)]
            )
        return list(zip(*columns, strict=True))


class PlotTableModel(QAbstractTableModel):
    """A table for Qt's views."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._table: Table = PlainTable((), ())
        self._block: list[tuple[Cell, ...]] = []
        self._block_first = 0

    def show_table(self, table: Table) -> None:
        """Show another table, or the same one with more rows: then the visible rows stay in place."""
        grows = table.columns == self._table.columns and table.row_count >= self._table.row_count > 0
        if not grows:
            self.beginResetModel()
            self._table, self._block = table, []
            self.endResetModel()
            return
        before = self._table.row_count
        self._block = []
        if table.row_count == before:
            self._table = table
        else:
            self.beginInsertRows(QModelIndex(), before, table.row_count - 1)
            self._table = table
            self.endInsertRows()
        self.dataChanged.emit(self.index(0, 0), self.index(before - 1, len(table.columns) - 1))

    def rowCount(self, parent: Index = _TOP) -> int:  # noqa: N802 (Qt)
        return 0 if parent.isValid() else self._table.row_count

    def columnCount(self, parent: Index = _TOP) -> int:  # noqa: N802 (Qt)
        return 0 if parent.isValid() else len(self._table.columns)

    def headerData(  # noqa: N802 (Qt)
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> object:
        """Names of columns; numbers of rows."""
        if role == Qt.ItemDataRole.TextAlignmentRole and orientation == Qt.Orientation.Horizontal:
            return self._alignment(section)
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        return self._table.columns[section].name if orientation == Qt.Orientation.Horizontal else section + 1

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """The text of a cell, aligned as numbers or as text."""
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return self._alignment(index.column())
        if role not in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            return None
        cell = self._cell(index)
        if cell is None:
            return "no value" if role == Qt.ItemDataRole.AccessibleTextRole else ""
        unit = self._table.columns[index.column()].unit
        if isinstance(cell, str) or unit is None or not np.isfinite(cell):
            return str(cell)
        return unit.text(float(cell))

    def _alignment(self, column: int) -> Qt.AlignmentFlag:
        numbers = self._table.columns[column].unit is not None
        side = Qt.AlignmentFlag.AlignRight if numbers else Qt.AlignmentFlag.AlignLeft
        return side | Qt.AlignmentFlag.AlignVCenter

    def _cell(self, index: Index) -> Cell:
        row = index.row() - self._block_first
        if not 0 <= row < len(self._block):
            self._block_first = index.row() - index.row() % _BLOCK_ROWS
            self._block = self._table.rows(self._block_first, self._block_first + _BLOCK_ROWS)
            row = index.row() - self._block_first
        return self._block[row][index.column()]


def csv_parts(table: Table) -> Iterator[str]:
    """A table as CSV, a part at a time; numbers with all their digits, empty where there is no value."""
    yield _csv([[column.name for column in table.columns]])
    for first in range(0, table.row_count, _CSV_ROWS):
        rows = table.rows(first, first + _CSV_ROWS)
        yield _csv([["" if cell is None else str(cell) for cell in row] for row in rows])


def _csv(rows: Sequence[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


_SAME_STEP = 1 << 12  # so many points of a series may share a step


def _row_keys(steps: Steps) -> Steps:
    """Rising numbers that are equal for equal steps, but for points of one series that share a step."""
    keys = steps * _SAME_STEP
    if len(steps) > 1 and (np.diff(steps) == 0).any():
        nth = np.arange(len(steps)) - np.searchsorted(steps, steps)
        keys = keys + np.minimum(nth, _SAME_STEP - 1)
    return keys


def _union(each: Sequence[Steps]) -> Steps:
    if not each:
        return np.empty(0, np.int64)
    longest = max(each, key=len)
    if all(np.array_equal(keys, longest[: len(keys)]) for keys in each):
        return longest
    return np.unique(np.concatenate(each))

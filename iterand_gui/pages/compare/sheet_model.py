"""The sheet as a model for Qt's views: rows keep their identity by entry while values and order change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt, Signal

from iterand_gui.look import theme
from iterand_gui.look.plain import plain
from iterand_gui.pages.compare.sheet import NAME, ComparisonSheet, SheetCell

AnyIndex = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()


class SheetRole(IntEnum):
    """What the delegate asks for besides the text."""

    KEY = Qt.ItemDataRole.UserRole + 1  # of the entry
    SWATCH = Qt.ItemDataRole.UserRole + 2  # Swatch, or None
    PINNED = Qt.ItemDataRole.UserRole + 3  # bool: it is the baseline


@dataclass(frozen=True)
class Swatch:
    """The line that an entry has in the plot: whose colour, and its place in `legend.LINES`."""

    colour_key: str
    line: int


class SheetModel(QAbstractTableModel):
    """Shows sheets, one after the other."""

    columns_changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.sheet = ComparisonSheet((), {})
        self._keys: list[str] = []
        self._swatches: Mapping[str, Swatch] = {}
        self._sorted_by: tuple[str | None, bool] = (None, False)

    @property
    def keys(self) -> list[str]:
        """The entries in the order shown."""
        return self._keys

    @property
    def sorted_by(self) -> tuple[str | None, bool]:
        """The column by key, and whether it falls; None for the order of what differs."""
        return self._sorted_by

    def show_sheet(self, sheet: ComparisonSheet, swatches: Mapping[str, Swatch]) -> None:
        """Show another sheet; where it has the same rows and columns, only what changed is said."""
        column, descending = self._sorted_by
        keys = sheet.keys(column, descending=descending)
        same_columns = sheet.columns == self.sheet.columns
        if not same_columns or set(keys) != set(self._keys):
            self.beginResetModel()
            self.sheet, self._keys, self._swatches = sheet, keys, dict(swatches)
            self.endResetModel()
            if not same_columns:
                self.columns_changed.emit()
            return
        self.sheet, self._swatches = sheet, dict(swatches)
        self._reorder(keys)
        if keys:
            self.dataChanged.emit(self.index(0, 0), self.index(len(keys) - 1, len(sheet.columns) - 1))

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Order the rows by a column; by what differs for -1."""
        key = self.sheet.columns[column].key if 0 <= column < len(self.sheet.columns) else None
        self.order_by(key, descending=order == Qt.SortOrder.DescendingOrder)

    def order_by(self, key: str | None, *, descending: bool) -> None:
        """Order the rows by a column, which may still be to come, or by what differs."""
        self._sorted_by = key, descending
        self._reorder(self.sheet.keys(key, descending=descending))

    def row_of(self, key: str | None) -> int | None:
        return self._keys.index(key) if key in self._keys else None

    def _reorder(self, keys: list[str]) -> None:
        if keys == self._keys:
            return
        self.layoutAboutToBeChanged.emit()
        before = self.persistentIndexList()
        held = [self._keys[index.row()] for index in before]
        self._keys = keys
        after = [self.index(keys.index(key), i.column()) for key, i in zip(held, before, strict=True)]
        self.changePersistentIndexList(before, after)
        self.layoutChanged.emit()

    def rowCount(self, parent: AnyIndex = _ROOT) -> int:  # noqa: N802 (Qt)
        return 0 if parent.isValid() else len(self._keys)

    def columnCount(self, parent: AnyIndex = _ROOT) -> int:  # noqa: N802 (Qt)
        return 0 if parent.isValid() else len(self.sheet.columns)

    def headerData(  # noqa: N802 (Qt)
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> object:
        """Titles, and what each column is."""
        if orientation != Qt.Orientation.Horizontal or not 0 <= section < len(self.sheet.columns):
            return None
        column = self.sheet.columns[section]
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return column.title
            case Qt.ItemDataRole.ToolTipRole:
                return plain(column.help)
            case Qt.ItemDataRole.TextAlignmentRole:
                return _alignment(is_number=column.is_number)
        return None

    def data(self, index: AnyIndex, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Texts, and what the delegate draws."""
        key = self._keys[index.row()]
        cell, column = self.sheet.rows[key][index.column()], self.sheet.columns[index.column()]
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return cell.text
            case Qt.ItemDataRole.ToolTipRole:
                return plain(cell.text)
            case Qt.ItemDataRole.AccessibleTextRole:
                return self._spoken(key, cell, is_name=column.key == NAME)
            case Qt.ItemDataRole.TextAlignmentRole:
                return _alignment(is_number=column.is_number)
            case Qt.ItemDataRole.ForegroundRole if cell.warns:
                return theme.colour("warn")
            case Qt.ItemDataRole.DecorationRole if cell.warns:
                return theme.icon("warning", "warn")
            case SheetRole.KEY:
                return key
            case SheetRole.SWATCH:
                return self._swatches.get(key)
            case SheetRole.PINNED:
                return key == self.sheet.baseline
        return None

    def _spoken(self, key: str, cell: SheetCell, *, is_name: bool) -> str:
        pinned = ", the baseline" if is_name and key == self.sheet.baseline else ""
        return f"{cell.text}{pinned}" or "no value"


def _alignment(*, is_number: bool) -> Qt.AlignmentFlag:
    side = Qt.AlignmentFlag.AlignRight if is_number else Qt.AlignmentFlag.AlignLeft
    return side | Qt.AlignmentFlag.AlignVCenter

"""Small tables of texts, as the Configuration and Log tabs have them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, QSize, Qt
from PySide6.QtGui import QGuiApplication, QKeyEvent, QKeySequence, QPixmap
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from iterand_gui.look import theme
from iterand_gui.look.fusion import give_room
from iterand_gui.look.plain import plain

Index = QModelIndex | QPersistentModelIndex
_TOP = QModelIndex()
BLANK = "blank"  # an icon that only takes its room


@dataclass(frozen=True)
class TextCell:
    """A text; `strong` ones stand out by weight, `muted` ones step back; `icon` is one of the
    theme's or `BLANK`; `whole` is copied instead of the text."""

    text: str
    help: str = ""
    strong: bool = False
    muted: bool = False
    icon: str = ""
    role: theme.Role = "text"
    whole: str = ""


class TextModel(QAbstractTableModel):
    """Rows of texts for Qt's views."""

    def __init__(self, titles: Sequence[str], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._titles = tuple(titles)
        self.rows: tuple[tuple[TextCell, ...], ...] = ()
        self._blank = QPixmap(theme.ICON_PX, theme.ICON_PX)
        self._blank.fill(Qt.GlobalColor.transparent)

    def show_rows(self, rows: Sequence[Sequence[TextCell]], titles: Sequence[str] | None = None) -> None:
        """Show other rows; more of the same are added below."""
        new = tuple(tuple(row) for row in rows)
        named = self._titles if titles is None else tuple(titles)
        before = self.rows
        if new == before and named == self._titles:
            return
        if named == self._titles and before and new[: len(before)] == before:
            self.beginInsertRows(QModelIndex(), len(before), len(new) - 1)
            self.rows = new
            self.endInsertRows()
            return
        self.beginResetModel()
        self.rows, self._titles = new, named
        self.endResetModel()

    def rowCount(self, parent: Index = _TOP) -> int:  # noqa: N802 (Qt)
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: Index = _TOP) -> int:  # noqa: N802 (Qt)
        return 0 if parent.isValid() else len(self._titles)

    def headerData(  # noqa: N802 (Qt)
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> object:
        if orientation is Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return self._titles[section]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        cell = self.rows[index.row()][index.column()]
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return cell.text
            case Qt.ItemDataRole.ToolTipRole:
                return plain(cell.help) or None
            case Qt.ItemDataRole.FontRole if cell.strong:
                return theme.title_font()
            case Qt.ItemDataRole.ForegroundRole if cell.muted:
                return theme.colour("muted")
            case Qt.ItemDataRole.DecorationRole if cell.icon == BLANK:
                return self._blank
            case Qt.ItemDataRole.DecorationRole if cell.icon:
                return theme.icon(cell.icon, cell.role)
            case Qt.ItemDataRole.AccessibleTextRole:
                return f"{cell.text} ({cell.help})" if cell.strong and cell.help else cell.text
        return None


class TextTable(QTableView):
    """Shows rows of texts; the last column takes the room that is left. Ctrl+C copies what is marked."""

    def __init__(self, name: str, titles: Sequence[str], parent: QWidget) -> None:
        super().__init__(parent)
        give_room(self)
        self.text_model = TextModel(titles, self)
        self.setModel(self.text_model)
        self.setAccessibleName(name)
        self.setAlternatingRowColors(True)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setTabKeyNavigation(False)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setIconSize(QSize(theme.ICON_PX, theme.ICON_PX))
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(theme.ROW_PX)
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setStretchLastSection(True)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)

    def show_rows(self, rows: Sequence[Sequence[TextCell]], titles: Sequence[str] | None = None) -> None:
        """Show other rows; columns are made as wide as their texts when there were none before."""
        was_empty = not self.text_model.rows or titles is not None
        self.text_model.show_rows(rows, titles)
        if was_empty and rows:
            self.fit_columns()

    def fit_columns(self) -> None:
        """Make columns as wide as their texts, with a little room between."""
        for column in range(self.text_model.columnCount() - 1):
            self.resizeColumnToContents(column)
            self.setColumnWidth(column, self.columnWidth(column) + theme.SPACE_M)

    def texts(self) -> list[tuple[str, ...]]:
        """All texts, row by row."""
        return [tuple(cell.text for cell in row) for row in self.text_model.rows]

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 (Qt)
        """Copy the rows that are marked."""
        if event.matches(QKeySequence.StandardKey.Copy):
            rows = sorted({index.row() for index in self.selectionModel().selectedRows()})
            lines = ("\t".join(cell.whole or cell.text for cell in self.text_model.rows[row]) for row in rows)
            QGuiApplication.clipboard().setText("\n".join(lines))
        else:
            super().keyPressEvent(event)

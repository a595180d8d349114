"""The cells of a sweep as a grid: accuracy as mean and deviation, seeds, how each stands; it fills in live.

The axis with the fewest values runs across, the others run down. Limits: a sweep with one axis is a list.
"""

from __future__ import annotations

import itertools
from enum import IntEnum
from typing import Any

from PySide6.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QRect,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QGuiApplication, QKeyEvent, QKeySequence, QPainter, QPalette, QPen, QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QStyle, QStyledItemDelegate, QTableView, QWidget

from iterand_engine.machine import texts as shown
from iterand_engine.results.groups import Group
from iterand_engine.results.sweep_grid import CellPlace, Grid
from iterand_engine.store import RunState
from iterand_gui.look import theme
from iterand_gui.look.plain import plain
from iterand_gui.look.run_line import RunLine, line_of_group

AnyIndex = QModelIndex | QPersistentModelIndex
CELL_PX = (96, 48)
_WIDEST_PX = 160
NO_RUN = "no run"
_BAR_PX = 3
_TINT = (0.04, 0.32)  # shares of the accent, of the lowest and of the highest accuracy
_WRONG = ("diverged", "failed", "interrupted")
_ROOT = QModelIndex()


class CellRole(IntEnum):
    """What the delegate asks for besides the text."""

    COUNT = Qt.ItemDataRole.UserRole + 1  # `3`, `2 of 3, 1 diverged`
    STATE = Qt.ItemDataRole.UserRole + 2  # RunState; None where there is no run
    PROGRESS = Qt.ItemDataRole.UserRole + 3  # 0-1, or None
    TINT = Qt.ItemDataRole.UserRole + 4  # 0-1 among the accuracies of the grid, or None
    IS_BEST = Qt.ItemDataRole.UserRole + 5


class SweepGridModel(QAbstractTableModel):
    """The places of a grid in two directions."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._grid = Grid((), {}, ())
        self._across: int | None = None
        self._rows: list[CellPlace] = []  # values of the axes that run down
        self._lines: dict[CellPlace, RunLine] = {}
        self._best: CellPlace | None = None
        self._range = (0.0, 0.0)

    def show_grid(self, grid: Grid) -> None:
        """Show a sweep, another or as it stands now."""
        if grid.axes == self._grid.axes:
            self._take(grid)
            if self._rows:
                last = self.index(self.rowCount() - 1, self.columnCount() - 1)
                self.dataChanged.emit(self.index(0, 0), last)
            return
        self.beginResetModel()
        several = len(grid.axes) > 1
        self._across = min(range(len(grid.axes)), key=lambda axis: grid.shape[axis]) if several else None
        down = [range(count) for axis, count in enumerate(grid.shape) if axis != self._across]
        self._rows = list(itertools.product(*down)) if down else []
        self._take(grid)
        self.endResetModel()

    @property
    def best(self) -> QModelIndex:
        """The cell of the highest accuracy among those that have finished."""
        return _ROOT if self._best is None else self._index_of(self._best)

    def place(self, index: AnyIndex) -> CellPlace:
        """The place of a cell: an index for each axis."""
        inner = list(self._rows[index.row()])
        if self._across is not None:
            inner.insert(self._across, index.column())
        return tuple(inner)

    def group(self, index: AnyIndex) -> Group | None:
        """The runs of a cell."""
        return self._grid.cells.get(self.place(index)) if index.isValid() else None

    def words(self, index: AnyIndex) -> str:
        """Where a cell stands: `width 0.5, lr 0.1`."""
        place = self.place(index)
        return ", ".join(
            f"{axis.name} {axis.labels[at]}" for axis, at in zip(self._grid.axes, place, strict=True)
        )

    def rowCount(self, parent: AnyIndex = _ROOT) -> int:  # noqa: N802 - Qt's name
        """Combinations of the axes that run down."""
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: AnyIndex = _ROOT) -> int:  # noqa: N802 - Qt's name
        """Values of the axis that runs across."""
        if parent.isValid():
            return 0
        return 1 if self._across is None else self._grid.shape[self._across]

    def headerData(  # noqa: N802 - Qt's name
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """The values of the axes; with their names for those who hear or ask them, and where two run down."""
        match role:
            case Qt.ItemDataRole.TextAlignmentRole:
                return Qt.AlignmentFlag.AlignCenter
            case Qt.ItemDataRole.DisplayRole:
                return "\n".join(self._values(section, orientation, with_names=len(self._grid.axes) > 2))
            case Qt.ItemDataRole.AccessibleTextRole:
                return ", ".join(self._values(section, orientation, with_names=True))
            case Qt.ItemDataRole.ToolTipRole:
                return plain(", ".join(self._values(section, orientation, with_names=True)))
        return None

    @property
    def caption(self) -> str:
        """Which axis runs where: `lr down, width across`."""
        down = [axis.name for number, axis in enumerate(self._grid.axes) if number != self._across]
        across = [] if self._across is None else [f"{self._grid.axes[self._across].name} across"]
        return ", ".join([f"{' and '.join(down)} down", *across])

    def _values(self, section: int, orientation: Qt.Orientation, *, with_names: bool) -> list[str]:
        if orientation is Qt.Orientation.Vertical:
            axes = [axis for number, axis in enumerate(self._grid.axes) if number != self._across]
            values = zip(axes, self._rows[section], strict=True)
        elif self._across is None:
            return ["Validation accuracy"]
        else:
            values = zip([self._grid.axes[self._across]], [section], strict=True)
        return [f"{axis.name} {axis.labels[at]}" if with_names else axis.labels[at] for axis, at in values]

    def data(self, index: AnyIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        place = self.place(index)
        line = self._lines.get(place)
        if role == CellRole.IS_BEST:
            return place == self._best
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return self._sentence(index, line)
        if role == Qt.ItemDataRole.ToolTipRole:
            return plain(self._sentence(index, line))
        if line is None:
            return NO_RUN if role == Qt.ItemDataRole.DisplayRole else None
        match role:
            case Qt.ItemDataRole.DisplayRole:
                known = line.accuracy.mean is not None
                return _accuracy(line) if known else theme.state_word(line.state)
            case CellRole.COUNT:
                return _count(line)
            case CellRole.STATE:
                return line.state
            case CellRole.PROGRESS:
                return line.progress
            case CellRole.TINT:
                return self._tint(line)
        return None

    def _sentence(self, index: AnyIndex, line: RunLine | None) -> str:
        where = self.words(index)
        if line is None:
            return f"{where}: {NO_RUN}"
        said = [_accuracy(line)] if line.accuracy.mean is not None else []
        said += ["so far"] if said and line.is_preliminary else []
        said += [f"{line.n_text} finished" if line.n else theme.state_word(line.state).lower()]
        said += ["the best cell"] if self.place(index) == self._best else []
        return f"{where}: {', '.join(said)}"

    def _tint(self, line: RunLine) -> float | None:
        low, high = self._range
        if line.accuracy.mean is None or line.is_preliminary:
            return None
        return (line.accuracy.mean - low) / (high - low) if high > low else 1.0

    def _take(self, grid: Grid) -> None:
        self._grid = grid
        self._lines = {place: line_of_group(group) for place, group in grid.cells.items()}
        found = {place: line.accuracy.mean for place, line in self._lines.items() if not line.is_preliminary}
        known = {place: mean for place, mean in found.items() if mean is not None}
        self._best = max(known, key=lambda place: known[place], default=None)
        self._range = (min(known.values()), max(known.values())) if known else (0.0, 0.0)

    def _index_of(self, place: CellPlace) -> QModelIndex:
        down = tuple(at for axis, at in enumerate(place) if axis != self._across)
        return self.index(self._rows.index(down), 0 if self._across is None else place[self._across])


class SweepGrid(QTableView):
    """Shows a sweep; the current cell is said, Return opens its newest run."""

    cell_chosen = Signal(object)  # Group, or None where a cell has no run
    open_asked = Signal(object)  # Group

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._cells = SweepGridModel(self)
        self._axes: object = None
        self.setAccessibleName("Grid of the sweep")
        self.setModel(self._cells)
        self.setItemDelegate(_CellDelegate(self))
        self.setFont(theme.number_font(self.font()))
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setTabKeyNavigation(False)
        self.setCornerButtonEnabled(False)
        self.setShowGrid(False)
        for header, px in ((self.horizontalHeader(), CELL_PX[0]), (self.verticalHeader(), CELL_PX[1])):
            header.setDefaultSectionSize(px)
            header.setHighlightSections(False)
        self.horizontalHeader().setStretchLastSection(False)
        self.selectionModel().currentChanged.connect(self._current_changed)
        self.doubleClicked.connect(self._open)

    def show_grid(self, grid: Grid) -> None:
        """Show a sweep; of another one its best cell becomes the current one."""
        self._cells.show_grid(grid)
        if grid.axes != self._axes:
            self._axes = grid.axes
            self.updateGeometry()
            first = self._cells.best if self._cells.best.isValid() else self._cells.index(0, 0)
            self.setCurrentIndex(first)

    def forget(self) -> None:
        """The next sweep shown is another one."""
        self._axes = None

    @property
    def group(self) -> Group | None:
        """The runs of the current cell."""
        return self._cells.group(self.currentIndex())

    @property
    def words(self) -> str:
        """Where the current cell stands."""
        return self._cells.words(self.currentIndex()) if self.currentIndex().isValid() else ""

    @property
    def caption(self) -> str:
        return self._cells.caption

    def copy_text(self) -> str:
        """The whole grid for a spreadsheet."""
        model, across, down = self._cells, Qt.Orientation.Horizontal, Qt.Orientation.Vertical
        columns = range(model.columnCount())
        whole = Qt.ItemDataRole.AccessibleTextRole
        rows = [["", *(str(model.headerData(at, across, whole)) for at in columns)]]
        for row in range(model.rowCount()):
            title = str(model.headerData(row, down, whole))
            rows.append([title, *(str(model.index(row, at).data()) for at in columns)])
        return "\n".join("\t".join(row) for row in rows)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """All of it, as far as a panel has room."""
        frame = 2 * self.frameWidth()
        high = self.horizontalHeader().sizeHint().height() + self._cells.rowCount() * CELL_PX[1] + frame
        wide = self.verticalHeader().sizeHint().width() + self._cells.columnCount() * CELL_PX[0] + frame
        bar = self.horizontalScrollBar().sizeHint().height() if wide > self.width() else 0
        return QSize(wide, high + bar)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Let the cells share the room that there is."""
        super().resizeEvent(event)
        columns = self._cells.columnCount()
        if columns:
            wide = max(CELL_PX[0], min(_WIDEST_PX, self.viewport().width() // columns))
            self.horizontalHeader().setDefaultSectionSize(wide)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Return opens the cell's newest run; Ctrl+C copies the grid."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._open(self.currentIndex())
        elif event.matches(QKeySequence.StandardKey.Copy):
            QGuiApplication.clipboard().setText(self.copy_text())
        else:
            super().keyPressEvent(event)

    def _current_changed(self, now: QModelIndex, _before: QModelIndex) -> None:
        self.cell_chosen.emit(self._cells.group(now))

    def _open(self, index: QModelIndex) -> None:
        group = self._cells.group(index)
        if group is not None:
            self.open_asked.emit(group)


class _CellDelegate(QStyledItemDelegate):
    """Accuracy above, seeds below; the better, the more colour, and the best one framed."""

    def paint(self, painter: QPainter, option: Any, index: AnyIndex) -> None:
        area: QRect = option.rect.adjusted(1, 1, -1, -1)
        palette: QPalette = option.palette
        selected = bool(option.state & QStyle.StateFlag.State_Selected)
        base = palette.color(QPalette.ColorRole.Base)
        tint = index.data(CellRole.TINT)
        share = 0.0 if tint is None else _TINT[0] + tint * (_TINT[1] - _TINT[0])
        painter.save()
        painter.setClipRect(option.rect)
        painter.fillRect(area, theme.mixed(theme.colour("accent"), base, share))
        self._draw_text(painter, area, option.font, index)
        progress = index.data(CellRole.PROGRESS)
        if progress is not None:
            full = QRect(area.left(), area.bottom() - _BAR_PX + 1, round(area.width() * progress), _BAR_PX)
            painter.fillRect(full, theme.colour("accent"))
        if selected or index.data(CellRole.IS_BEST):
            painter.setPen(QPen(theme.colour("accent"), 2 if selected else 1))
            painter.drawRect(area.adjusted(1, 1, -1, -1) if selected else area.adjusted(0, 0, -1, -1))
        painter.restore()

    def _draw_text(self, painter: QPainter, area: QRect, font: Any, index: AnyIndex) -> None:
        count, state = index.data(CellRole.COUNT), index.data(CellRole.STATE)
        upper = area.adjusted(theme.SPACE_XS, theme.SPACE_XS, -theme.SPACE_XS, -area.height() // 2)
        lower = area.adjusted(theme.SPACE_XS, area.height() // 2, -theme.SPACE_XS, -theme.SPACE_XS)
        waits = state is None or state is RunState.QUEUED
        painter.setFont(theme.title_font(font) if index.data(CellRole.IS_BEST) else font)
        painter.setPen(theme.colour("muted" if waits or index.data(CellRole.TINT) is None else "text"))
        painter.drawText(upper if count else area, Qt.AlignmentFlag.AlignCenter, str(index.data()))
        if count:
            painter.setFont(font)
            painter.setPen(theme.colour("muted"))
            said = painter.fontMetrics().elidedText(count, Qt.TextElideMode.ElideRight, lower.width())
            painter.drawText(lower, Qt.AlignmentFlag.AlignCenter, said)


def _accuracy(line: RunLine) -> str:
    return shown.percent_spread(line.accuracy.mean, line.accuracy.deviation).removesuffix(" %")


def _count(line: RunLine) -> str:
    """How many seeds have finished, and what went wrong with others: `n 3`, `1 of 3, 1 diverged`."""
    if line.n_text.isdigit():
        return f"n {line.n_text}"
    whole, *others = line.n_text.split(", ")
    return ", ".join((whole, *(other for other in others if other.endswith(_WRONG))))

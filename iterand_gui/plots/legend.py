"""The legend of a plot: names of curves, their lines, and their values at the crosshair."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from PySide6.QtCore import (
    QAbstractListModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QPointF,
    QRect,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QColor, QFontMetrics, QPainter, QPalette, QPen, QResizeEvent
from PySide6.QtWidgets import QFrame, QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from iterand_gui.look import theme
from iterand_gui.look.plain import plain
from iterand_gui.plots.fitted_names import fitted_names

Index = QModelIndex | QPersistentModelIndex
_TOP = QModelIndex()
_SWATCH_PX = 22
_NAME_PX = 340  # longer names are cut; the tooltip has them whole
_ROWS_ABOVE = 2
_SIDE_PX = (100, 340)  # width of a column of names
_SIDE_SHARE = 0.4  # of the plot
_ANY_PX = 16_777_215  # what Qt takes for no limit
LINES = (Qt.PenStyle.SolidLine, Qt.PenStyle.DashLine, Qt.PenStyle.DotLine, Qt.PenStyle.DashDotLine)


def lines_apart(colour_numbers: Iterable[int]) -> Iterator[int]:
    """A line for each curve: the first of a colour is solid, the next dashed, and so on."""
    used: Counter[int] = Counter()
    for number in colour_numbers:
        yield used[number] % len(LINES)
        used[number] += 1


class LegendRole(IntEnum):
    """The data that the model returns beside names."""

    ENTRY = Qt.ItemDataRole.UserRole + 1


@dataclass(frozen=True)
class LegendEntry:
    """One curve: its key in the plot, name, colour, line (its place in `LINES`) and value as text."""

    key: str
    name: str
    colour: QColor
    line: int
    value: str


def _place(entry: LegendEntry) -> tuple[str, str]:
    """The parts of an entry that its place in the layout depends on."""
    return entry.key, entry.name


class LegendModel(QAbstractListModel):
    """The entries of a legend as a list model; `LegendRole` gives what stands beside names."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.entries: tuple[LegendEntry, ...] = ()

    def show_entries(self, entries: Sequence[LegendEntry]) -> None:
        """Show other entries; entries whose values alone differ stay in place."""
        before, self.entries = self.entries, tuple(entries)
        if self.entries == before:
            return
        if [_place(entry) for entry in before] == [_place(entry) for entry in self.entries]:
            self.dataChanged.emit(self.index(0), self.index(len(self.entries) - 1))
            return
        self.beginResetModel()
        self.endResetModel()

    def rowCount(self, parent: Index = _TOP) -> int:  # noqa: N802 (Qt)
        return 0 if parent.isValid() else len(self.entries)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Names, and whole entries for the delegate."""
        entry = self.entries[index.row()]
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return entry.name
            case Qt.ItemDataRole.ToolTipRole:
                return plain(entry.name)
            case Qt.ItemDataRole.AccessibleTextRole:
                return f"{entry.name}: {entry.value or 'no value'}"
            case LegendRole.ENTRY:
                return entry
        return None


class LegendView(QListView):
    """Shows entries in a line or two above a plot, or in a column beside it."""

    picked = Signal(object)  # key of the curve that is to stand out, str; None for all alike

    def __init__(self, model: LegendModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setModel(model)
        self.setItemDelegate(LegendDelegate(self))
        self.setAccessibleName("Legend")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setEditTriggers(QListView.EditTrigger.NoEditTriggers)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.viewport().setAutoFillBackground(False)
        self.clicked.connect(self._pick)
        self.activated.connect(self._pick)
        model.modelReset.connect(self._fit)
        self.is_beside = False
        self._room_px = 0
        self._seen: tuple[tuple[LegendEntry, ...], int, str] = ((), 0, "")
        self._fitted: tuple[object, dict[str, str]] = (None, {})  # for which names and room, and the texts
        self.place(beside=False)

    def place(self, *, beside: bool) -> None:
        """Place the legend beside the plot or above it."""
        self.is_beside = beside
        self.setFlow(QListView.Flow.TopToBottom if beside else QListView.Flow.LeftToRight)
        self.setWrapping(not beside)
        self._fit()

    def pick(self, key: str | None) -> None:
        """Mark the entry of a curve, or none."""
        model = self.model()
        assert isinstance(model, LegendModel)
        row = next((n for n, entry in enumerate(model.entries) if entry.key == key), None)
        if row is None:
            self.clearSelection()
        else:
            self.setCurrentIndex(model.index(row))

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 (Qt)
        """Set the number of lines that the width needs."""
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self._fit()

    def set_room(self, width: int) -> None:
        """Set the width of the plot; a column takes at most a share of it."""
        if width != self._room_px:
            self._room_px = width
            self._fit()

    def name_text(self, name: str) -> str:
        """A name cut to the room for it; no two names read the same."""
        model = self.model()
        assert isinstance(model, LegendModel)
        seen = model.entries, self.viewport().width(), self.font().key()
        if self._seen[0] is not seen[0] or self._seen[1:] != seen[1:]:
            self._seen = seen
            self._fit_names(model.entries)
        return self._fitted[1].get(name, name)

    def _fit_names(self, entries: Sequence[LegendEntry]) -> None:
        """Cut names beside the widest value; values change far more often than the room they leave."""
        metrics = QFontMetrics(theme.number_font(self.font()))
        value_px = max((metrics.horizontalAdvance(entry.value) for entry in entries), default=0)
        taken = _SWATCH_PX + value_px + 2 * theme.SPACE_XS + theme.SPACE_M + theme.SPACE_S
        room = min(_NAME_PX, self.viewport().width() - taken)
        names = tuple(entry.name for entry in entries)
        made_for = names, room, self.font().key()
        if self._fitted[0] != made_for:
            self._fitted = made_for, fitted_names(names, metrics, room)

    def _fit(self) -> None:
        rows = self.model().rowCount()
        widths = [self.sizeHintForIndex(self.model().index(n, 0)).width() for n in range(rows)]
        if self.is_beside:
            least, most = _SIDE_PX
            wanted = max(widths, default=0) + self.verticalScrollBar().sizeHint().width()
            self.setFixedWidth(max(least, min(wanted, most, round(_SIDE_SHARE * self._room_px))))
            self.setMinimumHeight(0)
            self.setMaximumHeight(_ANY_PX)
            return
        self.setMinimumWidth(0)
        self.setMaximumWidth(_ANY_PX)
        # Not of the viewport: a scroll bar that comes for a moment would change the lines, and go again.
        lines, left = 1, self.width()
        for width in widths:
            if width > left and left < self.width():
                lines, left = lines + 1, self.width()
            left -= width
        self.setFixedHeight(_row_height(self.fontMetrics()) * min(lines, _ROWS_ABOVE) if rows else 0)

    def _pick(self, index: QModelIndex) -> None:
        entry = index.data(LegendRole.ENTRY)
        self.picked.emit(entry.key if isinstance(entry, LegendEntry) else None)


class LegendDelegate(QStyledItemDelegate):
    """Draws a piece of the line, the name and the value; there is room for values to change in place."""

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:  # noqa: N802 (Qt)
        """Room for the name and the widest value."""
        metrics = option.fontMetrics
        entry = index.data(LegendRole.ENTRY)
        name = min(_NAME_PX, metrics.horizontalAdvance(entry.name))
        value = max(metrics.horizontalAdvance(entry.value), metrics.horizontalAdvance("100.00 %"))
        width = _SWATCH_PX + name + value + 2 * theme.SPACE_S + theme.SPACE_L
        return QSize(width, _row_height(metrics))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        entry = index.data(LegendRole.ENTRY)
        rect: QRect = option.rect
        palette: QPalette = option.palette
        state: QStyle.StateFlag = option.state
        painter.save()
        if state & QStyle.StateFlag.State_Selected:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(QPen(palette.color(QPalette.ColorRole.Accent), 1))
            painter.setBrush(palette.color(QPalette.ColorRole.AlternateBase))
            painter.drawRoundedRect(rect.adjusted(0, 1, -theme.SPACE_S, -2), 4, 4)
        inner = rect.adjusted(theme.SPACE_XS, 0, -theme.SPACE_M, 0)
        paint_swatch(painter, entry, inner)
        painter.setFont(theme.number_font(option.font))
        metrics = painter.fontMetrics()
        text = inner.adjusted(_SWATCH_PX + theme.SPACE_XS, 0, 0, 0)
        painter.setPen(palette.color(QPalette.ColorRole.Text))
        view = self.parent()
        assert isinstance(view, LegendView)
        name = view.name_text(entry.name)
        painter.drawText(text, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, name)
        painter.setPen(palette.color(QPalette.ColorRole.PlaceholderText))
        value_at = text.adjusted(metrics.horizontalAdvance(name) + theme.SPACE_S, 0, 0, 0)
        side = Qt.AlignmentFlag.AlignRight if view.is_beside else Qt.AlignmentFlag.AlignLeft
        painter.drawText(value_at, side | Qt.AlignmentFlag.AlignVCenter, entry.value)
        painter.restore()


def paint_swatch(painter: QPainter, entry: LegendEntry, rect: QRect) -> None:
    """Draw a piece of an entry's line at the left of a rectangle."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(entry.colour, 2, LINES[entry.line], Qt.PenCapStyle.FlatCap))
    y = rect.center().y() + 0.5
    painter.drawLine(QPointF(rect.left(), y), QPointF(rect.left() + _SWATCH_PX, y))


def paint_names(painter: QPainter, entries: Sequence[LegendEntry], text: QColor, width: int) -> int:
    """Draw names in lines of a width, for a file; returns the height that they take."""
    metrics = painter.fontMetrics()
    row = _row_height(metrics)
    x, y = 0, 0
    for entry in entries:
        name_at = _SWATCH_PX + theme.SPACE_XS
        needs = name_at + metrics.horizontalAdvance(entry.name)
        if x and x + needs > width:
            x, y = 0, y + row
        paint_swatch(painter, entry, QRect(x, y, needs, row))
        painter.setPen(text)
        painter.drawText(QRect(x + name_at, y, needs, row), Qt.AlignmentFlag.AlignVCenter, entry.name)
        x += needs + theme.SPACE_L
    return y + row if entries else 0


def _row_height(metrics: QFontMetrics) -> int:
    return metrics.height() + theme.SPACE_XS

"""How cells of the run table are drawn beyond text: progress below a state, the cells of a sweep as squares.

Signs differ in shape as well as in colour: full is finished, half is trained, empty waits, crossed out went
wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import (
    QEvent,
    QModelIndex,
    QPersistentModelIndex,
    QPointF,
    QRect,
    QRectF,
    QSize,
    QSizeF,
    Qt,
)
from PySide6.QtGui import QColor, QHelpEvent, QPainter, QPalette, QPen
from PySide6.QtWidgets import QAbstractItemView, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QToolTip

from iterand_engine.store import RunState
from iterand_gui.look import theme
from iterand_gui.look.fusion import SIDES_PX
from iterand_gui.look.run_line import LineKind
from iterand_gui.pages.runs.lines.roles import LineRole

AnyIndex = QModelIndex | QPersistentModelIndex
BAR_PX = 3
_SIZES = ((8, 3, 1), (8, 3, 2), (6, 2, 2), (4, 2, 3), (3, 1, 4))  # of squares: side and gap in pixels, rows
_WRONG = (RunState.DIVERGED, RunState.FAILED)


class LineDelegate(QStyledItemDelegate):
    """Lines of one height."""

    def sizeHint(self, option: QStyleOptionViewItem, index: AnyIndex) -> QSize:  # noqa: N802 - Qt's name
        """As wide as the text, as high as every line."""
        return QSize(super().sizeHint(option, index).width(), theme.ROW_PX)

    def helpEvent(  # noqa: N802 - Qt's name
        self,
        event: QHelpEvent,
        view: QAbstractItemView,
        option: QStyleOptionViewItem,
        index: AnyIndex,
    ) -> bool:
        """Show the whole text where the cell does not."""
        whole = str(index.data(Qt.ItemDataRole.ToolTipRole) or "")
        is_cut = super().sizeHint(option, index).width() > _rect(option).width() or _differing_cells(index)
        is_short = is_cut or whole != str(index.data() or "")
        said = whole if is_short and event.type() == QEvent.Type.ToolTip else ""
        QToolTip.showText(event.globalPos(), said, view.viewport(), _rect(option))
        return bool(said)


class StateDelegate(LineDelegate):
    """Icon and word, or of a sweep whose cells stand differently a square for each; below, how far it is."""

    def initStyleOption(self, option: QStyleOptionViewItem, index: AnyIndex) -> None:  # noqa: N802 - Qt's name
        """Leave the words out where squares stand for them."""
        super().initStyleOption(option, index)
        if _differing_cells(index):
            option.text = ""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: AnyIndex) -> None:
        super().paint(painter, option, index)
        area, palette, is_selected = _rect(option), _palette(option), _is_selected(option)
        cells = _differing_cells(index)
        if cells:
            room = area.adjusted(SIDES_PX + theme.ICON_PX + theme.SPACE_S, 0, -SIDES_PX, 0)
            draw_squares(painter, room, cells, palette, is_selected=is_selected)
        progress = index.data(LineRole.PROGRESS)
        if progress is not None:
            bar = area.adjusted(SIDES_PX, area.height() - BAR_PX - 1, -SIDES_PX, -1)
            draw_bar(painter, bar, progress, palette, is_selected=is_selected)


class NameDelegate(LineDelegate):
    """Names; those of sweeps and groups stand out by weight, as they hold others."""

    def initStyleOption(self, option: QStyleOptionViewItem, index: AnyIndex) -> None:  # noqa: N802 - Qt's name
        super().initStyleOption(option, index)
        option.textElideMode = Qt.TextElideMode.ElideMiddle  # alike ones differ at their ends
        if index.data(LineRole.KIND) == LineKind.SWEEP:
            option.font = theme.title_font(option.font)


def draw_bar(
    painter: QPainter, area: QRect, share: float, palette: QPalette, *, is_selected: bool = False
) -> None:
    """A thin bar, full from the left by a share of 0-1."""
    full = _colour_of(palette, "accent", is_selected=is_selected)
    empty = theme.mixed(full, _ground(palette, is_selected=is_selected), 0.25)
    painter.fillRect(area, empty)
    painter.fillRect(QRect(area.left(), area.top(), round(area.width() * share), area.height()), full)


def draw_squares(
    painter: QPainter,
    area: QRect,
    states: Sequence[RunState],
    palette: QPalette,
    *,
    is_selected: bool = False,
) -> None:
    """One square a state from the left, in rows; the more there are, the smaller they are."""
    side, gap, rows = next((one for one in _SIZES if _fit(area, one) >= len(states)), _SIZES[-1])
    columns = min(_fit(area, (side, gap, 1)), -(-len(states) // rows))
    pitch = side + gap
    top = area.center().y() - (rows * pitch - gap) // 2
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    for number, state in enumerate(states[: rows * columns]):
        row, column = divmod(number, columns)
        corner = QPointF(area.left() + column * pitch, top + row * pitch)
        colour = _colour_of(palette, theme.STATE_LOOKS[state].role, is_selected=is_selected)
        draw_square(painter, QRectF(corner, QSizeF(side, side)), state, colour)
    painter.restore()


def draw_square(painter: QPainter, area: QRectF, state: RunState, colour: QColor) -> None:
    """The sign of one state."""
    frame = area.adjusted(0.5, 0.5, -0.5, -0.5)
    painter.setPen(QPen(colour, 1))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawRect(frame)
    if state is RunState.FINISHED:
        painter.fillRect(area, colour)
    elif state.is_live:
        painter.fillRect(QRectF(area.left(), area.center().y(), area.width(), area.height() / 2), colour)
    elif state in _WRONG:
        painter.drawLine(frame.topLeft(), frame.bottomRight())
        painter.drawLine(frame.topRight(), frame.bottomLeft())
    elif state is not RunState.QUEUED:  # stopped or interrupted: it can go on
        painter.drawLine(frame.bottomLeft(), frame.topRight())


def _colour_of(palette: QPalette, role: theme.Role, *, is_selected: bool) -> QColor:
    if is_selected:
        return palette.color(QPalette.ColorRole.HighlightedText)
    return theme.colour(role)


def _ground(palette: QPalette, *, is_selected: bool) -> QColor:
    return palette.color(QPalette.ColorRole.Highlight if is_selected else QPalette.ColorRole.Base)


def _fit(area: QRect, size: tuple[int, int, int]) -> int:
    """How many squares of a size have room."""
    side, gap, rows = size
    return max(0, (area.width() + gap) // (side + gap)) * rows


def _differing_cells(index: AnyIndex) -> Sequence[RunState]:
    """The states of a sweep's cells where they are not all the same."""
    cells: Sequence[RunState] = index.data(LineRole.CELLS) or ()
    return cells if len(set(cells)) > 1 else ()


# PySide's types do not know what a style option has.


def _rect(option: Any) -> QRect:
    return QRect(option.rect)


def _palette(option: Any) -> QPalette:
    return QPalette(option.palette)


def _is_selected(option: Any) -> bool:
    return bool(option.state & QStyle.StateFlag.State_Selected)

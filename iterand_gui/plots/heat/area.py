"""The drawing area of the layer x time picture: rows, names, axis, colour bar and crosshair.

Drawn with QPainter alone. The picture is one image, a byte a pixel, renewed only from where points came.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFontMetricsF,
    QImage,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QWidget

from iterand_engine.config.metrics import Unit
from iterand_gui.look import theme
from iterand_gui.look.colours import Colours
from iterand_gui.plots.heat.columns import COLOURS, HeatColumns, Matrix, Scale, colour_table
from iterand_gui.plots.link import AXIS_NAMES, AXIS_UNITS, PlotLink
from iterand_gui.plots.reduction import Steps
from iterand_gui.plots.units import TICK_DISTANCE_X_PX, log_ticks, ticks
from iterand_gui.plots.x_axis import Positions

_LARGEST = 2**62
_TOP_PX, _BOTTOM_PX = 8.0, 44.0
_GAP_PX = 8.0
_BAR_PX, _BAR_ROOM_PX = 12.0, 84.0
_NAMES_SHARE = 0.3  # of the width at most
_BAR_TICK_PX = 40.0
_ZOOM_A_NOTCH, _NOTCH = 0.8, 120.0
_ROW_GAP_FROM_PX = 8.0  # rows that high have a thin line between them


@dataclass(frozen=True)
class HeatData:
    """The data of a heatmap: steps (n,), rising; values (n, layers) in `unit`."""

    layers: tuple[str, ...]
    steps: Steps
    values: Matrix
    unit: Unit


class HeatArea(QWidget):
    """Draws rows of colours over an axis that it shares with plots."""

    hovered = Signal(object, object)  # place on the x axis and row; None and None where the pointer left
    clicked = Signal(int)  # row
    resized = Signal()

    def __init__(self, link: PlotLink, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._link = link
        self._data = HeatData((), np.empty(0, np.int64), np.empty((0, 0), np.float32), Unit.NUMBER)
        self._positions = Positions()
        self._columns = HeatColumns()
        self._edges = np.empty(0, np.int64)
        self._scale = Scale(0.0, 1.0, False)
        self._numbers = np.empty((0, 0), np.uint8)
        self._image = QImage()
        self._table = colour_table()
        self._drag_x: float | None = None
        self.row: int | None = None
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)

    @property
    def scale(self) -> Scale:
        """The values that the colours stand for."""
        return self._scale

    @property
    def columns(self) -> HeatColumns:
        """The data reduced to columns of pixels."""
        return self._columns

    def refresh(self, data: HeatData, positions: Positions, *, log: bool, changed: int) -> None:
        """Draw other data, or more of the same.

        Args:
            data: at least one point and one layer.
            positions: of the run.
            log: whether the colours are logarithmic.
            changed: index of the first point that is not what it was the last time.
        """
        self._data, self._positions = data, positions
        count = max(1, round(self._inside().width() * self.devicePixelRatioF()))
        places = np.linspace(*self._link.view, count + 1)
        steps = np.clip(np.ceil(positions.steps(self._link.axis, places)), -_LARGEST, _LARGEST)
        self._edges = steps.astype(np.int64)
        self._edges[-1] += 1  # a point at the right edge belongs to the last column
        first = self._columns.reduce(data.steps, data.values, self._edges, changed)
        scale = Scale.of(data.values, log=log)
        if scale != self._scale or self._numbers.shape != self._columns.values.shape:
            self._scale, first = scale, 0
            # Rows of an image begin at multiples of four bytes.
            room = np.full((len(data.layers), -(-count // 4) * 4), COLOURS, np.uint8)
            self._numbers = room[:, :count]
            self._image = QImage(
                room.data, count, len(data.layers), room.strides[0], QImage.Format.Format_Indexed8
            )
            self._image.setColorTable(self._table)
        self._numbers[:, first:] = scale.colours(self._columns.values[:, first:])
        self.update()

    def value_text(self, place: float, row: int) -> str:
        """The value of a row at a place of the axis; the greatest one of a column with several points."""
        steps, unit = self._data.steps, self._data.unit
        low, high = self._link.view
        if not low <= place <= high or not self._columns.values.size:
            return ""
        count = self._columns.values.shape[1]
        column = min(count - 1, int((place - low) / (high - low) * count))
        name = self._data.layers[row]
        begin, end = np.searchsorted(steps, self._edges[[column, column + 1]], side="left")
        value = float(self._columns.values[row, column])
        shown = "no value" if np.isnan(value) else unit.text(value)
        if end - begin > 1:
            return f"{name}, steps {steps[begin]:,} to {steps[end - 1]:,}: at most {shown}"
        if begin == end:
            begin = max(0, begin - 1)
        return f"{name}, step {steps[begin]:,}: {shown}"

    def paint_picture(self, painter: QPainter, size: QSize, colours: Colours) -> None:
        """Draw all but the crosshair into a picture of a size."""
        inside = self._inside(size)
        painter.setFont(theme.number_font(self.font()))
        self._paint_rows(painter, inside, colours)
        self._paint_names(painter, inside, colours)
        self._paint_axis(painter, inside, colours)
        self._paint_bar(painter, inside, colours)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 (Qt)
        painter = QPainter(self)
        colours = theme.colours(self.palette())
        painter.fillRect(self.rect(), QColor(colours.base))
        self.paint_picture(painter, self.size(), colours)
        self._paint_crosshair(painter, colours)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 (Qt)
        """Reduce again: the number of columns changed."""
        super().resizeEvent(event)
        self.resized.emit()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802 (Qt)
        """Emit place and row of the pointer, or move the view while a button is held."""
        inside, at = self._inside(), event.position()
        if self._drag_x is not None:
            self._link.pan((self._drag_x - at.x()) / inside.width())
            self._drag_x = at.x()
        elif inside.contains(at):
            self.hovered.emit(self._place(at.x()), self._row(at.y()))
        else:
            self.hovered.emit(None, None)

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 (Qt)
        """Choose a row, and begin to move the view."""
        if event.button() == Qt.MouseButton.LeftButton:
            self._drag_x = event.position().x()
            if self._inside().top() <= event.position().y() < self._inside().bottom():
                self.clicked.emit(self._row(event.position().y()))
        super().mousePressEvent(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802 (Qt)
        self._drag_x = None
        super().mouseReleaseEvent(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:  # noqa: N802 (Qt)
        self._link.show_all()

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802 (Qt)
        factor = _ZOOM_A_NOTCH ** (event.angleDelta().y() / _NOTCH)
        self._link.zoom(factor, self._place(event.position().x()))
        event.accept()

    def leaveEvent(self, event: QEvent) -> None:  # noqa: N802 (Qt)
        self.hovered.emit(None, None)
        super().leaveEvent(event)

    # Places.

    def _inside(self, size: QSize | None = None) -> QRectF:
        width, height = (size or self.size()).width(), (size or self.size()).height()
        metrics = QFontMetricsF(theme.number_font(self.font()))
        widest = max((metrics.horizontalAdvance(name) for name in self._data.layers), default=0.0)
        left = math.ceil(min(widest, _NAMES_SHARE * width)) + 2 + _GAP_PX
        return QRectF(
            left,
            _TOP_PX,
            max(1.0, width - left - _GAP_PX - _BAR_PX - _BAR_ROOM_PX),
            max(1.0, height - _TOP_PX - _BOTTOM_PX),
        )

    def _place(self, x: float) -> float:
        inside, (low, high) = self._inside(), self._link.view
        return low + (x - inside.left()) / inside.width() * (high - low)

    def _row(self, y: float) -> int:
        inside, count = self._inside(), len(self._data.layers)
        return min(count - 1, max(0, int((y - inside.top()) / inside.height() * count)))

    # Parts.

    def _paint_rows(self, painter: QPainter, inside: QRectF, colours: Colours) -> None:
        painter.fillRect(inside, QColor(colours.alternate))
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, False)
        painter.drawImage(inside, self._image)
        count = len(self._data.layers)
        if count and inside.height() / count >= _ROW_GAP_FROM_PX:
            painter.setPen(QPen(QColor(colours.base), 1))
            for row in range(1, count):
                y = round(inside.top() + row * inside.height() / count)
                painter.drawLine(QPointF(inside.left(), y), QPointF(inside.right(), y))

    def _paint_names(self, painter: QPainter, inside: QRectF, colours: Colours) -> None:
        names = self._data.layers
        metrics = painter.fontMetrics()
        height = inside.height() / max(1, len(names))
        every = max(1, int(np.ceil(metrics.height() / height)))
        for row in range(0, len(names), every):
            middle = inside.top() + (row + 0.5) * height
            box = QRectF(0, middle - metrics.height() / 2, inside.left() - _GAP_PX, metrics.height())
            painter.setPen(QColor(colours.text if row == self.row else colours.muted))
            shown = metrics.elidedText(names[row], Qt.TextElideMode.ElideLeft, int(box.width()))
            painter.drawText(box, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, shown)

    def _paint_axis(self, painter: QPainter, inside: QRectF, colours: Colours) -> None:
        (low, high), axis = self._link.view, self._link.axis
        painter.setPen(QPen(QColor(colours.line), 1))
        painter.drawLine(inside.bottomLeft(), inside.bottomRight())
        metrics = painter.fontMetrics()
        for tick in ticks(low, high, inside.width(), TICK_DISTANCE_X_PX, AXIS_UNITS[axis]):
            x = round(inside.left() + (tick.at - low) / (high - low) * inside.width())
            painter.setPen(QPen(QColor(colours.line), 1))
            painter.drawLine(QPointF(x, inside.bottom()), QPointF(x, inside.bottom() + 4))
            painter.setPen(QColor(colours.muted))
            half = metrics.horizontalAdvance(tick.text) / 2 + 2
            box = QRectF(x - half, inside.bottom() + 5, 2 * half, metrics.height())
            painter.drawText(box, Qt.AlignmentFlag.AlignCenter, tick.text)
        below = QRectF(
            inside.left(), inside.bottom() + 7 + metrics.height(), inside.width(), metrics.height()
        )
        painter.drawText(below, Qt.AlignmentFlag.AlignCenter, AXIS_NAMES[axis])

    def _paint_bar(self, painter: QPainter, inside: QRectF, colours: Colours) -> None:
        bar = QRectF(inside.right() + _GAP_PX, inside.top(), _BAR_PX, inside.height())
        ramp = QImage(1, COLOURS, QImage.Format.Format_RGB32)
        for number in range(COLOURS):
            ramp.setPixel(0, COLOURS - 1 - number, self._table[number])
        painter.drawImage(bar, ramp)
        (low, high), metrics = self._scale.bounds, painter.fontMetrics()
        make = log_ticks if self._scale.log else ticks
        painter.setPen(QColor(colours.muted))
        for tick in make(low, high, bar.height(), _BAR_TICK_PX, self._data.unit):
            y = bar.bottom() - (tick.at - low) / (high - low) * bar.height()
            box = QRectF(bar.right() + 5, y - metrics.height() / 2, _BAR_ROOM_PX, metrics.height())
            painter.drawText(box, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, tick.text)

    def _paint_crosshair(self, painter: QPainter, colours: Colours) -> None:
        inside, (low, high), count = self._inside(), self._link.view, len(self._data.layers)
        if self.row is not None and self.row < count:
            top = round(inside.top() + self.row * inside.height() / count)
            bottom = round(inside.top() + (self.row + 1) * inside.height() / count)
            box = QRectF(inside.left(), top, inside.width(), bottom - top)
            painter.setPen(QPen(QColor(colours.base), 3))
            painter.drawRect(box)
            painter.setPen(QPen(QColor(colours.text), 1))
            painter.drawRect(box)
        cursor = self._link.cursor
        if cursor is None or not low <= cursor <= high:
            return
        x = round(inside.left() + (cursor - low) / (high - low) * inside.width())
        for colour, width in ((colours.base, 3), (colours.text, 1)):
            painter.setPen(QPen(QColor(colour), width))
            painter.drawLine(QPointF(x, inside.top()), QPointF(x, inside.bottom()))
        if self.row is not None and self.row < count:
            self._paint_label(painter, colours, QPointF(x, inside.top()), self.value_text(cursor, self.row))

    def _paint_label(self, painter: QPainter, colours: Colours, at: QPointF, text: str) -> None:
        if not text:
            return
        box = QRectF(painter.fontMetrics().boundingRect(text)).adjusted(-6, -3, 6, 3)
        inside = self._inside()
        left = at.x() + _GAP_PX
        if left + box.width() > inside.right():
            left = max(inside.left(), at.x() - _GAP_PX - box.width())
        assert self.row is not None
        row_px = inside.height() / len(self._data.layers)
        above = inside.top() + self.row * row_px - box.height() - 4
        below = inside.top() + (self.row + 1) * row_px + 4
        box.moveTo(round(left), round(above if above >= inside.top() else below))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(colours.line), 1))
        painter.setBrush(QColor(colours.tooltip))
        painter.drawRoundedRect(box.adjusted(0.5, 0.5, 0.5, 0.5), 3, 3)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QColor(colours.text))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)

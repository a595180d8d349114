"""The shapes inside a plot: lines, bands, bars, dots and marks.

One item of pyqtgraph's scene paints all of them: with an item for each, 32 curves take twice the time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from pyqtgraph.graphicsItems.PlotCurveItem import arrayToLineSegments
from PySide6.QtCore import QLineF, QPointF, QRectF, QSizeF, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPen, QPolygonF, QTransform
from PySide6.QtWidgets import QGraphicsItem, QStyleOptionGraphicsItem, QWidget

from iterand_gui.plots.reduction import Polyline

_BELOW_LOG_VIEW = -99.0  # stands for the logarithm of what has none
_MARK_PX = 5
_CAP_PX = 4
_RIM_PX = 1.0
_LONE_DOT_PX = 6.0  # a single point has no line that shows it
Places = NDArray[np.float64]
NOTHING = Polyline(np.empty(0), np.empty(0, np.float32), raw=False)


class Shape(Protocol):
    """Can be painted in a plot; shapes with a greater `z` lie above."""

    z: float

    def paint(self, painter: QPainter, view: QRectF, pixel: QSizeF) -> None:
        """Paint in coordinates of the axes; `pixel` is the size of one pixel of the layout in them."""


class ShapesItem(QGraphicsItem):
    """Paints shapes. They are changed in place; `renew` has them painted anew."""

    def __init__(self) -> None:
        super().__init__()
        self._view = QRectF(0, 0, 1, 1)
        self._shapes: list[Shape] = []

    def set_view(self, view: QRectF) -> None:
        """Set the visible part of the plane."""
        if view != self._view:
            self.prepareGeometryChange()
            self._view = view

    def renew(self, shapes: Iterable[Shape]) -> None:
        """Replace the shapes and paint them; a greater `z` lies above."""
        self._shapes = sorted(shapes, key=lambda shape: shape.z)
        self.update()

    def boundingRect(self) -> QRectF:  # noqa: N802 (Qt)
        """The visible part of the plane."""
        return self._view

    def paint(
        self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None
    ) -> None:
        scale = painter.worldTransform()
        if not scale.m11() or not scale.m22():  # there is no room between the axes
            return
        pixel = QSizeF(1 / abs(scale.m11()), 1 / abs(scale.m22()))
        for shape in self._shapes:
            shape.paint(painter, self._view, pixel)


class LineShape:
    """A line through points; NaN is a gap. `dot_px` marks the points themselves."""

    def __init__(self, z: float) -> None:
        self.z = z
        self.line = NOTHING
        self.antialias = False
        self.dot_px = 0.0
        self._pen = QPen()
        self._in_pieces = False
        self._made: Any = None  # the line as Qt takes it, made when it is first painted

    def show_line(self, line: Polyline) -> None:
        self.line, self._made = line, None

    def set_pen(self, pen: QPen, *, antialias: bool, dot_px: float = 0.0, in_pieces: bool = False) -> None:
        """Draw the line with another pen; dashed lines must not be drawn in pieces."""
        in_pieces = in_pieces and pen.style() == Qt.PenStyle.SolidLine
        if in_pieces != self._in_pieces:
            self._made = None
        self._pen, self.antialias, self.dot_px, self._in_pieces = pen, antialias, dot_px, in_pieces

    def paint(self, painter: QPainter, view: QRectF, pixel: QSizeF) -> None:
        """Draw the line, then its points."""
        if not len(self.line.x):
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, self.antialias)
        painter.setPen(self._pen)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        if self._made is None:
            self._made = self._make()
        if isinstance(self._made, QPolygonF):
            painter.drawPolyline(self._made)
        elif isinstance(self._made, QPainterPath):
            painter.drawPath(self._made)
        else:
            painter.drawLines(*self._made.drawargs())
        width = self.dot_px if len(self.line.x) != 1 else _LONE_DOT_PX
        if width:
            self._paint_dots(painter, view, width)

    def _make(self) -> object:
        x, y = self.line.x, self.line.values.astype(np.float64)
        has_gaps = bool(np.isnan(y).any())
        if self._in_pieces:
            return arrayToLineSegments(x, y, "finite" if has_gaps else "all", False)
        return pg.arrayToQPath(x, y, connect="finite") if has_gaps else pg.functions.arrayToQPolygonF(x, y)

    def _paint_dots(self, painter: QPainter, view: QRectF, width: float) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        painter.setPen(QPen(self._pen.color(), width, c=Qt.PenCapStyle.RoundCap))
        with _in_pixels(painter) as scale:
            painter.drawPoints(_points_in(scale, view, self.line.x, self.line.values, width))


@dataclass(frozen=True)
class Band:
    """A stretch of values at each place, all (n,); a lower bound that is NaN is below every view."""

    x: NDArray[np.float64]
    low: NDArray[np.float32]
    high: NDArray[np.float32]


class BandShape:
    """The area between the bounds of a `Band`, filled."""

    def __init__(self, z: float) -> None:
        self.z = z
        self.colour = QColor()
        self.antialias = True
        self.outline: tuple[NDArray[np.float32], ...] = ()  # its lower and its upper bounds
        self._path = QPainterPath()

    def show_band(self, band: Band | None) -> None:
        """Draw another band, or none."""
        self.outline = () if band is None else (band.low, band.high)
        if band is None:
            self._path = QPainterPath()
            return
        known = ~np.isnan(band.high)
        x, high = band.x[known], band.high[known].astype(np.float64)
        low = np.nan_to_num(band.low[known].astype(np.float64), nan=_BELOW_LOG_VIEW)
        self._path = pg.arrayToQPath(np.concatenate((x, x[::-1])), np.concatenate((high, low[::-1])))

    def paint(self, painter: QPainter, view: QRectF, pixel: QSizeF) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, self.antialias)
        painter.fillPath(self._path, self.colour)


class BarsShape:
    """Vertical bars with short ends."""

    def __init__(self, z: float, band: Band, pen: QPen) -> None:
        self.z, self._band, self._pen = z, band, pen

    def paint(self, painter: QPainter, view: QRectF, pixel: QSizeF) -> None:
        cap = _CAP_PX * pixel.width()
        lines = []
        bars = (array.tolist() for array in (self._band.x, self._band.low, self._band.high))
        for x, low, high in zip(*bars, strict=True):
            if math.isnan(high) or high == low:
                continue
            bottom = _BELOW_LOG_VIEW if math.isnan(low) else low
            lines += [QLineF(x, bottom, x, high), QLineF(x - cap, high, x + cap, high)]
            lines.append(QLineF(x - cap, bottom, x + cap, bottom))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        painter.setPen(self._pen)
        painter.drawLines(lines)


class DotsShape:
    """Single points, each with a rim in the ground's colour, so that overlapping ones stay distinct.

    Places and values (n,); what is not finite is not drawn.
    """

    def __init__(
        self, z: float, x: Places, y: Places, radius_px: float, colour: QColor, ground: QColor
    ) -> None:
        self.z, self._radius_px = z, radius_px
        self._x, self._y = x, y
        self._colour, self._ground = colour, ground

    def paint(self, painter: QPainter, view: QRectF, pixel: QSizeF) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        painter.setPen(Qt.PenStyle.NoPen)
        rim_px = self._radius_px + _RIM_PX
        with _in_pixels(painter) as scale:
            for point in _points_in(scale, view, self._x, self._y, rim_px):
                for colour, radius in ((self._ground, rim_px), (self._colour, self._radius_px)):
                    painter.setBrush(colour)
                    painter.drawEllipse(point, radius, radius)


class MarksShape:
    """Short ticks at the bottom of the view, one a pixel at most."""

    def __init__(self, z: float, places: NDArray[np.float64], colour: QColor) -> None:
        self.z, self._places = z, places
        self._pen = QPen(colour, 1)
        self._pen.setCosmetic(True)

    def paint(self, painter: QPainter, view: QRectF, pixel: QSizeF) -> None:
        inside = self._places[(self._places >= view.left()) & (self._places <= view.right())]
        columns = np.unique(np.round((inside - view.left()) / pixel.width()))
        bottom, top = view.top(), view.top() + _MARK_PX * pixel.height()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.setPen(self._pen)
        painter.drawLines(
            [QLineF(x, bottom, x, top) for x in (view.left() + columns * pixel.width()).tolist()]
        )


@contextmanager
def _in_pixels(painter: QPainter) -> Iterator[QTransform]:
    """Draw in pixels of the layout: round things that axes of different scale would stretch to bars.

    Yields:
        What maps places and values to those pixels.
    """
    scale = painter.worldTransform()
    painter.setWorldTransform(QTransform())
    try:
        yield scale
    finally:
        painter.setWorldTransform(scale)


def _points_in(
    scale: QTransform, view: QRectF, x: Places, y: Places | NDArray[np.float32], rim_px: float
) -> list[QPointF]:
    """The points in view, or no further from it than a rim, in pixels of the layout; none that is NaN."""
    across = scale.m11() * x + scale.dx()
    down = scale.m22() * y.astype(np.float64) + scale.dy()
    seen = scale.mapRect(view).adjusted(-rim_px, -rim_px, rim_px, rim_px)
    inside = (
        (across >= seen.left()) & (across <= seen.right()) & (down >= seen.top()) & (down <= seen.bottom())
    )
    return [QPointF(*at) for at in zip(across[inside].tolist(), down[inside].tolist(), strict=True)]

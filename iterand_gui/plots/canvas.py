"""The drawing area of a plot: axes, grid, items and crosshair. It knows shapes, and no series.

With `items` and `view_box` the only module that imports pyqtgraph; it is imported when a plot is first shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pyqtgraph as pg
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFontMetricsF, QMouseEvent, QPainter, QPen, QResizeEvent
from PySide6.QtWidgets import QWidget

from iterand_gui.look import theme
from iterand_gui.look.colours import Colours
from iterand_gui.plots.items import Shape, ShapesItem
from iterand_gui.plots.link import Span
from iterand_gui.plots.units import Tick
from iterand_gui.plots.view_box import PlotViewBox

Y_AXIS_PX = 62  # one width for all plots, so that linked ones stand exactly below each other
_DOT_PX = 3.5
_LABEL_GAP_PX = 6
_LABEL_ROOM_PX = 40
_RIGHT_PX = 24


@dataclass(frozen=True)
class AxisLook:
    """What an axis shows: its name (empty for none) and its marks."""

    name: str
    ticks: tuple[Tick, ...]


@dataclass(frozen=True)
class Crosshair:
    """A place on the x axis, what it is called, and a point of each curve there with its colour."""

    x: float
    text: str
    points: tuple[tuple[float, float, QColor], ...]


class PlotAxis(pg.AxisItem):
    """An axis whose marks may reach beyond its ends, so that the first and last are not left out."""

    def boundingRect(self) -> QRectF:  # noqa: N802 (Qt)
        """The axis with room around it: pyqtgraph paints nothing outside."""
        rect: QRectF = super().boundingRect()
        return rect.adjusted(-_LABEL_ROOM_PX, -_LABEL_ROOM_PX, _LABEL_ROOM_PX, _LABEL_ROOM_PX)


class Canvas(pg.GraphicsView):
    """Draws items between two axes."""

    hovered = Signal(object)  # place on the x axis, float; None where the pointer is elsewhere
    resized = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent, useOpenGL=False)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.view_box = PlotViewBox()
        self._bottom, self._left = PlotAxis("bottom"), PlotAxis("left")
        axes = {"bottom": self._bottom, "left": self._left}
        self._plot = pg.PlotItem(viewBox=self.view_box, enableMenu=False, axisItems=axes)
        self._plot.hideButtons()
        self.setCentralItem(self._plot)
        for axis in (self._bottom, self._left):
            axis.enableAutoSIPrefix(False)
            axis.setStyle(tickLength=-4, autoReduceTextSpace=False)
            axis.setZValue(-200)  # below the curves, with the lines of the grid
        self._left.setWidth(Y_AXIS_PX)
        self._left.setStyle(tickLength=0)
        self._left.setGrid(255)
        self._plot.layout.setContentsMargins(0, theme.SPACE_S, _RIGHT_PX, 0)
        self._shapes = ShapesItem()
        self.view_box.addItem(self._shapes, ignoreBounds=True)
        self._crosshair: Crosshair | None = None
        self._view: tuple[Span, Span] | None = None
        self._looks: tuple[AxisLook, AxisLook] | None = None
        self._colours = theme.colours()
        self.set_colours(self._colours)

    def draw(self, shapes: Iterable[Shape]) -> None:
        """Draw these shapes in place of the earlier ones."""
        self._shapes.renew(shapes)

    def set_colours(self, colours: Colours) -> None:
        """Take other colours and the fonts of the moment."""
        self._colours = colours
        self.setBackground(colours.base)
        for axis, line in ((self._bottom, colours.line), (self._left, colours.base)):
            axis.setPen(QPen(QColor(line), 1))
            axis.setTextPen(QColor(colours.muted))
            axis.setStyle(tickFont=theme.number_font(self.font()))
        # Fixed, or it would be drawn once in the wrong size: the layout follows the label only later.
        self._bottom.setHeight(2 * QFontMetricsF(self.font()).height() + theme.SPACE_S)
        self._bottom.setTickPen(QPen(QColor(colours.line), 1))
        self._left.setTickPen(QPen(QColor(colours.grid), 1))
        self._looks = None

    @property
    def colours(self) -> Colours:
        return self._colours

    @property
    def plot_size(self) -> QSize:
        """Size of the area between the axes, in pixels of the layout."""
        size = self.view_box.size()
        return QSize(max(1, round(size.width())), max(1, round(size.height())))

    @property
    def columns(self) -> int:
        """Columns of the screen's pixels between the axes."""
        return max(1, int(self.view_box.width() * self.devicePixelRatioF() + 0.5))

    def set_view(self, x: Span, y: Span) -> None:
        """Show a part of the plane."""
        if (x, y) != self._view:
            self._view = (x, y)
            self.view_box.setRange(xRange=x, yRange=y, padding=0, disableAutoRange=True)
            self._shapes.set_view(QRectF(x[0], y[0], x[1] - x[0], y[1] - y[0]))

    def set_axes(self, x: AxisLook, y: AxisLook) -> None:
        """Put names and marks at the axes."""
        if self._looks == (x, y):
            return
        self._looks = (x, y)
        x = AxisLook(x.name, tuple(self._cut_none(x.ticks)))
        for axis, look in ((self._bottom, x), (self._left, y)):
            large = [(tick.at, tick.text) for tick in look.ticks if tick.text]
            small = [(tick.at, "") for tick in look.ticks if not tick.text]
            axis.setTicks([large, small])
            axis.showLabel(bool(look.name))
            axis.setLabel(look.name or None, color=self._colours.muted)

    def _cut_none(self, across: tuple[Tick, ...]) -> Iterator[Tick]:
        """Drop the texts of marks that would reach beyond the right edge."""
        metrics = QFontMetricsF(theme.number_font(self.font()))
        (left, right), width = self.view_box.viewRange()[0], self.view_box.width()
        for tick in across:
            at = (tick.at - left) / (right - left) * width
            fits = at + metrics.horizontalAdvance(tick.text) / 2 < width + _RIGHT_PX
            yield tick if fits else Tick(tick.at, "")

    def set_crosshair(self, crosshair: Crosshair | None) -> None:
        """Show a crosshair, or none."""
        if crosshair != self._crosshair:
            self._crosshair = crosshair
            self.viewport().update()

    def drawForeground(self, painter: QPainter, rect: QRectF) -> None:  # noqa: N802 (Qt)
        """Draw the crosshair above everything; saved pictures do not contain it."""
        if self._crosshair is None:
            return
        inside = self.view_box.sceneBoundingRect()
        x = self.view_box.mapViewToScene(QPointF(self._crosshair.x, 0.0)).x()
        if not inside.left() <= x <= inside.right():
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.setPen(QPen(QColor(self._colours.muted), 1))
        painter.drawLine(QPointF(round(x), inside.top()), QPointF(round(x), inside.bottom()))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        for at, value, colour in self._crosshair.points:
            painter.setPen(QPen(QColor(self._colours.base), 1.5))
            painter.setBrush(colour)
            painter.drawEllipse(self.view_box.mapViewToScene(QPointF(at, value)), _DOT_PX, _DOT_PX)
        self._draw_label(painter, inside, x, self._crosshair.text)

    def _draw_label(self, painter: QPainter, inside: QRectF, x: float, text: str) -> None:
        painter.setFont(theme.number_font(self.font()))
        box = QRectF(painter.fontMetrics().boundingRect(text)).adjusted(-5, -2, 5, 2)
        left = x + _LABEL_GAP_PX
        if left + box.width() > inside.right():
            left = x - _LABEL_GAP_PX - box.width()
        box.moveTo(round(left), round(inside.top()) + 2)
        painter.setPen(QPen(QColor(self._colours.line), 1))
        painter.setBrush(QColor(self._colours.tooltip))
        painter.drawRoundedRect(box.adjusted(0.5, 0.5, 0.5, 0.5), 3, 3)
        painter.setPen(QColor(self._colours.text))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802 (Qt)
        """Emit the place of the pointer on the x axis."""
        super().mouseMoveEvent(event)
        inside = self.view_box.sceneBoundingRect().contains(event.position())
        self.hovered.emit(self.view_box.mapSceneToView(event.position()).x() if inside else None)

    def leaveEvent(self, event: QEvent) -> None:  # noqa: N802 (Qt)
        super().leaveEvent(event)
        self.hovered.emit(None)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 (Qt)
        """Ask for a drawing: the number of columns changed."""
        super().resizeEvent(event)
        self.resized.emit()

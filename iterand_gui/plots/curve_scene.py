"""Draws a set of curves into a canvas; loaded with pyqtgraph when a plot is first seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QColor

from iterand_engine.machine import texts
from iterand_gui.plots.canvas import AxisLook, Canvas, Crosshair
from iterand_gui.plots.curve_set import CurveSet
from iterand_gui.plots.drawn_curve import DrawnCurve, DrawnStyle, ViewColumns
from iterand_gui.plots.items import MarksShape, Shape
from iterand_gui.plots.link import AXIS_NAMES, AXIS_UNITS, Span
from iterand_gui.plots.reduction import Steps, Values
from iterand_gui.plots.strokes import Stroke
from iterand_gui.plots.units import TICK_DISTANCE_X_PX, TICK_DISTANCE_Y_PX, log_ticks, ticks
from iterand_gui.plots.value_range import value_range
from iterand_gui.plots.x_axis import Positions, XAxis

Marks = tuple[str, Steps]  # key of a curve, and steps of its run


@dataclass(frozen=True)
class SceneView:
    """The visible part: axis, stretch of it, and stretch of the y axis (None: what the curves there need)."""

    axis: XAxis
    places: Span
    values: Span | None


class CurveScene:
    """The curves of one plot in its canvas."""

    def __init__(self, canvas: Canvas, curves: CurveSet) -> None:
        self._canvas, self._curves = canvas, curves
        self._drawn: dict[str, DrawnCurve] = {}
        self._columns: dict[tuple[Positions, XAxis, Span, int], ViewColumns] = {}
        self._mark_places = np.empty(0)
        self._styled: object = None  # the last style; None if the view has changed since
        self.values: Span = (0.0, 1.0)  # the visible part of the y axis
        self.length_px = 0.0  # how far all lines go up and down, in pixels

    def line_values(self, key: str) -> Values:
        """The values that are drawn of a curve, empty if none."""
        return self._drawn[key].line.values if key in self._drawn else np.empty(0, np.float32)

    def show(self, view: SceneView, marks: Marks | None) -> None:
        """Set the view and compute what is drawn of each curve; `set_style` draws it."""
        self._styled = None
        before, self._columns = self._columns, {}
        shown = {k: c for k, c in self._curves.curves.items() if len(c.data) and c.positions.can(view.axis)}
        self._drawn = {key: self._drawn.get(key) or DrawnCurve() for key in shown}
        count, spans = self._canvas.columns, []
        for key, curve in shown.items():
            place = (curve.positions, view.axis, view.places, count)
            if place not in self._columns:  # the same object for the same columns: caches look at it
                self._columns[place] = before.get(place) or self._make_columns(*place)
            spans.append(self._drawn[key].show(curve.data, self._columns[place]))
        self.values = view.values or value_range(spans, self._curves.unit, log=self._curves.look.log)
        self.length_px = self._length_px()
        self._mark_places = self._places_of(marks, view.axis)
        self._canvas.set_view(view.places, self.values)
        self._draw_axes(view.axis, view.places)

    def set_style(self, *, stroke: Stroke, highlight: str | None, scale: float) -> None:
        """Draw the curves in the canvas's colours, for pixels of a scale."""
        how = (stroke, highlight, scale, self._canvas.colours)
        if how == self._styled:
            return
        self._styled = how
        colours, lines = self._canvas.colours, self._curves.lines()
        shapes: list[Shape] = [MarksShape(5.0, self._mark_places, QColor(colours.mark))]
        for key, drawn in self._drawn.items():
            if key not in self._curves.curves:
                continue
            curve = self._curves.curves[key]
            drawn.set_style(
                DrawnStyle(
                    colour=QColor(colours.runs[curve.colour_number]),
                    ground=QColor(colours.base),
                    line=lines[key],
                    stroke=stroke,
                    strong=key == highlight,
                    behind=highlight is not None and key != highlight,
                    faint=curve.style.faint,
                    scale=scale,
                )
            )
            shapes += drawn.shapes()
        self._canvas.draw(shapes)

    def _length_px(self) -> float:
        size, lines = self._canvas.plot_size, self._curves.lines()
        px_per_value = size.height() / ((self.values[1] - self.values[0]) or 1.0)
        return sum(drawn.length_px(px_per_value, lines[key]) for key, drawn in self._drawn.items())

    def _make_columns(self, positions: Positions, axis: XAxis, places: Span, count: int) -> ViewColumns:
        return ViewColumns.of_view(axis, positions, places, count, self._canvas.plot_size.width())

    def _places_of(self, marks: Marks | None, axis: XAxis) -> NDArray[np.float64]:
        curve = self._curves.curves.get(marks[0]) if marks else None
        if marks is None or curve is None or not curve.positions.can(axis):
            return np.empty(0)
        return curve.positions.places(axis, marks[1])

    def draw_cursor(self, axis: XAxis, place: float | None) -> None:
        """Show the crosshair with a point on each curve, or none."""
        if place is None:
            self._canvas.set_crosshair(None)
            return
        colours, curves = self._canvas.colours.runs, self._curves.curves
        points = self._curves.points_at(axis, place)
        dots = tuple((at, value, QColor(colours[curves[key].colour_number])) for key, at, value in points)
        self._canvas.set_crosshair(Crosshair(place, place_text(axis, place), dots))

    def _draw_axes(self, axis: XAxis, places: Span) -> None:
        size = self._canvas.plot_size
        across = ticks(*places, size.width(), TICK_DISTANCE_X_PX, AXIS_UNITS[axis])
        make = log_ticks if self._curves.look.log else ticks
        up = make(*self.values, size.height(), TICK_DISTANCE_Y_PX, self._curves.unit)
        self._canvas.set_axes(AxisLook(AXIS_NAMES[axis], tuple(across)), AxisLook("", tuple(up)))


def place_text(axis: XAxis, place: float) -> str:
    """A place on an axis in words."""
    match axis:
        case XAxis.STEP:
            return f"step {texts.whole(place)}"
        case XAxis.EPOCH:
            return f"epoch {place:.2f}"
        case XAxis.TIME:
            return texts.duration(place)

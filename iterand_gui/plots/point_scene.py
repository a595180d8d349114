"""Draws lines through means, with bars of deviation and dots of single runs; loaded with pyqtgraph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QPen

from iterand_engine.config.metrics import Unit
from iterand_gui.look import theme
from iterand_gui.plots.canvas import AxisLook, Canvas, Crosshair
from iterand_gui.plots.items import Band, BarsShape, DotsShape, LineShape, Places, Shape
from iterand_gui.plots.legend import LINES, lines_apart
from iterand_gui.plots.link import Span
from iterand_gui.plots.point_lines import Means, PointLine, all_places
from iterand_gui.plots.reduction import Polyline
from iterand_gui.plots.units import TICK_DISTANCE_X_PX, TICK_DISTANCE_Y_PX, Tick, log_ticks, ticks
from iterand_gui.plots.value_range import value_range

_LINE_PX, _STRONG_PX, _BAR_PX = 1.75, 2.75, 1.25
_MEAN_PX, _RUN_PX = 3.5, 2.25
_FAINT_SHARE = 0.3
_PLACES_MARKED = 12


@dataclass(frozen=True)
class Axes:
    """The axes: name and unit of x, unit of y, and whether each is logarithmic."""

    x_name: str
    x_unit: Unit
    y_unit: Unit
    log_x: bool
    log_y: bool

    def x_at(self, x: ArrayLike) -> NDArray[np.float64]:
        """Where places stand on the x axis; NaN where they cannot on a logarithmic one."""
        return _on_axis(x, self.log_x)

    def y_at(self, y: ArrayLike) -> NDArray[np.float64]:
        """Where values stand on the y axis; NaN where they cannot on a logarithmic one."""
        return _on_axis(y, self.log_y)


class PointScene:
    """The lines of one plot in its canvas."""

    def __init__(self, canvas: Canvas) -> None:
        self._canvas = canvas
        self._lines: Sequence[PointLine] = ()
        self._axes = Axes("", Unit.NUMBER, Unit.NUMBER, log_x=False, log_y=False)
        self.values: Span = (0.0, 1.0)
        self.places: Span = (0.0, 1.0)

    def show(self, lines: Sequence[PointLine], axes: Axes, places: Span | None, values: Span | None) -> None:
        """Show lines at the next `set_style`; `places` and `values` as on the axes, None for all of them."""
        self._lines, self._axes = lines, axes
        every_x = [axes.x_at([run.x for run in line.known]) for line in lines]
        self.places = places or value_range([_span(x) for x in every_x], axes.x_unit, log=True)
        reached = [_span(np.concatenate(self._reach(line))) for line in lines]
        self.values = values or value_range(reached, axes.y_unit, log=axes.log_y)
        self._canvas.set_view(self.places, self.values)
        self._draw_axes()

    def set_style(self, highlight: str | None, scale: float) -> None:
        """Draw the lines in the canvas's colours, for pixels of a scale."""
        colours = self._canvas.colours
        shapes: list[Shape] = []
        numbers = [line.colour_number for line in self._lines]
        for line, style in zip(self._lines, lines_apart(numbers), strict=True):
            colour = QColor(colours.runs[line.colour_number])
            if highlight is not None and line.key != highlight:
                colour = theme.mixed(colour, QColor(colours.base), _FAINT_SHARE)
            shapes += self._shapes(line, colour, style, scale, strong=line.key == highlight)
        self._canvas.draw(shapes)

    def draw_cursor(self, x: float | None) -> None:
        """Show the crosshair at a place with a point on each line, or none."""
        if x is None or (self._axes.log_x and x <= 0):
            self._canvas.set_crosshair(None)
            return
        points = []
        at = float(self._axes.x_at(x))
        for line in self._lines:
            for mean in line.means.mean[line.means.x == x]:
                colour = self._canvas.colours.runs[line.colour_number]
                points.append((at, float(self._axes.y_at(mean)), QColor(colour)))
        known = tuple(point for point in points if np.isfinite(point[1]))
        text = f"{self._axes.x_name.lower()} {self._axes.x_unit.text(x)}"
        self._canvas.set_crosshair(Crosshair(at, text, known))

    def _shapes(
        self, line: PointLine, colour: QColor, style: int, scale: float, *, strong: bool
    ) -> list[Shape]:
        ground, means, z = QColor(self._canvas.colours.base), line.means, 4.0 if strong else 3.0
        x, y = self._axes.x_at(means.x), self._axes.y_at(means.mean)
        through = LineShape(z)
        through.show_line(Polyline(x, y.astype(np.float32), raw=True))
        through.set_pen(_pen(colour, (_STRONG_PX if strong else _LINE_PX) * scale, style), antialias=True)
        bars = BarsShape(z, self._band(means), _pen(colour, _BAR_PX * scale, 0))
        light = theme.mixed(colour, ground, 0.55)
        runs = DotsShape(z - 1, *self._runs(line), _RUN_PX, light, ground)
        middles = DotsShape(z + 0.5, x, y, _MEAN_PX, colour, ground)
        return [through, bars, runs, middles]

    def _runs(self, line: PointLine) -> tuple[Places, Places]:
        runs = line.known
        return self._axes.x_at([run.x for run in runs]), self._axes.y_at([run.value for run in runs])

    def _band(self, means: Means) -> Band:
        spread = np.nan_to_num(means.deviation)
        ends = (self._axes.y_at(end).astype(np.float32) for end in (means.mean - spread, means.mean + spread))
        return Band(self._axes.x_at(means.x), *ends)

    def _reach(self, line: PointLine) -> list[NDArray[np.float32]]:
        band = self._band(line.means)
        return [band.low, band.high, self._axes.y_at([run.value for run in line.known]).astype(np.float32)]

    def _draw_axes(self) -> None:
        axes, size = self._axes, self._canvas.plot_size
        across = self._place_ticks(size.width())
        make_y = log_ticks if axes.log_y else ticks
        up = make_y(*self.values, size.height(), TICK_DISTANCE_Y_PX, axes.y_unit)
        self._canvas.set_axes(AxisLook(axes.x_name, tuple(across)), AxisLook("", tuple(up)))

    def _place_ticks(self, length_px: int) -> list[Tick]:
        """Marks where the points are, since those values were chosen; round ones where there are many."""
        axes, (low, high) = self._axes, self.places
        chosen = all_places(self._lines)
        if len(chosen) > _PLACES_MARKED:
            make = log_ticks if axes.log_x else ticks
            return make(low, high, length_px, TICK_DISTANCE_X_PX, axes.x_unit)
        marks, free_from = [], -np.inf
        for place, at in zip(chosen.tolist(), axes.x_at(chosen).tolist(), strict=True):
            has_room = (
                np.isfinite(at) and (at - free_from) / (high - low) * length_px >= TICK_DISTANCE_X_PX / 2
            )
            marks.append(Tick(at, axes.x_unit.text(place) if has_room else ""))
            free_from = at if has_room else free_from
        return [mark for mark in marks if low <= mark.at <= high]


def _on_axis(values: ArrayLike, log: bool) -> NDArray[np.float64]:
    at = np.asarray(values, np.float64)
    if not log:
        return at
    logs = np.full(at.shape, np.nan)
    np.log10(at, out=logs, where=at > 0)
    return logs


def _span(values: NDArray[np.floating]) -> Span | None:
    known = values[np.isfinite(values)]
    return (float(known.min()), float(known.max())) if len(known) else None


def _pen(colour: QColor, width: float, style: int) -> QPen:
    pen = QPen(colour, width, LINES[style], Qt.PenCapStyle.FlatCap)
    pen.setCosmetic(True)
    return pen

"""The curves of one plot: points, names, places, values as text, table and summary. No pyqtgraph."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from PySide6.QtGui import QColor

from iterand_engine.config.metrics import Unit
from iterand_engine.machine import texts
from iterand_gui.look import theme
from iterand_gui.look.colours import Colours
from iterand_gui.plots.curve_data import CurveData, Look
from iterand_gui.plots.legend import lines_apart
from iterand_gui.plots.link import Span
from iterand_gui.plots.reduction import Steps, Values
from iterand_gui.plots.tables import SeriesTable
from iterand_gui.plots.x_axis import Positions, XAxis

_NAMED_IN_SUMMARY = 5
FAINT_SHARE = 0.36  # of the curve's own colour where it is drawn lightly; the rest is the ground's


@dataclass(frozen=True)
class CurveStyle:
    """How a curve is called and drawn.

    Args:
        name: as the legend has it.
        colour_key: id of the run or key of the group whose colour it has.
        line: its place in `legend.LINES`; None lets the plot choose lines that distinguish curves of one
        colour. faint: drawn lightly and below the others, as the noise of single steps is beside means.
    """

    name: str
    colour_key: str
    line: int | None = None
    faint: bool = False


@dataclass
class Curve:
    """One curve: its points, how it is called and drawn, and where its steps stand by epoch and time."""

    data: CurveData
    style: CurveStyle
    positions: Positions

    def colour(self, colours: Colours) -> QColor:
        """Its colour among given ones, mixed with the ground where it is drawn lightly."""
        colour, ground = QColor(colours.runs[self.colour_number]), QColor(colours.base)
        return theme.mixed(colour, ground, FAINT_SHARE) if self.style.faint else colour

    @property
    def colour_number(self) -> int:
        """The place of its colour in `Colours.runs`."""
        return theme.run_colours().number(self.style.colour_key)

    def extent(self, axis: XAxis) -> Span | None:
        """First and last place on an axis; None where the curve has no place on it."""
        steps = self.data.steps
        if not len(steps) or not self.positions.can(axis):
            return None
        first, last = self.positions.places(axis, steps[[0, -1]]).tolist()
        return first, last

    def index_at(self, axis: XAxis, place: float | None) -> int | None:
        """The point nearest to a place on an axis, the last for None; None where it has none there."""
        steps = self.data.steps
        if not len(steps) or not self.positions.can(axis):
            return None
        if place is None:
            return len(steps) - 1
        step = float(self.positions.steps(axis, place))
        gap = max(1.0, (int(steps[-1]) - int(steps[0])) / max(1, len(steps) - 1))
        return self.data.nearest(step) if steps[0] - gap <= step <= steps[-1] + gap else None


@dataclass
class CurveSet:
    """Curves by key, in the order they came."""

    unit: Unit
    look: Look = field(default_factory=Look)
    curves: dict[str, Curve] = field(default_factory=dict)

    def put(
        self,
        key: str,
        steps: Steps,
        values: Values,
        style: CurveStyle | None,
        positions: Positions | None,
        deviation: Values | None,
    ) -> None:
        """Add a curve, or give one other points; style and positions are kept where None."""
        before = self.curves.get(key)
        style = style or (before.style if before else CurveStyle(key, key))
        positions = positions or (before.positions if before else Positions())
        self.curves[key] = Curve(CurveData(steps, values, deviation, self.look), style, positions)

    def show_as(self, look: Look) -> None:
        """Change how values are shown."""
        self.look = look
        for curve in self.curves.values():
            if curve.data.look != look:
                curve.data.show_as(look)

    def keys(self) -> list[str]:
        """The curves that have points."""
        return [key for key, curve in self.curves.items() if len(curve.data)]

    def extent(self, axis: XAxis) -> Span | None:
        """From the first to the last point of all curves on an axis."""
        found = [extent for curve in self.curves.values() if (extent := curve.extent(axis))]
        return (min(low for low, _ in found), max(high for _, high in found)) if found else None

    def lines(self) -> dict[str, int]:
        """The line of each curve, by the place in `LINES`."""
        free = {key: curve for key, curve in self.curves.items() if curve.style.line is None}
        chosen = lines_apart(curve.colour_number for curve in free.values())
        fixed = {key: curve.style.line or 0 for key, curve in self.curves.items()}
        return fixed | dict(zip(free, chosen, strict=True))

    def value_text(self, key: str, axis: XAxis, place: float | None) -> str:
        """A curve's value at a place on an axis, the last for None; empty where it has none."""
        curve = self.curves[key]
        index = curve.index_at(axis, place)
        if index is None:
            return "" if curve.positions.can(axis) else f"no {axis.value} known"
        value = float(curve.data.values[index])
        if self.unit is Unit.NUMBER and not math.isfinite(value):
            return "not finite"  # a run that diverged: it has a value, which is no number
        if curve.data.deviation is None:
            return self.unit.text(value)
        return self.unit.spread_text(value, float(curve.data.deviation[index]))

    def table(self) -> SeriesTable:
        """All points of all curves."""
        series: list[tuple[str, Steps, Values]] = []
        shown = [self.curves[key] for key in self.keys()]
        for curve in shown:
            series.append((curve.style.name, curve.data.steps, curve.data.values))
            if curve.data.deviation is not None:
                series.append((f"{curve.style.name}, deviation", curve.data.steps, curve.data.deviation))
        positions = {curve.positions for curve in shown}
        return SeriesTable(series, self.unit, positions.pop() if len(positions) == 1 else None)

    def summary(self, axis: XAxis) -> str:
        """The curves in a sentence, the first of them with their last values."""
        keys = self.keys()
        if not keys:
            return "No points."
        points = sum(len(self.curves[key].data) for key in keys)
        said = [f"{self.curves[key].style.name}: {self.value_text(key, axis, None)}" for key in keys]
        more = f"; {len(keys) - _NAMED_IN_SUMMARY} more" if len(keys) > _NAMED_IN_SUMMARY else ""
        counted = f"{texts.counted(len(keys), 'curve')} over {axis.value}, {texts.counted(points, 'point')}"
        return f"{counted}. Last values: {'; '.join(said[:_NAMED_IN_SUMMARY])}{more}."

    def points_at(self, axis: XAxis, place: float) -> list[tuple[str, float, float]]:
        """Key, place and value as drawn of each curve's point nearest to a place, for those that have one."""
        found = []
        for key, curve in self.curves.items():
            index = curve.index_at(axis, place)
            if index is not None and np.isfinite(value := curve.data.shown[index]):
                at = float(curve.positions.places(axis, curve.data.steps[index]))
                found.append((key, at, float(value)))
        return found

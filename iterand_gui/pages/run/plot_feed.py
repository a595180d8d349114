"""One panel of the Curves tab with its plot: turns parts of series into curves."""

from __future__ import annotations

import numpy as np
from PySide6.QtWidgets import QWidget

from iterand_engine.store import Series
from iterand_gui.pages.run.panels import Panel, Shown
from iterand_gui.plots.curve_plot import CurvePlot, CurveStyle
from iterand_gui.plots.link import PlotLink
from iterand_gui.plots.reduction import Steps, Values
from iterand_gui.plots.x_axis import Positions


class PlotFeed:
    """Feeds one plot.

    Args:
        panel: what it shows.
        link: the x axis.
        parent: of the plot.
    """

    def __init__(self, panel: Panel, link: PlotLink, parent: QWidget) -> None:
        self.panel = panel
        self._link = link
        self._positions = Positions()
        self._marks: Steps | None = None
        self._divisors: dict[str, float] = {}
        self._undivided: dict[str, tuple[Steps, Values]] = {}
        self.plot = CurvePlot(panel.title, panel.unit, link=link, empty_text=panel.empty, parent=parent)

    def forget(self) -> None:
        self.plot.clear()
        self._link.report_extent(self.plot, None)
        self._marks, self._positions = None, Positions()
        self._divisors.clear()
        self._undivided.clear()

    def begin(self, run_id: str) -> None:
        """Name the curves of a run, in their order; those that are there stay."""
        for curve in self.panel.curves:
            if not self.plot.point_count(curve.series):
                self._show(curve, run_id, 0, np.empty(0, np.int64), np.empty(0, np.float32))

    def take(self, part: Series) -> None:
        """Show new points of one of the panel's series."""
        for curve in self.panel.curves:
            if part.name == curve.over:
                self._take_divisor(curve, part)
            elif part.name == curve.series and not curve.over:
                self._show(curve, part.run_id, part.first, part.steps, part.values)
            elif part.name == curve.series:
                self._take_divided(curve, part)

    def show_positions(self, positions: Positions) -> None:
        """Say where the run's steps stand by epoch and time."""
        if positions is not self._positions:
            self._positions = positions
            shown = self.plot.keys()
            for key in shown:
                self.plot.set_positions(key, positions)

    def show_marks(self, steps: Steps) -> None:
        """Mark redraws, as soon as there is a curve."""
        keys = self.plot.keys()
        if keys and steps is not self._marks:
            self._marks = steps
            self.plot.set_marks(keys[0], steps, "redraw")

    def _show(self, curve: Shown, run_id: str, first: int, steps: Steps, values: Values) -> None:
        key = curve.series
        count = self.plot.point_count(key)
        if 0 < first <= count:
            if first < count:
                self.plot.cut(key, first)
            self.plot.extend(key, steps, values)
            return
        style = CurveStyle(curve.name, run_id, curve.line, curve.faint)
        self.plot.set_series(key, steps, values, style=style, positions=self._positions)

    def _take_divisor(self, curve: Shown, part: Series) -> None:
        known = part.values[np.isfinite(part.values)]
        if len(known):
            self._divisors[curve.over] = float(known[0])
        waiting = self._undivided.pop(curve.series, None)
        if waiting is not None and curve.over in self._divisors:
            self._show(curve, part.run_id, 0, waiting[0], waiting[1] / self._divisors[curve.over])

    def _take_divided(self, curve: Shown, part: Series) -> None:
        divisor = self._divisors.get(curve.over)
        if divisor:
            self._show(curve, part.run_id, part.first, part.steps, part.values / np.float32(divisor))
            return
        steps, values = self._undivided.get(curve.series, (part.steps[:0], part.values[:0]))
        self._undivided[curve.series] = (
            np.concatenate((steps[: part.first], part.steps)),
            np.concatenate((values[: part.first], part.values)),
        )

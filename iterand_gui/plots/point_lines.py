"""Results of runs over an option that differs between them: means, deviations, single runs. No pyqtgraph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from iterand_engine.config.metrics import Unit
from iterand_engine.machine import texts
from iterand_gui.look import theme
from iterand_gui.plots.tables import Cell, PlainTable, PlotColumn


@dataclass(frozen=True)
class RunPoint:
    """The result of one run: its name, place on the x axis and value."""

    name: str
    x: float
    value: float


@dataclass(frozen=True)
class PointLine:
    """Runs that belong together, such as those of one method and initialisation.

    Args:
        key: names the line within the plot.
        name: as the legend has it.
        colour_key: key whose colour it has.
        runs: one point a run; what is not finite is left out.
    """

    key: str
    name: str
    colour_key: str
    runs: tuple[RunPoint, ...]

    @property
    def colour_number(self) -> int:
        """The place of its colour in `Colours.runs`."""
        return theme.run_colours().number(self.colour_key)

    @cached_property
    def known(self) -> tuple[RunPoint, ...]:
        """The runs with a finite place and value, by place."""
        runs = [run for run in self.runs if np.isfinite(run.x) and np.isfinite(run.value)]
        return tuple(sorted(runs, key=lambda run: run.x))

    @cached_property
    def means(self) -> Means:
        """Mean and deviation at each place."""
        return _means([run.x for run in self.known], [run.value for run in self.known])


@dataclass(frozen=True)
class Means:
    """Places, rising, with mean, sample deviation (NaN of one run) and number of runs there, all (n,)."""

    x: NDArray[np.float64]
    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    runs: NDArray[np.int64]

    def text_at(self, x: float | None, unit: Unit) -> str:
        """Mean, deviation and number of runs at a place; empty where there is none, or the place is None."""
        found = np.flatnonzero(self.x == x)
        if x is None or not len(found):
            return ""
        at = int(found[0])
        return f"{unit.spread_text(float(self.mean[at]), float(self.deviation[at]))} (n = {self.runs[at]})"


def all_places(lines: Sequence[PointLine]) -> NDArray[np.float64]:
    """The places that any line has, rising."""
    return np.unique(np.concatenate([line.means.x for line in lines])) if lines else np.empty(0)


def lines_table(lines: Sequence[PointLine], x: PlotColumn, unit: Unit) -> PlainTable:
    """All means and all runs as a table."""
    rows: list[tuple[Cell, ...]] = []
    for line in lines:
        means = line.means
        for at, count in enumerate(means.runs.tolist()):
            spread = float(means.deviation[at]) if count > 1 else None
            of_runs = f"mean of {texts.counted(count, 'run')}"
            rows.append((line.name, float(means.x[at]), of_runs, float(means.mean[at]), spread))
        rows += [(line.name, run.x, run.name, run.value, None) for run in line.known]
    value, deviation_column = PlotColumn("Value", unit), PlotColumn("Deviation", unit)
    columns = (PlotColumn("Line", None), x, PlotColumn("What", None), value, deviation_column)
    return PlainTable(columns, tuple(rows))


def _means(x: Sequence[float], values: Sequence[float]) -> Means:
    places, member = np.unique(np.asarray(x, np.float64), return_inverse=True)
    value = np.asarray(values, np.float64)
    counts = np.bincount(member, minlength=len(places))
    mean = np.bincount(member, value, minlength=len(places)) / np.maximum(counts, 1)
    squares = np.bincount(member, (value - mean[member]) ** 2, minlength=len(places))
    deviation = np.full(len(places), np.nan)
    np.divide(squares, counts - 1, out=deviation, where=counts > 1)
    return Means(places, mean, np.sqrt(deviation), counts.astype(np.int64))

"""A layer x time picture as numbers: the greatest value of each row in each column of pixels, and its colour.

Pure numpy, no Qt. A column without a point of its own shows the last one before it; the newest is shown as
wide as the one before. Where several fall into one column the greatest is shown, so that no spike is lost.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from iterand_engine.config.metrics import Unit
from iterand_gui.plots.reduction import Steps
from iterand_gui.plots.tables import Cell, PlotColumn
from iterand_gui.plots.x_axis import Positions, XAxis

Matrix = NDArray[np.float32]
COLOURS = 255  # colours of the scale; the index behind them means: no value
_ROUND = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 12)
_DECADES = 4.0  # of a logarithmic scale at most: what is smaller has the lowest colour

# Viridis, every 32nd of its 256 colours: steps look even, also without colour vision and in grey.
# By Nathaniel Smith and Stefan van der Walt, public domain (CC0).
_VIRIDIS = (
    (68, 1, 84),
    (71, 44, 122),
    (59, 81, 139),
    (44, 113, 142),
    (33, 144, 141),
    (39, 173, 129),
    (92, 200, 99),
    (170, 220, 50),
    (253, 231, 37),
)


class HeatColumns:
    """Reduces a growing matrix to columns of pixels; while these stay, only what is new is looked at."""

    def __init__(self) -> None:
        self._edges = np.empty(0, np.int64)
        self.values: Matrix = np.empty((0, 0), np.float32)

    def reduce(self, steps: Steps, values: Matrix, edges: Steps, changed: int) -> int:
        """Bring `self.values`, (layers, columns), up to date; NaN marks columns without a value.

        Args:
            steps: of the points, rising, (n,).
            values: (n, layers).
            edges: bounds of the columns in steps, never falling, (columns + 1,).
            changed: index of the first point that is not what it was the last time.
        Returns:
            The first column that may have changed.
        """
        shape = (values.shape[1], len(edges) - 1)
        if self.values.shape != shape or not np.array_equal(edges, self._edges):
            self._edges, self.values, changed = edges, np.full(shape, np.nan, np.float32), 0
        # Columns behind the last old point may be empty no longer.
        begin = max(0, changed - 1)
        first = 0
        if begin and len(steps):
            first = max(0, int(np.searchsorted(edges, steps[min(begin, len(steps) - 1)], "right")) - 1)
        self.values[:, first:] = _columns(steps, values, edges[first:])
        return first


def _columns(steps: Steps, values: Matrix, edges: Steps) -> Matrix:
    made = np.full((values.shape[1], len(edges) - 1), np.nan, np.float32)
    if not len(steps):
        return made
    starts = np.searchsorted(steps, edges, side="left")
    filled = np.flatnonzero(starts[:-1] < starts[1:])
    if len(filled):
        inside = values[: starts[-1]]
        made[:, filled] = np.fmax.reduceat(inside, starts[filled], axis=0).T
    holds = (starts[:-1] > 0) & (edges[:-1] <= last_shown(steps))
    empty = np.flatnonzero((starts[:-1] == starts[1:]) & holds)
    made[:, empty] = values[starts[empty] - 1].T
    return made


def last_shown(steps: Steps) -> int:
    """The last step at which something is shown of rising steps, (n,), at least one."""
    return int(steps[-1]) + max(0, int(steps[-1]) - int(steps[-2]) - 1 if len(steps) > 1 else 0)


@dataclass(frozen=True)
class Scale:
    """The values of the first and the last colour, and whether the scale between them is logarithmic."""

    low: float
    high: float
    log: bool

    @classmethod
    def of(cls, values: Matrix, *, log: bool) -> Scale:
        """A scale that contains all values and rarely changes while values are added.

        Args:
            values: any shape, NaN and infinities among them.
            log: logarithmic; zeros and what is below have the lowest colour then.
        """
        finite = values[np.isfinite(values)]
        if log:
            finite = finite[finite > 0]
        if not len(finite):
            return cls(0.1, 1.0, True) if log else cls(0.0, 1.0, False)
        high = _round_up(float(finite.max()))
        if not log:
            low = float(finite.min())
            return cls(0.0 if low >= 0 else -_round_up(-low), high if high > 0 else 1.0, False)
        lowest = max(float(finite.min()), high / 10**_DECADES)
        return cls(min(10.0 ** math.floor(math.log10(lowest)), high / 10), high, True)

    @property
    def bounds(self) -> tuple[float, float]:
        """The bounds for an axis: logarithms on a logarithmic scale."""
        return (math.log10(self.low), math.log10(self.high)) if self.log else (self.low, self.high)

    def colours(self, values: Matrix) -> NDArray[np.uint8]:
        """The number of each value's colour, `COLOURS` for none; shape as `values`."""
        low, high = self.bounds
        shown = values.astype(np.float32)
        if self.log:
            with np.errstate(divide="ignore", invalid="ignore"):
                shown = np.where(shown > 0, np.log10(shown), np.where(np.isnan(shown), shown, low))
        with np.errstate(invalid="ignore"):
            numbers = np.clip((shown - low) * ((COLOURS - 1) / (high - low)), 0, COLOURS - 1)
        return np.where(np.isnan(numbers), COLOURS, np.nan_to_num(numbers)).astype(np.uint8)


def _round_up(value: float) -> float:
    """The least of the round numbers (`_ROUND` times a power of ten) that is not below a value."""
    if value <= 0:
        return 0.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(factor * power for factor in _ROUND if factor * power >= value * (1 - 1e-6))


def colour_table() -> list[int]:
    """The colours of the scale as 0xAARRGGBB, and behind them one that cannot be seen, for no value."""
    at = np.linspace(0, len(_VIRIDIS) - 1, COLOURS)
    parts = [np.interp(at, range(len(_VIRIDIS)), [stop[part] for stop in _VIRIDIS]) for part in range(3)]
    red, green, blue = (np.round(part).astype(int) for part in parts)
    return [*((0xFF << 24) + (red << 16) + (green << 8) + blue).tolist(), 0]


@dataclass(frozen=True)
class MatrixTable:
    """A matrix as a table: a row a step, a column a layer; all points."""

    layers: tuple[str, ...]
    steps: Steps
    values: Matrix
    unit: Unit
    positions: Positions

    @property
    def columns(self) -> tuple[PlotColumn, ...]:
        """Step and epoch, then the layers."""
        epoch = (PlotColumn("Epoch", Unit.NUMBER),) if self._has_epochs else ()
        return (
            PlotColumn("Step", Unit.COUNT),
            *epoch,
            *(PlotColumn(name, self.unit) for name in self.layers),
        )

    @property
    def row_count(self) -> int:
        """One row for each step."""
        return len(self.steps)

    def rows(self, first: int, end: int) -> list[tuple[Cell, ...]]:
        """The rows from `first` to before `end`."""
        return list(self._rows(first, end))

    def _rows(self, first: int, end: int) -> Iterator[tuple[Cell, ...]]:
        steps = self.steps[first:end]
        epochs = self.positions.places(XAxis.EPOCH, steps).tolist()
        for step, epoch, row in zip(steps.tolist(), epochs, self.values[first:end], strict=True):
            cells = (None if np.isnan(value) else value for value in row)
            yield (step, epoch, *cells) if self._has_epochs else (step, *cells)

    @property
    def _has_epochs(self) -> bool:
        return self.positions.can(XAxis.EPOCH)

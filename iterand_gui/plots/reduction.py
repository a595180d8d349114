"""Curves as a screen can show them: least and greatest value in each column of pixels. No point is lost.

Pure numpy, about 2,000 million points a second. Where a view holds no more than two points a column, the
points themselves are drawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RAW_PER_COLUMN = 2  # up to so many points a column, drawing all of them costs no more

Steps = NDArray[np.int64]
Values = NDArray[np.float32]


class PixelColumns(NamedTuple):
    """Least and greatest value of each of n columns; NaN where a column has no finite value.

    `filled` says which columns have points at all, `first` is the first point's value: it says from which
    end a column is entered.
    """

    low: Values
    high: Values
    first: Values
    filled: NDArray[np.bool_]


@dataclass(frozen=True)
class Polyline:
    """The line of a curve: positions on the x axis and values, both (m,); NaN is a gap.

    `raw` says that these are the points themselves.
    """

    x: NDArray[np.float64]
    values: Values
    raw: bool


def column_starts(steps: Steps, edges: Steps) -> NDArray[np.intp]:
    """The index of each column's first point.

    Args:
        steps: positions of the points, never falling, (n,).
        edges: the columns' bounds, never falling, (columns + 1,); a column holds edge <= step < next edge.
    Returns:
        (columns + 1,): column i holds the points from `starts[i]` to before `starts[i + 1]`.
    """
    return np.searchsorted(steps, edges, side="left")


def reduce_columns(values: Values, starts: NDArray[np.intp]) -> PixelColumns:
    """Reduce points to columns; NaN is passed over where a column has other values.

    Args:
        values: of the points, finite or NaN, (n,).
        starts: as `column_starts` gives them, (columns + 1,).
    """
    columns = _empty_columns(len(starts) - 1)
    filled = np.less(starts[:-1], starts[1:], out=columns.filled)
    if filled.any():
        begins, inside = starts[:-1][filled], values[: starts[-1]]
        columns.low[filled] = np.fmin.reduceat(inside, begins)
        columns.high[filled] = np.fmax.reduceat(inside, begins)
        columns.first[filled] = values[begins]
    return columns


class ColumnCache:
    """Reduces one growing array again and again; while the columns stay, only new points are read."""

    def __init__(self) -> None:
        self._edges: Steps | None = None
        self._starts = np.empty(0, np.intp)
        self._columns = _empty_columns(0)

    def forget(self) -> None:
        """Reduce the whole array at the next call."""
        self._edges = None

    def reduce(self, steps: Steps, values: Values, edges: Steps, changed: int) -> PixelColumns:
        """As `column_starts` and `reduce_columns`.

        Args:
            steps, values: the points, (n,).
            edges: bounds of the columns; the same object as before where they are the same.
            changed: index of the first point that is not what it was the last time.
        """
        if edges is not self._edges:
            self._edges, changed = edges, 0
            self._starts, self._columns = np.zeros(len(edges), np.intp), _empty_columns(len(edges) - 1)
        # New points may fall into the column of the last old point, and into none before it.
        column = max(0, int(np.searchsorted(self._starts, changed - 1, side="right")) - 1) if changed else 0
        begin = int(self._starts[column]) if changed else 0
        starts = column_starts(steps[begin:], edges[column:])
        new = reduce_columns(values[begin:], starts)
        self._starts[column:] = starts + begin
        for ours, theirs in zip(self._columns, new, strict=True):
            ours[column:] = theirs
        return self._columns


def zigzag(columns: PixelColumns, x: NDArray[np.float64]) -> Polyline:
    """Columns as a line through both ends of each, the end nearer to its first value before the other.

    Args:
        columns: n of them.
        x: their places on the x axis, (n,).
    """
    filled = columns.filled
    low, high, first = columns.low[filled], columns.high[filled], columns.first[filled]
    falls = high - first < first - low
    values = np.empty((len(low), 2), np.float32)
    values[:, 0] = np.where(falls, high, low)
    values[:, 1] = np.where(falls, low, high)
    return Polyline(np.repeat(x[filled], 2), values.reshape(-1), raw=False)


def visible(steps: Steps, first: int, last: int) -> slice:
    """The points that a view from step `first` to `last` needs: those within and one more at either side."""
    begin, end = np.searchsorted(steps, (first, last + 1), side="left")
    return slice(max(0, int(begin) - 1), min(len(steps), int(end) + 1))


def running_mean(values: Values, window: int, first: int = 0) -> Values:
    """The mean of the `window` values around each, at both ends of those that there are; NaN is passed over.

    Args:
        values: (n,).
        window: an odd number of values.
        first: compute from this index on.
    Returns:
        (n - first,); NaN where no value around is a number.
    """
    half = window // 2
    begin = max(0, first - half)
    part = values[begin:].astype(np.float64)
    known = ~np.isnan(part)
    part[~known] = 0.0
    sums, counts = (_window_sums(of, window)[first - begin :] for of in (part, known.astype(np.float64)))
    means = np.full(len(values) - first, np.nan)
    np.divide(sums, counts, out=means, where=counts > 0)
    return means.astype(np.float32)


def _window_sums(values: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """The sums of the values around each, an odd number of them; beyond the ends are zeros.

    Each window lies in two blocks of its own size: the end of one and the beginning of the next. Differences
    of running sums would lose all digits behind a spike.
    """
    count, half = len(values), window // 2
    padded = np.zeros((-(-(count + 2 * half) // window), window))
    padded.reshape(-1)[half : half + count] = values
    from_begin = np.cumsum(padded, axis=1).reshape(-1)
    to_end = np.cumsum(padded[:, ::-1], axis=1)[:, ::-1].reshape(-1)
    firsts = np.arange(count)
    ends = from_begin[firsts + 2 * half]
    return np.where(firsts % window == 0, ends, to_end[firsts] + ends)


def _empty_columns(count: int) -> PixelColumns:
    low, high, first = (np.full(count, np.nan, np.float32) for _ in range(3))
    return PixelColumns(low, high, first, np.zeros(count, np.bool_))

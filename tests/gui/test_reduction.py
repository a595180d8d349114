"""Reduction of curves: no point is lost, whatever the points and the columns are."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from iterand_gui.plots.reduction import (
    ColumnCache,
    PixelColumns,
    Steps,
    Values,
    column_starts,
    reduce_columns,
    running_mean,
    visible,
    zigzag,
)

FLOATS = st.floats(-1e6, 1e6, width=32) | st.just(float("nan"))


@st.composite
def series(draw: st.DrawFn, longest: int = 60) -> tuple[Steps, Values]:
    """Points at steps that never fall, with gaps, repeated steps and NaN."""
    count = draw(st.integers(0, longest))
    jumps = draw(hnp.arrays(np.int64, count, elements=st.integers(0, 5)))
    values = draw(hnp.arrays(np.float32, count, elements=FLOATS))
    return np.cumsum(jumps), values


def bounds(least: int = 2) -> st.SearchStrategy[Steps]:
    """Bounds of columns, some of them empty, some outside the points."""
    parts = st.lists(st.integers(-20, 320), min_size=least, max_size=20)
    return parts.map(lambda numbers: np.array(sorted(numbers), np.int64))


def by_hand(steps: Steps, values: Values, edges: Steps) -> list[tuple[float, float] | None]:
    """Least and greatest finite value of each column; None where it has no point."""
    found: list[tuple[float, float] | None] = []
    for low, high in pairwise(edges):
        inside = values[(steps >= low) & (steps < high)]
        finite = inside[~np.isnan(inside)]
        nothing = (float("nan"), float("nan")) if len(inside) else None
        found.append((float(finite.min()), float(finite.max())) if len(finite) else nothing)
    return found


def reduced(steps: Steps, values: Values, edges: Steps) -> PixelColumns:
    return reduce_columns(values, column_starts(steps, edges))


@given(series(), bounds())
def test_that_each_column_has_the_least_and_greatest_of_its_points(
    points: tuple[Steps, Values], edges: Steps
) -> None:
    columns = reduced(*points, edges)
    for n, expected in enumerate(by_hand(*points, edges)):
        assert columns.filled[n] == (expected is not None)
        if expected is not None:
            assert np.array_equal(
                [columns.low[n], columns.high[n]], np.array(expected, np.float32), equal_nan=True
            )


@given(series(), bounds(), st.data())
def test_that_a_curve_that_grows_and_is_cut_reduces_as_if_it_were_new(
    points: tuple[Steps, Values], edges: Steps, data: st.DataObject
) -> None:
    steps, values = points
    cache, seen = ColumnCache(), 0
    for _ in range(4):
        end = data.draw(st.integers(0, len(steps)), label="points there are now")
        changed = min(seen, end)
        if data.draw(st.booleans(), label="some of the old changed"):
            changed = data.draw(st.integers(0, changed))
            values = values.copy()
            values[changed:] = values[changed:] * 2 + 1
        columns = cache.reduce(steps[:end], values[:end], edges, changed)
        seen = end
        for ours, fresh in zip(columns, reduced(steps[:end], values[:end], edges), strict=True):
            assert np.array_equal(ours, fresh, equal_nan=ours.dtype != np.bool_)


def test_that_other_columns_are_not_answered_from_memory() -> None:
    steps, values = np.arange(10), np.arange(10, dtype=np.float32)
    cache = ColumnCache()
    cache.reduce(steps, values, np.array([0, 10]), 0)
    assert cache.reduce(steps, values, np.array([0, 5, 10]), 10).high.tolist() == [4, 9]


@given(series(), bounds())
def test_that_the_line_goes_through_both_ends_of_every_column(
    points: tuple[Steps, Values], edges: Steps
) -> None:
    columns = reduced(*points, edges)
    centres = (edges[:-1] + edges[1:]) / 2 + np.arange(len(edges) - 1) / 1000
    line = zigzag(columns, centres)
    assert not line.raw
    for n, expected in enumerate(by_hand(*points, edges)):
        there = line.values[line.x == centres[n]]
        if expected is None:
            assert not len(there)
        else:
            assert np.array_equal(np.sort(there), np.array(expected, np.float32), equal_nan=True)


def test_that_a_falling_curve_is_drawn_falling() -> None:
    steps, values = np.arange(100), np.linspace(5, -5, 100, dtype=np.float32)
    line = zigzag(reduced(steps, values, np.arange(0, 101, 10)), np.arange(10.0))
    assert (np.diff(line.values) < 0).all()


def test_that_a_column_of_nan_breaks_the_line_and_an_empty_one_does_not() -> None:
    steps = np.array([0, 1, 10, 11, 30])
    values = np.array([1, 2, np.nan, np.nan, 3], np.float32)
    line = zigzag(reduced(steps, values, np.array([0, 10, 20, 30, 40])), np.arange(4.0))
    assert line.x.tolist() == [0, 0, 1, 1, 3, 3]
    assert np.isnan(line.values).tolist() == [False, False, True, True, False, False]


@given(series(), st.integers(-5, 320), st.integers(0, 100))
def test_that_a_view_has_its_points_and_one_at_either_side(
    points: tuple[Steps, Values], first: int, width: int
) -> None:
    steps, _ = points
    part = steps[visible(steps, first, first + width)]
    inside = steps[(steps >= first) & (steps <= first + width)]
    assert set(inside) <= set(part)
    assert len(part) == len(inside) + bool((steps < first).any()) + bool((steps > first + width).any())


@given(hnp.arrays(np.float32, st.integers(0, 40), elements=FLOATS), st.integers(0, 6), st.integers(0, 40))
def test_that_a_running_mean_is_the_mean_around(values: Values, half: int, first: int) -> None:
    first = min(first, len(values))
    means = running_mean(values, 2 * half + 1, first)
    assert len(means) == len(values) - first
    for at, mean in enumerate(means, start=first):
        around = values[max(0, at - half) : at + half + 1].astype(np.float64)
        known = around[~np.isnan(around)]
        expected = known.mean() if len(known) else np.nan
        assert mean == pytest.approx(expected, rel=1e-5, abs=1e-7 * np.abs(known).sum() + 1e-40, nan_ok=True)


def test_that_a_spike_spoils_no_mean_but_those_it_is_in() -> None:
    values = np.full(1000, 1e-6, np.float32)
    values[100] = 1e30
    means = running_mean(values, 11)
    assert np.flatnonzero(means > 1).tolist() == list(range(95, 106))
    assert means[106:] == pytest.approx(1e-6)


def test_that_a_spike_among_a_million_points_is_drawn() -> None:
    values = np.zeros(1_000_000, np.float32)
    values[654_321] = 9.0
    columns = reduced(np.arange(1_000_000), values, np.linspace(0, 1_000_000, 801).astype(np.int64))
    assert np.flatnonzero(columns.high == 9.0).tolist() == [654_321 // 1250]

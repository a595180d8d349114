"""What plots keep: curves that grow, groups of seeds, and where steps stand by epoch and time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from iterand_engine.config.metrics import Unit
from iterand_gui.plots.curve_data import CurveData, Look
from iterand_gui.plots.group_curve import group_curve
from iterand_gui.plots.point_lines import PointLine, RunPoint, all_places
from iterand_gui.plots.reduction import Values
from iterand_gui.plots.x_axis import Clock, Positions, XAxis
from tests.gui.plot_tools import floats

ODD = [0.0, -1.0, float("inf"), float("-inf"), float("nan")]
VALUES = hnp.arrays(
    np.float32, st.integers(1, 80), elements=st.floats(-10, 10, width=32) | st.sampled_from(ODD)
)
LOOKS = st.builds(Look, log=st.booleans(), smoothing=st.sampled_from([0, 3, 10, 30]))


def same(one: Values | None, other: Values | None) -> bool:
    return (one is None and other is None) or bool(
        one is not None
        and other is not None
        and np.allclose(one, other, rtol=1e-4, atol=1e-4, equal_nan=True)
    )


@given(VALUES, LOOKS, st.data())
def test_that_a_curve_that_came_in_parts_is_the_same_as_one_that_came_at_once(
    values: Values, look: Look, data: st.DataObject
) -> None:
    steps = np.arange(len(values), dtype=np.int64) * 2
    grown = CurveData(steps[:1], values[:1], look=look)
    while len(grown) < len(values):
        more = data.draw(st.integers(1, len(values) - len(grown)))
        part = slice(len(grown), len(grown) + more)
        grown.extend(steps[part], values[part])
        if len(grown) > 2 and data.draw(st.booleans(), label="go back"):
            grown.cut(data.draw(st.integers(1, len(grown) - 1)))
    whole = CurveData(steps, values, look=look)
    assert np.array_equal(grown.steps, steps)
    assert np.array_equal(grown.values, values, equal_nan=True)
    assert same(grown.shown, whole.shown)
    assert same(grown.smoothed, whole.smoothed)


@given(VALUES, st.integers(1, 80), LOOKS)
def test_that_changes_name_the_first_value_that_differs(values: Values, more: int, look: Look) -> None:
    steps = np.arange(len(values) + more, dtype=np.int64)
    curve = CurveData(steps[: len(values)], values, look=look)
    assert curve.take_changes().shown == 0
    before, mean_before = curve.shown.copy(), None if curve.smoothed is None else curve.smoothed.copy()
    curve.extend(steps[len(values) :], np.ones(more, np.float32))
    changes = curve.take_changes()
    assert changes.shown == len(values)
    assert same(curve.shown[: len(before)], before)
    if mean_before is not None and curve.smoothed is not None:
        kept = min(changes.smoothed, len(mean_before))
        assert same(curve.smoothed[:kept], mean_before[:kept])
    assert curve.take_changes().shown == len(curve)


def test_that_values_are_kept_as_they_came_and_drawn_only_where_that_is_possible() -> None:
    values = np.array([1, np.inf, np.nan, -np.inf, 0, -1, 100], np.float32)
    curve = CurveData(np.arange(7), values)
    assert np.array_equal(curve.values, values, equal_nan=True)
    assert np.array_equal(curve.shown, floats(1, np.nan, np.nan, np.nan, 0, -1, 100), equal_nan=True)
    curve.show_as(Look(log=True))
    assert same(curve.shown, floats(0, *[np.nan] * 5, 2))


def test_that_neither_what_a_curve_was_made_from_nor_views_of_it_change() -> None:
    steps, values = np.arange(4), np.zeros(4, np.float32)
    curve = CurveData(steps, values)
    curve.extend(np.array([4]), np.ones(1, np.float32))
    view = curve.values
    curve.cut(2)
    curve.extend(np.array([2]), np.full(1, 7, np.float32))
    assert values.tolist() == [0, 0, 0, 0]
    assert view.tolist() == [0, 0, 0, 0, 1]
    assert curve.values.tolist() == [0, 0, 7]


def test_that_smoothing_counts_steps_not_points() -> None:
    every_step = CurveData(
        np.arange(1000), (np.arange(1000) % 2).astype(np.float32), look=Look(smoothing=101)
    )
    every_epoch = CurveData(np.arange(10) * 352, np.arange(10, dtype=np.float32), look=Look(smoothing=101))
    assert every_step.smoothed is not None
    assert every_step.smoothed[500] == pytest.approx(0.5, abs=0.01)
    assert every_epoch.smoothed is None


def test_that_a_band_is_one_deviation_wide_and_has_none_where_one_run_counts() -> None:
    mean, deviation = floats(1, 2), floats(0.5, np.nan)
    curve = CurveData(np.arange(2), mean, deviation)
    low, high = curve.band() or (None, None)
    assert same(low, floats(0.5, 2))
    assert same(high, floats(1.5, 2))


@given(st.lists(st.integers(0, 100), min_size=1, max_size=30), st.floats(-50, 150))
def test_that_the_nearest_point_is_nearest(jumps: list[int], step: float) -> None:
    steps = np.cumsum(jumps)
    found = CurveData(steps, np.zeros(len(steps), np.float32)).nearest(step)
    assert found is not None
    assert abs(steps[found] - step) == np.abs(steps - step).min()


@given(
    st.lists(st.tuples(st.integers(1, 30), st.integers(1, 3)), max_size=6),
    st.floats(0, 1e6),
    st.randoms(use_true_random=False),
)
def test_that_a_group_has_mean_deviation_and_number_at_each_step(
    sizes: list[tuple[int, int]], origin: float, random: np.random.RandomState
) -> None:
    members = []
    for count, every in sizes:
        values = np.array([origin + random.random() for _ in range(count)], np.float32)
        values[values > origin + 0.9] = np.nan
        members.append((np.arange(count, dtype=np.int64) * every, values))
    group = group_curve(members)
    assert (np.diff(group.steps) > 0).all()
    for at, step in enumerate(group.steps):
        there = np.array([v[s == step][0] for s, v in members if (s == step).any()], np.float64)
        known = there[~np.isnan(there)]
        assert group.runs[at] == len(known)
        assert group.mean[at] == pytest.approx(known.mean() if len(known) else np.nan, nan_ok=True, rel=1e-6)
        deviation = known.std(ddof=1) if len(known) > 1 else np.nan
        assert group.deviation[at] == pytest.approx(deviation, nan_ok=True, rel=1e-3, abs=1e-4)


def test_that_equal_runs_deviate_by_nothing() -> None:
    run = (np.arange(5), np.full(5, 0.9124, np.float32))
    assert group_curve([run, run, run]).deviation.tolist() == [0] * 5


@given(
    st.lists(st.tuples(st.integers(0, 50), st.floats(0, 20, width=32)), max_size=20), st.sampled_from(XAxis)
)
def test_that_places_rise_with_steps_and_lead_back(jumps: list[tuple[int, float]], axis: XAxis) -> None:
    samples = np.cumsum([step for step, _ in jumps], dtype=np.int64)
    times = np.cumsum([seconds for _, seconds in jumps]).astype(np.float32)
    positions = Positions(steps_per_epoch=7.5, clock=Clock.of_series(samples, times))
    if not positions.can(axis):
        assert not jumps
        return
    steps = np.arange(0, int(samples[-1] if len(samples) else 0) + 20)
    places = positions.places(axis, steps)
    assert (np.diff(places) >= 0).all()
    there_and_back = positions.places(axis, positions.steps(axis, places))
    assert np.allclose(there_and_back, places, rtol=1e-6, atol=1e-6)


def test_that_an_epochs_last_step_stands_at_its_number() -> None:
    assert Positions(steps_per_epoch=352.0).places(XAxis.EPOCH, [351, 703]).tolist() == [1, 2]


def test_that_time_goes_on_after_the_last_sample_at_the_average_pace() -> None:
    clock = Clock.of_series(np.array([4, 9, 9]), floats(1, 5, 10))
    assert Positions(clock=clock).places(XAxis.TIME, [-1, 9, 19]).tolist() == [0, 10, 20]


def test_that_a_run_without_clock_or_epochs_has_no_place_there() -> None:
    assert Clock.of_series(np.empty(0, np.int64), np.empty(0, np.float32)) is None
    assert [axis for axis in XAxis if Positions().can(axis)] == [XAxis.STEP]


def test_that_points_of_runs_become_means_with_deviation_and_number() -> None:
    runs = [
        ("a", 1.0, 0.9),
        ("b", 1.0, 0.8),
        ("c", 0.5, 0.7),
        ("d", 0.5, float("nan")),
        ("e", float("inf"), 1.0),
    ]
    line = PointLine("k", "IteRand", "g", tuple(RunPoint(*run) for run in runs))
    assert line.means.x.tolist() == [0.5, 1.0]
    assert line.means.mean.tolist() == pytest.approx([0.7, 0.85])
    assert line.means.deviation.tolist() == pytest.approx([np.nan, 0.005**0.5], nan_ok=True)
    assert line.means.runs.tolist() == [1, 2]
    assert line.means.text_at(1.0, Unit.SHARE) == "85.00 ± 7.07 % (n = 2)"
    assert line.means.text_at(0.7, Unit.SHARE) == ""
    assert all_places([line, line]).tolist() == [0.5, 1.0]
    assert all_places([]).tolist() == []

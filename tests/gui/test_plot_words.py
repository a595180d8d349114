"""What stands around curves: ticks, ranges, the stretch that linked plots show, tables and CSV."""

from __future__ import annotations

import csv
import io
import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PySide6.QtCore import Qt
from pytestqt.modeltest import ModelTester

from iterand_engine.config.metrics import Unit
from iterand_gui.plots.link import PlotLink, Span, smoothing_text
from iterand_gui.plots.tables import (
    Cell,
    PlainTable,
    PlotColumn,
    PlotTableModel,
    SeriesTable,
    Table,
    csv_parts,
)
from iterand_gui.plots.units import log_ticks, ticks
from iterand_gui.plots.value_range import value_range, zoomed
from iterand_gui.plots.x_axis import Positions, XAxis
from tests.gui.plot_tools import floats

SPANS = st.tuples(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6)).map(lambda at: (at[0], at[0] + at[1]))


@given(SPANS, st.sampled_from(Unit), st.floats(50, 2000))
@example((879609.9999999999, 879610.0000009999), Unit.NUMBER, 221.0)
def test_that_ticks_are_in_view_and_apart(span: Span, unit: Unit, length: float) -> None:
    low, high = span
    marks = [tick.at for tick in ticks(low, high, length, 44, unit)]
    rim = max(1e-6 * (high - low), 4 * math.ulp(max(abs(low), abs(high))))  # as near as numbers there get
    assert all(low - rim <= at <= high + rim for at in marks)
    assert all((b - a) / (high - low) * length >= 43.9 for a, b in pairwise(marks))
    assert len(marks) <= length / 43 + 1


@given(st.floats(-12, 6), st.floats(0.05, 20), st.floats(50, 2000))
def test_that_logarithmic_ticks_are_in_view_and_their_texts_apart(
    low: float, decades: float, length: float
) -> None:
    marks = log_ticks(low, low + decades, length, 44, Unit.NUMBER)
    assert all(low - 1e-6 <= tick.at <= low + decades + 1e-6 for tick in marks)
    named = [tick.at for tick in marks if tick.text]
    assert all((b - a) / decades * length >= 13 for a, b in pairwise(named))


@pytest.mark.parametrize(
    ("span", "unit", "texts"),
    [
        ((0, 35_200), Unit.COUNT, ["0", "10,000", "20,000", "30,000"]),
        ((0.86, 0.92), Unit.SHARE, ["86 %", "88 %", "90 %", "92 %"]),
        ((0, 7200), Unit.SECONDS, ["0:00 h", "0:30 h", "1:00 h", "1:30 h", "2:00 h"]),
        ((0, 8e9), Unit.BYTES, ["0", "2.0 GB", "4.0 GB", "6.0 GB", "8.0 GB"]),
        ((0, 4e-4), Unit.NUMBER, ["0", "1e-4", "2e-4", "3e-4", "4e-4"]),
        ((0, 1.2e7), Unit.COUNT, ["0", "5 M", "10 M"]),
        ((0, 4e13), Unit.NUMBER, ["0", "10 T", "20 T", "30 T", "40 T"]),
        ((0, 4e22), Unit.NUMBER, ["0", "1e22", "2e22", "3e22", "4e22"]),
        ((-3e38, 1e38), Unit.NUMBER, ["-3e38", "-2e38", "-1e38", "0", "1e38"]),
    ],
)
def test_that_ticks_read_as_a_reader_wants_them(span: Span, unit: Unit, texts: list[str]) -> None:
    assert [tick.text for tick in ticks(*span, 500, 110, unit)] == texts


@given(st.floats(-30, 38), st.floats(50, 2000), st.sampled_from([Unit.NUMBER, Unit.COUNT, Unit.SHARE]))
def test_that_texts_at_an_axis_are_short_whatever_the_values(power: float, length: float, unit: Unit) -> None:
    high = 10.0**power if unit is not Unit.SHARE else min(1.0, 10.0 ** (power / 10))
    texts = [tick.text for tick in ticks(0, high, length, 44, unit)]
    assert len(set(texts)) == len(texts)
    assert all(len(text) <= 8 for text in texts)


@given(st.lists(SPANS, min_size=1, max_size=5), st.sampled_from([Unit.NUMBER, Unit.SHARE]), st.booleans())
def test_that_a_range_holds_all_values_and_not_much_more(spans: list[Span], unit: Unit, log: bool) -> None:
    low, high = value_range([*spans, None], unit, log=log)
    least, greatest = min(span[0] for span in spans), max(span[1] for span in spans)
    assert low < least
    assert greatest < high
    assert high - low <= 1.3 * (greatest - least) + 0.11 * abs(least) + 1


def test_that_shares_keep_to_nought_and_one() -> None:
    low, high = value_range([(0.0, 1.0)], Unit.SHARE, log=False)
    assert -0.03 < low < 0
    assert 1 < high < 1.03


@given(SPANS, st.floats(0.1, 10), st.floats(0, 1))
def test_that_zooming_keeps_its_place(span: Span, factor: float, share: float) -> None:
    low, high = span
    place = low + share * (high - low)
    new_low, new_high = zoomed(span, factor, place)
    assert (place - new_low) / (new_high - new_low) == pytest.approx(share, abs=1e-3)


def test_that_everything_is_shown_until_one_zooms_in_and_again_when_zoomed_out() -> None:
    link, plot = PlotLink(), PlotLink()
    link.report_extent(plot, (0.0, 1000.0))
    assert link.view == (0.0, 1020.0)
    link.zoom(0.5, 200.0)
    assert link.view == (100.0, 610.0)
    assert link.is_zoomed
    link.zoom(4.0)
    assert not link.is_zoomed


def test_that_linked_plots_show_what_all_of_them_have() -> None:
    link, one, other = PlotLink(), PlotLink(), PlotLink()
    link.report_extent(one, (0.0, 500.0))
    link.report_extent(other, (0.0, 1000.0))
    assert link.view == (0.0, 1020.0)
    link.report_extent(other, None)
    assert link.view == (0.0, 504.0)


def test_that_a_view_at_the_newest_points_follows_them_and_an_older_one_stays() -> None:
    link, plot = PlotLink(), PlotLink()
    link.report_extent(plot, (0.0, 1000.0))
    link.show(900.0, 1000.0)
    assert link.follow
    link.report_extent(plot, (0.0, 1030.0))
    low, high = link.view
    assert 1030 <= high <= 1033
    assert high - low == pytest.approx(100)
    link.show(100.0, 200.0)
    assert not link.follow
    link.report_extent(plot, (0.0, 2000.0))
    assert link.view == (100.0, 200.0)
    link.set_follow(True)
    assert link.view[1] >= 2000


def test_that_a_view_that_grows_is_rarely_anew() -> None:
    link, plot = PlotLink(), PlotLink()
    link.report_extent(plot, (0.0, 10_000.0))
    seen = set()
    for end in range(10_000, 11_000, 10):
        link.report_extent(plot, (0.0, float(end)))
        seen.add(link.view)
    assert len(seen) <= 7


def test_that_the_first_and_last_points_do_not_lie_on_the_edge() -> None:
    link, plot = PlotLink(), PlotLink()
    for extent in ((0.0, 41.0), (20.0, 41.0), (0.0, 1000.0), (700.0, 35_200.0)):
        link.report_extent(plot, extent)
        low, high = link.view
        assert low < extent[0] or extent[0] == 0
        assert extent[1] < high < extent[1] * 1.06


def test_that_another_axis_shows_everything_again() -> None:
    link, plot = PlotLink(), PlotLink()
    link.report_extent(plot, (0.0, 1000.0))
    link.show(10.0, 20.0)
    link.set_cursor(15.0)
    link.set_axis(XAxis.EPOCH)
    link.report_extent(plot, (0.0, 3.0))
    assert link.view == pytest.approx((0.0, 3.02))
    assert link.cursor is None


def test_that_one_cannot_zoom_into_nothing() -> None:
    link = PlotLink()
    for _ in range(200):
        link.zoom(0.5)
    low, high = link.view
    assert high - low >= 4


def test_that_smoothing_is_said_in_steps() -> None:
    assert smoothing_text(0) == "None"
    assert smoothing_text(1000) == "Mean of 1,000 steps"


def read_csv(table: Table) -> list[list[str]]:
    return list(csv.reader(io.StringIO("".join(csv_parts(table)))))


@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 3), st.floats(-10, 10, width=32)), max_size=40),
        min_size=1,
        max_size=3,
    )
)
def test_that_a_table_has_every_point_at_its_step(runs: list[list[tuple[int, float]]]) -> None:
    series = [
        (f"s{n}", np.cumsum([jump for jump, _ in points], dtype=np.int64), floats(*(v for _, v in points)))
        for n, points in enumerate(runs)
    ]
    rows = read_csv(SeriesTable(series, Unit.NUMBER))
    assert rows[0] == ["Step", *(name for name, _, _ in series)]
    steps = [int(row[0]) for row in rows[1:]]
    assert steps == sorted(steps)
    for column, (_, at, values) in enumerate(series, start=1):
        found = [(int(row[0]), np.float32(row[column])) for row in rows[1:] if row[column]]
        assert found == list(zip(at.tolist(), values, strict=True))


def test_that_a_table_of_one_run_has_epochs_too() -> None:
    table = SeriesTable([("a", np.array([351, 703]), floats(0.5, 0.25))], Unit.SHARE, Positions(352.0))
    assert read_csv(table) == [["Step", "Epoch", "a"], ["351", "1.0", "0.5"], ["703", "2.0", "0.25"]]


def test_that_numbers_of_csv_lose_nothing() -> None:
    value = np.float32(0.1) + np.float32(1e-7)
    ((_, text),) = read_csv(SeriesTable([("a", np.array([0]), np.array([value]))], Unit.NUMBER))[1:]
    assert np.float32(text) == value


def text(model: PlotTableModel, row: int, column: int, role: int = Qt.ItemDataRole.DisplayRole) -> object:
    return model.data(model.index(row, column), role)


def test_that_cells_are_shown_as_a_reader_wants_them(qtmodeltester: ModelTester) -> None:
    cells: tuple[tuple[Cell, ...], ...] = ((1000, 0.9124), (2000, None), (3000, np.float32("nan")))
    model = PlotTableModel()
    model.show_table(PlainTable((PlotColumn("Step", Unit.COUNT), PlotColumn("Accuracy", Unit.SHARE)), cells))
    qtmodeltester.check(model, force_py=True)  # type: ignore[no-untyped-call]
    assert model.headerData(1, Qt.Orientation.Horizontal) == "Accuracy"
    assert [text(model, row, 1) for row in range(3)] == ["91.24 %", "", "nan"]
    assert text(model, 0, 0) == "1,000"
    assert text(model, 1, 1, Qt.ItemDataRole.AccessibleTextRole) == "no value"


def test_that_a_table_that_grows_keeps_its_place() -> None:
    model, resets, inserted = PlotTableModel(), [], []
    model.modelReset.connect(lambda: resets.append(1))
    model.rowsInserted.connect(lambda _, first, last: inserted.append((first, last)))

    def of(count: int) -> SeriesTable:
        return SeriesTable([("a", np.arange(count), np.arange(count, dtype=np.float32))], Unit.NUMBER)

    for count in (600, 700, 700):
        model.show_table(of(count))
    assert (len(resets), inserted) == (1, [(600, 699)])
    assert text(model, 699, 1) == "699"
    model.show_table(of(10))
    assert (len(resets), model.rowCount()) == (2, 10)


def test_that_spreads_are_said_in_the_unit() -> None:
    assert Unit.SHARE.spread_text(0.9124, 0.0031) == "91.24 ± 0.31 %"
    assert Unit.BYTES.spread_text(2e9, 1e9) == "2.0 GB ± 1.0 GB"
    assert Unit.SECONDS.spread_text(2.0, math.nan) == "2 s"

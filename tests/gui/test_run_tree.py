"""The lines of the run table: changes one by one, the quick filter, and how long thousands of runs take."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PySide6.QtCore import QModelIndex

from iterand_engine.results import filters
from iterand_engine.store import RunRow, RunState, SweepRow
from iterand_gui.pages.runs.lines.columns import COLUMN, seeds_text
from iterand_gui.pages.runs.lines.filter import FilteredRuns
from iterand_gui.pages.runs.lines.model import RunTableModel
from iterand_gui.pages.runs.lines.tree import TOP, RunTree
from tests.counting import calls_in
from tests.gui.run_rows import change, config, run, sweep

Rows = list[RunRow]


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[Rows, list[str], list[SweepRow], str]]:
    """Changes one after the other: runs that come and change, go, sweeps, a filter."""
    number = st.integers(1, 12)
    state = st.sampled_from([RunState.QUEUED, RunState.RUNNING, RunState.FINISHED, RunState.FAILED])
    history = []
    for _ in range(draw(st.integers(1, 6))):
        numbers = draw(st.lists(number, max_size=5, unique=True))
        rows = [run(n, seed=n % 4, lr=n % 3 + 1, state=draw(state), step=draw(number)) for n in numbers]
        gone = [f"{n:08d}" for n in draw(st.lists(number, max_size=2)) if n not in numbers]
        members = draw(st.lists(number, min_size=1, max_size=4, unique=True))
        made = [sweep("s", [run(n) for n in members], lr=[1])] if draw(st.booleans()) else []
        history.append((rows, gone, made, draw(st.sampled_from(["", "state:finished", "step>6", "lr=2"]))))
    return history


READ = [COLUMN[key] for key in ("state", "name", "differs", "n", "accuracy", "progress", "seeds")]


def dump(model: RunTableModel, parent: QModelIndex | None = None) -> list[Any]:
    """All that a table shows, and the runs of each line."""
    above = parent or QModelIndex()
    lines = []
    for row in range(model.rowCount(above)):
        first = model.index(row, 0, above)
        cells = [str(first.siblingAtColumn(at).data()) for at in READ]
        lines.append((cells, model.run_ids([first]), dump(model, first)))
    return lines


@pytest.mark.usefixtures("qapp")
@settings(max_examples=25)
@given(histories(), st.sampled_from(["age", "state", "progress", "name"]))
def test_that_changes_one_by_one_end_like_one_listing(
    history: list[tuple[Rows, list[str], list[SweepRow], str]], key: str
) -> None:
    model, fresh = RunTableModel(), RunTableModel()
    model.sort(COLUMN[key])
    fresh.sort(COLUMN[key])
    known: dict[str, RunRow] = {}
    for rows, gone, sweeps, wanted in history:
        model.take(change(rows, gone))
        model.set_sweeps(sweeps)
        model.set_filter(filters.parse(wanted))
        model.sort(COLUMN[key])
        dump(model)
        known = {k: row for k, row in (known | {row.id: row for row in rows}).items() if k not in gone}
    fresh.set_filter(filters.parse(history[-1][3]))
    fresh.set_sweeps(history[-1][2])
    fresh.take(change(list(known.values())))
    fresh.set_sweeps([])
    fresh.set_sweeps(history[-1][2])
    assert dump(model) == dump(fresh)
    assert model.counts == fresh.counts


WANTED = (
    "lr>=2 state:finished",
    "conv4",
    '"x1-iter" seed:1',
    "lr!=1",
    "step<5",
    "age_s>10",
    "method.rule:uniform",
)


@given(st.lists(st.integers(1, 12), unique=True), st.sampled_from(WANTED))
def test_that_the_quick_filter_is_the_engines(numbers: list[int], wanted: str) -> None:
    rows = {row.id: row for row in (run(n, seed=n % 2, lr=n % 4, step=n) for n in numbers)}
    configs = {row.id: config(row) for row in rows.values()}
    filtered, parsed, now = FilteredRuns(rows, configs), filters.parse(wanted), time.time()
    expected = {row.id for row in rows.values() if parsed.matches(row, configs[row.id], now)}
    assert filtered.matching(parsed, now) == expected
    assert filtered.matching(parsed, now) == expected
    for row in rows.values():
        rows[row.id] = replace(row, step=0)
    filtered.rows_changed(others=False)
    expected = {row.id for row in rows.values() if parsed.matches(row, configs[row.id], now)}
    assert filtered.matching(parsed, now) == expected


def test_that_sorting_and_filtering_again_calls_little_for_each_run() -> None:
    rates = [n % 50 + n // 250 / 1000 for n in range(2_000)]
    rows = [run(n, seed=n % 5, lr=rates[n // 5], val_accuracy=n % 997 / 997) for n in range(10_000)]
    of_group = {row.group_key: config(row) for row in rows[::5]}
    tree = RunTree()
    tree.take(
        replace(change(), rows=tuple(rows[::-1]), configs={row.id: of_group[row.group_key] for row in rows})
    )

    def sort() -> None:
        tree.in_order(tree.members(TOP), COLUMN["accuracy"], descending=True)

    def find() -> None:
        tree.set_filter(filters.parse("lr>=0.05 method:iterand"), 0.0)
        tree.members(TOP)

    for act in (sort, find):
        act()  # fills what is kept
    assert calls_in(sort) < 100
    assert calls_in(find) < 5 * len(rows)
    assert tree.members(TOP).size == len({rate for rate in rates if rate >= 0.05})


def test_that_seeds_are_written_in_few_characters() -> None:
    assert seeds_text((1,)) == "1"
    assert seeds_text((5, 1, 2, 3, 9, 10)) == "1-3, 5, 9, 10"

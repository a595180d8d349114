"""Runs folded into groups: the newest finished run of each seed counts, whatever order changes come in."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterand_engine.results.groups import Figure, Group, Groups, figure, group_of
from iterand_engine.store import RunRow, RunState
from tests.run_rows import NOW, run_row

rows = st.builds(
    run_row,
    id=st.uuids().map(str),
    seed=st.integers(1, 4),
    group_key=st.sampled_from("abc"),
    state=st.sampled_from([RunState.FINISHED, *RunState]),
    val_accuracy=st.none() | st.floats(0, 1),
    created_at=st.integers(0, 5).map(lambda minutes: NOW - 60 * minutes),
)


def newest_first(found: Sequence[RunRow]) -> list[RunRow]:
    return sorted(found, key=lambda row: -row.created_at)


def expected(found: Sequence[RunRow]) -> dict[int, RunRow]:
    """The run that stands for each seed, by the words of the rule."""
    chosen = {}
    for seed in {row.seed for row in found}:
        of_seed = [row for row in newest_first(found) if row.seed == seed]
        chosen[seed] = next((row for row in of_seed if row.state is RunState.FINISHED), of_seed[0])
    return chosen


@given(st.lists(rows, min_size=1, max_size=12))
def test_that_the_newest_finished_run_of_each_seed_counts(found: list[RunRow]) -> None:
    group = group_of("key", found)
    chosen = expected(found)
    assert list(group.runs) == newest_first(found)
    assert {row.seed: row for row in group.seeds} == chosen
    assert [row.seed for row in group.seeds] == sorted(chosen)
    counted = [row for row in chosen.values() if row.state is RunState.FINISHED]
    assert group.n == len(group.counted) == len(counted)
    accuracies = [row.val_accuracy for row in counted if row.val_accuracy is not None]
    assert group.accuracy.n == len(accuracies)
    if accuracies:
        assert group.accuracy.mean == pytest.approx(statistics.mean(accuracies))
    if len(accuracies) > 1:
        assert group.accuracy.deviation == pytest.approx(statistics.stdev(accuracies), abs=1e-12)
    assert sum(group.states.values()) == len(chosen)


@pytest.mark.parametrize(
    ("states", "text"),
    [
        ("f", "1"),
        ("fff", "3"),
        ("ffd", "2 of 3, 1 diverged"),
        ("fdrqq", "1 of 5, 1 running, 2 queued, 1 diverged"),
        ("r", "0 of 1, 1 running"),
    ],
)
def test_that_what_has_not_finished_stays_visible(states: str, text: str) -> None:
    words = {
        "f": RunState.FINISHED,
        "d": RunState.DIVERGED,
        "r": RunState.RUNNING,
        "q": RunState.QUEUED,
    }
    found = [run_row(seed=seed, state=words[letter]) for seed, letter in enumerate(states)]
    assert group_of("key", found).text == text


def test_that_every_state_can_be_reported() -> None:
    found = [run_row(seed=seed, state=state) for seed, state in enumerate(RunState)]
    group = group_of("key", found)
    assert group.text.startswith(f"1 of {len(RunState)}, ")
    assert all(f"1 {state}" in group.text for state in RunState if state is not RunState.FINISHED)


def test_that_a_failed_repetition_does_not_hide_a_finished_run() -> None:
    finished = run_row(val_accuracy=0.9, created_at=NOW - 60)
    failed = run_row(state=RunState.FAILED, val_accuracy=None)
    group = group_of("key", [failed, finished])
    assert (group.n, group.text, group.accuracy) == (1, "1", Figure(0.9, None, 1))
    assert group.runs == (failed, finished)


def test_that_mixed_programs_and_hardware_are_reported() -> None:
    one = run_row(seed=1, git_commit="0123456789")
    other = run_row(seed=2, program_version="0.2.0", device_kind="cuda")
    group = group_of("key", [one, other])
    assert group.programs == ("0.1.0 (0123456)", "0.2.0")
    assert group.hardware() == ("cpu", "cuda")
    assert group.hardware({one.id: "EPYC", other.id: "H100"}) == ("EPYC", "H100")
    alike = group_of("key", [one, replace(other, program_version="0.1.0", git_commit="0123456789")])
    assert len(alike.programs) == 1
    repeated = replace(one, id="older", created_at=NOW - 9, program_version="0.0.9")
    assert len(group_of("key", [one, repeated]).programs) == 1  # it does not count any more


@pytest.mark.parametrize(
    ("values", "result"),
    [
        ([], Figure(None, None, 0)),
        ([None, float("nan")], Figure(None, None, 0)),
        ([0.5, None], Figure(0.5, None, 1)),
        ([1.0, 2.0, 3.0, float("nan")], Figure(2.0, 1.0, 3)),
    ],
)
def test_that_a_figure_is_of_the_numbers_that_are_known(values: list[float | None], result: Figure) -> None:
    assert figure(values) == result


def some_of(found: list[RunRow]) -> st.SearchStrategy[list[RunRow]]:
    return st.lists(st.sampled_from(found), unique=True) if found else st.just([])


def folded(found: Sequence[RunRow]) -> dict[str, Group]:
    keys = {row.group_key for row in found}
    return {key: group_of(key, [row for row in found if row.group_key == key]) for key in keys}


def members(group: Group) -> set[RunRow]:
    return set(group.runs)


@given(st.lists(rows, max_size=15), st.data())
def test_that_changes_lead_to_what_folding_anew_gives(found: list[RunRow], data: st.DataObject) -> None:
    groups = Groups(newest_first(found))
    for _ in range(3):
        removed = data.draw(some_of(found), label="removed")
        left = [row for row in found if row not in removed]
        changed = data.draw(some_of(left), label="changed")
        state = st.sampled_from(list(RunState))
        changes = {row.id: replace(row, state=data.draw(state), val_accuracy=0.25) for row in changed}
        new = data.draw(st.lists(rows, max_size=3), label="new")
        found = [*new, *(changes.get(row.id, row) for row in left)]
        before = {group.key: group for group in groups.newest_first()}
        touched = groups.update(newest_first([*new, *changes.values()]), [row.id for row in removed])
        assert touched == {row.group_key for row in (*removed, *changed, *new)}
        after = folded(found)
        assert len(groups) == len(after)
        for key in "abc":
            group, wanted = groups.get(key), after.get(key)
            assert (group is None) == (wanted is None)
            if group is None or wanted is None:
                continue
            assert members(group) == members(wanted)
            assert group.runs == tuple(newest_first(group.runs))
            assert {row.seed: row.state for row in group.seeds} == {
                seed: row.state for seed, row in expected(group.runs).items()
            }
            if key not in touched:
                assert group is before[key]  # not even looked at


def test_that_groups_are_listed_by_their_newest_run() -> None:
    old, new = run_row(group_key="old", created_at=NOW - 100), run_row(group_key="new")
    groups = Groups([new, old])
    assert [group.key for group in groups.newest_first()] == ["new", "old"]
    groups.update([run_row(group_key="old", seed=2, created_at=NOW + 1)])
    assert [group.key for group in groups.newest_first()] == ["old", "new"]


def test_that_a_run_that_comes_back_counts_again() -> None:
    run = run_row()
    groups = Groups([run])
    assert groups.update([], [run.id, "unknown"]) == {"group"}
    assert (len(groups), groups.get("group")) == (0, None)
    assert groups.update([run]) == {"group"}
    assert groups.newest_first()[0].runs == (run,)


class CountedKey(str):
    """Counts how often any of them is looked up or compared."""

    __slots__ = ()
    asked: ClassVar[int] = 0

    def __hash__(self) -> int:
        CountedKey.asked += 1
        return super().__hash__()

    def __eq__(self, other: object) -> bool:
        CountedKey.asked += 1
        return super().__eq__(other)


@pytest.mark.parametrize("seeds", [1, 5, 10_000])
def test_that_each_of_ten_thousand_runs_is_looked_up_a_few_times(seeds: int) -> None:
    keys = [CountedKey(number // seeds) for number in range(10_000)]
    found = [
        run_row(id=str(number), group_key=key, seed=number % seeds, created_at=NOW - number)
        for number, key in enumerate(keys)
    ]
    CountedKey.asked = 0
    groups = Groups(found)
    assert len(groups) == 10_000 // seeds
    assert CountedKey.asked < 20 * len(found)
    CountedKey.asked = 0
    groups.update([replace(found[0], val_accuracy=0.75)])
    assert CountedKey.asked < 20 * max(1, seeds)

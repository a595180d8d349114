"""The runs of a sweep as a grid: each run in the cell of its values, seeds folded, gaps visible."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterand_engine.config.axes import SEED, read_values
from iterand_engine.results.sweep_grid import Grid, grid_of
from iterand_engine.runs.sweeps import SweepPlan, plan
from iterand_engine.store import RunRow, RunState
from tests.counting import calls_in
from tests.run_rows import run_row


def planned(*sets: str, seeds: tuple[int, ...] = ()) -> SweepPlan:
    changes = dict(map(read_values, sets)) | ({SEED: seeds} if seeds else {})
    return plan({"compute": {"precision": "fp32"}}, changes, Path("/nowhere"))


def runs_of(found: SweepPlan) -> list[tuple[RunRow, dict[str, Any]]]:
    """A finished run for each cell of a plan, with its configuration as its row holds it."""
    return [
        (run_row(seed=cell.config.training.seed, val_accuracy=number / 100), cell.config.to_mapping())
        for number, cell in enumerate(found.cells)
    ]


def laid_out(found: SweepPlan) -> Grid:
    return grid_of(found.axes, runs_of(found))


def test_that_each_combination_is_a_cell_and_seeds_fold_into_it() -> None:
    grid = laid_out(planned("model.width_factor=0.25,0.5", "training.lr=0.1,0.2,0.3", seeds=(1, 2)))
    assert [axis.option for axis in grid.axes] == ["model.width_factor", "training.lr"]
    assert [axis.name for axis in grid.axes] == ["width", "lr"]
    assert grid.axes[1].labels == ("0.1", "0.2", "0.3")
    assert grid.shape == (2, 3)
    assert set(grid.cells) == set(itertools.product(range(2), range(3)))
    for group in grid.cells.values():
        assert [run.seed for run in group.seeds] == [1, 2]
        assert (group.n, group.accuracy.n) == (2, 2)
    assert grid.outside == ()
    assert grid.missing() == []


def test_that_a_cell_knows_how_its_runs_stand() -> None:
    found = planned("training.lr=0.1,0.2", seeds=(1, 2, 3))
    runs = runs_of(found)
    states = [RunState.FINISHED, RunState.QUEUED, RunState.DIVERGED, RunState.QUEUED, RunState.RUNNING]
    for number, state in enumerate(states):
        row, config = runs[number]
        runs[number] = (run_row(seed=row.seed, state=state, val_accuracy=0.5), config)
    grid = grid_of(found.axes, runs)
    # A whole grid for one seed comes before the next.
    assert grid.cells[(0,)].states == {RunState.FINISHED: 1, RunState.DIVERGED: 1, RunState.RUNNING: 1}
    assert grid.cells[(1,)].states == {RunState.QUEUED: 2, RunState.FINISHED: 1}
    assert grid.cells[(0,)].text == "1 of 3, 1 running, 1 diverged"
    assert grid.cells[(0,)].accuracy.mean == 0.5


def test_that_a_run_stands_along_the_whole_axis_that_its_method_lacks() -> None:
    grid = laid_out(planned("method.name=edge-popup,iterand", "method.randomize_rate=0.05,0.1"))
    assert grid.shape == (2, 2)
    assert len(grid.cells) == 4
    assert grid.cells[0, 0] is grid.cells[0, 1]
    assert grid.cells[1, 0] is not grid.cells[1, 1]
    assert len(grid.cells[0, 0].runs) == 1


def test_that_gaps_are_known() -> None:
    found = planned("model.width_factor=0.25,0.5", "training.lr=0.1,0.2,0.3")
    grid = grid_of(found.axes, runs_of(found)[1:5])
    assert grid.missing() == [(0, 0), (1, 2)]
    assert grid_of(found.axes, []).missing() == list(itertools.product(range(2), range(3)))


def test_that_runs_of_other_values_are_told_apart() -> None:
    found = planned("training.lr=0.1,0.2")
    (stranger, config), *_ = runs_of(planned("training.lr=0.7,0.8"))
    grid = grid_of(found.axes, [(stranger, config), *runs_of(found)])
    assert grid.outside == (stranger,)
    assert all(stranger not in group.runs for group in grid.cells.values())
    assert len(grid.cells) == 2


def test_that_lists_whole_numbers_and_words_are_values_too() -> None:
    grid = laid_out(
        planned(
            "training.schedule=multistep",
            "training.milestones=[30],[30, 60]",
            "model.width_factor=1, 2",
            "compute.threads=auto,2",
            "data.train_limit=null,100",
        )
    )
    assert grid.shape == (2, 2, 2, 2)
    assert len(grid.cells) == 16
    assert grid.outside == ()
    assert [axis.labels for axis in grid.axes] == [
        ("30", "30 60"),
        ("1", "2"),
        ("auto", "2"),
        ("none", "100"),
    ]


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ("uniform", (0,)),
        ({"name": "mine", "rate": 0.1, "more": 5}, (1,)),
        ({"name": "mine", "rate": 0.2, "more": 5}, (2,)),
        ({"name": "other"}, None),
    ],
)
def test_that_a_rule_is_found_though_its_configuration_says_more(
    value: object, place: tuple[int, ...] | None
) -> None:
    axes = {"method.rule": ["uniform", "mine", {"name": "mine", "rate": 0.2}]}
    run = run_row()
    grid = grid_of(axes, [(run, {"method": {"rule": value}})])
    assert list(grid.cells) == ([] if place is None else [place])
    assert grid.outside == ((run,) if place is None else ())


@given(
    counts=st.lists(st.integers(1, 3), max_size=3),
    picks=st.lists(st.tuples(*[st.integers(0, 2)] * 3), max_size=8),
)
def test_that_every_run_is_in_the_cell_of_its_values(
    counts: list[int], picks: list[tuple[int, int, int]]
) -> None:
    axes = {f"own.option{number}": list(range(count)) for number, count in enumerate(counts)}
    runs = [
        (run_row(id=str(number)), {"own": {f"option{axis}": value for axis, value in enumerate(pick)}})
        for number, pick in enumerate(picks)
    ]
    grid = grid_of(axes, runs)
    inside: dict[tuple[int, ...], list[str]] = {}
    for number, pick in enumerate(picks):
        place = pick[: len(counts)]
        if all(index < count for index, count in zip(place, counts, strict=True)):
            inside.setdefault(place, []).append(str(number))
    assert {place: [run.id for run in group.runs] for place, group in grid.cells.items()} == inside
    assert len(grid.outside) == len(picks) - sum(map(len, inside.values()))
    assert len(grid.missing()) + len(grid.cells) == len(list(itertools.product(*axes.values())))


def test_that_the_work_of_laying_out_grows_with_the_runs() -> None:
    few, many = (
        {
            "model.width_factor": list(range(widths)),
            "training.lr": list(range(100)),
            "training.seed": [1, 2, 3, 4, 5],
        }
        for widths in (2, 20)
    )
    grid = grid_of(many, runs_over(many))
    assert len(grid.cells) == 2000
    assert all(group.n == 5 for group in grid.cells.values())
    few_runs, many_runs = runs_over(few), runs_over(many)
    assert calls_in(lambda: grid_of(many, many_runs)) < 15 * calls_in(lambda: grid_of(few, few_runs))


def runs_over(axes: dict[str, list[int]]) -> list[tuple[RunRow, dict[str, Any]]]:
    return [
        (
            run_row(id=f"{width} {lr} {seed}", seed=seed),
            {"model": {"width_factor": width}, "training": {"lr": lr}},
        )
        for width, lr, seed in itertools.product(*axes.values())
    ]

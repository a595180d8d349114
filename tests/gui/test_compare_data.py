"""What is laid side by side, as data: folding, names, order, points as they come, results, the sheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterand_engine.config.run_config import RunConfig
from iterand_engine.store import Locked, RunRow, RunState
from iterand_engine.store.records import Json
from iterand_gui.pages.compare.entries import MOST, Comparison, compare, line_styles
from iterand_gui.pages.compare.facts import Known
from iterand_gui.pages.compare.metrics import METRICS, metric_of
from iterand_gui.pages.compare.results import Mode, result_lines
from iterand_gui.pages.compare.sheet import ComparisonSheet, SheetInputs, as_csv, as_markdown, make_sheet
from iterand_gui.pages.compare.tracks import Track, positions_of
from iterand_gui.plots.x_axis import XAxis
from tests.gui import run_rows

CONFIG = RunConfig().to_mapping()


def run(number: int, method: str = "iterand", width: float = 1.0, seed: int = 1, **values: Any) -> RunRow:
    """A finished run; runs of one method and width are one group."""
    made: dict[str, Any] = {"group_key": f"{method} {width:g}", "width_factor": width, "val_accuracy": 0.9}
    return run_rows.run(number, seed=seed, method=method, **(made | values))


def config(row: RunRow, **method: object) -> Json:
    """The configuration of a run."""
    mapping = RunConfig.from_mapping(
        {
            "model": {"name": "conv4", "width_factor": row.width_factor},
            "method": {"name": row.method, **method},
            "training": {"seed": row.seed},
        }
    )
    return mapping.to_mapping()


def laid_out(*rows: RunRow, fold: bool = True, configs: Mapping[str, Json] | None = None) -> Comparison:
    return compare(rows, configs or {row.id: config(row) for row in rows}, fold=fold)


def sheet_of(
    comparison: Comparison,
    known: Known | None = None,
    *,
    baseline: str | None = None,
    all_options: bool = False,
) -> ComparisonSheet:
    return make_sheet(comparison, SheetInputs(known or Known(), baseline, all_options=all_options))


def cells(sheet: ComparisonSheet, title: str) -> list[str]:
    at = [column.title for column in sheet.columns].index(title)
    return [row[at].text for row in sheet.rows.values()]


# Entries.


def test_that_seeds_fold_into_one_entry_and_others_stand_apart() -> None:
    rows = [run(1, seed=1), run(2, seed=2), run(3, method="dense", seed=1)]
    comparison = laid_out(*rows)
    assert [(entry.name, entry.group.text) for entry in comparison.entries] == [
        ("dense", "1"),
        ("iterand", "2"),
    ]
    assert comparison.runs_total == 3
    apart = laid_out(*rows, fold=False)
    assert [entry.name for entry in apart.entries] == ["dense, seed 1", "iterand, seed 1", "iterand, seed 2"]


def test_that_entries_are_ordered_by_what_differs_and_numbers_as_numbers() -> None:
    rows = [run(n, width=width) for n, width in enumerate((16, 0.5, 2, 1))]
    assert [entry.name for entry in laid_out(*rows).entries] == [
        "width 0.5",
        "width 1",
        "width 2",
        "width 16",
    ]


@given(
    st.lists(
        st.tuples(st.sampled_from(("dense", "iterand")), st.sampled_from((0.5, 1.0)), st.integers(1, 3)),
        max_size=12,
    ),
    st.booleans(),
)
def test_that_every_run_is_in_one_entry_and_no_two_have_one_name(
    made: list[tuple[str, float, int]], fold: bool
) -> None:
    rows = [run(n, method, width, seed) for n, (method, width, seed) in enumerate(made)]
    comparison = laid_out(*rows, fold=fold)
    ids = [run_id for entry in comparison.entries for run_id in entry.run_ids]
    assert sorted(ids) == sorted(row.id for row in rows)
    names = [entry.name for entry in comparison.entries]
    assert len(set(names)) == len(names)


def test_that_names_begin_with_the_option_that_separates_most_in_the_fields_letters() -> None:
    rows = [run(n, group_key=str(n), width=0.5 + n // 2) for n in range(4)]
    configs = {row.id: config(row, randomize_every=10 * (n + 1)) for n, row in enumerate(rows)}
    comparison = laid_out(*rows, configs=configs)
    assert [entry.name for entry in comparison.entries] == [
        *("K 10, width 0.5", "K 20, width 0.5", "K 30, width 1.5", "K 40, width 1.5")
    ]
    assert "randomize_every" in [column.title for column in sheet_of(comparison).columns]
    assert {line.name for line in result_lines(comparison, Mode.WIDTH, lambda entry: 1.0)} == {
        *("K 10", "K 20", "K 30", "K 40")
    }


def test_that_groups_with_equal_options_get_different_names() -> None:
    """Their extensions or the content of their dataset may differ, which no option says."""
    rows = [run(1, group_key="a", name="one"), run(2, group_key="b", name="one")]
    names = [entry.name for entry in laid_out(*rows).entries]
    assert len(set(names)) == 2
    assert all(name.startswith("one") for name in names)


def test_that_a_run_that_diverged_bends_no_mean_unless_there_is_no_other() -> None:
    bad: dict[str, Any] = {"state": RunState.DIVERGED, "val_accuracy": None}
    (entry,) = laid_out(run(1, seed=1), run(2, seed=2, **bad)).entries
    assert [one.seed for one in entry.curve_runs] == [1]
    assert entry.group.text == "1 of 2, 1 diverged"
    assert entry.title.endswith("(n = 1 of 2)")
    (only,) = laid_out(run(1, seed=1, **bad), run(2, seed=2, **bad)).entries
    assert [one.seed for one in only.curve_runs] == [1, 2]


def test_that_more_entries_than_can_be_distinguished_are_left_out() -> None:
    rows = [run(n, width=1 + n / 100) for n in range(MOST + 5)]
    comparison = laid_out(*rows)
    assert (len(comparison.entries), comparison.total) == (MOST, MOST + 5)


def test_that_a_run_keeps_its_colour_alone_and_in_a_group_the_group_has_one() -> None:
    one, other = run(1, seed=1), run(2, seed=2)
    assert laid_out(one).entries[0].colour_key == one.id
    assert laid_out(one, other).entries[0].colour_key == one.group_key
    assert laid_out(one).entries[0].key == laid_out(one, other).entries[0].key  # so it stays the baseline


def test_that_shared_options_are_those_that_all_have_in_common() -> None:
    shared = laid_out(run(1, method="dense"), run(2, method="iterand")).shared
    assert shared["model.name"] == "conv4"
    assert shared["training.epochs"] == 100
    assert not {"method.name", "method.sparsity", "training.seed", "name", "compute.device"} & set(shared)


def test_that_lines_change_where_colours_come_again() -> None:
    assert line_styles([3, 1, 3, 3, 1], 2) == [0, 0, 1, 0, 1]


# Points.


@given(st.data())
def test_that_points_in_parts_are_the_same_as_at_once(data: st.DataObject) -> None:
    track = Track()
    expected: list[int] = []
    drawn: list[int] = []
    for _ in range(data.draw(st.integers(1, 6))):
        first = data.draw(st.integers(0, len(expected) + 2))
        count = data.draw(st.integers(0, 5))
        part = np.arange(first, first + count, dtype=np.int64)
        taken = track.take(first, part, part.astype(np.float32))
        assert taken == (first <= len(expected))
        if taken:
            expected[first:] = part.tolist()
        if data.draw(st.booleans()):  # what changed since a plot looked the last time is all it needs
            changed = track.take_change()
            assert drawn[:changed] == expected[:changed]
            drawn = expected.copy()
    assert track.steps.tolist() == expected
    assert track.values.tolist() == expected


def test_that_a_group_stands_at_the_mean_time_of_its_runs() -> None:
    clocks = []
    for pace in (1.0, 3.0):
        clock = Track()
        steps = np.arange(10, dtype=np.int64)
        clock.take(0, steps, ((steps + 1) * pace).astype(np.float32))
        clocks.append(clock)
    row = run(1, total_steps=1000)
    positions = positions_of([row], CONFIG, clocks)
    assert positions.places(XAxis.TIME, [0, 9]).tolist() == [2.0, 20.0]
    assert positions.places(XAxis.EPOCH, [9]).tolist() == [1.0]


def test_that_epochs_are_not_known_before_training_began() -> None:
    assert not positions_of([run(1, total_steps=None)], CONFIG, []).can(XAxis.EPOCH)


# Results.


def test_that_results_have_a_line_for_each_method_and_a_point_for_each_finished_run() -> None:
    rows = [
        run(1, "dense", 0.5, 1, val_accuracy=0.8),
        run(2, "dense", 1.0, 1, val_accuracy=0.9),
        run(3, "dense", 1.0, 2, val_accuracy=0.92),
        run(4, "iterand", 1.0, 1, val_accuracy=0.85),
        run(5, "iterand", 0.5, 1, val_accuracy=None, state=RunState.RUNNING),
    ]
    comparison = laid_out(*rows)
    lines = result_lines(comparison, Mode.WIDTH, lambda entry: entry.lead.width_factor)
    assert {line.name: [(p.x, p.value) for p in line.known] for line in lines} == {
        "dense": [(0.5, 0.8), (1.0, 0.9), (1.0, 0.92)],
        "iterand": [(1.0, 0.85)],
    }
    assert lines[0].means.mean.tolist() == [0.8, 0.91]


def test_that_sparsities_are_one_line_over_kept_weights_where_the_width_is_the_same() -> None:
    rows = [run(n, group_key=str(n)) for n in range(2)]
    configs = {row.id: config(row, sparsity=0.3 + 0.3 * n) for n, row in enumerate(rows)}
    comparison = laid_out(*rows, configs=configs)
    kept = {"0": 70.0, "1": 40.0}
    (line,) = result_lines(comparison, Mode.KEPT, lambda entry: kept[entry.lead.group_key])
    assert [point.x for point in line.known] == [40.0, 70.0]
    assert len(result_lines(comparison, Mode.WIDTH, lambda entry: 1.0)) == 2


def test_that_a_place_that_is_not_known_is_no_point() -> None:
    (line,) = result_lines(laid_out(run(1)), Mode.KEPT, lambda entry: None)
    assert line.known == ()


# The sheet.


def test_that_what_came_out_stands_beside_the_name_then_what_differs() -> None:
    sheet = sheet_of(laid_out(run(1, "dense", 0.5), run(2, "iterand", 1.0)))
    titles = [column.title for column in sheet.columns]
    assert titles == ["Name", "n", "Validation accuracy", "Test accuracy", "Training time", "width", "method"]
    pinned = sheet_of(laid_out(run(1, "dense", 0.5), run(2, "iterand", 1.0)), baseline="dense 0.5")
    assert [column.title for column in pinned.columns][3] == "Difference (points)"
    shared = sheet_of(laid_out(run(1, "dense", 0.5), run(2, "iterand", 1.0)), all_options=True)
    assert {"lr", "epochs", "batch_size"} <= {column.title for column in shared.columns[len(titles) :]}


def test_that_figures_are_of_finished_seeds_and_say_how_many_those_are() -> None:
    rows = [
        run(1, seed=1, val_accuracy=0.90),
        run(2, seed=2, val_accuracy=0.92),
        run(3, seed=3, state=RunState.DIVERGED, val_accuracy=None),
    ]
    sheet = sheet_of(laid_out(*rows))
    assert cells(sheet, "Validation accuracy") == ["91.00 ± 1.41 %"]
    assert cells(sheet, "n") == ["2 of 3, 1 diverged"]


def test_that_a_run_that_goes_on_shows_what_it_has_so_far() -> None:
    row = run(1, state=RunState.RUNNING, val_accuracy=None, accuracy_so_far=0.5)
    sheet = make_sheet(laid_out(row), SheetInputs(Known(), None, all_options=False))
    assert cells(sheet, "Validation accuracy") == ["50.00 % so far"]
    assert cells(sheet, "n") == ["0 of 1, running"]


def test_that_mixed_programs_and_hardware_are_reported() -> None:
    rows = [run(n, seed=n, step=5, program_version=f"0.{n}.0") for n in (1, 2)]
    known = Known(devices={rows[0].id: "H100", rows[1].id: "A100"})
    sheet = sheet_of(laid_out(*rows), known)
    assert cells(sheet, "n") == ["2, mixed programs, mixed hardware"]
    assert cells(sheet, "Program") == ["mixed: 0.1.0, 0.2.0"]
    assert cells(sheet, "Hardware") == ["mixed: A100, H100"]
    same = sheet_of(laid_out(*(replace(row, program_version="0.1.0") for row in rows)), Known())
    assert not {"Program", "Hardware"} & {column.title for column in same.columns}


@pytest.mark.parametrize(
    ("test", "text"),
    [
        ([0.9, 0.92], "91.00 ± 1.41 %"),
        ([Locked.LOCKED, Locked.LOCKED], "locked"),
        ([Locked.LOCKED, 0.9], "90.00 % (n = 1, 1 locked)"),
        ([None, None], "—"),
    ],
)
def test_that_test_accuracy_is_shown_as_the_lock_has_it(test: list[float | Locked | None], text: str) -> None:
    rows = [run(n, seed=n) for n in range(2)]
    known = Known(test={row.id: value for row, value in zip(rows, test, strict=True)})
    assert cells(sheet_of(laid_out(*rows), known), "Test accuracy") == [text]


def test_that_differences_are_to_the_baseline_which_stays_above_in_every_order() -> None:
    accuracies = {"dense": 0.95, "edge-popup": 0.88, "iterand": 0.9}
    rows = [run(n, method, val_accuracy=value) for n, (method, value) in enumerate(accuracies.items())]
    sheet = sheet_of(laid_out(*rows), baseline="iterand 1")
    delta = dict(zip(sheet.rows, cells(sheet, "Difference (points)"), strict=True))
    assert delta == {"dense 1": "+5.00", "edge-popup 1": "-2.00", "iterand 1": "baseline"}
    assert sheet.keys("accuracy") == ["iterand 1", "edge-popup 1", "dense 1"]
    assert sheet.keys("accuracy", descending=True) == ["iterand 1", "dense 1", "edge-popup 1"]
    gone = sheet_of(laid_out(*rows), baseline="another")
    assert "Difference (points)" not in [column.title for column in gone.columns]


def test_that_what_is_not_known_comes_last_in_both_orders() -> None:
    rows = [run(1, "dense", val_accuracy=0.9), run(2, "iterand", state=RunState.QUEUED, val_accuracy=None)]
    sheet = sheet_of(laid_out(*rows))
    assert sheet.keys("accuracy")[-1] == sheet.keys("accuracy", descending=True)[-1] == "iterand 1"


def test_that_csv_has_all_digits_and_markdown_what_is_read() -> None:
    rows = [
        run(1, seed=1, val_accuracy=0.9),
        run(2, seed=2, val_accuracy=0.913),
        run(3, "dense", name="a|b\n"),
    ]
    sheet = sheet_of(laid_out(*rows))
    keys = sheet.keys()
    head, *lines = csv.reader(io.StringIO(as_csv(sheet, keys)))
    found = {line[head.index("method")]: line for line in lines}
    assert float(found["iterand"][head.index("Validation accuracy")]) == 0.9065
    assert float(found["iterand"][head.index("Validation accuracy, deviation")]) == pytest.approx(0.00919239)
    assert found["dense"][head.index("Validation accuracy, deviation")] == ""
    table = as_markdown(sheet, keys).splitlines()
    assert table[0].startswith("| Name | n | Validation accuracy |")
    assert table[1].startswith("| --- | --- | ---: | ---: |")
    assert table[2].startswith("| a\\|b  | 1 | 90.00 % |")
    assert "90.65 ± 0.92 %" in table[3]


def test_that_a_metric_that_is_not_known_is_the_first() -> None:
    assert metric_of("loss").name == "loss"
    assert metric_of(3) is METRICS[0]
    assert len({metric.name for metric in METRICS}) == len(METRICS)

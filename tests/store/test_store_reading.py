"""What readers that change nothing get: rows with configurations, accuracies so far, and a plain refusal."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sqlalchemy import text

from iterand_engine.errors import UserError
from iterand_engine.machine import processes
from iterand_engine.machine.workspace import open_workspace_dir
from iterand_engine.store import Recorder, RunRow, RunState, Store, blocks, run_select, schema
from iterand_engine.store.runs import adopt_run, claim_run, request_stop

if TYPE_CHECKING:
    from pathlib import Path

    from tests.store.conftest import Place


def record(place: Place, *accuracies: float, state: RunState | None = None) -> str:
    """A run that was evaluated so often, and ended so (or is still under way)."""
    run_id, token = place.started_run()
    with Recorder(place.store, run_id, token) as recorder:
        recorder.declare("val_accuracy", "epoch")
        recorder.declare("other", "epoch")
        for step, value in enumerate(accuracies):
            recorder.append("val_accuracy", [step], [value])
            recorder.append("other", [step], [9.0])
        recorder.progress(len(accuracies), len(accuracies), 10)
        if state is not None:
            recorder.finish(state, val_accuracy=0.875 if state is RunState.FINISHED else None)
    return run_id


def test_that_rows_come_with_their_configurations(place: Place) -> None:
    made = [place.new_run(f"run-{number}") for number in range(3)]
    pairs = place.store.reader.runs_with_configs()
    assert [row for row, _ in pairs] == place.store.reader.runs()
    assert [dict(config) for _, config in pairs] == [place.store.reader.run(m).config for m in made]
    assert [row.id for row, _ in place.store.reader.runs_with_configs(ids=made[:1])] == made[:1]
    assert [row.id for row, _ in place.store.reader.runs_with_configs(limit=1)] == made[2:]


def test_that_the_accuracy_so_far_is_known_of_every_run(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_select, "_IDS_AT_ONCE", 2)
    expected = {
        record(place, 0.25, 0.5): 0.5,
        record(place, 0.25, state=RunState.STOPPED): 0.25,
        record(place, 0.5, math.nan): None,
        record(place): None,
        record(place, 0.5, state=RunState.FINISHED): 0.875,
        place.new_run("queued"): None,
    }
    rows = place.store.reader.runs()
    assert {row.id: row.accuracy_so_far for row in rows} == expected
    details = (place.store.reader.run(run_id) for run_id in expected)
    assert {detail.id: detail.accuracy_so_far for detail in details} == expected


def test_that_one_series_of_several_runs_is_read_at_once(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_select, "_IDS_AT_ONCE", 3)
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 200)
    made = {record(place, *(number / 8 for number in range(count))): count for count in (0, 1, 20, 40, 50)}
    other = place.new_run("without")
    found = place.store.reader.series_of([*made, other, "x"], "val_accuracy")
    assert {run_id: series.steps.size for run_id, series in found.items()} == made
    for run_id, series in found.items():
        alone = place.store.reader.series(run_id, "val_accuracy")
        assert (series.name, series.axis, series.layers, series.first) == ("val_accuracy", "epoch", None, 0)
        assert series.steps.tolist() == alone.steps.tolist()
        assert series.values.tolist() == alone.values.tolist() == [step / 8 for step in series.steps.tolist()]
    since = {run_id: (0, count - 2) for run_id, count in made.items() if count > 2}
    newer = place.store.reader.series_of(list(made), "val_accuracy", since)
    assert [newer[run_id].steps.tolist() for run_id in since] == [[18, 19], [38, 39], [48, 49]]
    assert [series.first for series in newer.values()] == [0, 0, 18, 38, 48]
    assert place.store.reader.series_of([], "val_accuracy") == {}
    assert place.store.reader.series_of(list(made), "nothing") == {}


def test_that_series_read_whole_take_their_memory_in_one_piece(place: Place) -> None:
    made = [record(place, *(number / 8 for number in range(count))) for count in (3, 5)]
    found = place.store.reader.series_of(made, "val_accuracy")
    steps, values = ([getattr(found[one], what) for one in made] for what in ("steps", "values"))
    assert len({id(array.base) for array in steps}) == len({id(array.base) for array in values}) == 1
    assert steps[0].base.shape == values[0].base.shape == (8,)
    assert not np.shares_memory(*steps)


def test_that_a_list_says_of_each_run_what_the_run_says_itself(place: Place) -> None:
    record(place, 0.5)
    record(place, 0.5, state=RunState.STOPPED)
    record(place, 0.5, state=RunState.FINISHED)
    place.new_run("queued")
    place.new_run("waited", waiter=processes.current())
    place.new_run("no more", waiter=replace(processes.current(), pid=2**22 + 1))
    dead = place.new_run("dead")
    gone = replace(processes.current(), start_ticks=1)
    adopt_run(place.store, dead, claim_run(place.store, dead), gone, {})
    claim_run(place.store, place.new_run("claimed"))
    request_stop(place.store, place.started_run("stopping")[0])
    rows = place.store.reader.runs()
    assert len({(row.state, row.waiting) for row in rows}) == 8
    for row in rows:
        detail = place.store.reader.run(row.id)
        assert row == RunRow(**{field.name: getattr(detail, field.name) for field in fields(RunRow)})


def test_that_of_ten_thousand_runs_only_the_live_are_judged_singly(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = place.new_run()
    with place.store.writing() as connection:
        names = ", ".join(f'"{c.name}"' for c in schema.run.columns if c.name not in ("number", "id"))
        count = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9999)"
        copies = f"{count} SELECT id || i, {names} FROM run, n"
        connection.execute(text(f"INSERT INTO run (id, {names}) {copies}"))
        connection.execute(schema.run.update().where(schema.run.c.id != made).values(state="finished"))
    live, _ = place.started_run("live")
    judged: list[str] = []
    judge = run_select.fields_of

    def noted(row: Any, so_far: Mapping[str, float | None]) -> dict[str, Any]:
        judged.append(row.id)
        return judge(row, so_far)

    monkeypatch.setattr(run_select, "fields_of", noted)
    assert len(place.store.reader.runs()) == 10_001
    assert judged == [live]


def test_that_a_store_opened_to_read_reads_what_is_there(place: Place) -> None:
    run_id = record(place, 0.5)
    with Store.open_to_read(place.workspace) as store:
        assert [row.id for row in store.reader.runs()] == [run_id]


def test_that_opening_to_read_makes_nothing(workspace_dir: Path) -> None:
    workspace = open_workspace_dir(workspace_dir)
    with pytest.raises(UserError, match=r"There are no runs in .* yet"):
        Store.open_to_read(workspace)
    assert not workspace.db_path.exists()


@pytest.mark.parametrize(
    ("version", "said"),
    [("0000", "older schema 0 and is only read here"), ("9999", "written by a newer version")],
)
def test_that_opening_to_read_never_upgrades(place: Place, version: str, said: str) -> None:
    path = place.workspace.db_path
    place.store.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (version,))
        connection.commit()
    before = path.read_bytes()
    with pytest.raises(UserError, match=said):
        Store.open_to_read(place.workspace)
    assert path.read_bytes() == before
    assert not list(path.parent.glob("*.bak"))


def test_that_a_damaged_database_is_refused_in_a_sentence(workspace_dir: Path) -> None:
    workspace = open_workspace_dir(workspace_dir)
    workspace.db_path.write_bytes(b"no database at all" * 1000)
    with pytest.raises(UserError, match="Cannot use the database"):
        Store.open_to_read(workspace)

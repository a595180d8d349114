"""What readers that change nothing get: rows with configurations, accuracies so far, and a plain refusal."""

from __future__ import annotations

import math
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from iterand_engine.errors import UserError
from iterand_engine.store import Recorder, RunState, Store, queries, run_reading
from iterand_engine.workspace import open_workspace_dir

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
    pairs = queries.runs_with_configs(place.store)
    assert [row for row, _ in pairs] == queries.runs(place.store)
    assert [dict(config) for _, config in pairs] == [queries.run(place.store, m).config for m in made]
    assert [row.id for row, _ in queries.runs_with_configs(place.store, ids=made[:1])] == made[:1]
    assert [row.id for row, _ in queries.runs_with_configs(place.store, limit=1)] == made[2:]


def test_that_the_accuracy_so_far_is_known_of_every_run(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_reading, "_IDS_AT_ONCE", 2)
    expected = {
        record(place, 0.25, 0.5): 0.5,
        record(place, 0.25, state=RunState.STOPPED): 0.25,
        record(place, 0.5, math.nan): None,
        record(place): None,
        record(place, 0.5, state=RunState.FINISHED): 0.875,
        place.new_run("queued"): None,
    }
    rows = queries.runs(place.store)
    found = queries.val_accuracies(place.store, rows)
    assert found == expected
    assert list(found) == [row.id for row in rows]


def test_that_a_store_opened_to_read_reads_what_is_there(place: Place) -> None:
    run_id = record(place, 0.5)
    with Store.open_to_read(place.workspace) as store:
        assert [row.id for row in queries.runs(store)] == [run_id]


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

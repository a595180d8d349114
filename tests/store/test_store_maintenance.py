"""`iterand clean` makes a database smaller and changes nothing that can be read from it."""

from __future__ import annotations

import gzip
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from iterand_engine.machine.workspace import open_workspace_dir
from iterand_engine.store import Recorder, RunState, Store, trash
from iterand_engine.store.maintenance import compact
from tests.store.unpacking import RELEASED

if TYPE_CHECKING:
    from tests.store.conftest import Place


def recorded(place: Place, name: str) -> str:
    """A finished run with half a megabyte of points."""
    run_id, token = place.started_run(name)
    with Recorder(place.store, run_id, token) as recorder:
        recorder.declare("loss", "step")
        recorder.append("loss", np.arange(120_000), np.arange(120_000))
        recorder.finish(RunState.FINISHED)
    return run_id


def test_that_blocks_of_an_earlier_version_become_smaller_and_stay_the_same(workspace_dir: Path) -> None:
    workspace = open_workspace_dir(workspace_dir)
    workspace.db_path.write_bytes(gzip.decompress((RELEASED / "schema-0003.db.gz").read_bytes()))
    with Store.open(workspace) as store:
        (run_id,) = (row.id for row in store.reader.runs() if row.name == "finished")
        before = {
            info.name: store.reader.series(run_id, info.name) for info in store.reader.series_list(run_id)
        }
        assert compact(store)
        for name, series in before.items():
            now = store.reader.series(run_id, name)
            assert now.steps.tolist() == series.steps.tolist()
            assert now.values.tobytes() == series.values.tobytes()
        assert compact(store) == 0
    with closing(sqlite3.connect(workspace.db_path)) as connection:
        rows = connection.execute("SELECT packing, length(steps), count FROM series_block").fetchall()
    assert rows
    assert all(packing == 2 and size <= count + 8 for packing, size, count in rows)


def test_that_the_room_of_removed_runs_comes_back(place: Place) -> None:
    kept, removed = recorded(place, "kept"), recorded(place, "removed")
    trash.discard(place.store, [removed])
    trash.forget(place.store, [removed])
    freed = compact(place.store)
    assert freed is not None
    assert freed > 400_000
    assert np.array_equal(place.store.reader.series(kept, "loss").values, np.arange(120_000))


def test_that_a_database_that_somebody_writes_stays_as_it_is(place: Place) -> None:
    removed = recorded(place, "removed")
    trash.discard(place.store, [removed])
    trash.forget(place.store, [removed])
    with place.locked():
        assert compact(place.store) is None
    assert compact(place.store)


def test_that_a_run_goes_on_behind_blocks_that_were_rewritten(place: Place) -> None:
    run_id, token = place.started_run()
    with Recorder(place.store, run_id, token) as recorder:
        recorder.declare("loss", "step")
        recorder.append("loss", np.arange(20_000), np.arange(20_000))
        recorder.drain()
        with place.store.writing() as connection:
            connection.exec_driver_sql(
                "UPDATE series_block SET packing = 1, steps = ? WHERE ordinal = 0",
                (np.arange(16_384, dtype="<i8").tobytes(),),
            )
        compact(place.store)
        recorder.append("loss", np.arange(20_000, 40_000), np.arange(20_000, 40_000))
        recorder.rewind(39_000)
        recorder.finish(RunState.FINISHED)
    series = place.store.reader.series(run_id, "loss")
    assert np.array_equal(series.steps, np.arange(39_000))
    assert np.array_equal(series.values, np.arange(39_000))

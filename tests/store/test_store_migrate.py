"""Databases of every released schema open; newer, foreign and live ones are refused; failures undo all."""

from __future__ import annotations

import gzip
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from iterand_engine.errors import UserError
from iterand_engine.machine.workspace import Workspace, open_workspace_dir
from iterand_engine.store import (
    NewRun,
    RunState,
    Store,
    dialect,
    schema,
    trash,
)
from iterand_engine.store.migrate import MIGRATIONS, prepare_database
from iterand_engine.store.runs import create_run
from tests.patience import PATIENCE_S

if TYPE_CHECKING:
    from tests.store.conftest import Place

RELEASED = Path(__file__).parent / "released"
_COLUMNS = "SELECT name FROM pragma_table_info('run') ORDER BY cid"
_BLOCKS = "SELECT series_id, ordinal, first_index, steps, points FROM series_block ORDER BY 1, 2"
NEXT_STEP = """
import sqlalchemy as sa
from alembic import op
revision, down_revision, branch_labels, depends_on = "0005", "0004", None, None
def upgrade():
    op.add_column("run", sa.Column("mood", sa.Text))
    with op.batch_alter_table("series", recreate="always") as batch:  # blocks depend on it
        batch.add_column(sa.Column("unit", sa.Text, nullable=False, server_default="1"))
"""


@pytest.fixture
def next_schema(tmp_path: Path) -> Path:
    """The steps of this program and one more."""
    folder = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "versions" / "schema_0005.py").write_text(NEXT_STEP)
    return folder


@pytest.fixture
def released(workspace_dir: Path) -> Workspace:
    """A workspace as the first release left it."""
    workspace = open_workspace_dir(workspace_dir)
    put(RELEASED / "schema-0001.db.gz", workspace)
    return workspace


def put(compressed: Path, workspace: Workspace) -> None:
    workspace.db_path.write_bytes(gzip.decompress(compressed.read_bytes()))


def execute(path: Path, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(statement).fetchall()


def dump(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def test_that_the_newest_step_is_the_one_this_program_knows() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [schema.SCHEMA_REVISION]


def test_that_the_steps_make_the_tables_that_the_code_expects(place: Place) -> None:
    with place.store.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, schema.metadata) == []


def test_that_every_released_schema_is_kept_here() -> None:
    kept = {path.name for path in RELEASED.glob("*.db.gz")}
    assert kept == {f"schema-{number:04d}.db.gz" for number in range(1, int(schema.SCHEMA_REVISION) + 1)}


@pytest.mark.parametrize("path", sorted(RELEASED.glob("*.db.gz")), ids=lambda path: path.stem)
def test_that_a_released_database_opens_with_all_that_it_holds(path: Path, workspace_dir: Path) -> None:
    workspace = open_workspace_dir(workspace_dir)
    put(path, workspace)
    with Store.open(workspace) as store:
        rows = {row.name: row for row in store.reader.runs()}
        assert {name: row.state for name, row in rows.items()} == {
            "finished": RunState.FINISHED,
            "stopped": RunState.STOPPED,
            "queued": RunState.QUEUED,
        }
        finished = store.reader.run(rows["finished"].id)
        assert (finished.val_accuracy, finished.rewind, finished.step) == (0.75, 1, 6000)
        assert finished.config["model"] == {"name": "conv2", "width_factor": 0.5}
        assert [start.snapshot for start in finished.environments] == [{"threads": 1}, {"threads": 2}]
        assert store.reader.test_accuracy(finished.id, lock=True) == 0.5  # it was unlocked
        loss = store.reader.series(finished.id, "loss")
        assert np.array_equal(loss.steps, np.arange(6000))
        assert np.array_equal(loss.values, (np.arange(6000) / 8).astype(np.float32))
        flips = store.reader.series(finished.id, "mask_flips")
        assert flips.layers == ("conv1", "fc")
        assert np.isnan(flips.values[0, 1])
        assert [event.text for event in store.reader.events(finished.id)] == ["at chance for 5 epochs"]
        assert [c.step for c in store.reader.checkpoints(rows["stopped"].id)] == [6000, 3000]
        assert rows["stopped"].reason == "asked to"


def test_that_queued_runs_of_the_first_schema_keep_their_order(released: Workspace) -> None:
    copies = "INSERT INTO run SELECT number + {0}, id || {0}, '{1}', {2} FROM run WHERE name = 'queued'"
    rest = ", ".join(f'"{name}"' for (name,) in execute(released.db_path, _COLUMNS)[3:])
    for number, name in ((20, "later"), (10, "sooner")):
        execute(released.db_path, copies.format(number, name, rest))
    with Store.open(released) as store:
        assert [row.name for row in store.reader.queued()] == ["queued", "sooner", "later"]
        made = store.reader.run(store.reader.queued()[0].id)
        assert (made.extensions, made.notes, made.tags, made.device_errors) == ((), "", (), 0)
        last = create_run(store, NewRun("last", made.config, "group", 3, "cpu", "fp32", "0.1.0"))
        assert store.reader.queued()[-1].id == last


def test_that_a_database_of_the_second_schema_keeps_queue_slots_and_labels(workspace_dir: Path) -> None:
    workspace = open_workspace_dir(workspace_dir)
    put(RELEASED / "schema-0002.db.gz", workspace)
    with Store.open(workspace) as store:
        ids = {row.name: row.id for row in store.reader.runs()}
        assert [row.name for row in store.reader.queued()] == ["queued"]
        (sweep,) = store.reader.sweeps()
        assert (sweep.name, sweep.axes) == ("sweep", {"training.seed": [1, 2]})
        assert sweep.run_ids == (ids["finished"], ids["queued"])
        finished = store.reader.run(ids["finished"])
        assert (finished.tags, finished.notes) == (("good", "paper"), "worth a look")
        (slot,) = store.reader.slots()
        assert (slot.key.device, slot.closed_reason, slot.run_id) == ("GPU-1", "an ECC error", None)
        (entry,) = store.reader.discarded()
        assert entry.row.name == "own"
        trash.restore(store, [entry.row.id])
        (use,) = store.reader.run(entry.row.id).extensions
        assert use.file == "mine.py"


def test_that_an_upgrade_keeps_every_row_and_a_backup(released: Workspace, next_schema: Path) -> None:
    before = dump(released.db_path)
    blocks = execute(released.db_path, _BLOCKS)
    copy = prepare_database(released.db_path, migrations=next_schema, head="0005")
    assert copy is not None
    assert dump(copy) == before
    assert execute(released.db_path, "SELECT DISTINCT unit FROM series") == [("1",)]
    assert execute(released.db_path, _BLOCKS) == blocks
    assert execute(released.db_path, "SELECT version_num FROM alembic_version") == [("0005",)]
    assert execute(released.db_path, "PRAGMA foreign_key_check") == []
    assert prepare_database(released.db_path, migrations=next_schema, head="0005") is None


def test_that_a_step_that_fails_leaves_the_old_schema(released: Workspace, next_schema: Path) -> None:
    before = dump(released.db_path)
    failing = NEXT_STEP + "    raise ZeroDivisionError\n"
    (next_schema / "versions" / "schema_0005.py").write_text(failing)
    with pytest.raises(ZeroDivisionError):
        prepare_database(released.db_path, migrations=next_schema, head="0005")
    assert dump(released.db_path) == before


def test_that_live_runs_hold_an_upgrade_back(place: Place, next_schema: Path) -> None:
    run_id, _ = place.started_run()
    with pytest.raises(UserError, match=f"1 of its runs are being trained .{run_id}.: stop them"):
        prepare_database(place.workspace.db_path, migrations=next_schema, head="0005")
    assert list(place.workspace.root.glob("*.bak")) == []
    execute(place.workspace.db_path, "UPDATE run SET owner_start_ticks = owner_start_ticks - 1")
    assert prepare_database(place.workspace.db_path, migrations=next_schema, head="0005") is not None


def test_that_a_newer_schema_is_refused(place: Place) -> None:
    execute(place.workspace.db_path, "UPDATE alembic_version SET version_num = '0042'")
    with pytest.raises(
        UserError, match=r"has schema 42, but this program knows only up to 4: .* newer version"
    ):
        Store.open(place.workspace)


def test_that_a_database_of_another_program_is_refused(workspace_dir: Path) -> None:
    workspace = open_workspace_dir(workspace_dir)
    execute(workspace.db_path, "CREATE TABLE recipe (name TEXT)")
    with pytest.raises(UserError, match="is a database of another program"):
        Store.open(workspace)


@pytest.mark.parametrize("content", [b"not a database" * 100, b"SQLite format 3\0" + bytes(4080)])
def test_that_a_damaged_file_is_refused_and_left_as_it_is(workspace_dir: Path, content: bytes) -> None:
    workspace = open_workspace_dir(workspace_dir)
    workspace.db_path.write_bytes(content)
    with pytest.raises(UserError, match=r"Cannot use the database .*put back a copy"):
        Store.open(workspace)
    assert workspace.db_path.read_bytes() == content


def test_that_processes_that_make_a_database_together_make_one(place: Place, tmp_path: Path) -> None:
    script = """
fresh = open_workspace_dir(sys.argv[2])
go = Path(sys.argv[3])
print("ready", flush=True)
while not go.exists():
    time.sleep(0.001)
with Store.open(fresh) as store:
    config = {"data": {"dataset": "x"}, "model": {"name": "x", "width_factor": 1}, "method": {"name": "x"}}
    create_run(store, NewRun("run", config, "g", 1, "cpu", "fp32", "0"))
"""
    go = tmp_path / "go"
    children = [place.child(script, str(tmp_path / "fresh"), str(go)) for _ in range(3)]
    for child in children:
        assert child.stdout is not None
        child.stdout.readline()
    go.touch()
    assert [child.wait(timeout=PATIENCE_S) for child in children] == [0, 0, 0]
    with Store.open(open_workspace_dir(tmp_path / "fresh")) as store:
        assert len(store.reader.runs()) == 3


def test_that_the_log_is_put_away_when_the_store_closes(workspace_dir: Path) -> None:
    workspace = open_workspace_dir(workspace_dir)
    with Store.open(workspace) as store:
        assert store.tidy()
    assert [path.name for path in workspace.root.glob("iterand.db*")] == ["iterand.db"]
    with closing(sqlite3.connect(workspace.db_path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert not dialect.checkpoint_log(workspace_dir / "absent.db")
    assert not (workspace_dir / "absent.db").exists()

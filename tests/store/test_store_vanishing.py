"""A database whose files vanish, are damaged or may not be written: one sentence, nothing begun anew."""

from __future__ import annotations

import ctypes
import os
import signal
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from iterand_engine.errors import UserError
from iterand_engine.machine.workspace import Workspace
from iterand_engine.store import Recorder, RunState, Store
from iterand_engine.store.runs import adopt_run, claim_run, create_run
from tests.command_line import config_file, finished, iterand, start, until
from tests.command_line import opened as store_at
from tests.new_runs import new_run

_CAPABILITIES_V3 = 0x20080522
_OVERRIDES = (1 << 1) | (1 << 2)  # to write, and to read and search, whatever the permissions say


def run_of(store: Store) -> tuple[str, str]:
    """A run that this process trains, and its token."""
    from iterand_engine.machine import processes

    run_id = create_run(store, new_run())
    token = claim_run(store, run_id)
    adopt_run(store, run_id, token, processes.current(), {})
    return run_id, token


@pytest.mark.parametrize("gone", [["iterand.db", "iterand.db-wal", "iterand.db-shm"], ["iterand.db-wal"]])
def test_that_a_recorder_notices_files_that_vanish(workspace: Workspace, gone: list[str]) -> None:
    with Store.open(workspace) as store, Recorder(store, *run_of(store)) as recorder:
        recorder.declare("loss", "step")
        recorder.append("loss", [0], [1.0])
        recorder.drain()
        for name in gone:
            (workspace.root / name).unlink()
        recorder.append("loss", [1], [1.0])
        with pytest.raises(UserError, match=r"iterand\.db(-wal)? is gone while it was open"):
            recorder.drain()


def test_that_a_replaced_database_is_noticed_by_all_writers(workspace: Workspace, tmp_path: Path) -> None:
    with Store.open(workspace) as store:
        create_run(store, new_run())
        copy = tmp_path / "copy.db"
        copy.write_bytes(workspace.db_path.read_bytes())
        os.replace(copy, workspace.db_path)
        with pytest.raises(UserError, match="was replaced by another file while it was open"):
            create_run(store, new_run())


def test_that_a_run_whose_database_was_removed_does_not_say_finished(
    workspace_dir: Path, tmp_path: Path
) -> None:
    config = config_file(tmp_path, training={"epochs": 1_000_000})
    process = start("train", config, "--now", "--workspace", workspace_dir)

    def is_stepping() -> bool:
        if not (workspace_dir / "iterand.db").exists():
            return False
        with store_at(workspace_dir) as (_, store):
            return any(run.step > 2 for run in store.reader.runs())

    try:
        until(is_stepping)
        for path in workspace_dir.glob("iterand.db*"):
            path.unlink()
        done = finished(process)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait()
    assert done.code != 0
    assert "finished" not in done.out
    assert "is gone while it was open" in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("left", ["nothing", "an empty file"])
def test_that_nothing_is_begun_anew_beside_the_files_of_runs(workspace: Workspace, left: str) -> None:
    with Store.open(workspace) as store:
        run_id, _ = run_of(store)
    workspace.make_run_dir(run_id)
    workspace.db_path.unlink()
    if left == "an empty file":
        workspace.db_path.touch()
    for words in (["runs"], ["queue", "--preset", "quickstart"], ["train", "--preset", "quickstart"]):
        done = iterand(*words, "--workspace", workspace.root)
        assert (done.code, done.err.count("\n")) == (2, 1), done.err
        assert "is missing or empty, but" in done.err
        assert "has the files of 1 run: put a copy of the database in its place" in done.err
    assert not workspace.db_path.exists() or workspace.db_path.stat().st_size == 0


STATE = "UPDATE run SET state = 'dreaming'", "the state 'dreaming', which this program does not know"
JSON = "UPDATE run SET config = '{\"a\": '", "where there must be JSON"
TABLE = "DROP TABLE tag", "no such table: tag"


@pytest.mark.parametrize(
    ("command", "damage"),
    [("runs", STATE), ("runs", TABLE), ("show", STATE), ("show", JSON), ("show", TABLE)],
)
def test_that_damage_in_rows_is_one_sentence(
    workspace: Workspace, command: str, damage: tuple[str, str]
) -> None:
    statement, said = damage
    with Store.open(workspace) as store:
        run_id = create_run(store, new_run())
    with closing(sqlite3.connect(workspace.db_path, isolation_level=None)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute(statement)
    done = iterand(command, "name:x" if command == "runs" else run_id, "--workspace", workspace.root)
    assert (done.code, done.err.count("\n")) == (2, 1), done.err
    assert said in done.err


def test_that_a_corrupted_page_is_one_sentence(workspace: Workspace) -> None:
    with Store.open(workspace) as store:
        for number in range(200):
            create_run(store, new_run(f"run-{number}"))
    content = bytearray(workspace.db_path.read_bytes())
    middle = len(content) // 3
    content[middle:] = b"\xff" * (len(content) - middle)
    workspace.db_path.write_bytes(content)
    done = iterand("runs", "--workspace", workspace.root)
    assert (done.code, done.err.count("\n")) == (2, 1), done.err
    assert "malformed" in done.err
    assert "put back a copy of it" in done.err


@contextmanager
def as_an_ordinary_user() -> Iterator[None]:
    """Let permissions count in this thread, for root too."""
    if os.geteuid() != 0:
        yield
        return
    call = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_V3, 0)
    before, without = (ctypes.c_uint32 * 6)(), (ctypes.c_uint32 * 6)()
    assert call.capget(header, before) == 0
    ctypes.memmove(without, before, ctypes.sizeof(before))
    without[0] &= ~_OVERRIDES
    assert call.capset(header, without) == 0
    try:
        yield
    finally:
        assert call.capset(header, before) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="permissions of Linux")
def test_that_a_workspace_that_may_not_be_written_can_be_looked_at(workspace: Workspace) -> None:
    with Store.open(workspace) as store:
        run_id, token = run_of(store)
        with Recorder(store, run_id, token) as recorder:
            recorder.declare("loss", "step")
            recorder.append("loss", [0, 1], [2.0, 1.0])
            recorder.finish(RunState.FINISHED, val_accuracy=0.5)
    closed = [workspace.root, *workspace.root.rglob("*")]
    modes = {path: path.stat().st_mode for path in closed}
    try:
        for path in closed:
            path.chmod(0o555 if path.is_dir() else 0o444)
        with as_an_ordinary_user():
            assert not workspace.is_writable
            listed = iterand("runs", "--workspace", workspace.root)
            shown = iterand("show", run_id, "--json", "--workspace", workspace.root)
            refused = iterand("delete", run_id, "--workspace", workspace.root)
            trained = iterand("train", "--preset", "quickstart", "--workspace", workspace.root)
            with Store.open(workspace) as store:
                assert store.reader.series(run_id, "loss").values.tolist() == [2.0, 1.0]
                with pytest.raises(UserError, match="can only be looked at"):
                    create_run(store, new_run())
    finally:
        for path, mode in modes.items():
            path.chmod(mode)
    assert listed.code == 0, listed.err
    assert run_id[:8] in listed.out
    assert shown.code == 0, shown.err
    for done in (refused, trained):
        assert (done.code, done.err.count("\n")) == (2, 1), done.err
        assert "permissions" in done.err

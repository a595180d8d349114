"""A received workspace full of links: no command writes, reads or deletes through any of them."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from iterand_engine.config.run_config import RunConfig
from iterand_engine.errors import UserError
from iterand_engine.machine import launch as launching
from iterand_engine.machine import processes
from iterand_engine.machine.launch import Launch
from iterand_engine.machine.run_log import log_path
from iterand_engine.machine.settings import Settings
from iterand_engine.machine.workspace import TOP_FOLDERS, Workspace, find_workspace_dir
from iterand_engine.runs.make import make_run
from iterand_engine.runs.train import work
from iterand_engine.slots.held_slot import take_hold
from iterand_engine.slots.launches import slot_launch, worker_launch
from iterand_engine.store import RunState
from iterand_engine.store.records import Claim, SlotKey, SlotPlace
from iterand_engine.store.runs import claim_run
from iterand_engine.training.hooks import Hooks
from iterand_gui.live import launcher as qt
from iterand_gui.pages.run.log_reader import read_news
from tests.command_line import TINY, Done, config_file, iterand, opened, until

CPU = SlotKey(processes.host_id(), "cpu", 0)
KEPT_FILES = ("worker.log", "best.safetensors", "final.safetensors", ".config.yaml.00000000000000aa.part")


class StopAt(Hooks):
    """Stops a training after some steps."""

    def should_stop(self, step: int) -> bool:
        return step >= 5


def stopped_run(folder: Path) -> str:
    """Train a run for five steps; its folder then has every kind of file that a run can have."""
    with opened(folder) as (workspace, store):
        run_id = make_run(workspace, store, RunConfig.from_mapping(TINY))
        work(workspace, store, run_id, claim_run(store, run_id), StopAt())
        assert store.reader.run(run_id).state is RunState.STOPPED
        run = workspace.run_dir(run_id)
    for name in KEPT_FILES:
        (run / name).write_text("a user's own\n")
    (run / "exports" / "masks.npz").write_text("a user's own\n")
    (run / "extensions").mkdir()
    (run / "extensions" / "net.py").write_text("a user's own\n")
    return run_id


def content(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Every file below a folder, with its bytes and the time of its last change."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def link_itself(folder: Path, outside: Path) -> None:
    shutil.move(folder, outside)
    folder.symlink_to(outside)


def link_entries(folder: Path, outside: Path) -> None:
    outside.mkdir(parents=True)
    for path in list(folder.iterdir()):
        link_itself(path, outside / path.name)


def link_files(folder: Path, outside: Path) -> None:
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        target = outside / path.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        link_itself(path, target)


LINKED = {"itself": link_itself, "entries": link_entries, "files": link_files}


@pytest.mark.parametrize("how", LINKED)
def test_that_no_command_follows_a_link(how: str, workspace_dir: Path, tmp_path: Path) -> None:
    run_id = stopped_run(workspace_dir)
    run, outside = workspace_dir / "runs" / run_id, tmp_path / "outside"
    shutil.copytree(run, workspace_dir / "trash" / run_id.replace(run_id[:8], "0" * 8))
    (workspace_dir / "slots").mkdir()
    for name in ("cpu-0.log", "on_end.log"):
        (workspace_dir / "slots" / name).write_text("a user's own\n")
    outside.mkdir()
    LINKED[how](run, outside / "run")
    link_entries(workspace_dir / "slots", outside / "slots")
    link_entries(workspace_dir / "trash", outside / "trash")
    before = content(outside)

    def tried(*words: str | Path) -> Done:
        done = iterand(*words, "--workspace", workspace_dir)
        assert content(outside) == before, words
        return done

    out = run / "exports" / "masks.npz"
    for words in (
        ("resume", run_id),
        ("resume", run_id, "--now"),
        ("log", run_id),
        ("export", run_id, "--format", "masks", "--out", tmp_path / "mine.npz"),
        ("export", run_id, "--format", "masks", "--out", out, "--force"),
    ):
        done = tried(*words)
        assert (done.code, done.out, done.err.count("\n")) == (2, "", 1), (words, done)
    for command in (("show", run_id), ("stop", run_id), ("undelete",)):
        assert tried(*command).code == 0
    with pytest.raises(UserError, match="is a link to"):  # as the window's tab of the log does
        read_news(log_path(Workspace(workspace_dir), run_id), run_id, 0)
    config = config_file(tmp_path, training={"epochs": 1}, method={"name": "dense"})
    assert tried("train", config).code == 0
    for command in (("delete", run_id), ("undelete", run_id), ("delete", run_id), ("clean", "--yes")):
        done = tried(*command)
        assert (done.code, done.err) == (0, ""), (command, done)
    assert not os.path.lexists(run)
    with opened(workspace_dir) as (workspace, _):
        _refuses_to_start(workspace, run_id)
    assert content(outside) == before


def _refuses_to_start(workspace: Workspace, run_id: str) -> None:
    """Neither launcher, nor a slot that starts a worker, appends to a log that is a link."""
    log = workspace.make_run_dir(run_id) / "worker.log"
    log.symlink_to(workspace.slots_dir / "cpu-0.log")
    worker = worker_launch(workspace, Claim(run_id, "token", CPU), 1)
    starters: tuple[tuple[Callable[[Launch], object], Launch], ...] = (
        (launching.start_detached, slot_launch(workspace, CPU)),
        (qt.start_detached, slot_launch(workspace, CPU)),
        (launching.start_child, worker),
    )
    for start, launch in starters:
        with pytest.raises(UserError, match="is a link to"):
            start(launch)


def test_that_a_slot_goes_on_after_a_run_whose_log_is_a_link(
    workspace_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("iterand_engine.slots.held_slot.TROUBLE_S", 0.0)
    monkeypatch.setattr("iterand_engine.slots.held_slot.LOOK_S", 0.0)
    mine = tmp_path / "mine"
    mine.write_bytes(b"a user's own")
    with opened(workspace_dir) as (workspace, store):
        Settings(cpu_slot=True).save(workspace)
        run_id = make_run(workspace, store, RunConfig.from_mapping(TINY))
        log_path(workspace, run_id).symlink_to(mine)
        place = SlotPlace(CPU, "CPU", "cpu")
        said: list[str] = []
        held = take_hold(workspace, store, place, said.append, launching.start_detached)
        assert held is not None

        def ended() -> bool:
            held.tick(0.0)
            return held.is_done

        until(ended)
        run = store.reader.run(run_id)
        assert run.state is RunState.FAILED
        assert run.reason is not None
        assert "could not be started 3 times" in run.reason
        assert "worker.log' is a link to" in run.reason
    assert mine.read_bytes() == b"a user's own"


def test_that_a_stored_path_that_is_no_checkpoint_of_the_run_is_neither_read_nor_deleted(
    workspace_dir: Path,
) -> None:
    run_id = stopped_run(workspace_dir)
    shutil.rmtree(workspace_dir / "runs" / run_id / "extensions")
    mine = workspace_dir / "data" / "mine.npz"
    mine.write_bytes(b"a user's own")
    stored = ("data/mine.npz", f"runs/{run_id}/checkpoints/../../../data/mine.npz", "../outside.pt")
    outside = workspace_dir.parent / "outside.pt"
    outside.write_bytes(b"a user's own")
    with closing(sqlite3.connect(workspace_dir / "iterand.db")) as connection, connection:
        for number, relpath in enumerate(
            stored
        ):  # behind the newest, so that they are the ones to be removed
            connection.execute(
                "INSERT INTO checkpoint (run_id, step, epoch, relpath, sha256, kind, at) "
                "SELECT run_id, ?, 0, ?, sha256, kind, at FROM checkpoint LIMIT 1",
                (number - 9, relpath),
            )
    assert iterand("resume", run_id, "--workspace", workspace_dir).code == 0
    assert (mine.read_bytes(), outside.read_bytes()) == (b"a user's own", b"a user's own")


def test_that_a_run_whose_only_checkpoints_are_no_files_of_its_own_cannot_go_on(workspace_dir: Path) -> None:
    run_id = stopped_run(workspace_dir)
    mine = workspace_dir / "data" / "mine.pt"
    mine.write_bytes(b"a user's own")
    with closing(sqlite3.connect(workspace_dir / "iterand.db")) as connection, connection:
        connection.execute("UPDATE checkpoint SET relpath = 'data/mine.pt'")
    done = iterand("resume", run_id, "--workspace", workspace_dir)
    assert done.code == 2
    assert "names 'data/mine.pt' as a checkpoint" in done.err
    assert mine.read_bytes() == b"a user's own"


@pytest.mark.parametrize("end", ["", "-wal", "-shm", "-journal"])
def test_that_a_database_that_is_a_link_is_refused(end: str, workspace_dir: Path, tmp_path: Path) -> None:
    with opened(workspace_dir):
        pass
    name = f"iterand.db{end}"
    mine = tmp_path / "mine"
    mine.write_bytes((workspace_dir / name).read_bytes() if not end else b"a user's own")
    (workspace_dir / name).unlink(missing_ok=True)
    (workspace_dir / name).symlink_to(mine)
    before = content(tmp_path)
    done = iterand("runs", "--workspace", workspace_dir)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert f"{name}' is a link to" in done.err
    assert content(tmp_path) == before


@pytest.fixture(params=TOP_FOLDERS)
def linked(request: pytest.FixtureRequest, workspace_dir: Path, tmp_path: Path) -> tuple[str, Path]:
    """A workspace in which one folder at the top is a link: its name, and where it leads."""
    name, disk = request.param, tmp_path / "large disk"
    with opened(workspace_dir):
        pass
    disk.mkdir()
    if (workspace_dir / name).exists():
        (workspace_dir / name).rmdir()
    (workspace_dir / name).symlink_to(disk)
    return name, disk


def test_that_a_folder_at_the_top_may_be_a_link_once_it_was_allowed(
    linked: tuple[str, Path], workspace_dir: Path, tmp_path: Path
) -> None:
    name, disk = linked
    done = iterand("runs", "--workspace", workspace_dir)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert f"The folder '{name}' of the workspace" in done.err
    assert f"`iterand allow {name} --workspace" in done.err
    assert "no" in iterand("allow", "--workspace", workspace_dir).out.split()
    assert iterand("allow", name, "--workspace", workspace_dir).out == (
        f"{name}: a link to {disk}\nAllowed on this machine, as long as it stays so.\n"
    )
    assert "yes" in iterand("allow", "--workspace", workspace_dir).out.split()
    assert iterand("runs", "--workspace", workspace_dir).code == 0
    workspace = find_workspace_dir(workspace_dir)
    assert workspace.links == ((name, disk),)
    for kept in (workspace.absolute(f"{name}/x"), workspace.root / "other" / "x"):
        assert workspace.absolute(workspace.relative(kept)) == kept
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (workspace_dir / name).unlink()
    (workspace_dir / name).symlink_to(elsewhere)
    assert "elsewhere" in iterand("runs", "--workspace", workspace_dir).err


def test_that_runs_on_a_larger_disk_train_and_leave_nothing_half_written(
    workspace_dir: Path, tmp_path: Path
) -> None:
    disk = tmp_path / "large disk"
    run_id = stopped_run(workspace_dir)
    link_itself(workspace_dir / "runs", disk)
    assert iterand("allow", "runs", "--workspace", workspace_dir).code == 0
    left = disk / run_id / "checkpoints" / ".step.pt.00000000000000aa.part"
    left.touch()
    done = iterand("resume", run_id, "--workspace", workspace_dir)
    assert (done.code, done.run_id) == (0, run_id)
    assert list((disk / run_id).rglob("*.part")) == []
    assert list((disk / run_id / "checkpoints").iterdir()) == []
    assert (disk / run_id / "final.safetensors").exists()


def test_that_a_link_that_leads_nowhere_is_said(workspace_dir: Path, tmp_path: Path) -> None:
    workspace_dir.mkdir(exist_ok=True)
    (workspace_dir / "runs").symlink_to(tmp_path / "unplugged")
    assert iterand("allow", "runs", "--workspace", workspace_dir).code == 0
    done = iterand("runs", "--workspace", workspace_dir)
    assert done.code == 2
    assert "which is no folder now: bring it back" in done.err
    assert not (tmp_path / "unplugged").exists()


def test_that_what_is_not_there_cannot_be_allowed(workspace_dir: Path) -> None:
    for word, said in (("run", "did you mean 'runs'?"), ("data", "nothing to allow as 'data'")):
        done = iterand("allow", word, "--workspace", workspace_dir)
        assert (done.code, done.out) == (2, "")
        assert said in done.err
    assert iterand("allow", "--workspace", workspace_dir).out.startswith("There is nothing to allow")

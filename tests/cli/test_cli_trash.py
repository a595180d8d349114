"""`iterand delete`, `undelete` and `clean`: what they say, ask and refuse."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest

from iterand_engine.cli import trash as trash_commands
from iterand_engine.machine import processes
from iterand_engine.store import NewRun
from iterand_engine.store.runs import adopt_run, claim_run, create_run
from tests.command_line import TINY, Done, iterand, opened, typed

LARGE_BYTES = 3_000_000


def new_run(folder: Path, name: str, size_bytes: int = LARGE_BYTES) -> str:
    """A queued run with one file."""
    with opened(folder) as (workspace, store):
        run_id = create_run(store, NewRun(name, TINY, "key", 1, "cpu", "fp32", "0.1.0"))
        (workspace.make_run_dir(run_id) / "best.safetensors").write_bytes(bytes(size_bytes))
    return run_id


def shown(folder: Path) -> set[str]:
    with opened(folder) as (_, store):
        return {row.id for row in store.reader.runs()}


def files(folder: Path) -> set[str]:
    return {path.name for path in (folder / "runs").iterdir()}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """A terminal at which somebody sits: what is put here is what they type."""
    typed = io.StringIO()
    monkeypatch.setattr(trash_commands, "_somebody_is_there", lambda: True)
    monkeypatch.setattr(sys, "stdin", typed)
    return typed


def clean(folder: Path, *options: str) -> Done:
    return iterand("clean", *options, "--workspace", folder)


def test_that_delete_and_undelete_say_what_they_did(workspace_dir: Path) -> None:
    one, other = new_run(workspace_dir, "one"), new_run(workspace_dir, "other")
    done = iterand("delete", "one", other[:8], other, "--workspace", workspace_dir)
    assert (done.code, done.err) == (0, "")
    back = typed("undelete", workspace_dir)
    assert done.out.startswith(f"Deleted 2 runs (6.0 MB); {back} brings back")
    assert (shown(workspace_dir), files(workspace_dir)) == (set(), {one, other})
    assert iterand("show", "one", "--workspace", workspace_dir).code == 2
    done = iterand("undelete", one[:8], "--workspace", workspace_dir)
    assert (done.code, done.out) == (0, "Brought back 1 run.\n")
    assert (shown(workspace_dir), files(workspace_dir)) == ({one}, {one, other})


@pytest.mark.usefixtures("workspace")
def test_that_undelete_alone_lists_the_trash(workspace_dir: Path) -> None:
    assert iterand("undelete", "--workspace", workspace_dir).out == "The trash is empty.\n"
    first, last = new_run(workspace_dir, "[red]one"), new_run(workspace_dir, "two")
    for run_id in (first, last):
        iterand("delete", run_id, "--workspace", workspace_dir)
    head, _, *rows = iterand("undelete", "--workspace", workspace_dir).out.splitlines()
    assert head == "Trash: 2 runs, 6.0 MB"
    assert [row.split()[0] for row in rows] == [last[:8], first[:8]]
    assert "[red]one" in rows[1]


def test_that_a_mistake_deletes_nothing(workspace_dir: Path) -> None:
    idle, live = new_run(workspace_dir, "idle"), new_run(workspace_dir, "live")
    with opened(workspace_dir) as (_, store):
        adopt_run(store, live, claim_run(store, live), processes.current(), {"threads": 1})
        for words, sentence in (
            (("idle", "nowhere"), "No run has the name 'nowhere'"),
            (("idle", "live"), f"Run {live} is starting: stop it first"),
        ):
            done = iterand("delete", *words, "--workspace", workspace_dir)
            assert (done.code, done.out) == (2, "")
            assert done.err.startswith(sentence)
            assert done.err.count("\n") == 1
    assert shown(workspace_dir) == {idle, live}
    done = iterand("undelete", "idle", "--workspace", workspace_dir)
    assert done.code == 2
    assert done.err.startswith("No run in the trash has the name 'idle'")


def test_that_clean_lists_the_trash_by_size_and_then_what_else_is_large(workspace_dir: Path) -> None:
    kept = new_run(workspace_dir, "kept", 2 * LARGE_BYTES)
    new_run(workspace_dir, "tiny", 1000)
    small, big = new_run(workspace_dir, "small", 10), new_run(workspace_dir, "big")
    (workspace_dir / "data" / "set.npz").write_bytes(bytes(LARGE_BYTES))
    (workspace_dir / "iterand.db.schema-0001.then.bak").write_bytes(bytes(LARGE_BYTES + 1))
    orphan = "0" * 8 + "-0000-4000-8000-" + "0" * 12
    (workspace_dir / "runs" / orphan).mkdir()
    (workspace_dir / "runs" / orphan / "final.safetensors").write_bytes(bytes(LARGE_BYTES + 2))
    iterand("delete", big, small, "--workspace", workspace_dir)
    done = clean(workspace_dir, "--dry-run")
    assert (done.code, done.err) == (0, "")
    trash, others = done.out.split("\nAlso large, and left alone:\n")
    assert trash.splitlines()[0] == "Trash: 2 runs, 3.0 MB"
    assert [row.split()[:2] for row in trash.splitlines()[2:]] == [[big[:8], "big"], [small[:8], "small"]]
    expected = [
        ["run", kept[:8], "kept", "6.0", "MB", f"iterand delete {kept[:8]}"],
        [f"runs/{orphan}, of no run", "3.0 MB", "remove the folder"],
        ["iterand.db.schema-0001.then.bak", "3.0 MB", "remove the file"],
        ["data/set.npz", "3.0 MB", "remove it"],
    ]
    rows = others.splitlines()[1:]
    assert len(rows) == len(expected)
    assert all(text in row for row, texts in zip(rows, expected, strict=True) for text in texts)
    assert files(workspace_dir) >= {kept, orphan}
    assert iterand("undelete", big, "--workspace", workspace_dir).code == 0


def test_that_of_a_full_trash_the_largest_are_listed(
    workspace_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trash_commands, "LISTED", 2)
    runs = [new_run(workspace_dir, f"run-{number}", size) for number, size in enumerate((10, 300, 200, 40))]
    iterand("delete", *runs, "--workspace", workspace_dir)
    lines = clean(workspace_dir, "--dry-run").out.splitlines()
    assert [line.split()[0] for line in lines[2:4]] == [runs[1][:8], runs[2][:8]]
    assert lines[4] == "and 2 more, 50 B"


def test_that_clean_refuses_where_nobody_can_be_asked(workspace_dir: Path) -> None:
    run_id = new_run(workspace_dir, "gone")
    iterand("delete", run_id, "--workspace", workspace_dir)
    done = clean(workspace_dir)
    assert done.code == 2
    assert done.out.startswith("Trash: 1 run, 3.0 MB\n")
    assert "1 run (3.0 MB)" in done.err
    assert "--yes" in done.err
    assert iterand("undelete", run_id, "--workspace", workspace_dir).code == 0


def test_that_yes_empties_the_trash_for_good(workspace_dir: Path) -> None:
    kept, gone = new_run(workspace_dir, "kept"), new_run(workspace_dir, "gone")
    iterand("delete", gone, "--workspace", workspace_dir)
    done = clean(workspace_dir, "--yes")
    assert (done.code, done.err) == (0, "")
    assert done.out.endswith("\nRemoved 1 run (3.0 MB).\n")
    assert files(workspace_dir) == {kept}
    assert not (workspace_dir / "trash").exists()
    assert iterand("undelete", gone, "--workspace", workspace_dir).code == 2
    done = clean(workspace_dir)  # nothing to ask for
    assert (done.code, done.out.splitlines()[0]) == (0, "The trash is empty.")


def test_that_clean_removes_what_killed_writers_left(workspace_dir: Path) -> None:
    new_run(workspace_dir, "kept")
    names = (
        "data/mnist/.train.gz",
        f"runs/{new_run(workspace_dir, 'one')}/checkpoints/.step.pt",
        ".settings.yaml",
    )
    left = [workspace_dir / f"{name}.{number:016x}.part" for number, name in enumerate(names)]
    now = workspace_dir / "data" / "mnist" / f".train.gz.{'f' * 16}.part"  # a download that goes on
    users = workspace_dir / "data" / "mnist" / "mine.part"
    for path in (*left, now, users):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes(1000))
        if path != now:
            os.utime(path, (1e9, 1e9))
    listed = clean(workspace_dir, "--dry-run")
    assert "\nLeft by writers that were killed: 3 half-written files (3.0 kB)\n" in listed.out
    assert clean(workspace_dir).err.startswith(
        "Nobody can be asked here, so 3 half-written files (3.0 kB) stayed"
    )
    assert all(path.exists() for path in left)
    done = clean(workspace_dir, "--yes")
    assert (done.code, done.err) == (0, "")
    assert done.out.endswith("\nRemoved 3 half-written files (3.0 kB).\n")
    assert [path.exists() for path in (*left, now, users)] == [False, False, False, True, True]


@pytest.mark.parametrize(
    ("typed", "is_removed"), [("y\n", True), (" Yes\n", True), ("n\n", False), ("\n", False), ("", False)]
)
def test_that_only_yes_is_yes(typed: str, is_removed: bool, workspace_dir: Path, asked: io.StringIO) -> None:
    run_id = new_run(workspace_dir, "gone")
    iterand("delete", run_id, "--workspace", workspace_dir)
    asked.write(typed)
    asked.seek(0)
    done = clean(workspace_dir)
    assert done.code == 0
    assert "Remove 1 run (3.0 MB) for good? [y/N]" in done.err
    assert done.out.splitlines()[-1] == ("Removed 1 run (3.0 MB)." if is_removed else "Nothing was removed.")
    assert (iterand("undelete", run_id, "--workspace", workspace_dir).code == 0) != is_removed


def test_that_ctrl_c_at_the_question_removes_nothing(
    workspace_dir: Path, asked: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = new_run(workspace_dir, "gone")
    iterand("delete", run_id, "--workspace", workspace_dir)

    def interrupted() -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(asked, "readline", interrupted)
    assert clean(workspace_dir).out.endswith("\nNothing was removed.\n")
    assert iterand("undelete", run_id, "--workspace", workspace_dir).code == 0


@pytest.mark.usefixtures("workspace")
def test_that_remains_of_a_run_that_is_gone_are_listed_and_removed(workspace_dir: Path) -> None:
    orphan = "0" * 8 + "-0000-4000-8000-" + "0" * 12
    (workspace_dir / "trash" / orphan).mkdir(parents=True)
    (workspace_dir / "trash" / orphan / "masks").write_bytes(bytes(2000))
    done = clean(workspace_dir, "--yes")
    assert "(removed before)" in done.out
    assert done.out.endswith("Removed 1 run (2.0 kB).\n")
    assert not (workspace_dir / "trash" / orphan).exists()

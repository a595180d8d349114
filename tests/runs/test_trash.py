"""The trash: files follow what the store says, whatever is interrupted, and links lead nowhere."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from iterand_engine.errors import UserError
from iterand_engine.machine import processes
from iterand_engine.machine.workspace import Workspace, open_workspace_dir
from iterand_engine.runs.trash import delete_runs, empty, entries, mend, undelete_runs
from iterand_engine.store import Recorder, RunState, Store, queries, trash
from tests.new_runs import new_run
from tests.paths import ROOT

FILES = {"config.yaml": b"name: one", "checkpoints/step.pt": b"weights", "masks/epoch-00000.npz": b"bits"}


@dataclass
class Place:
    """A workspace and its store."""

    workspace: Workspace
    store: Store

    def new_run(self, name: str = "run") -> str:
        """A queued run with files."""
        run_id = self.store.create_run(new_run(name))
        folder = self.workspace.make_run_dir(run_id)
        for file, content in FILES.items():
            (folder / file).write_bytes(content)
        return run_id

    def delete(self, *run_ids: str) -> list[str]:
        return delete_runs(self.workspace, self.store, run_ids)

    def undelete(self, *run_ids: str) -> list[str]:
        return undelete_runs(self.workspace, self.store, run_ids)

    def mend(self) -> list[str]:
        return mend(self.workspace, self.store)

    def trash(self) -> list[str]:
        return [entry.run_id for entry in entries(self.workspace, self.store)]

    def empty(self) -> list[str]:
        return empty(self.workspace, self.store, entries(self.workspace, self.store))

    def shown(self) -> set[str]:
        return {row.id for row in queries.runs(self.store)}

    def where(self, run_id: str) -> str:
        """The folders that have the run's files, all of them."""
        places = []
        for folder in (self.workspace.runs_dir, self.workspace.trash_dir):
            if (folder / run_id).exists():
                held = {name: (folder / run_id / name).read_bytes() for name in FILES}
                assert held == FILES
                places.append(folder.name)
        return " and ".join(places)


@pytest.fixture
def place(workspace_dir: Path) -> Iterator[Place]:
    workspace = open_workspace_dir(workspace_dir)
    with Store.open(workspace) as store:
        yield Place(workspace, store)


def test_that_deleting_moves_the_files_and_undeleting_brings_everything_back(place: Place) -> None:
    kept, gone = place.new_run(), place.new_run()
    before = queries.run(place.store, gone)
    assert place.delete(gone) == []
    assert (place.shown(), place.trash()) == ({kept}, [gone])
    assert (place.where(kept), place.where(gone)) == ("runs", "trash")
    assert place.undelete(gone) == []
    assert (place.shown(), place.trash()) == ({kept, gone}, [])
    assert place.where(gone) == "runs"
    assert queries.run(place.store, gone).config == before.config


def test_that_files_that_are_lost_are_told_when_a_run_comes_back(place: Place) -> None:
    never_started, gone = place.new_run(), place.new_run()
    token = place.store.claim(gone)
    place.store.adopt(gone, token, processes.current(), {})
    with Recorder(place.store, gone, token) as recorder:
        recorder.finish(RunState.STOPPED)
    assert place.delete(gone, never_started) == []
    for run_id in (gone, never_started):
        shutil.rmtree(place.workspace.trash_dir / run_id)
    (problem,) = place.undelete(gone, never_started)
    assert problem.startswith(f"The files of run {gone} (")
    assert place.shown() == {gone, never_started}


def test_that_a_run_that_is_trained_cannot_be_deleted_nor_those_named_with_it(place: Place) -> None:
    idle, live = place.new_run(), place.new_run()
    token = place.store.claim(live)
    place.store.adopt(live, token, processes.current(), {"threads": 1})
    with pytest.raises(UserError, match=f"Run {live} is starting: stop it first"):
        place.delete(idle, live)
    assert place.shown() == {idle, live}
    assert place.where(idle) == place.where(live) == "runs"


def test_that_only_deleted_runs_are_brought_back_all_or_none(place: Place) -> None:
    kept, gone = place.new_run(), place.new_run()
    place.delete(gone)
    with pytest.raises(UserError, match="in the trash"):
        place.undelete(gone, kept)
    assert (place.shown(), place.trash()) == ({kept}, [gone])
    assert (place.where(kept), place.where(gone)) == ("runs", "trash")


def test_that_a_run_without_files_can_be_deleted_and_brought_back(place: Place) -> None:
    run_id = place.store.create_run(new_run("bare"))
    assert place.delete(run_id) == []
    assert place.undelete(run_id) == []
    place.delete(run_id)
    assert place.empty() == []
    assert (place.shown(), place.trash()) == (set(), [])


def test_that_emptying_removes_what_was_listed_and_nothing_else(place: Place) -> None:
    kept, gone, later = (place.new_run() for _ in range(3))
    place.delete(gone)
    listed = entries(place.workspace, place.store)
    place.delete(later)
    foreign = place.workspace.trash_dir / "notes.txt"
    foreign.write_text("mine")
    steps: list[str] = []
    assert empty(place.workspace, place.store, listed, lambda: steps.append("one")) == []
    assert steps == ["one"]
    assert (place.shown(), place.trash()) == ({kept}, [later])
    assert (place.where(kept), place.where(gone), place.where(later)) == ("runs", "", "trash")
    assert foreign.read_text() == "mine"
    with pytest.raises(UserError):
        place.undelete(gone)


def test_that_what_was_brought_back_meanwhile_is_not_removed(place: Place) -> None:
    run_id = place.new_run()
    place.delete(run_id)
    listed = entries(place.workspace, place.store)
    place.undelete(run_id)
    assert empty(place.workspace, place.store, listed) == []
    assert place.shown() == {run_id}
    assert place.where(run_id) == "runs"


def test_that_links_are_removed_and_what_they_lead_to_stays(place: Place, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("keep me")
    inside, linked = (
        place.new_run(),
        place.store.create_run(new_run("linked")),
    )
    (place.workspace.run_dir(inside) / "exports" / "link").symlink_to(precious, target_is_directory=True)
    (place.workspace.run_dir(inside) / "file").symlink_to(precious / "file")
    place.workspace.run_dir(linked).symlink_to(precious, target_is_directory=True)
    place.delete(inside, linked)
    assert (place.workspace.trash_dir / linked).is_symlink()
    assert place.empty() == []
    assert os.listdir(place.workspace.trash_dir) == []
    assert (precious / "file").read_text() == "keep me"


def test_that_runs_may_lie_on_another_disk_only_with_the_trash(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = place.new_run()

    def refuse(source: Path, target: Path) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link", str(source))

    with monkeypatch.context() as change:
        change.setattr(os, "rename", refuse)
        (problem,) = place.delete(run_id)
        assert "which is on another disk: put both folders on one" in problem
        (problem,) = place.empty()
        assert "another disk" in problem
        assert place.trash() == [run_id]  # the store still knows about the files
    assert place.shown() == set()
    assert place.where(run_id) == "runs"
    assert place.mend() == []
    assert place.where(run_id) == "trash"


def test_that_files_that_cannot_be_moved_back_leave_the_run_in_the_trash(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = place.new_run(), place.new_run()
    place.delete(first, second)
    rename = os.rename

    def refuse_second(source: Path, target: Path) -> None:
        if source.name == second:
            raise PermissionError(errno.EACCES, "Permission denied", str(source))
        rename(source, target)

    monkeypatch.setattr(os, "rename", refuse_second)
    with pytest.raises(UserError, match="Permission denied"):
        place.undelete(first, second)
    assert place.shown() == set()
    assert place.where(first) == place.where(second) == "trash"


def test_that_files_in_both_places_are_left_for_the_user(place: Place) -> None:
    run_id = place.new_run()
    place.delete(run_id)
    place.workspace.make_run_dir(run_id)
    (problem,) = place.mend()
    assert "move one of the two elsewhere" in problem
    with pytest.raises(UserError, match="move one of the two elsewhere"):
        place.undelete(run_id)
    assert place.shown() == set()
    assert len(place.empty()) == 1
    assert place.trash() == [run_id]


def test_that_files_that_cannot_be_removed_are_tried_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = place.new_run()
    place.delete(run_id)
    with monkeypatch.context() as change:

        def refuse(name: str, **_: object) -> None:
            raise PermissionError(errno.EACCES, "Permission denied", name)

        change.setattr(os, "unlink", refuse)
        (problem,) = place.empty()
    assert problem.startswith("Cannot remove all of ")
    assert [entry.row for entry in entries(place.workspace, place.store)] == [None]
    assert place.empty() == []
    assert place.trash() == []


# A process is killed before or after one of its calls.
CRASH = """
import os, sys
from iterand_engine.runs import trash as trash_files
from iterand_engine.store import Store, trash
from iterand_engine.machine.workspace import open_workspace_dir
workspace_dir, command, moment, module, name, run_id = sys.argv[1:]
owner = {"os": os, "trash": trash}[module]
real = getattr(owner, name)
def dies(*args, **kwargs):
    if moment == "after":
        real(*args, **kwargs)
    os._exit(7)
setattr(owner, name, dies)
workspace = open_workspace_dir(workspace_dir)
store = Store.open(workspace)
if command == "delete":
    trash_files.delete_runs(workspace, store, [run_id])
elif command == "undelete":
    trash_files.undelete_runs(workspace, store, [run_id])
else:
    trash_files.empty(workspace, store, trash_files.entries(workspace, store))
"""


@pytest.mark.parametrize(
    ("command", "moment", "crashing", "left"),
    [
        ("delete", "before", "trash.discard", "runs"),
        ("delete", "after", "trash.discard", "trash"),
        ("delete", "after", "os.rename", "trash"),
        ("undelete", "before", "os.rename", "trash"),
        ("undelete", "after", "os.rename", "trash"),
        ("undelete", "after", "trash.restore", "runs"),
        ("empty", "before", "trash.forget", "trash"),
        ("empty", "after", "trash.forget", ""),
        ("empty", "after", "os.unlink", ""),
    ],
)
def test_that_the_next_command_mends_what_a_crash_left(
    command: str, moment: str, crashing: str, left: str, place: Place
) -> None:
    run_id = place.new_run()
    if command != "delete":
        place.delete(run_id)
    arguments = [str(place.workspace.root), command, moment, *crashing.split("."), run_id]
    died = subprocess.run(
        [sys.executable, "-c", CRASH, *arguments], env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False
    )
    assert died.returncode == 7
    for shown in place.shown():
        assert place.where(shown) == "runs"  # at once: a run that is shown can be trained
    assert place.mend() == []
    assert place.shown() == ({run_id} if left == "runs" else set())
    if left:
        assert place.where(run_id) == left
    else:
        assert place.trash() == [run_id]  # its remains, which the next emptying takes along
        assert place.empty() == []
        assert place.trash() == []
        assert not (place.workspace.trash_dir / run_id).exists()


@given(steps=st.lists(st.tuples(st.sampled_from("dume"), st.sets(st.integers(0, 3))), max_size=12))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_that_any_order_of_commands_keeps_files_and_store_together(
    steps: Sequence[tuple[str, set[int]]], place: Place
) -> None:
    place.delete(*place.shown())
    place.empty()
    runs = [place.new_run(str(number)) for number in range(4)]
    expected = dict.fromkeys(runs, "runs")
    for command, numbers in steps:
        chosen = [runs[number] for number in numbers]
        match command:
            case "d" if all(expected[run] == "runs" for run in chosen):
                place.delete(*chosen)
                expected |= dict.fromkeys(chosen, "trash")
            case "u" if all(expected[run] == "trash" for run in chosen):
                place.undelete(*chosen)
                expected |= dict.fromkeys(chosen, "runs")
            case "m":
                assert place.mend() == []
            case "e":
                listed = [e for e in entries(place.workspace, place.store) if e.run_id in chosen]
                assert empty(place.workspace, place.store, listed) == []
                expected |= {entry.run_id: "" for entry in listed}
        assert {run: place.where(run) for run in runs} == expected
        assert place.shown() == {run for run in runs if expected[run] == "runs"}
        assert set(place.trash()) == {run for run in runs if expected[run] == "trash"}


def test_that_a_move_that_came_too_late_is_taken_back(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = place.new_run()
    trash.discard(place.store, [run_id])  # and a crash before the files were moved
    rename = os.rename

    def interrupted(source: Path, target: Path) -> None:
        monkeypatch.setattr(os, "rename", rename)
        place.undelete(run_id)  # by another, while we are about to move the files
        rename(source, target)

    monkeypatch.setattr(os, "rename", interrupted)
    assert place.mend() == []
    assert place.shown() == {run_id}
    assert place.where(run_id) == "runs"


def test_that_of_several_at_work_the_last_leaves_files_and_store_together(place: Place) -> None:
    runs = [place.new_run() for _ in range(2)]

    def flip() -> None:
        for _ in range(15):
            for run in runs:
                with suppress(UserError):  # another was faster
                    place.delete(run)
                with suppress(UserError):
                    place.undelete(run)

    def keep_mending() -> None:
        for _ in range(30):
            assert place.mend() == []

    threads = [threading.Thread(target=work) for work in (flip, flip, keep_mending)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for run in runs:
        assert place.where(run) == ("runs" if run in place.shown() else "trash")
        assert (run in place.shown()) != (run in [e.row.id for e in trash.discarded(place.store)])

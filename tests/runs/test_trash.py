"""The trash: files stay until it is emptied, whatever is interrupted, and no link is followed."""

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
from iterand_engine.runs.trash import disk_use, empty, entries, undelete_runs
from iterand_engine.store import Recorder, RunState, Store, trash
from iterand_engine.store.runs import adopt_run, claim_run, create_run
from tests.new_runs import new_run
from tests.paths import ROOT

FILES = {"config.yaml": b"name: one", "checkpoints/step.pt": b"weights", "masks/epoch-00000.npz": b"bits"}


@dataclass
class Place:
    """A workspace and its store."""

    workspace: Workspace
    store: Store

    def new_run(self, name: str = "run", files: bool = True) -> str:
        """A queued run, with files or without."""
        run_id = create_run(self.store, new_run(name))
        if files:
            folder = self.workspace.make_run_dir(run_id)
            for file, content in FILES.items():
                (folder / file).write_bytes(content)
        return run_id

    def delete(self, *run_ids: str) -> None:
        trash.discard(self.store, run_ids)

    def delete_as_before(self, *run_ids: str) -> None:
        """As older versions did, which moved the files."""
        self.delete(*run_ids)
        self.workspace.trash_dir.mkdir(exist_ok=True)
        for run_id in run_ids:
            os.rename(self.workspace.run_dir(run_id), self.workspace.trash_dir / run_id)

    def undelete(self, *run_ids: str) -> list[str]:
        return undelete_runs(self.workspace, self.store, run_ids)

    def trash(self) -> list[str]:
        return [entry.run_id for entry in entries(self.workspace, self.store)]

    def empty(self) -> list[str]:
        return empty(self.workspace, self.store, entries(self.workspace, self.store))

    def shown(self) -> set[str]:
        return {row.id for row in self.store.reader.runs()}

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


def test_that_a_deleted_run_keeps_its_files_and_undeleting_brings_everything_back(place: Place) -> None:
    kept, gone = place.new_run(), place.new_run()
    before = place.store.reader.run(gone)
    place.delete(gone)
    assert (place.shown(), place.trash()) == ({kept}, [gone])
    assert (place.where(kept), place.where(gone)) == ("runs", "runs")
    use = disk_use(place.workspace, place.store)
    assert set(use.runs) == {kept}
    assert use.trash == {gone: sum(map(len, FILES.values()))}
    assert place.undelete(gone) == []
    assert (place.shown(), place.trash()) == ({kept, gone}, [])
    assert place.where(gone) == "runs"
    assert place.store.reader.run(gone).config == before.config


def test_that_files_an_older_version_moved_come_back_with_the_run(place: Place) -> None:
    first, second = place.new_run(), place.new_run()
    place.delete_as_before(first, second)
    assert set(disk_use(place.workspace, place.store).trash) == {first, second}
    assert place.undelete(first) == []
    assert (place.where(first), place.where(second)) == ("runs", "trash")
    assert place.undelete(second) == []
    assert place.where(second) == "runs"
    assert not place.workspace.trash_dir.exists()  # nothing is in it any more


def test_that_files_an_older_version_moved_are_removed_with_the_run(place: Place) -> None:
    kept, gone = place.new_run(), place.new_run()
    place.delete_as_before(kept, gone)
    (listed,) = (entry for entry in entries(place.workspace, place.store) if entry.run_id == gone)
    assert empty(place.workspace, place.store, [listed]) == []
    assert (place.where(kept), place.where(gone), place.trash()) == ("trash", "", [kept])


def test_that_files_that_are_lost_are_told_when_a_run_comes_back(place: Place) -> None:
    never_started, gone = place.new_run(), place.new_run()
    token = claim_run(place.store, gone)
    adopt_run(place.store, gone, token, processes.current(), {})
    with Recorder(place.store, gone, token) as recorder:
        recorder.finish(RunState.STOPPED)
    place.delete(gone, never_started)
    for run_id in (gone, never_started):
        shutil.rmtree(place.workspace.run_dir(run_id))
    (problem,) = place.undelete(gone, never_started)
    assert problem.startswith(f"The files of run {gone} (")
    assert place.shown() == {gone, never_started}


def test_that_a_run_that_is_trained_cannot_be_deleted_nor_those_named_with_it(place: Place) -> None:
    idle, live = place.new_run(), place.new_run()
    token = claim_run(place.store, live)
    adopt_run(place.store, live, token, processes.current(), {"threads": 1})
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
    assert (place.where(kept), place.where(gone)) == ("runs", "runs")


def test_that_a_run_without_files_can_be_deleted_and_brought_back(place: Place) -> None:
    run_id = place.new_run("bare", files=False)
    place.delete(run_id)
    assert place.undelete(run_id) == []
    place.delete(run_id)
    assert place.empty() == []
    assert (place.shown(), place.trash()) == (set(), [])


def test_that_emptying_removes_what_was_listed_and_nothing_else(place: Place) -> None:
    kept, gone, later = (place.new_run() for _ in range(3))
    place.delete(gone)
    listed = entries(place.workspace, place.store)
    place.delete(later)
    place.workspace.trash_dir.mkdir()
    foreign = place.workspace.trash_dir / "notes.txt"
    foreign.write_text("mine")
    steps: list[str] = []
    assert empty(place.workspace, place.store, listed, lambda: steps.append("one")) == []
    assert steps == ["one"]
    assert (place.shown(), place.trash()) == ({kept}, [later])
    assert (place.where(kept), place.where(gone), place.where(later)) == ("runs", "", "runs")
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
    inside, linked, moved = place.new_run(), place.new_run(files=False), place.new_run(files=False)
    (place.workspace.run_dir(inside) / "exports" / "link").symlink_to(precious, target_is_directory=True)
    (place.workspace.run_dir(inside) / "file").symlink_to(precious / "file")
    place.workspace.run_dir(linked).symlink_to(precious, target_is_directory=True)
    place.workspace.run_dir(moved).symlink_to(precious, target_is_directory=True)
    place.delete(inside, linked)
    place.delete_as_before(moved)
    assert (place.workspace.trash_dir / moved).is_symlink()
    assert place.empty() == []
    assert os.listdir(place.workspace.runs_dir) == []
    assert not place.workspace.trash_dir.exists()
    assert (precious / "file").read_text() == "keep me"


def test_that_files_that_cannot_be_moved_back_leave_the_run_in_the_trash(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = place.new_run(), place.new_run()
    place.delete_as_before(first, second)
    rename = os.rename

    def refuse_second(source: Path, target: Path) -> None:
        if source.name == second:
            raise PermissionError(errno.EACCES, "Permission denied", str(source))
        rename(source, target)

    with monkeypatch.context() as change:
        change.setattr(os, "rename", refuse_second)
        with pytest.raises(UserError, match="Permission denied"):
            place.undelete(first, second)
    assert place.shown() == set()
    assert set(place.trash()) == {first, second}
    assert place.undelete(first, second) == []
    assert place.where(first) == place.where(second) == "runs"


def test_that_files_in_both_places_are_left_for_the_user(place: Place) -> None:
    run_id = place.new_run()
    place.delete_as_before(run_id)
    place.workspace.make_run_dir(run_id)
    with pytest.raises(UserError, match="move one of the two elsewhere"):
        place.undelete(run_id)
    assert place.shown() == set()
    assert place.trash() == [run_id]
    assert (place.workspace.trash_dir / run_id / "config.yaml").read_bytes() == FILES["config.yaml"]
    assert place.workspace.run_dir(run_id).is_dir()


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
    (entry,) = entries(place.workspace, place.store)
    assert (entry.run_id, entry.deleted_at) == (run_id, None)
    with pytest.raises(UserError, match="its removal for good has begun"):
        place.undelete(run_id)
    assert place.empty() == []
    assert not place.workspace.run_dir(run_id).exists()
    assert place.trash() == []


def test_that_files_of_a_run_that_the_store_has_forgotten_are_listed_and_removed(place: Place) -> None:
    run_id = place.new_run()
    place.delete_as_before(run_id)
    trash.forget(place.store, [run_id])  # by an older version, which was killed here
    assert [(entry.run_id, entry.row) for entry in entries(place.workspace, place.store)] == [(run_id, None)]
    assert place.empty() == []
    assert place.trash() == []
    assert not place.workspace.trash_dir.exists()


# A process is killed before or after one of its calls.
CRASH = """
import os, shutil, sys
from iterand_engine.runs import trash as run_trash
from iterand_engine.store import Store, trash
from iterand_engine.machine.workspace import open_workspace_dir
workspace_dir, command, moment, module, name, run_id = sys.argv[1:]
owner = {"os": os, "shutil": shutil, "trash": trash, "run_update": trash.run_update}[module]
real = getattr(owner, name)
def dies(*args, **kwargs):
    if moment == "after":
        real(*args, **kwargs)
    os._exit(7)
setattr(owner, name, dies)
workspace = open_workspace_dir(workspace_dir)
store = Store.open(workspace)
if command == "undelete":
    run_trash.undelete_runs(workspace, store, [run_id])
else:
    run_trash.empty(workspace, store, run_trash.entries(workspace, store))
"""


@pytest.mark.parametrize(
    ("moved", "command", "moment", "crashing", "left"),
    [
        (True, "undelete", "before", "os.rename", "deleted"),
        (True, "undelete", "after", "os.rename", "deleted"),
        (True, "undelete", "after", "run_update.change", "deleted"),  # and not committed
        (True, "undelete", "after", "trash.restore", "shown"),
        (False, "empty", "before", "trash.give_up", "deleted"),
        (True, "empty", "after", "trash.give_up", "given up"),
        (False, "empty", "after", "os.unlink", "given up"),
        (True, "empty", "after", "os.unlink", "given up"),
        (False, "empty", "after", "shutil.rmtree", "given up"),
        (False, "empty", "after", "trash.forget", "gone"),
    ],
)
def test_that_a_crash_loses_nothing_and_leaves_nothing_behind(
    moved: bool, command: str, moment: str, crashing: str, left: str, place: Place
) -> None:
    run_id = place.new_run()
    (place.delete_as_before if moved else place.delete)(run_id)
    arguments = [str(place.workspace.root), command, moment, *crashing.split("."), run_id]
    died = subprocess.run(
        [sys.executable, "-c", CRASH, *arguments], env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False
    )
    assert died.returncode == 7
    assert place.shown() == ({run_id} if left == "shown" else set())
    match left:
        case "shown":
            assert place.where(run_id) == "runs"
        case "deleted":
            assert place.where(run_id) in ("runs", "trash")
            assert place.undelete(run_id) == []
            assert place.where(run_id) == "runs"
        case "given up":
            assert place.trash() == [run_id]
    if left != "gone":
        with suppress(UserError):
            place.delete(run_id)
        assert place.empty() == []
    assert place.trash() == []
    assert not os.path.lexists(place.workspace.run_dir(run_id))
    assert not place.workspace.trash_dir.exists() or os.listdir(place.workspace.trash_dir) == []


@given(steps=st.lists(st.tuples(st.sampled_from("dmue"), st.sets(st.integers(0, 3))), max_size=12))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_that_any_order_of_commands_keeps_files_and_store_together(
    steps: Sequence[tuple[str, set[int]]], place: Place
) -> None:
    place.delete(*place.shown())
    place.empty()
    runs = [place.new_run(str(number)) for number in range(4)]
    expected = dict.fromkeys(runs, "runs")
    deleted: set[str] = set()
    for command, numbers in steps:
        chosen = [runs[number] for number in numbers if expected[runs[number]]]
        match command:
            case "d" | "m" if not deleted.intersection(chosen):
                (place.delete if command == "d" else place.delete_as_before)(*chosen)
                expected |= dict.fromkeys(chosen, "runs" if command == "d" else "trash")
                deleted |= set(chosen)
            case "u" if deleted.issuperset(chosen):
                assert place.undelete(*chosen) == []
                expected |= dict.fromkeys(chosen, "runs")
                deleted -= set(chosen)
            case "e":
                listed = [e for e in entries(place.workspace, place.store) if e.run_id in chosen]
                assert {entry.run_id for entry in listed} == deleted.intersection(chosen)
                assert empty(place.workspace, place.store, listed) == []
                expected |= {entry.run_id: "" for entry in listed}
                deleted -= set(chosen)
        assert {run: place.where(run) for run in runs} == expected
        assert place.shown() == {run for run in runs if expected[run] and run not in deleted}
        assert set(place.trash()) == deleted


def test_that_of_several_at_work_the_last_leaves_files_and_store_together(place: Place) -> None:
    runs = [place.new_run() for _ in range(2)]
    place.delete_as_before(*runs)

    def flip() -> None:
        for _ in range(15):
            for run in runs:
                with suppress(UserError):  # another was faster
                    place.delete(run)
                with suppress(UserError):
                    place.undelete(run)

    threads = [threading.Thread(target=flip) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert place.shown() == set(runs)
    assert [place.where(run) for run in runs] == ["runs", "runs"]

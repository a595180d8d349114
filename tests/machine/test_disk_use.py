"""Disk use: every file counts once, under its kind, and nothing outside the workspace counts at all."""

from __future__ import annotations

import os
import re
import uuid
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from iterand_engine.machine.disk_use import DiskKind, LargeThing, largest, measure, measure_run
from iterand_engine.machine.workspace import Workspace
from tests.paths import ROOT

# Where a file of a run lies, and what it is.
RUN_FILES = {
    "checkpoints/step-000000010-epoch-00001.pt": DiskKind.CHECKPOINTS,
    "checkpoints/.step-000000020-epoch-00002.pt.0f.part": DiskKind.CHECKPOINTS,
    "masks/epoch-00000.npz": DiskKind.MASKS,
    "exports/masks.npz": DiskKind.EXPORTS,
    "exports/deeper/network.safetensors": DiskKind.EXPORTS,
    "best.safetensors": DiskKind.NETWORKS,
    "final.safetensors": DiskKind.NETWORKS,
    "worker.log": DiskKind.LOGS,
    "config.yaml": DiskKind.OTHER,
    "extensions/mine.py": DiskKind.OTHER,
}
FILES = {
    "data/cifar-10-batches-py/data_batch_1": DiskKind.DATA,
    "data/mine.log": DiskKind.DATA,
    "iterand.db": DiskKind.DATABASE,
    "iterand.db-wal": DiskKind.DATABASE,
    "iterand.db.schema-0001.20260101.bak": DiskKind.DATABASE,
    "slots/cpu-0.log": DiskKind.LOGS,
    "settings.yaml": DiskKind.OTHER,
    "extensions/mine.py": DiskKind.OTHER,
    "trash/00000000-0000-4000-8000-000000000000/checkpoints/old.pt": DiskKind.TRASH,
    "trash/.DS_Store": DiskKind.TRASH,
}


def put(path: Path, size_bytes: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(size_bytes))


def test_that_an_empty_workspace_uses_nothing(tmp_path: Path) -> None:
    use = measure(Workspace(tmp_path / "not there yet"))
    assert use.total_bytes == 0
    assert set(use.by_kind) == set(DiskKind)
    assert use.free_bytes > 0
    assert use.unreadable == ()


@given(sizes=st.lists(st.integers(0, 3000), min_size=len(RUN_FILES), max_size=len(RUN_FILES)))
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_that_a_run_is_measured_by_kind(sizes: list[int], workspace: Workspace) -> None:
    run_id = str(uuid.uuid4())
    expected: dict[DiskKind, int] = {}
    for (name, kind), size in zip(RUN_FILES.items(), sizes, strict=True):
        put(workspace.run_dir(run_id) / name, size)
        if size:
            expected[kind] = expected.get(kind, 0) + size
    assert measure(workspace).runs[run_id] == measure_run(workspace, run_id) == expected


def test_that_the_kinds_of_a_workspace_add_up_to_all_its_files(workspace: Workspace) -> None:
    runs = [str(uuid.uuid4()) for _ in range(3)]
    files = {f"runs/{run_id}/{name}": kind for run_id in runs for name, kind in RUN_FILES.items()} | FILES
    expected = dict.fromkeys(DiskKind, 0)
    for number, (name, kind) in enumerate(files.items()):
        put(workspace.root / name, 1 << number % 20)
        expected[kind] += 1 << number % 20
    use = measure(workspace)
    assert use.by_kind == expected
    everything = [path for path in workspace.root.rglob("*") if path.is_file()]
    assert use.total_bytes == sum(path.stat().st_size for path in everything)
    assert set(use.runs) == set(runs)
    assert set(use.data) == {"cifar-10-batches-py", "mine.log"}
    assert set(use.backups) == {"iterand.db.schema-0001.20260101.bak"}
    assert sum(use.trash.values()) == use.by_kind[DiskKind.TRASH]


def test_that_a_run_in_the_trash_is_measured_as_well(workspace: Workspace) -> None:
    kept, deleted, moved, bare = (str(uuid.uuid4()) for _ in range(4))
    put(workspace.run_dir(kept) / "masks" / "epoch-00000.npz", 50)
    put(workspace.run_dir(deleted) / "masks" / "epoch-00000.npz", 700)
    put(workspace.trash_dir / moved / "masks" / "epoch-00000.npz", 80)  # by an older version
    put(workspace.trash_dir / deleted / "worker.log", 3)
    assert measure_run(workspace, deleted) == {DiskKind.MASKS: 700}
    assert measure_run(workspace, bare) == {}
    use = measure(workspace, deleted={deleted, moved, bare})
    assert use.trash == {deleted: 703, moved: 80}
    assert use.runs == {kept: {DiskKind.MASKS: 50}}
    assert (use.by_kind[DiskKind.TRASH], use.by_kind[DiskKind.MASKS], use.total_bytes) == (783, 50, 833)
    assert [thing.name for thing in largest(use, 5)] == [kept]


def test_that_links_are_not_followed(workspace: Workspace, tmp_path: Path) -> None:
    put(tmp_path / "elsewhere" / "huge", 5000)
    folder = workspace.make_run_dir(str(uuid.uuid4()))
    (folder / "masks" / "link").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (folder / "circle").symlink_to(folder, target_is_directory=True)
    (workspace.data_dir / "file").symlink_to(tmp_path / "elsewhere" / "huge")
    (workspace.runs_dir / str(uuid.uuid4())).symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (workspace.root / "further").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    assert measure(workspace).total_bytes == 0


def test_that_runs_on_another_disk_count_where_the_folder_of_runs_is_a_link(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "workspace")
    workspace.root.mkdir()
    run_id = str(uuid.uuid4())
    put(tmp_path / "big disk" / run_id / "worker.log", 300)
    workspace.runs_dir.symlink_to(tmp_path / "big disk", target_is_directory=True)
    assert measure(workspace).runs == {run_id: {DiskKind.LOGS: 300}}
    assert measure(workspace).total_bytes == 300


def test_that_a_folder_that_cannot_be_read_is_named(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = workspace.data_dir / "closed"
    put(closed / "file", 100)
    put(workspace.data_dir / "open", 20)
    look = os.scandir

    def refuse(folder: str) -> object:  # the user of a test may be allowed to read everything
        if Path(folder) == closed:
            raise PermissionError(13, "Permission denied", folder)
        return look(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    use = measure(workspace)
    assert use.unreadable == (str(closed),)
    assert use.total_bytes == 20


def test_that_a_measurement_can_be_ended(workspace: Workspace) -> None:
    for _ in range(5):
        workspace.make_run_dir(str(uuid.uuid4()))
    calls = 0

    def enough() -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        measure(workspace, enough)
    assert calls == 3


def test_that_the_largest_things_outside_the_trash_come_first(workspace: Workspace) -> None:
    small, big = str(uuid.uuid4()), str(uuid.uuid4())
    put(workspace.run_dir(small) / "worker.log", 10)
    put(workspace.run_dir(big) / "best.safetensors", 500)
    put(workspace.run_dir(big) / "worker.log", 500)
    put(workspace.data_dir / "set.npz", 800)
    put(workspace.root / "iterand.db.schema-0001.x.bak", 90)
    put(workspace.trash_dir / small / "gone", 9000)
    use = measure(workspace)
    assert largest(use, 9) == [
        LargeThing("run", big, 1000),
        LargeThing("data", "set.npz", 800),
        LargeThing("backup", "iterand.db.schema-0001.x.bak", 90),
        LargeThing("run", small, 10),
    ]
    assert [thing.size_bytes for thing in largest(use, 2)] == [1000, 800]
    assert [thing.size_bytes for thing in largest(use, 9, at_least_bytes=800)] == [1000, 800]


def test_that_the_example_of_the_page_works(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (ROOT / "docs" / "disk.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    run_id = str(uuid.uuid4())
    put(workspace.run_dir(run_id) / "masks" / "epoch-00000.npz", 77)
    monkeypatch.chdir(workspace.root.parent)
    exec(example.replace("my-workspace", workspace.root.name), {})
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("77 77 ")
    assert second == f"run {run_id} 77"
    assert all(kind in page for kind in DiskKind)

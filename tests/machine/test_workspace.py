"""The workspace is found, laid out, written whole or not at all, and warned about where it is not safe."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections import namedtuple
from pathlib import Path
from typing import BinaryIO

import psutil
import pytest

from iterand_engine.errors import UserError
from iterand_engine.machine.filesystems import filesystem_warning, folder_bytes, free_bytes
from iterand_engine.machine.own_files import write_atomic
from iterand_engine.machine.settings import Settings
from iterand_engine.machine.workspace import Workspace, open_workspace_dir
from tests.paths import ROOT

RUN_ID = "6f1f7c1e-4d8f-4b57-9f5b-0c8e5b6a7d11"
Mount = namedtuple("Mount", "mountpoint fstype")


def test_that_opening_makes_the_folders_and_may_be_repeated(tmp_path: Path) -> None:
    first = open_workspace_dir(tmp_path / "new" / "place")
    assert first == open_workspace_dir(str(tmp_path / "new" / "place"))
    assert all(folder.is_dir() for folder in (first.data_dir, first.extensions_dir, first.runs_dir))


def test_that_the_argument_goes_before_the_environment_and_that_before_the_users_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    assert open_workspace_dir().root.is_relative_to(tmp_path.resolve() / "home")
    monkeypatch.setenv("ITERAND_WORKSPACE", str(tmp_path / "named"))
    assert open_workspace_dir().root == tmp_path.resolve() / "named"
    assert open_workspace_dir(tmp_path / "asked").root == tmp_path.resolve() / "asked"


def test_that_two_names_of_one_folder_are_one_workspace(tmp_path: Path, workspace: Workspace) -> None:
    (tmp_path / "link").symlink_to(workspace.root)
    assert open_workspace_dir(tmp_path / "link") == workspace


def test_that_a_file_is_refused_as_workspace(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="is a file"):
        open_workspace_dir(tmp_path / "file")
    with pytest.raises(UserError, match="Cannot make the workspace"):
        open_workspace_dir(tmp_path / "file" / "below")


def test_that_a_runs_folder_has_its_parts(workspace: Workspace) -> None:
    folder = workspace.make_run_dir(RUN_ID)
    assert folder == workspace.run_dir(RUN_ID) == workspace.make_run_dir(RUN_ID)
    assert {path.name for path in folder.iterdir()} == {"checkpoints", "masks", "exports"}


@pytest.mark.parametrize("text", ["", "..", "../../etc", RUN_ID[:8], RUN_ID.upper(), f"{RUN_ID}/x"])
def test_that_only_a_run_id_names_a_runs_folder(workspace: Workspace, text: str) -> None:
    with pytest.raises(ValueError, match="not a run id"):
        workspace.run_dir(text)


def test_that_stored_paths_lead_back_and_survive_a_move(workspace: Workspace, tmp_path: Path) -> None:
    path = workspace.run_dir(RUN_ID) / "checkpoints" / "step.pt"
    stored = workspace.relative(path)
    assert stored == f"runs/{RUN_ID}/checkpoints/step.pt"
    assert workspace.absolute(stored) == path
    moved = Workspace(tmp_path / "moved")
    assert moved.absolute(stored) == tmp_path / "moved" / stored


@pytest.mark.parametrize("stored", ["../outside", "runs/../../outside", "/etc/passwd"])
def test_that_a_stored_path_cannot_leave_the_workspace(workspace: Workspace, stored: str) -> None:
    with pytest.raises(ValueError, match="leads outside"):
        workspace.absolute(stored)
    with pytest.raises(ValueError, match="is not in the subpath"):
        workspace.relative(workspace.root / stored)


def test_that_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomic(path, b"old")
    write_atomic(path, b"new")
    assert path.read_bytes() == b"new"

    def by_hand(file: BinaryIO) -> None:
        file.write(b"by ")
        file.write(b"hand")

    write_atomic(path, by_hand)
    assert path.read_bytes() == b"by hand"
    assert list(tmp_path.iterdir()) == [path]


def test_that_a_written_file_is_readable_as_any_other(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write_atomic(tmp_path / "atomic", b"x")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "atomic")]
    assert modes[0] == modes[1]


def test_that_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomic(path, b"old")

    def fail(file: BinaryIO) -> None:
        file.write(b"half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomic(path, fail)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_that_a_process_killed_while_it_writes_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomic(path, b"old")
    script = """
import os, signal, sys
from pathlib import Path
from iterand_engine.machine.own_files import write_atomic
def half(file):
    file.write(b"half")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
write_atomic(Path(sys.argv[1]), half)
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", script, str(path)], env=environment, check=False)
    assert done.returncode < 0
    assert path.read_bytes() == b"old"


def test_that_settings_have_defaults_and_come_back_as_saved(workspace: Workspace) -> None:
    assert Settings.load(workspace) == Settings() == Settings(data_roots=(), test_lock=False)
    changed = Settings().with_value("test_lock", "true")
    changed.save(workspace)
    assert Settings.load(workspace) == changed
    assert changed.get("test_lock") is True


def test_that_data_roots_are_stored_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    settings = Settings().with_value("data_roots", f"a, {tmp_path / 'b'}")
    assert settings.data_roots == (tmp_path / "a", tmp_path / "b")
    assert settings.get("data_roots") == [str(tmp_path / "a"), str(tmp_path / "b")]
    assert settings.with_value("data_roots", "[]").data_roots == ()


def test_that_one_data_root_more_is_absolute_and_there_only_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b, c"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    settings = Settings().with_data_root(Path("b, c")).with_data_root(Path("a")).with_data_root(Path("b, c"))
    assert settings.data_roots == (tmp_path / "b, c", tmp_path / "a")
    with pytest.raises(UserError, match=r"Cannot use .*nowhere as a data root: there is no such folder"):
        settings.with_data_root(Path("nowhere"))


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("devices", "GPU-1f, cpu", ["GPU-1f", "cpu"]),
        ("devices", "[]", []),
        ("slots_per_device", "3", 3),
        ("cpu_slot", "true", True),
        ("cpu_slot", "auto", "auto"),
        ("cpu_share", "2", 2),
        ("on_end", "echo 'it: ended' | mail me", "echo 'it: ended' | mail me"),
    ],
)
def test_that_settings_of_slots_are_kept_as_written(
    workspace: Workspace, key: str, text: str, value: object
) -> None:
    Settings().with_value(key, text).save(workspace)
    assert Settings.load(workspace).get(key) == value


@pytest.mark.parametrize(
    ("key", "text", "message"),
    [
        ("tets_lock", "true", r"no setting 'tets_lock'; did you mean 'test_lock'\? \(settings: data_roots, "),
        ("test_lock", "perhaps", "Setting test_lock cannot be 'perhaps'"),
        ("test_lock", "[", "Setting test_lock cannot be '\\['"),
        (
            "devices",
            "cpu, gpu0",
            r"Setting devices cannot be \['cpu', 'gpu0'\]; allowed: cpu and starts of GPU",
        ),
        ("devices", "cpu,", "'cpu,' is no list: write values with commas between them"),
        ("devices", ",", "',' is no list"),
        ("cpu_slot", "maybe", "Setting cpu_slot cannot be 'maybe'; allowed: true | false | auto"),
        ("cpu_share", "0", "Setting cpu_share cannot be 0; allowed: from 1 to 1024 cores, or auto"),
        (
            "slots_per_device",
            "yes",
            "Setting slots_per_device cannot be 'yes'; allowed: a whole number from 1",
        ),
        ("data_roots", "/nowhere/at/all", "Cannot use /nowhere/at/all as a data root"),
    ],
)
def test_that_a_wrong_setting_is_refused_with_a_sentence(key: str, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Settings().with_value(key, text)


def test_that_an_unknown_setting_is_not_read_either() -> None:
    with pytest.raises(UserError, match="no setting 'lock'"):
        Settings().get("lock")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("test_lok: true", "did you mean 'test_lock'"),
        ("test_lock: 7", "Setting test_lock cannot be 7"),
        ("- test_lock", "must hold `setting: value` lines"),
        ("test_lock: [", "is not valid YAML"),
        ("cpu_share: 2020-13-99", "Setting cpu_share cannot be '2020-13-99'; allowed: from 1 to 1024 cores"),
        ("cpu_share: !!timestamp x", "is not valid YAML: line 1, column 12: the tag !!timestamp"),
        ("slots_per_device: 010", "Setting slots_per_device cannot be '010'"),
        (
            "on_end: Gr\xfc\xdfe",
            "is not valid YAML: byte 11 is not UTF-8; save it as UTF-8; repair",
        ),
    ],
)
def test_that_a_spoilt_settings_file_is_refused(workspace: Workspace, text: str, message: str) -> None:
    workspace.settings_path.write_text(text, encoding="latin-1")
    with pytest.raises(UserError, match=message):
        Settings.load(workspace)


def test_that_a_folder_in_place_of_the_settings_is_refused(workspace: Workspace) -> None:
    workspace.settings_path.mkdir()
    with pytest.raises(UserError, match=r"settings.yaml' is a folder: repair or delete it"):
        Settings.load(workspace)


def test_that_an_empty_settings_file_means_defaults(workspace: Workspace) -> None:
    workspace.settings_path.write_text("# nothing yet\n")
    assert Settings.load(workspace) == Settings()


@pytest.mark.parametrize(
    ("kind", "is_network"),
    [("ext4", False), ("fuseblk", False), ("nfs4", True), ("cifs", True), ("fuse.sshfs", True), ("9p", True)],
)
def test_that_network_drives_are_known(
    kind: str, is_network: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = [Mount("/", "ext4"), Mount(str(tmp_path / "drive"), kind), Mount(str(tmp_path / "dri"), "nfs")]
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: mounts)
    warning = filesystem_warning(tmp_path / "drive" / "workspace")
    assert (warning is not None) == is_network
    if warning is not None:
        assert kind in warning
        assert str(tmp_path / "drive" / "workspace") in warning


def test_that_a_later_mount_on_one_place_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = [Mount(str(tmp_path), "autofs"), Mount(str(tmp_path), "nfs")]
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: mounts)
    assert "(nfs)" in (filesystem_warning(tmp_path) or "")


@pytest.mark.parametrize(
    ("folder", "service"),
    [
        ("Dropbox", "Dropbox"),
        ("Dropbox (Home)", "Dropbox"),
        ("OneDrive - Company Ltd", "OneDrive"),
        ("Nextcloud2", "Nextcloud"),
        ("Google Drive", "Google Drive"),
        ("Library/Mobile Documents", "iCloud Drive"),
        ("Dropbox-like/but-not", None),
        ("my-dropbox", None),
        ("nextcloudy", None),
    ],
)
def test_that_synced_folders_are_known_by_name(
    folder: str, service: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: [Mount("/", "ext4")])
    warning = filesystem_warning(tmp_path / folder / "deep" / "workspace")
    if service is None:
        assert warning is None
    else:
        assert f"synced by {service}" in (warning or "")


def test_that_a_synced_folder_is_known_by_its_marker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: [Mount("/", "ext4")])
    (tmp_path / ".stfolder").mkdir()
    assert "synced by Syncthing" in (Workspace(tmp_path / "workspace").warning() or "")


def test_that_disk_use_counts_every_file_once(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one").write_bytes(bytes(1000))
    (tmp_path / "two").write_bytes(bytes(24))
    (tmp_path / "loop").symlink_to(tmp_path)
    link_bytes = os.lstat(tmp_path / "loop").st_size
    assert folder_bytes(tmp_path) == 1024
    assert link_bytes > 0
    assert folder_bytes(tmp_path / "absent") == 0
    assert free_bytes(tmp_path / "not" / "yet") > 0

"""Files of the user's alone are so from their first moment; a record that others can write allows nothing."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from iterand_engine.errors import UserError
from iterand_engine.extensions.trust import Trust, TrustedFile
from iterand_engine.machine.allowed import Allowed, allow_command, why_command_is_off
from iterand_engine.machine.own_files import write_atomic
from iterand_engine.machine.private_files import user_file, write_private
from iterand_engine.machine.workspace import Workspace
from iterand_gui.session.remembered import Remembered, default_path


@pytest.fixture(autouse=True)
def no_umask() -> Iterator[None]:
    """Whatever does not ask for less may be written by everybody."""
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_that_every_file_of_the_user_is_private_whatever_the_umask(
    workspace: Workspace, tmp_path: Path
) -> None:
    allow_command(workspace, "true")
    Trust.load(workspace).with_file("a.py", TrustedFile(enabled="0")).save(workspace)
    Remembered(default_path()).save()
    made = [path for path in (tmp_path / "config").rglob("*") if path.is_file()]
    assert sorted(path.parent.name for path in made) == ["allowed", "extensions", "iterand"]
    assert {mode(path) for path in made} == {0o600}
    folders = [tmp_path / "config", *(path for path in (tmp_path / "config").rglob("*") if path.is_dir())]
    assert {mode(folder) for folder in folders} == {0o700}


def test_that_a_private_file_is_private_from_its_first_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    place, replace = tmp_path / "file", os.replace

    def look(source: str, target: str, **folders: int) -> None:
        seen.append(mode(tmp_path / source))
        replace(source, target, **folders)

    place.touch()  # an older version wrote it for everybody
    monkeypatch.setattr(os, "open", _noting(seen))
    monkeypatch.setattr(os, "replace", look)
    write_private(place, b"1")
    assert seen[0] == seen[1] == mode(place) == 0o600
    write_atomic(place, b"2")
    assert mode(place) == 0o666, "what belongs to a workspace keeps the umask"


def _noting(seen: list[int]) -> object:
    real = os.open

    def opened(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        handle = real(path, flags, mode, dir_fd=dir_fd)
        if flags & os.O_CREAT:
            seen.append(stat.S_IMODE(os.fstat(handle).st_mode))
        return handle

    return opened


@pytest.mark.parametrize("open_part", ["file", "folder", "program's folder"])
@pytest.mark.parametrize("write_bit", [stat.S_IWOTH, stat.S_IWGRP])
def test_that_a_record_that_others_can_write_allows_nothing(
    workspace: Workspace, open_part: str, write_bit: int
) -> None:
    allow_command(workspace, "true")
    Trust.load(workspace).with_file("a.py", TrustedFile(enabled="0")).save(workspace)
    (record,) = user_file("allowed").iterdir()
    (extensions,) = user_file("extensions").iterdir()
    for path in (record, extensions):
        opened = {"file": path, "folder": path.parent, "program's folder": path.parent.parent}[open_part]
        opened.chmod(mode(opened) | write_bit)
    said = why_command_is_off(workspace, "true")
    assert said.startswith("on_end does not run. ")
    assert "other users can change it: look at it and run `chmod go-w " in said
    with pytest.raises(UserError, match="other users can change it"):
        Trust.load(workspace)
    with pytest.raises(UserError, match="other users can change it"):
        allow_command(workspace, "false")
    remedy = said.partition("`chmod go-w ")[2].partition("`")[0]
    Path(remedy).chmod(mode(Path(remedy)) & ~0o022)
    assert Allowed.load(workspace).allows_command("true")


def test_that_a_record_of_another_user_allows_nothing(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    allow_command(workspace, "true")
    if os.geteuid() == 0:
        (record,) = user_file("allowed").iterdir()
        os.chown(record, 12345, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(UserError, match="other users can change it"):
        Allowed.load(workspace)

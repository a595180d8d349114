"""What a user allowed on this machine in one workspace: a command at the end of runs, folders that are links.

A workspace may come from anybody, so nothing in it can allow itself. The record lies with the user's own
settings; it counts for one workspace, known by its absolute path, on one machine, and for just what was seen
when it was allowed. Torch-free.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from iterand_engine.errors import UserError
from iterand_engine.machine import processes
from iterand_engine.machine.own_files import write_atomic


class InFolder(Protocol):
    """A workspace, of which only its folder counts here (opening one asks what is allowed in it)."""

    @property
    def root(self) -> Path: ...


class Allowed(BaseModel):
    """What is allowed in one workspace.

    `on_end` is the SHA-256 of the command that may run. `links` has, by the name of a folder at the top of
    the workspace, where the link led when it was allowed.
    """

    model_config = ConfigDict(frozen=True)

    workspace: str
    machine: str = Field(default_factory=processes.machine_id)
    on_end: str | None = None
    links: Mapping[str, str] = {}

    @classmethod
    def load(cls, workspace: InFolder) -> Allowed:
        """Read what is allowed in a workspace; nothing where there is no record, or one of another machine.

        Raises:
            UserError: the record is damaged or cannot be read.
        """
        path, nothing = _path(workspace), cls(workspace=str(workspace.root))
        try:
            found = cls.model_validate_json(path.read_bytes())
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
        return self.on_end == _sha256(command)

    def with_command(self, command: str) -> Allowed:
        """A copy that lets one command run when a run ends, and no other."""
        return self.model_copy(update={"on_end": _sha256(command) if command else None})

    def with_link(self, name: str, target: Path) -> Allowed:
        """A copy that lets a folder of the workspace be a link that leads to `target`."""
        return self.model_copy(update={"links": {**self.links, name: str(target)}})

    def save(self, workspace: InFolder) -> None:
        """Write the record atomically.

        Raises:
            UserError: the record cannot be written.
        """
        path = _path(workspace)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, self.model_dump_json(indent=1).encode())
        except OSError as error:
            raise UserError(
                f"Cannot write {str(path)!r}, which says what is allowed in the workspace {workspace.root}: "
                f"{error.strerror}."
            ) from None


def _path(workspace: InFolder) -> Path:
    key = _sha256(os.path.normcase(workspace.root))[:32]
    return platformdirs.user_config_path("iterand", appauthor=False) / "allowed" / f"{key}.json"


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()

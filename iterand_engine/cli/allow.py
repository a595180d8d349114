"""`iterand allow`: what came with a workspace and runs only once the user looked at it and said so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from iterand_engine.cli.common import WorkspaceOption, result, workspace_at
from iterand_engine.errors import UserError, suggestion
from iterand_engine.machine.allowed import allow_command, visible_command
from iterand_engine.machine.settings import Settings
from iterand_engine.machine.workspace import Workspace


def allow(
    what: Annotated[str, typer.Argument(metavar="WHAT", help="on_end: the command at the end of runs.")],
    workspace: WorkspaceOption = None,
) -> None:
    """Allow what came with a workspace, as it is now and on this machine."""
    place = workspace_at(workspace)
    if what not in _ALLOW:
        known = ", ".join(_ALLOW)
        raise UserError(f"Cannot allow {what!r}{suggestion(what, _ALLOW)} (what can be allowed: {known}).")
    _ALLOW[what](place)


def _allow_on_end(place: Workspace) -> None:
    command = Settings.load(place).on_end
    if not command:
        raise UserError(f"There is nothing to allow: {place.settings_path} has no command on_end.")
    print(f"on_end: {visible_command(command)}", flush=True)  # just so; `result` completes commands
    allow_command(place, command)
    result("Allowed: the shell runs it when a run or a sweep has ended or a slot was closed.")


_ALLOW: dict[str, Callable[[Workspace], None]] = {"on_end": _allow_on_end}

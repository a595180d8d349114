"""`iterand settings` and `iterand unlock`: a workspace's settings, and the lock on test accuracy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from iterand_engine.cli.common import WorkspaceOption, opened, result, say, workspace_at
from iterand_engine.cli.which_runs import RUNS_HELP, meant_runs
from iterand_engine.machine.allowed import HOW_TO_ALLOW, allow_command, why_command_is_off
from iterand_engine.machine.settings import Settings
from iterand_engine.machine.workspace import Workspace, existing_workspace_dir
from iterand_engine.store.runs import unlock_runs

KeyArgument = Annotated[str, typer.Argument(metavar="KEY", help="Name of the setting.")]


def make_settings() -> typer.Typer:
    """Make the group `iterand settings`."""
    group = typer.Typer(name="settings", help="Show or change the workspace's settings.")
    group.callback(invoke_without_command=True)(list_settings)
    group.command("get")(get_setting)
    # A value may begin with a minus: each setting checks its own values.
    group.command("set", context_settings={"ignore_unknown_options": True})(set_setting)
    return group


def list_settings(context: typer.Context, workspace: WorkspaceOption = None) -> None:
    """Show or change the workspace's settings; alone: show all."""
    context.obj = workspace
    if context.invoked_subcommand is None:
        place = existing_workspace_dir(workspace)
        settings = Settings.load(place)
        for key in Settings.model_fields:
            result(f"{key}: {_text(settings.get(key))}")
        _say_what_is_off(place, settings)


def get_setting(context: typer.Context, key: KeyArgument, workspace: WorkspaceOption = None) -> None:
    """Show one setting."""
    place = existing_workspace_dir(_folder(context, workspace))
    settings = Settings.load(place)
    result(_text(settings.get(key)))
    if key == "on_end":
        _say_what_is_off(place, settings)


def set_setting(
    context: typer.Context,
    key: KeyArgument,
    value: Annotated[
        str, typer.Argument(metavar="VALUE", help="Its value; data_roots: folders with commas.")
    ],
    workspace: WorkspaceOption = None,
) -> None:
    """Change one setting."""
    place = workspace_at(_folder(context, workspace))
    settings = Settings.load(place).with_value(key, value)
    if key == "on_end":  # who writes a command here allows it
        allow_command(place, settings.on_end)
    settings.save(place)
    result(f"{key}: {_text(settings.get(key))}")


def unlock(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help=RUNS_HELP)],
    workspace: WorkspaceOption = None,
) -> None:
    """Let the test accuracy of runs be seen under the test lock; this is recorded."""
    with opened(workspace) as at:
        run_ids = meant_runs(at, runs)
        unlock_runs(at.store, run_ids)
    for run_id in run_ids:
        result(f"run {run_id} unlocked")


def _folder(context: typer.Context, workspace: Path | None) -> Path | None:
    """The folder given after the command, or else after `settings`."""
    return workspace or context.obj


def _say_what_is_off(place: Workspace, settings: Settings) -> None:
    why_off = why_command_is_off(place, settings.on_end)
    if why_off:
        say(f"{why_off} {HOW_TO_ALLOW}")


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(str(part) for part in value) or "[]"
    return str(value).lower() if isinstance(value, bool) else str(value)

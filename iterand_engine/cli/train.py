"""`iterand train` and `iterand resume`: train in the foreground, as soon as a slot on the device is free."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from iterand_engine.cli.common import Opened, RunArgument, WorkspaceOption, opened, say
from iterand_engine.cli.foreground import train_here
from iterand_engine.config.presets import preset as find_preset
from iterand_engine.config.run_config import RunConfig, read_mapping
from iterand_engine.config.sets import apply_changes, read_change
from iterand_engine.data.locate import located
from iterand_engine.errors import UserError
from iterand_engine.extensions.active import check_code
from iterand_engine.machine import processes
from iterand_engine.machine.run_log import check_files
from iterand_engine.machine.settings import data_roots
from iterand_engine.runs.make import make_run
from iterand_engine.store import RunState
from iterand_engine.store import queue as store_queue

R = TypeVar("R")
GOES_ON = tuple(state for state in RunState if state is RunState.QUEUED or state.is_resumable)
ConfigArgument = Annotated[
    Path | None, typer.Argument(metavar="CONFIG.yaml", help="File with the run's options.")
]
PresetOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="A recipe, as `iterand presets` lists them.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="OPTION=VALUE", help="Change an option, e.g. --set training.lr=0.05."),
]

NowOption = Annotated[
    bool, typer.Option("--now", help="Do not wait for a free slot; train beside whatever else is trained.")
]


def train(
    config: ConfigArgument = None,
    preset: PresetOption = None,
    sets: SetOption = None,
    now: NowOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Train a run from a file or a preset, and record it."""
    with opened(workspace, makes=True) as at:
        run_id = new_run(at, chosen_config(config, preset, sets or []))
        raise typer.Exit(train_here(at, run_id, now=now))


def chosen_config(config: Path | None, preset: str | None, sets: list[str]) -> RunConfig:
    """The configuration that a file or a preset and some `--set` make; what changes with them is said.

    Raises:
        UserError: the file, the preset or an option is wrong.
    """
    changes = read_sets(sets, read_change)
    mapping, notes = apply_changes(chosen_mapping(config, preset), changes, folder=Path.cwd())
    options = RunConfig.from_mapping(mapping)
    for note in notes:
        say(note)
    return options


def resume(run: RunArgument, now: NowOption = False, workspace: WorkspaceOption = None) -> None:
    """Go on with a stopped, interrupted or failed run, from its last checkpoint."""
    with opened(workspace) as at:
        run_id = at.store.reader.resolve(run)
        found = at.store.reader.run(run_id)
        before = found.state
        if before not in GOES_ON:
            raise UserError(f"Run {run_id} is {before}: only one that is {', '.join(GOES_ON)} can go on.")
        check_code(at.workspace, run_id, found.extensions)
        check_files(at.workspace, run_id)
        if not now:
            store_queue.enqueue(at.store, [run_id], first=True, waiter=processes.current())
        raise typer.Exit(train_here(at, run_id, before=before, now=now))


def chosen_mapping(config: Path | None, preset: str | None) -> dict[str, Any]:
    """Read the options of a file or of a preset.

    Raises:
        UserError: both are given, or neither, or the one given cannot be read.
    """
    if config is not None and preset is not None:
        raise UserError(
            f"A file ({config}) and a preset ({preset}) are both given; name one and change options by --set."
        )
    if config is not None:
        return read_mapping(config)
    if preset is not None:
        return find_preset(preset).mapping
    raise UserError(
        "Nothing says what to train; name a file, or a preset as in `iterand train --preset quickstart`."
    )


def read_sets(sets: list[str], read: Callable[[str], R]) -> list[R]:
    """Read the arguments of `--set`; an error names the flag.

    Args:
        sets: the arguments.
        read: reads one of them.
    """
    try:
        return [read(text) for text in sets]
    except UserError as error:
        raise UserError(f"--set {error}") from None


def new_run(at: Opened, options: RunConfig) -> str:
    """Check that the data is here, and make a run that this process is going to train.

    Raises:
        UserError: data, device or precision is not available here.
    """
    warning = at.workspace.warning()
    if warning is not None:
        say(warning)
    located(options.data.dataset, data_roots(at.workspace, at.settings), options.data.path)
    waiter = processes.current()  # so that no slot takes the run meanwhile
    return make_run(at.workspace, at.store, options, waiter=waiter, first=True)

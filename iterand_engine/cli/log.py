"""`iterand log`: prints the log of a run's worker, and follows it."""

from __future__ import annotations

from typing import Annotated

import typer

from iterand_engine.cli.common import Opened, RunArgument, WorkspaceOption, log_result, opened, say
from iterand_engine.machine.run_log import follow, log_path
from iterand_engine.store import RunState


def log(
    run: RunArgument,
    goes_on: Annotated[bool, typer.Option("-f", "--follow", help="Go on until the run has ended.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Show the log of a run's worker."""
    with opened(workspace) as at:
        run_id = at.store.reader.resolve(run)
        path = log_path(at.workspace, run_id)
        for text in follow(path, lambda: not goes_on or _has_ended(at, run_id)):
            log_result(text)
        if not path.exists():
            say(f"Run {run_id} has no log: it was not started yet, or its files were removed.")


def _has_ended(at: Opened, run_id: str) -> bool:
    state = at.store.reader.runs(ids=[run_id])[0].state
    return not (state.is_live or state is RunState.QUEUED)

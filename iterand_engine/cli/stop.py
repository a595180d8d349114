"""`iterand stop`: ask runs to save and stop, and take queued ones out of the queue."""

from __future__ import annotations

from typing import Annotated

import typer

from iterand_engine.cli.common import Opened, WorkspaceOption, opened, result
from iterand_engine.cli.which_runs import RUNS_HELP, meant_runs
from iterand_engine.errors import UserError
from iterand_engine.store import RunState
from iterand_engine.store.runs import request_stop

_STOPPABLE = (RunState.QUEUED, *(state for state in RunState if state.is_live))


def stop(
    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="RUN...", help=RUNS_HELP, show_default=False),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that are queued or being trained.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Stop runs: one that is being trained saves a checkpoint first, a queued one leaves the queue."""
    if everything == bool(runs):
        raise UserError("Name the runs to stop, or say --all.")
    with opened(workspace) as at:
        if everything:
            _stop_all(at)
            return
        run_ids = meant_runs(at, runs or (), _STOPPABLE)
        # The last in line first, so that no slot takes one meanwhile.
        states = {run_id: request_stop(at.store, run_id) for run_id in reversed(run_ids)}
        for run_id in run_ids:
            result(f"run {run_id} {_said(states[run_id])}")


def _stop_all(at: Opened) -> None:
    """Stop queued runs first, the last in line before the others, so that no slot takes one meanwhile."""
    queued = [run.id for run in at.store.reader.queued()]
    states = [request_stop(at.store, run_id) for run_id in reversed(queued)]
    taken_out = states.count(RunState.STOPPED)
    live = at.store.reader.live_runs()
    if taken_out:
        what = "run stopped before it" if taken_out == 1 else "runs stopped before they"
        result(f"{taken_out} queued {what} started")
    for run in live:
        result(f"run {run.id} {_said(request_stop(at.store, run.id))}")
    if not taken_out and not live:
        result("nothing is queued or being trained")


def _said(state: RunState) -> str:
    match state:
        case RunState.STOPPING:
            return "asked to save and stop"
        case RunState.STOPPED:
            return "stopped"
        case _:
            return f"has already ended: {state}"

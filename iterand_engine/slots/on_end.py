"""Runs the user's command `on_end` when a run or a sweep has ended or a slot was closed.

It runs only where the user allowed just this command (`machine/allowed.py`), since settings come with a
workspace from anybody. It gets its facts by environment variables, its output goes to `slots/on_end.log`,
and no process waits for it. Limits: the command is not run for a run whose slot died before it, or that was
stopped in the queue.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from iterand_engine.errors import UserError
from iterand_engine.machine import own_files
from iterand_engine.machine.allowed import HOW_TO_ALLOW, why_command_is_off
from iterand_engine.machine.launch import Launch, Launcher, python_environment
from iterand_engine.machine.settings import Settings
from iterand_engine.machine.workspace import Workspace
from iterand_engine.store import RunRow, RunState, Store
from iterand_engine.store.records import SlotKey, SweepRow
from iterand_engine.store.sweeps import sweeps_ended_by

# Each as a variable ITERAND_..., which is empty if the event has no such fact.
FACTS = ("EVENT", "RUN", "SWEEP", "DEVICE", "NAME", "STATE", "REASON")


def announce_run(workspace: Workspace, store: Store, run_id: str, launcher: Launcher) -> None:
    """Run `on_end` for a run that has ended, and for the sweeps that ended with it; not for one that goes on.

    Args:
        workspace, store: the run's.
        run_id: the run's id.
        launcher: starts the command.
    Raises:
        UserError: the settings cannot be read, or the command is not allowed here or cannot be started.
    """
    found = store.reader.runs(ids=[run_id])
    if not found or found[0].state.is_live or found[0].state is RunState.QUEUED:
        return
    ended = sweeps_ended_by(store, run_id)
    command = _allowed_command(workspace)
    if not command:
        return
    _run(workspace, command, _run_facts(found[0]), launcher)
    for sweep in ended:
        facts = _sweep_facts(sweep, store.reader.runs(ids=sweep.run_ids))
        _run(workspace, command, facts, launcher)


def announce_closed(workspace: Workspace, key: SlotKey, reason: str, launcher: Launcher) -> None:
    """Run `on_end` for a slot that was closed; raises as `announce_run`."""
    command = _allowed_command(workspace)
    if command:
        facts = {"EVENT": "slot", "DEVICE": key.device, "STATE": "closed", "REASON": reason}
        _run(workspace, command, facts, launcher)


def _allowed_command(workspace: Workspace) -> str:
    """The command; empty where there is none."""
    command = Settings.load(workspace).on_end
    why_off = why_command_is_off(workspace, command)
    if why_off:
        raise UserError(f"{why_off} {HOW_TO_ALLOW}")
    return command


def _run_facts(run: RunRow) -> dict[str, str]:
    return {
        "EVENT": "run",
        "RUN": run.id,
        "NAME": run.name,
        "STATE": run.state,
        "REASON": run.reason or "",
    }


def _sweep_facts(sweep: SweepRow, runs: Sequence[RunRow]) -> dict[str, str]:
    finished = sum(run.state is RunState.FINISHED for run in runs)
    return {
        "EVENT": "sweep",
        "SWEEP": sweep.id,
        "NAME": sweep.name,
        "STATE": "finished" if finished == len(runs) else "incomplete",
        "REASON": f"{finished} of {len(runs)} runs finished",
    }


def _run(workspace: Workspace, command: str, facts: dict[str, str], launcher: Launcher) -> None:
    own_files.make_folder(workspace.slots_dir)
    shell = ("/bin/sh", "-c") if os.name == "posix" else (os.environ.get("COMSPEC", "cmd.exe"), "/c")
    variables = {f"ITERAND_{name}": facts.get(name, "") for name in FACTS}
    environment = {**python_environment(), "ITERAND_WORKSPACE": str(workspace.root), **variables}
    log = workspace.slots_dir / "on_end.log"
    launcher(Launch(shell[0], (shell[1], command), environment, log))

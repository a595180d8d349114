"""Trains a run in the foreground: a slot's place, signals, display, log, and one result line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iterand_engine.cli.common import Opened, plain_share, result, results_alone, say
from iterand_engine.cli.progress import progress_display
from iterand_engine.cli.wait_for_slot import wait_for_slot
from iterand_engine.errors import ExitCode, OwnershipLost, UserError
from iterand_engine.machine.launch import start_detached
from iterand_engine.machine.run_log import RunLog, log_path
from iterand_engine.machine.settings import Settings
from iterand_engine.machine.signals import StopSignals
from iterand_engine.runs.faults import explain
from iterand_engine.runs.report import train_reported
from iterand_engine.slots.on_end import announce_run
from iterand_engine.store import RunState, slots
from iterand_engine.store.runs import claim_run

if TYPE_CHECKING:
    from iterand_engine.runs.train import RunOutcome


def train_here(
    at: Opened, run_id: str, *, before: RunState = RunState.STOPPED, now: bool = False
) -> ExitCode:
    """Train a run to its end or to a stop, and print its result line.

    Args:
        at: the run's workspace.
        run_id: a run that nobody trains; unless `now`, it is queued with this process as its waiter.
        before: its state before that, which it gets back if the user gives up waiting for a slot.
        now: train without a slot, beside other runs.
    Returns:
        OK, FAILED (also diverged) or STOPPED.
    Raises:
        UserError: the run cannot be trained here, or an error ended it that the user can repair.
        OwnershipLost: another process took it over.
    """
    with StopSignals() as signals:
        if now:
            return _train(at, run_id, claim_run(at.store, run_id), None, signals)
        claim = wait_for_slot(at, run_id, before, signals)
        if claim is None:
            run = at.store.reader.run(run_id)
            result(f"run {run_id} {run.state} step={run.step}")
            return ExitCode.STOPPED
        try:
            return _train(at, run_id, claim.token, claim.key.device, signals)
        finally:
            slots.vacate(at.store, claim.key)


def _train(at: Opened, run_id: str, token: str, device: str | None, signals: StopSignals) -> ExitCode:
    at.workspace.make_run_dir(run_id)
    path = log_path(at.workspace, run_id)
    try:
        with RunLog(path, say) as log, progress_display() as display, results_alone():
            outcome = train_reported(
                at.workspace,
                at.store,
                run_id,
                token,
                display=display,
                log=log,
                signals=signals,
                device=device,
            )
    except UserError:
        _report_failure(at, run_id)
        raise
    except OwnershipLost:
        raise
    except Exception as error:  # noqa: BLE001 - a process edge
        say(f"{explain(error).sentence} The whole message is in {path}.")
        _report_failure(at, run_id)
        return ExitCode.FAILED
    else:
        return _report(at, run_id, outcome)
    finally:
        _announce(at, run_id)


def _report(at: Opened, run_id: str, outcome: RunOutcome) -> ExitCode:
    if outcome.reason:
        say(outcome.reason)
    match outcome.state:
        case RunState.FINISHED:
            # Through the store, with the present lock: it may have changed during the run.
            lock = Settings.load(at.workspace).test_lock
            test = at.store.reader.test_accuracy(run_id, lock=lock)
            validation = f"val_acc={plain_share(outcome.val_accuracy)}"
            result(f"run {run_id} finished {validation} test_acc={plain_share(test)}")
            return ExitCode.OK
        case RunState.STOPPED:
            say(f"Saved; `iterand resume {run_id[:8]}` goes on.")
            result(f"run {run_id} stopped step={outcome.step}")
            return ExitCode.STOPPED
        case state:
            result(f"run {run_id} {state} step={outcome.step}")
            return ExitCode.FAILED


def _report_failure(at: Opened, run_id: str) -> None:
    run = at.store.reader.run(run_id)
    # From the store: `stopped` where the user can repair the cause and resume; still live if writing failed.
    state = RunState.FAILED if run.stored_state.is_live else run.stored_state
    if state is RunState.INTERRUPTED:
        say(f"`iterand resume {run_id[:8]}` goes on from its last checkpoint.")
    result(f"run {run_id} {state} step={run.step}")


def _announce(at: Opened, run_id: str) -> None:
    try:
        announce_run(at.workspace, at.store, run_id, start_detached)
    except UserError as error:  # a failing command on_end is no failure of the run
        say(str(error))

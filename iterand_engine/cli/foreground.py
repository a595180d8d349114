"""Train a run here and now: signals, display and log around the worker, one result line at its end."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

from iterand_engine.cli.common import Opened, plain_share, result, say
from iterand_engine.cli.display import Display, progress_display
from iterand_engine.errors import ExitCode, OwnershipLost, UserError
from iterand_engine.run_log import RunLog, log_path
from iterand_engine.stop_signals import StopSignals
from iterand_engine.store import RunState, queries
from iterand_engine.workspace import Settings

if TYPE_CHECKING:
    from iterand_engine.training.trainer import Progress
    from iterand_engine.worker import Outcome


def train_here(at: Opened, run_id: str) -> ExitCode:
    """Claim a run, train it to its end or to a stop, and print its result line.

    Args:
        at: the run's workspace.
        run_id: of a run that nobody trains.
    Returns:
        OK, FAILED (also diverged) or STOPPED.
    Raises:
        UserError: it cannot be claimed, or something that the user can mend ended it.
        OwnershipLost: another process took it over.
    """
    with StopSignals() as signals:
        # torch takes seconds to import: before the claim, which must be followed up within a minute.
        from iterand_engine import worker

        token = at.store.claim(run_id)
        at.workspace.make_run_dir(run_id)
        with RunLog(log_path(at.workspace, run_id), say) as log:
            try:
                with progress_display() as display:
                    reporter = Reporter(at, run_id, display, log, signals)
                    around = worker.Surroundings(reporter.progress, reporter.note, reporter.should_stop)
                    reporter.begin()
                    try:
                        outcome = worker.work(at.workspace, at.store, run_id, token, around)
                    finally:
                        reporter.tell_messages()
            except UserError as error:
                _report_failure(at, run_id, log, str(error))
                raise
            except OwnershipLost as error:
                log.line(f"gave up: {error}")
                raise
            except Exception as error:  # noqa: BLE001 - a process edge
                log.line(traceback.format_exc())
                say(f"{_explained(error)} The whole message is in {log_path(at.workspace, run_id)}.")
                _report_failure(at, run_id, log, f"{type(error).__name__}: {error}")
                return ExitCode.FAILED
            return _report(at, run_id, outcome, log)


class Reporter:
    """Stands between a worker and whoever watches: display and log say the same.

    Args:
        at, run_id: the run.
        display: what the user sees.
        log: what stays.
        signals: whether the user asks for a stop.
    """

    def __init__(self, at: Opened, run_id: str, display: Display, log: RunLog, signals: StopSignals) -> None:
        self._store, self._run_id = at.store, run_id
        self._display, self._log, self._signals = display, log, signals
        self._told: set[str] = set()
        self._last_event = max((event.id for event in queries.events(at.store, run_id)), default=0)
        self._last: Progress | None = None
        self._stop_told = False

    def begin(self) -> None:
        """Say what begins."""
        detail = queries.run(self._store, self._run_id)
        begins = f"goes on from step {detail.step}" if detail.step else "begins"
        where = f"{detail.precision} on {detail.device_kind}"
        self.note(f"run {self._run_id} {begins}: {detail.name}, seed {detail.seed}, {where}")

    def note(self, text: str) -> None:
        """Tell the user something, once."""
        if text not in self._told:
            self._told.add(text)
            self._log.line(text)
            self._display.note(text)

    def progress(self, progress: Progress) -> None:
        """Show progress; a line of the log where an epoch is done."""
        last, self._last = self._last, progress
        self._display.update(progress)
        if last is not None and progress.epoch > last.epoch:
            self._log.line(
                f"epoch {progress.epoch}/{progress.epochs} done: step {last.step} loss {last.loss:.4f} "
                f"val_accuracy {progress.val_accuracy:.4f}"
            )
            self.tell_messages()

    def tell_messages(self) -> None:
        """Tell warnings that the run recorded since, such as accuracy at chance."""
        for event in queries.events(self._store, self._run_id, after=self._last_event):
            self._last_event = event.id
            if event.level != "error":  # those end the run and are told then
                self.note(event.text)

    def should_stop(self, step: int) -> bool:
        """Whether the user asked for a stop; says once that it was understood."""
        if self._signals.requested and not self._stop_told:
            self._stop_told = True
            self.note(f"saving at step {step} and stopping; Ctrl+C once more leaves at once")
        return self._signals.requested


def _report(at: Opened, run_id: str, outcome: Outcome, log: RunLog) -> ExitCode:
    if outcome.reason:
        say(outcome.reason)
        log.line(outcome.reason)
    match outcome.state:
        case RunState.FINISHED:
            # By way of the store and the lock as it is now: a run takes long.
            lock = Settings.load(at.workspace).test_lock
            test = queries.test_accuracy(at.store, run_id, lock=lock)
            validation = f"val_acc={plain_share(outcome.val_accuracy)}"
            log.line(f"finished at step {outcome.step}: {validation}")
            result(f"run {run_id} finished {validation} test_acc={plain_share(test)}")
            return ExitCode.OK
        case RunState.STOPPED:
            log.line(f"stopped at step {outcome.step}")
            say(f"Saved; `iterand resume {run_id[:8]}` goes on.")
            result(f"run {run_id} stopped step={outcome.step}")
            return ExitCode.STOPPED
        case state:
            log.line(f"{state} at step {outcome.step}")
            result(f"run {run_id} {state} step={outcome.step}")
            return ExitCode.FAILED


def _report_failure(at: Opened, run_id: str, log: RunLog, reason: str) -> None:
    run = queries.run(at.store, run_id)
    # Not failed where the user can mend it and resume; still live where even the store could not be told.
    state = RunState.FAILED if run.stored_state.is_live else run.stored_state
    log.line(f"{state}: {reason}")
    result(f"run {run_id} {state} step={run.step}")


def _explained(error: Exception) -> str:
    """One sentence about what ended a run: the machine's limits, or a defect."""
    first_line = str(error).partition("\n")[0]
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return f"Out of memory ({first_line}): lower training.batch_size or model.width_factor."
    if isinstance(error, OSError):
        return f"The system refused ({first_line}): see to it and train again."
    return f"This is a defect of the program ({type(error).__name__}: {first_line})."

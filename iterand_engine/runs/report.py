"""Trains a claimed run with a display and a log, which show the same, and logs how it ended.

`iterand train` and worker processes use `train_reported`; it imports torch once the run is adopted.
"""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

from iterand_engine.errors import OwnershipLost, UserError
from iterand_engine.machine.run_log import RunLog
from iterand_engine.machine.signals import StopSignals
from iterand_engine.machine.workspace import Workspace
from iterand_engine.runs.adopt import adopted
from iterand_engine.runs.faults import explain
from iterand_engine.store import RunState, Store
from iterand_engine.training.hooks import Hooks, TrainingProgress

if TYPE_CHECKING:
    from iterand_engine.runs.train import RunOutcome


def train_reported(
    workspace: Workspace,
    store: Store,
    run_id: str,
    token: str,
    *,
    display: Hooks,
    log: RunLog,
    signals: StopSignals,
    device: str | None = None,
) -> RunOutcome:
    """Train a claimed run to its end or to a stop, and log its progress and its end.

    Args:
        workspace, store: the run's.
        run_id, token: the claim's.
        display: shows the progress.
        log: gets the lines that remain.
        signals: say whether the user asks for a stop.
        device: id of the device to train on; by default the configuration's.
    Raises:
        OwnershipLost, UserError, Exception: as `adopt.adopted`; each is in the log.
    """
    reporter = Reporter(store, run_id, display, log, signals)
    reporter.begin()
    try:
        with adopted(store, run_id, token, device=device, note=reporter.note) as (recorder, start):
            # torch takes seconds to import: by now the run is adopted, so its heartbeat shows that it lives.
            from iterand_engine.runs.train import train

            outcome = train(workspace, store, run_id, recorder, start, reporter)
    except UserError as error:
        reporter.report_messages()
        log.line(f"{_state_now(store, run_id)}: {error}")
        raise
    except OwnershipLost as error:
        log.line(f"gave up: {error}")
        raise
    except Exception as error:
        log.line(traceback.format_exc())
        log.line(f"{_state_now(store, run_id)}: {explain(error).sentence}")
        raise
    reporter.report_messages()
    _log_outcome(log, outcome)
    return outcome


def _state_now(store: Store, run_id: str) -> RunState:
    # From the store: `stopped` where the user can repair the cause and resume; still live if writing failed.
    state = store.reader.run(run_id).stored_state
    return RunState.FAILED if state.is_live else state


def _log_outcome(log: RunLog, outcome: RunOutcome) -> None:
    if outcome.reason:
        log.line(outcome.reason)
    validation = f": val_acc={outcome.val_accuracy:.4f}" if outcome.state is RunState.FINISHED else ""
    log.line(f"{outcome.state} at step {outcome.step}{validation}")


class Watched(Hooks):
    """Shows a training on a display, and stops it on a signal."""

    def __init__(self, display: Hooks, signals: StopSignals) -> None:
        self._display, self._signals = display, signals

    def on_progress(self, progress: TrainingProgress) -> None:
        self._display.on_progress(progress)

    def note(self, text: str) -> None:
        self._display.note(text)

    def should_stop(self, step: int) -> bool:
        """Return whether a signal asked for a stop."""
        return self._signals.requested


class Reporter(Watched):
    """Reports a training on a display and in a log, with the same sentences.

    Args:
        store: the run's.
        run_id: the run's id.
        display: shows the progress.
        log: gets the lines that remain.
        signals: say whether the user asks for a stop.
    """

    def __init__(self, store: Store, run_id: str, display: Hooks, log: RunLog, signals: StopSignals) -> None:
        super().__init__(display, signals)
        self._store, self._run_id, self._log = store, run_id, log
        self._noted: set[str] = set()
        self._last_event = max((event.id for event in store.reader.events(run_id)), default=0)
        self._last: TrainingProgress | None = None
        self._stop_noted = False

    def begin(self) -> None:
        """Note which run begins or goes on, and on which device."""
        detail = self._store.reader.run(self._run_id)
        begins = f"goes on from step {detail.step}" if detail.step else "begins"
        where = f"{detail.precision} on {detail.device_kind}"
        self.note(f"run {self._run_id} {begins}: {detail.name}, seed {detail.seed}, {where}")

    def note(self, text: str) -> None:
        """Show and log a sentence; a repeated one is dropped."""
        if text not in self._noted:
            self._noted.add(text)
            self._log.line(text)
            super().note(text)

    def on_progress(self, progress: TrainingProgress) -> None:
        """Show progress; log a line for each epoch that is done."""
        last, self._last = self._last, progress
        super().on_progress(progress)
        if last is not None and progress.epoch > last.epoch:
            self._log.line(
                f"epoch {progress.epoch}/{progress.epochs} done: step {last.step} loss {last.loss:.4f} "
                f"val_accuracy {progress.val_accuracy:.4f}"
            )
            self.report_messages()

    def report_messages(self) -> None:
        """Report warnings that the run has recorded since the last call, such as accuracy at chance."""
        for event in self._store.reader.events(self._run_id, after=self._last_event):
            self._last_event = event.id
            if event.level != "error":  # an error ends the run, and is reported at its end
                self.note(event.text)

    def should_stop(self, step: int) -> bool:
        """Return whether a signal asked for a stop; the first time, report that it was understood."""
        if self._signals.requested and not self._stop_noted:
            self._stop_noted = True
            self.note(f"saving at step {step} and stopping; Ctrl+C once more leaves at once")
        return self._signals.requested

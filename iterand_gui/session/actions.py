"""What the user can do with runs, from any page: each action works beside the window and reports its result.

Limits: no action trains or touches a GPU; slots and workers do that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal

from iterand_engine.config.axes import SEED
from iterand_engine.config.run_config import RunConfig
from iterand_engine.machine.texts import counted
from iterand_engine.machine.workspace import Workspace
from iterand_engine.preflight.probe_client import check_before_queueing
from iterand_engine.results.groups import by_experiment
from iterand_engine.runs import sweeps
from iterand_engine.runs.trash import undelete_runs
from iterand_engine.slots import drain
from iterand_engine.store import RunState, Store, labels, queue, trash
from iterand_engine.store.runs import request_stop, settle_runs
from iterand_gui.live.launcher import start_detached
from iterand_gui.live.tasks import Control, Job, Jobs
from iterand_gui.widgets.messages import Messages


@dataclass(frozen=True)
class Clone:
    """Where a form starts: the options of a run, and dotted options that are changed from there."""

    options: Mapping[str, Any]
    changes: Mapping[str, Any]


class Actions(QObject):
    """Changes in the store and the queue; signals ask the shell to show a page."""

    open_run = Signal(str)  # run id
    open_log = Signal(str)  # run id
    open_compare = Signal(object)  # tuple[str, ...]
    open_new = Signal(object)  # a partial configuration, a Clone, or None for the form as it is
    open_settings = Signal(str)  # key of a section
    show_page = Signal(str)  # page key
    ask_workspace = Signal()
    open_workspace = Signal(str)  # folder
    choose_theme = Signal(str)  # system, light or dark
    queued = Signal(object)  # tuple[str, ...]: runs that were just queued

    def __init__(
        self, workspace: Workspace, store: Store, jobs: Jobs, messages: Messages, parent: QObject
    ) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._store = store
        self._jobs = jobs
        self._messages = messages
        self._deleted: list[tuple[str, ...]] = []  # deletions that can be undone, the newest last

    def stop(self, ids: Sequence[str]) -> None:
        """Ask runs to save and stop; queued ones leave the queue."""

        def work(_: Control) -> str:
            states = [request_stop(self._store, run_id) for run_id in ids]
            stopping = states.count(RunState.STOPPING)
            gone = states.count(RunState.STOPPED)
            parts = [f"{counted(stopping, 'run')} will save and stop"] if stopping else []
            parts += [f"{counted(gone, 'run')} left the queue"] if gone else []
            return "; ".join(parts) or "Nothing to stop: none of these is queued or running"

        self._say(work, "Stop")

    def resume(self, ids: Sequence[str]) -> None:
        """Put runs at the head of the queue."""

        def work(_: Control) -> str:
            queue.enqueue(self._store, ids, first=True)
            self._start_slots()
            return f"{counted(len(ids), 'run')} back in the queue, at its head"

        self._say(work, "Resume")

    def stop_all(self) -> None:
        """Ask every queued and running run to stop."""

        def work(_: Control) -> str:
            ids = [row.id for row in (*self._store.reader.queued(), *self._store.reader.live_runs())]
            for run_id in ids:
                request_stop(self._store, run_id)
            return (
                f"{counted(len(ids), 'run')} asked to stop"
                if ids
                else "Nothing to stop: no run is queued or running"
            )

        self._say(work, "Stop all")

    def resume_interrupted(self) -> None:
        """Put every interrupted run back in the queue, at its head."""

        def work(_: Control) -> str:
            settle_runs(self._store)
            ids = [row.id for row in self._store.reader.runs() if row.state is RunState.INTERRUPTED]
            queue.enqueue(self._store, ids, first=True)
            self._start_slots()
            return (
                f"{counted(len(ids), 'run')} back in the queue, at its head"
                if ids
                else "No run is interrupted"
            )

        self._say(work, "Resume all")

    def move_first(self, ids: Sequence[str]) -> None:
        """Move queued runs to the head of the queue."""

        def work(_: Control) -> str:
            queue.enqueue(self._store, ids, first=True)
            return f"{counted(len(ids), 'run')} moved to the head of the queue"

        self._say(work, "Move")

    def delete(self, ids: Sequence[str]) -> None:
        """Put runs into the trash; the message offers to undo it."""
        chosen = tuple(ids)

        def work(_: Control) -> str:
            trash.discard(self._store, chosen)
            return f"{counted(len(chosen), 'run')} moved to the trash."

        job = self._say(work, "Delete", ("Undo", lambda: self.undelete(chosen)), ("trash", chosen))
        job.succeeded.connect(lambda _: self._deleted.append(chosen))

    @property
    def can_undo(self) -> bool:
        """Whether something was deleted that can be taken back."""
        return bool(self._deleted)

    def undo_delete(self) -> None:
        """Take back what was deleted last."""
        if self._deleted:
            self.undelete(self._deleted[-1])

    def undelete(self, ids: Sequence[str]) -> None:
        """Take runs out of the trash."""
        self._deleted = [other for other in self._deleted if other != tuple(ids)]

        def work(_: Control) -> str:
            problems = undelete_runs(self._workspace, self._store, ids)
            return " ".join([f"{counted(len(ids), 'run')} taken back from the trash.", *problems])

        self._say(work, "Undo", topic=("trash", tuple(ids)))

    def add_seeds(self, ids: Sequence[str], count: int) -> None:
        """Queue more seeds of the experiments that these runs belong to.

        Args:
            ids: any runs; those of one group count once.
            count: seeds to add to each group, the next ones after its highest.
        """

        def work(_: Control) -> str:
            chosen, made = frozenset(ids), 0
            for rows in by_experiment(self._store.reader.runs()).values():
                oldest = next((row for row in reversed(rows) if row.id in chosen), None)
                if oldest is None:
                    continue
                last = max(row.seed for row in rows)
                config = dict(self._store.reader.run(oldest.id).config)
                seeds = range(last + 1, last + 1 + count)
                made += len(self._queue(sweeps.plan(config, {SEED: seeds}, Path.cwd()), first=False))
            return f"{counted(made, 'run')} queued"

        self._say(work, "Add seeds")

    def queue(
        self,
        plan: sweeps.SweepPlan,
        *,
        checked: bool,
        first: bool = False,
        on_done: Callable[[], None] | None = None,
    ) -> Job:
        """Queue the runs of a plan and start the slots that are missing; the job is under way.

        Args:
            plan: the runs; none is queued if one of them cannot train.
            checked: whether it is known already that all can train.
            first: at the head of the queue.
            on_done: called when they are queued.
        """

        def work(_: Control) -> str:
            said: list[str] = []
            if not checked:
                said = check_before_queueing(self._workspace, [cell.config for cell in plan.cells])
            ids = self._queue(plan, first=first)
            what = f"sweep {plan.name!r}" if plan.is_sweep else plan.name
            return " ".join([f"{counted(len(ids), 'run')} queued: {what}", *said])

        job = self._say(work, "Queue")
        if on_done is not None:
            job.succeeded.connect(on_done)
        return job

    def set_notes(self, run_id: str, text: str) -> None:
        self._jobs.run(lambda _: labels.set_notes(self._store, run_id, text), "Notes").failed.connect(
            self._messages.error
        )

    def change_tags(self, ids: Sequence[str], added: Sequence[str], removed: Sequence[str]) -> None:
        """Add tags to runs and take others from them; those that a run has besides stay."""

        def work(_: Control) -> None:
            for row in self._store.reader.runs(ids=ids):
                labels.set_tags(
                    self._store, row.id, [*(tag for tag in row.tags if tag not in removed), *added]
                )

        self._jobs.run(work, "Tags").failed.connect(self._messages.error)

    def use_settings(self, run_id: str) -> None:
        """Open the form with what decides a run's result (data, network, method, training), for a new run."""

        def work(_: Control) -> dict[str, Any]:
            config = RunConfig.from_mapping(self._store.reader.run(run_id).config)
            mapping = {part: config.to_mapping()[part] for part in ("data", "model", "method", "training")}
            del mapping["training"]["seed"]
            return mapping

        job = self._jobs.run(work, "Use the settings")
        job.succeeded.connect(self.open_new)
        job.failed.connect(self._messages.error)

    def clone(self, run_id: str, changes: Mapping[str, Any] | None = None) -> None:
        """Open the form with a run's options.

        Args:
            run_id: whose.
            changes: dotted options with other values. The run's own name is dropped then, because it
                describes the old options; the new run is named by its options.
        """

        def work(_: Control) -> Clone | dict[str, Any]:
            config = RunConfig.from_mapping(self._store.reader.run(run_id).config)
            if not changes:
                return config.to_mapping()
            unnamed = {"name": None} if config.name else {}
            return Clone(config.to_mapping(), {**unnamed, **changes})

        job = self._jobs.run(work, "Clone")
        job.succeeded.connect(self.open_new)
        job.failed.connect(self._messages.error)

    def start_slots(self) -> None:
        """Start the slots that queued runs need."""
        self._jobs.run(lambda _: self._start_slots(), "Start slots").failed.connect(self._messages.error)

    def _queue(self, plan: sweeps.SweepPlan, *, first: bool) -> tuple[str, ...]:
        done = sweeps.queue_plan(self._workspace, self._store, plan, first)
        self._start_slots()
        self.queued.emit(tuple(done.run_ids))
        return tuple(done.run_ids)

    def _start_slots(self) -> None:
        drain.start_missing(self._workspace, self._store, start_detached)

    def _say(
        self,
        work: Callable[[Control], str],
        title: str,
        action: tuple[str, Callable[[], object]] | None = None,
        topic: object = None,
    ) -> Job:
        """Run work in a thread and show the sentence it returns, or its error."""
        job = self._jobs.run(work, title)
        job.succeeded.connect(lambda text: self._messages.say(text, action, topic))
        job.failed.connect(self._messages.error)
        return job

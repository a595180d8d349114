"""What the side panel reads beside the window: notes, test accuracies through the lock, ends of logs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from iterand_engine.errors import UserError
from iterand_engine.machine.run_log import last_lines, log_path
from iterand_engine.machine.settings import Settings
from iterand_engine.machine.workspace import Workspace
from iterand_engine.slots.drain import why_waiting
from iterand_engine.store import RunState, Store
from iterand_engine.store.records import Locked
from iterand_gui.look.advice import sentence_of

LOG_LINES = 6
_STAMP = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ", re.MULTILINE)  # too wide for the panel


@dataclass(frozen=True)
class Wanted:
    """What to read: notes of one run, test accuracies, ends of logs, and why a queued run waits.

    `stand` says how the chosen runs stand: in another state the reason may be another.
    """

    notes_of: str | None = None
    tests_of: tuple[str, ...] = ()
    logs_of: tuple[str, ...] = ()
    waiting: str | None = None
    stand: tuple[tuple[RunState, tuple[str, ...]], ...] = ()


@dataclass(frozen=True)
class Details:
    """What was read, by run id. A test accuracy is LOCKED where the lock holds it back."""

    notes: str = ""
    tests: Mapping[str, float | Locked | None] = field(default_factory=dict)
    logs: Mapping[str, str] = field(default_factory=dict)
    waits: Mapping[str, str] = field(default_factory=dict)


def read(workspace: Workspace, store: Store, settings: Settings, wanted: Wanted) -> Details:
    """Read it; a run that has gone meanwhile has nothing to say."""
    noted = [row.id for row in store.reader.runs(ids=[wanted.notes_of])] if wanted.notes_of else []
    return Details(
        store.reader.run(noted[0]).notes if noted else "",
        store.reader.test_accuracies(wanted.tests_of, lock=settings.test_lock) if wanted.tests_of else {},
        _logs(workspace, wanted.logs_of),
        _waits(store, settings, wanted.waiting) if wanted.waiting is not None else {},
    )


def _logs(workspace: Workspace, run_ids: Sequence[str]) -> dict[str, str]:
    ends = {run_id: last_lines(log_path(workspace, run_id), count=LOG_LINES) for run_id in run_ids}
    return {run_id: _STAMP.sub("", end) for run_id, end in ends.items()}


def _waits(store: Store, settings: Settings, run_id: str) -> dict[str, str]:
    if not _is_queued(store, run_id):
        return {}
    try:
        why = sentence_of(why_waiting(store, settings, store.reader.run(run_id)))
    except UserError as error:
        why = str(error)  # the devices cannot be read: that is why
    # A slot may have taken it meanwhile, and be the very one that is said to be busy.
    return {run_id: why} if _is_queued(store, run_id) else {}


def _is_queued(store: Store, run_id: str) -> bool:
    return any(row.state is RunState.QUEUED for row in store.reader.runs(ids=[run_id]))

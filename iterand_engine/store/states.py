"""The state of a run, judged from its row, its process and the database's clock; this module only reads.

A process on this machine is judged by its identity, one on another machine by its heartbeat.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, column, select, table

from iterand_engine.errors import UserError
from iterand_engine.machine import processes
from iterand_engine.machine.processes import ProcessIdentity
from iterand_engine.store import dialect
from iterand_engine.store.records import RunState

HEARTBEAT_S = 2.0
STALE_AFTER_S = 15.0
ADOPT_WITHIN_S = 60.0
STALLED_AFTER_STEPS = 10
STALLED_AT_LEAST_S = 60.0


class _States(dict[str, RunState]):
    def __missing__(self, text: object) -> RunState:
        raise UserError(
            f"The workspace's database holds a run with the state {text!r}, which this program does not know:"
            " it is damaged, or of a newer version, so put back a copy of it."
        )


STATES = _States({state.value: state for state in RunState})


@dataclass(frozen=True)
class Signs:
    """The values of a row by which its run's state is judged; times, also `now`, by the database's clock."""

    stored: RunState
    stop_requested: bool
    owner: ProcessIdentity | None
    deadline: float | None
    heartbeat_at: float | None
    now: float
    last_step_at: float | None = None
    usual_step_s: float | None = None


def derived_state(signs: Signs) -> RunState:
    """Judge the state that the user sees.

    Returns:
        The stored state. For a live run it can also be `interrupted` (its process is gone, or never started),
        `stopping` (it was asked to stop) or `stalled` (its process lives, but has done no step for ten times
        its usual step time and at least a minute).
    """
    if not signs.stored.is_live:
        return signs.stored
    if not _has_life(signs):
        return RunState.INTERRUPTED
    if signs.stop_requested:
        return RunState.STOPPING
    if signs.stored is RunState.RUNNING and signs.last_step_at is not None:
        patience_s = max(STALLED_AT_LEAST_S, STALLED_AFTER_STEPS * (signs.usual_step_s or 0.0))
        if signs.now - signs.last_step_at > patience_s:
            return RunState.STALLED
    return signs.stored


def _has_life(signs: Signs) -> bool:
    if signs.owner is None:  # claimed, but no process has adopted it yet
        return signs.deadline is not None and signs.now <= signs.deadline
    return lives(signs.owner, signs.heartbeat_at, signs.now)


def lives(process: ProcessIdentity, heartbeat_at: float | None, now: float) -> bool:
    """Whether a process that sends heartbeats still lives; times by the database's clock."""
    alive = processes.is_alive(process)
    return _is_fresh(heartbeat_at, now) if alive is None else alive


def is_waiting(waiter: ProcessIdentity, asked_at: float | None, now: float) -> bool:
    """Whether a process still waits to train a queued run itself: it lives, and it asked within 15 s.

    A suspended process lives too, but it would block the place that slots leave to it.
    """
    return _is_fresh(asked_at, now) and processes.is_alive(waiter) is not False


def _is_fresh(at: float | None, now: float) -> bool:
    return at is not None and now - at <= STALE_AFTER_S


def owner_of(
    host: str | None, pid: int | None, start_ticks: int | None, boot_id: str | None
) -> ProcessIdentity | None:
    """Make the owner's identity from a row's columns; None where no process has adopted the run."""
    if host is None or pid is None or start_ticks is None or boot_id is None:
        return None
    return ProcessIdentity(host, pid, start_ticks, boot_id)


# The columns that every schema has under the same names, so that live runs are found before an upgrade.
_LIFE = table(
    "run",
    *(
        column(name)
        for name in (
            "id",
            "state",
            "owner_host",
            "owner_pid",
            "owner_start_ticks",
            "owner_boot_id",
            "owner_deadline",
            "heartbeat_at",
        )
    ),
)


def live_ids(connection: Connection) -> list[str]:
    """Ids of the runs that are being trained, in a database of any schema."""
    c = _LIFE.c
    query = select(*c, dialect.now().label("now")).where(c.state.in_((RunState.STARTING, RunState.RUNNING)))
    live = []
    for row in connection.execute(query):
        owner = owner_of(row.owner_host, row.owner_pid, row.owner_start_ticks, row.owner_boot_id)
        signs = Signs(STATES[row.state], False, owner, row.owner_deadline, row.heartbeat_at, row.now)
        if derived_state(signs).is_live:
            live.append(str(row.id))
    return live

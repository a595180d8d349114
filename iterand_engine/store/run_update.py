"""Changes of a run's row, shared by the modules that make, queue, claim, stop and delete runs.

They work within a transaction of the caller that holds the write lock, and raise the run's revision.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, func, insert, or_, select, update

from iterand_engine.errors import UserError, suggestion
from iterand_engine.machine.processes import ProcessIdentity
from iterand_engine.store import dialect, run_select, schema
from iterand_engine.store.records import EndKind, Level, RunState
from iterand_engine.store.schema import OWNER_COLUMNS
from iterand_engine.store.states import ADOPT_WITHIN_S, derived_state

CLAIMABLE = tuple(state for state in RunState if state is RunState.QUEUED or state.is_resumable)
LOST_STARTS_ALLOWED = 2
DEVICE_ERRORS_ALLOWED = 2
_LISTED = 10
_AFTER_ALL = chr(0x10FFFF)
_run = schema.run
# The columns that say who owns a run, asks it to stop, or waits for it.
_TIES = (*OWNER_COLUMNS, "desired_state", "queue_rank", "waiter")


def run_row(connection: Connection, run_id: str, *, in_trash: bool = False) -> Row[Any]:
    """Read a run as `run_select.row_query` selects it; with `in_trash` also one in the trash.

    Raises:
        UserError: there is no such run.
    """
    query = run_select.any_row_query() if in_trash else run_select.row_query()
    row = connection.execute(query.where(_run.c.id == run_id)).one_or_none()
    if row is None:
        raise run_select.unknown_run(run_id)
    return row


def named(connection: Connection, text: str, among: ColumnElement[bool], where: str = "") -> str:
    """Find the id of the run that the user names.

    Args:
        connection: a reader's.
        text: an id, the beginning of just one id, or the name of just one run.
        among: the condition for runs that are candidates.
        where: the error's words for their place, with a space at the end.
    Raises:
        UserError: the text fits no run, or several (the sentence lists their ids).
    """
    # A range, and not `LIKE`: so the index of ids finds the beginning, and that of names the name.
    begins = and_(_run.c.id >= text.lower(), _run.c.id < text.lower() + _AFTER_ALL)
    meant = or_(_run.c.name == text, begins)
    query = select(_run.c.id, _run.c.name, _run.c.seed).where(meant, among).order_by(_run.c.number.desc())
    rows = connection.execute(query).all() if text else []
    if not rows:
        names = connection.execute(select(_run.c.name).where(among).distinct()).scalars().all()
        near = suggestion(text, names)
        raise UserError(f"No run {where}has the name {text!r} or an id that begins so{near}.")
    if len(rows) == 1 or text in (row.id for row in rows):
        return text if len(rows) > 1 else str(rows[0].id)
    listed = ", ".join(f"{row.id} ({row.name}, seed {row.seed})" for row in rows[:_LISTED])
    more = f" and {len(rows) - _LISTED} more" if len(rows) > _LISTED else ""
    raise UserError(f"{text!r} means {len(rows)} runs: name one by its id: {listed}{more}.")


def state_of(row: Row[Any]) -> RunState:
    """Judge a run's state now."""
    return derived_state(run_select.signs_of(row))


def change(connection: Connection, run_id: str, values: Mapping[str, object]) -> None:
    """Write columns of a run's row, and raise its revision."""
    raised = {"revision": _run.c.revision + 1}
    connection.execute(update(_run).where(_run.c.id == run_id).values({**values, **raised}))


def add_event(connection: Connection, row: Row[Any], level: Level, text: str) -> None:
    """Add a message to a run at its present step."""
    values = {"run_id": row.id, "at": dialect.now(), "level": level, "step": row.step, "text": text}
    connection.execute(insert(schema.event).values(values))


def end(
    connection: Connection,
    run_id: str,
    state: RunState,
    kind: EndKind,
    reason: str,
    ended_at: object = None,
) -> None:
    """Store that a run ended and why; afterwards no process owns it, waits for it or may write it."""
    ended = {"state": state, "end_kind": kind, "reason": reason, "ended_at": ended_at or dialect.now()}
    change(connection, run_id, dict.fromkeys(_TIES) | ended)


def interrupt(connection: Connection, row: Row[Any], reason: str | None = None, log_tail: str = "") -> None:
    """Store that a run's process is gone; the default reason says that it left no message."""
    if reason is None:
        who = f"process {row.owner_pid}" if row.owner_pid is not None else "process that was to train it"
        reason = f"the {who} ended without a word at step {row.step}"
    end(connection, row.id, RunState.INTERRUPTED, "lost", reason, row.heartbeat_at)
    add_event(connection, row, "warning", f"Interrupted: {reason}.{_last_lines(log_tail)}")


def _last_lines(log_tail: str) -> str:
    return f"\nThe last lines of its log:\n{log_tail}" if log_tail else ""


def lose_start(
    connection: Connection, row: Row[Any], reason: str | None = None, log_tail: str = ""
) -> RunState:
    """Revoke a claim that no process adopted: the run is queued at the head again, up to twice, then failed.

    Returns:
        The run's new state; `stopped` where it was asked to stop meanwhile.
    """
    reason = reason or f"no process came to train it within {ADOPT_WITHIN_S:.0f} s"
    if row.desired_state is not None:
        end(connection, row.id, RunState.STOPPED, "stopped", "stopped before it started")
        return RunState.STOPPED
    lost = row.lost_starts + 1
    if lost > LOST_STARTS_ALLOWED:
        reason = f"it could not be started {lost} times, the last time because {reason}"
        end(connection, row.id, RunState.FAILED, "lost", reason)
        add_event(connection, row, "error", f"Failed: {reason}.{_last_lines(log_tail)}")
        return RunState.FAILED
    put_in_queue(connection, [row.id], first=True, lost_starts=lost, end_kind="lost", reason=reason)
    add_event(connection, row, "warning", f"Back in the queue: {reason}.{_last_lines(log_tail)}")
    return RunState.QUEUED


def count_device_error(connection: Connection, row: Row[Any], reason: str) -> RunState:
    """Put a run that a broken device ended at the head of the queue, up to twice; then it is failed."""
    errors = {"device_errors": row.device_errors + 1}
    if row.device_errors < DEVICE_ERRORS_ALLOWED:
        put_in_queue(connection, [row.id], first=True, end_kind="device", reason=reason, **errors)
        add_event(connection, row, "warning", f"Back in the queue after a device error: {reason}.")
        return RunState.QUEUED
    reason = f"its device failed {row.device_errors + 1} times, the last time: {reason}"
    end(connection, row.id, RunState.FAILED, "device", reason)
    change(connection, row.id, errors)
    add_event(connection, row, "error", f"Failed: {reason}.")
    return RunState.FAILED


def settle(connection: Connection, spared: Collection[str]) -> list[str]:
    """Store the new state of runs whose process is gone or never started.

    Args:
        spared: ids of runs that are left alone if they are interrupted, because their slot will store why.
    Returns:
        The ids of the changed runs.
    """
    settled = []
    for row in connection.execute(run_select.row_query().where(run_select.LOOKS_LIVE)).all():
        if state_of(row) is not RunState.INTERRUPTED:
            continue
        if row.owner_pid is None:
            lose_start(connection, row)
        elif row.id in spared:
            continue
        else:
            interrupt(connection, row)
        settled.append(str(row.id))
    return settled


def take(connection: Connection, row: Row[Any]) -> str:
    """Claim a run that nobody trains: it is `starting`, and a process must adopt it within a minute.

    Returns:
        A fresh owner token; the holder of an older one can no longer write.
    """
    token = uuid.uuid4().hex
    fresh = dict.fromkeys((*_TIES, "end_kind", "reason", "ended_at", "last_step_at", "usual_step_s"))
    taken = {
        "state": RunState.STARTING,
        "owner_token": token,
        "owner_deadline": dialect.now() + ADOPT_WITHIN_S,
    }
    change(connection, row.id, fresh | taken)
    leave_places(connection, row.id)
    reopen_sweeps(connection, row.id)
    return token


def leave_places(connection: Connection, run_id: str) -> None:
    """Clear the run from every slot that it occupies."""
    connection.execute(update(schema.slot).where(schema.slot.c.run_id == run_id).values(run_id=None))


def reopen_sweeps(connection: Connection, run_id: str) -> None:
    """Mark the sweeps of a run as not ended."""
    sweeps, members = schema.sweep, schema.sweep_run.c
    of_run = sweeps.c.id.in_(select(members.sweep_id).where(members.run_id == run_id))
    connection.execute(update(sweeps).where(of_run, sweeps.c.ended_at.is_not(None)).values(ended_at=None))


def put_in_queue(
    connection: Connection,
    run_ids: Sequence[str],
    *,
    first: bool,
    waiter: ProcessIdentity | None = None,
    **values: object,
) -> None:
    """Make runs queued, in the order given.

    Args:
        run_ids: ids of runs that nobody trains.
        first: at the head, runs with a waiter behind the living waiters there; otherwise at the tail.
        waiter: the process that will train them itself.
        values: further columns to write.
    """
    ranks = ranks_for(connection, run_ids, first=first, waiter=waiter)
    for run_id, rank in zip(run_ids, ranks, strict=True):
        queued = {"state": RunState.QUEUED, "queue_rank": rank, **waiting(waiter)}
        change(connection, run_id, dict.fromkeys(_TIES) | queued | values)
        reopen_sweeps(connection, run_id)


def waiting(waiter: ProcessIdentity | None) -> dict[str, object]:
    """The columns that say which process waits to train a queued run, as of now."""
    if waiter is None:
        return {"waiter": None, "heartbeat_at": None}
    return {"waiter": asdict(waiter), "heartbeat_at": dialect.now()}


def ranks_for(
    connection: Connection, run_ids: Sequence[str], *, first: bool, waiter: ProcessIdentity | None = None
) -> list[float]:
    """Ascending ranks for runs, behind the tail of the queue, or at its head as in `put_in_queue`."""
    ahead = waiters_in_front(connection, run_ids) if first and waiter is not None else []
    edge = func.min(_run.c.queue_rank) if first else func.max(_run.c.queue_rank)
    count = len(ahead) + len(run_ids)
    start = (connection.execute(select(edge)).scalar() or 0.0) + (-count if first else 1.0)
    ranks = [start + number for number in range(count)]
    for run_id, rank in zip(ahead, ranks, strict=False):
        change(connection, run_id, {"queue_rank": rank})
    return ranks[len(ahead) :]


def waiters_in_front(connection: Connection, but: Collection[str]) -> list[str]:
    """The runs at the head of the queue that living processes wait for, in order, without `but`."""
    front: list[str] = []
    with connection.execute(run_select.queue_query()) as rows:
        for row in rows:
            if row.id in but:
                continue
            if not run_select.is_waiting(row):
                break
            front.append(str(row.id))
    return front


def not_claimable(row: Row[Any], state: RunState) -> UserError:
    """Make the error for a run that cannot go on in its state."""
    if state.is_live:
        who = f"by process {row.owner_pid}" if row.owner_pid is not None else "by a process that is starting"
        return UserError(
            f"Run {row.id} is {state}: it is being trained {who}, so stop it first or wait for its end."
        )
    return UserError(
        f"Run {row.id} is {state}: only one that is queued, stopped, interrupted or failed can go on."
    )

"""The queue: its order, and how a run that a slot could not train comes back to it.

Every change is one transaction. Claims are in `slots`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row

from iterand_engine.errors import UserError
from iterand_engine.machine.processes import ProcessIdentity
from iterand_engine.store import run_select, run_update
from iterand_engine.store.records import EndKind, RunState
from iterand_engine.store.states import STATES

if TYPE_CHECKING:
    from iterand_engine.store.store import Store

_LISTED = 5


def enqueue(
    store: Store, run_ids: Sequence[str], *, first: bool = False, waiter: ProcessIdentity | None = None
) -> None:
    """Put runs in the queue, or move queued ones, in the order given; all or none.

    For a run from outside the queue, the counts of lost starts and device errors begin again at 0.

    Args:
        run_ids: ids of runs that are stopped, interrupted, failed or queued.
        first: put them at the head of the queue, not at its tail.
        waiter: a process that will train them itself, see `slots.claim_waiting`.
    Raises:
        UserError: a run does not exist, cannot be queued, or is awaited by another process.
    """
    with store.writing() as connection:
        rows = [run_update.run_row(connection, run_id) for run_id in dict.fromkeys(run_ids)]
        _refuse(rows, waiter)
        for row in rows:
            if row.state != RunState.QUEUED:
                _bring_back(connection, row, forget_reason=waiter is None)
        kept = {row.id: run_select.waiter_of(row) for row in rows if run_select.is_waiting(row)}
        run_update.put_in_queue(connection, [row.id for row in rows], first=first, waiter=waiter)
        if waiter is None:  # a moved run keeps the process that waits for it
            for run_id, other in kept.items():
                run_update.change(connection, run_id, run_update.waiting(other))


def _refuse(rows: Sequence[Row[Any]], waiter: ProcessIdentity | None) -> None:
    states = {row.id: run_update.state_of(row) for row in rows}
    wrong = [f"{id_} is {state}" for id_, state in states.items() if state not in run_update.CLAIMABLE]
    if wrong:
        more = f" and {len(wrong) - _LISTED} more" if len(wrong) > _LISTED else ""
        raise UserError(
            "Only runs that are stopped, interrupted, failed or queued can be queued, but"
            f" {', '.join(wrong[:_LISTED])}{more}: leave them out."
        )
    for row in rows:
        other = run_select.waiter_of(row) if run_select.is_waiting(row) else None
        if waiter is not None and other not in (None, waiter):
            raise UserError(
                f"Run {row.id} is queued and process {other.pid} waits to train it: end that first."
            )


def _bring_back(connection: Connection, row: Row[Any], *, forget_reason: bool) -> None:
    if run_update.state_of(row) is not STATES[row.state]:
        run_update.interrupt(connection, row)
    values: dict[str, object] = {"lost_starts": 0, "device_errors": 0}
    if forget_reason:  # a waiter may give up, see `withdraw`
        values |= {"end_kind": None, "reason": None, "ended_at": None}
    run_update.change(connection, row.id, values)


def withdraw(store: Store, run_id: str, state: RunState) -> None:
    """Take a run out of the queue if it is still there, because the process that waited for it gave up.

    Args:
        run_id: the run.
        state: its state before the wait; `stopped` for a new run, `queued` to leave it to the slots.
    Raises:
        ValueError: `state` is not stopped, interrupted, failed or queued.
        UserError: there is no such run.
    """
    if state not in run_update.CLAIMABLE:
        raise ValueError(f"a run in the queue cannot have been {state}")
    with store.writing() as connection:
        row = run_update.run_row(connection, run_id)
        if row.state != RunState.QUEUED:
            return
        if state is RunState.QUEUED:
            run_update.change(connection, run_id, run_update.waiting(None))
            return
        kind: EndKind = row.end_kind or "stopped"
        reason = row.reason or "stopped before it started"
        run_update.end(connection, run_id, state, kind, reason, row.ended_at)


def died(store: Store, run_id: str, token: str, reason: str, log_tail: str) -> None:
    """Store that the process of a run ended without a message; called by the slot that started it.

    The run becomes `interrupted`. If the process had not adopted it yet, it is queued again, up to twice, and
    then becomes `failed`.

    Args:
        run_id, token: as claimed; with a token that is no longer the run's, nothing happens.
        reason: how it ended, without a full stop.
        log_tail: the last lines of its log, kept as a message of the run.
    Raises:
        UserError: there is no such run.
    """
    with store.writing() as connection:
        row = run_update.run_row(connection, run_id, in_trash=True)
        if row.owner_token != token:
            return
        if row.owner_pid is None:
            run_update.lose_start(connection, row, reason, log_tail)
        else:
            run_update.interrupt(connection, row, reason, log_tail)

"""The trash: runs that no other reading shows, until they are restored or forgotten for good.

A run's files are the caller's: they stay where they are until the trash is emptied.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, delete, select

from iterand_engine.errors import UserError
from iterand_engine.store import dialect, run_update, schema
from iterand_engine.store.records import RunState
from iterand_engine.store.run_select import GIVEN_UP

if TYPE_CHECKING:
    from iterand_engine.store.store import Store

_run = schema.run


def discard(store: Store, run_ids: Sequence[str]) -> None:
    """Put runs in the trash, all or none; queued ones are stopped.

    Raises:
        UserError: there is no such run, or one is being trained.
    """
    with store.writing() as connection:
        for row in [run_update.run_row(connection, run_id) for run_id in dict.fromkeys(run_ids)]:
            _discard(connection, row)


def _discard(connection: Connection, row: Row[Any]) -> None:
    state = run_update.state_of(row)
    if state.is_live:
        raise UserError(f"Run {row.id} is {state}: stop it first (`iterand stop {row.id[:8]}`).")
    if state is RunState.QUEUED:
        run_update.end(connection, row.id, RunState.STOPPED, "stopped", "stopped before it started")
    elif state is not RunState(row.state):
        run_update.interrupt(connection, row)
    run_update.change(connection, row.id, {"deleted_at": dialect.now()})


def restore(store: Store, run_ids: Sequence[str], before_run: Callable[[str], None] = lambda _: None) -> None:
    """Take runs out of the trash, all or none.

    Args:
        store: the runs'.
        run_ids: which.
        before_run: called with each run's id just before, while nobody else can change the store; what it
            raises leaves all of them in the trash.
    Raises:
        UserError: there is no such run in the trash, or its removal for good has begun.
    """
    with store.writing() as connection:
        for run_id in dict.fromkeys(run_ids):
            if _discarded_at(connection, run_id) == GIVEN_UP:
                raise UserError(
                    f"Run {run_id} cannot be brought back: its removal for good has begun, and the next"
                    " emptying of the trash ends it."
                )
            before_run(run_id)
            run_update.change(connection, run_id, {"deleted_at": None})


def give_up(store: Store, run_id: str) -> None:
    """Say that a run in the trash is about to be removed for good: it cannot be restored any more.

    Raises:
        UserError: there is no such run in the trash.
    """
    with store.writing() as connection:
        _discarded_at(connection, run_id)
        run_update.change(connection, run_id, {"deleted_at": GIVEN_UP})


def forget(store: Store, run_ids: Sequence[str]) -> None:
    """Delete runs in the trash with all that is recorded of them, and sweeps of which no run is left.

    Raises:
        UserError: there is no such run in the trash.
    """
    members = schema.sweep_run.c
    with store.writing() as connection:
        for run_id in dict.fromkeys(run_ids):
            _discarded_at(connection, run_id)
            mine = select(members.sweep_id).where(members.run_id == run_id)
            of_run = list(connection.execute(mine).scalars())
            connection.execute(delete(_run).where(_run.c.id == run_id))
            left = select(members.sweep_id)
            gone = schema.sweep.c.id.in_(of_run) & schema.sweep.c.id.not_in(left)
            connection.execute(delete(schema.sweep).where(gone))


def _discarded_at(connection: Connection, run_id: str) -> float:
    query = select(_run.c.deleted_at).where(_run.c.id == run_id, _run.c.deleted_at.is_not(None))
    at: float | None = connection.execute(query).scalar()
    if at is None:
        raise UserError(f"There is no run {run_id!r} in the trash: `iterand undelete` lists those that are.")
    return at

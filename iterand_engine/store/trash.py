"""The trash: runs that no other query shows, until they are restored or removed permanently.

The caller handles the files of runs: they stay in place until the trash is emptied.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, delete, select

from iterand_engine.errors import UserError
from iterand_engine.store import dialect, run_update, schema
from iterand_engine.store.records import RunState
from iterand_engine.store.run_select import GIVEN_UP
from iterand_engine.store.states import STATES

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
    elif state is not STATES[row.state]:
        run_update.interrupt(connection, row)
    run_update.change(connection, row.id, {"deleted_at": dialect.now()})


def restore(store: Store, run_ids: Sequence[str], before_run: Callable[[str], None] = lambda _: None) -> None:
    """Take runs out of the trash, all or none.

    Args:
        store: the runs'.
        run_ids: the runs to restore.
        before_run: called with each run's id before it is restored, while nobody else can change the store;
            an error that it raises leaves all runs in the trash.
    Raises:
        UserError: there is no such run in the trash, or its permanent removal has begun.
    """
    with store.writing() as connection:
        for run_id in dict.fromkeys(run_ids):
            if _discarded_at(connection, run_id) == GIVEN_UP:
                raise UserError(
                    f"Run {run_id} cannot be brought back: its removal for good has begun; empty the trash"
                    " again to complete it."
                )
            before_run(run_id)
            run_update.change(connection, run_id, {"deleted_at": None})


def give_up(store: Store, run_id: str) -> None:
    """Mark a run in the trash as about to be removed permanently, so that it can no longer be restored.

    Raises:
        UserError: there is no such run in the trash.
    """
    with store.writing() as connection:
        _discarded_at(connection, run_id)
        run_update.change(connection, run_id, {"deleted_at": GIVEN_UP})


def forget(store: Store, run_ids: Sequence[str]) -> None:
    """Delete runs in the trash with everything recorded for them, and sweeps without any run left.

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
        raise UserError(f"There is no run {run_id!r} in the trash: `iterand undelete` lists its runs.")
    return at

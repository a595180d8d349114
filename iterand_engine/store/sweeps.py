"""Sweeps: runs made together from one configuration and the values of some of its options."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy import Connection, insert, select, update

from iterand_engine.store import dialect, run_select, run_update, schema
from iterand_engine.store.records import Json, RunState, SweepRow
from iterand_engine.store.sweep_rows import sweep_rows

if TYPE_CHECKING:
    from iterand_engine.store.store import Store

_run = schema.run
_sweep = schema.sweep
_member = schema.sweep_run


def add_sweep(store: Store, name: str, base: Json, axes: Json, run_ids: Sequence[str]) -> str:
    """Store which runs belong to a sweep.

    Args:
        store: the runs'.
        name: the sweep's name, for users.
        base: the configuration that the runs share.
        axes: by an option's dotted key its list of values, in their order.
        run_ids: the runs of the sweep.
    Returns:
        The sweep's id.
    Raises:
        UserError: there is no such run.
    """
    sweep_id = str(uuid.uuid4())
    with store.writing() as connection:
        values = {"id": sweep_id, "name": name, "base": dict(base), "axes": dict(axes)}
        connection.execute(insert(_sweep).values(created_at=dialect.now(), **values))
        for run_id in dict.fromkeys(run_ids):
            run_update.run_row(connection, run_id)
            connection.execute(insert(_member).values(sweep_id=sweep_id, run_id=run_id))
    return sweep_id


def sweeps_ended_by(store: Store, run_id: str) -> list[SweepRow]:
    """Return the sweeps that ended with this run (none of their runs is queued or live), each only once."""
    of_run = _sweep.c.id.in_(select(_member.c.sweep_id).where(_member.c.run_id == run_id))
    with store.writing() as connection:
        ended = [
            sweep.id
            for sweep in sweep_rows(connection, of_run, _sweep.c.ended_at.is_(None))
            if not _goes_on(connection, sweep.id)
        ]
        now_ended = _sweep.c.id.in_(ended)
        connection.execute(update(_sweep).where(now_ended).values(ended_at=dialect.now()))
        return sweep_rows(connection, now_ended)


def _goes_on(connection: Connection, sweep_id: str) -> bool:
    members = _run.c.id.in_(select(_member.c.run_id).where(_member.c.sweep_id == sweep_id))
    may = run_select.LOOKS_LIVE | (_run.c.state == RunState.QUEUED)
    states = map(run_update.state_of, connection.execute(run_select.row_query().where(members, may)))
    return any(state.is_live or state is RunState.QUEUED for state in states)

"""Sweeps: runs made together from one configuration and the values of some of its options."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, Connection, insert, select, update

from iterand_engine.store import dialect, run_select, run_update, schema
from iterand_engine.store.records import Json, RunState, SweepRow

if TYPE_CHECKING:
    from iterand_engine.store.store import Store

_run = schema.run
_sweep = schema.sweep
_member = schema.sweep_run


def add_sweep(store: Store, name: str, base: Json, axes: Json, run_ids: Sequence[str]) -> str:
    """Keep which runs belong together.

    Args:
        store: where they are.
        name: for people.
        base: the configuration that they share.
        axes: by an option's dotted key its list of values, in their order.
        run_ids: its runs.
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


def sweeps(store: Store) -> list[SweepRow]:
    """The sweeps, newest first; those whose runs are all in the trash are left out."""
    with store.reading() as connection:
        return _sweep_rows(connection)


def sweeps_ended_by(store: Store, run_id: str) -> list[SweepRow]:
    """The sweeps that ended with a run: none of their runs is queued or live. Each is returned only once."""
    of_run = _sweep.c.id.in_(select(_member.c.sweep_id).where(_member.c.run_id == run_id))
    with store.writing() as connection:
        ended = [
            sweep.id
            for sweep in _sweep_rows(connection, of_run, _sweep.c.ended_at.is_(None))
            if not _goes_on(connection, sweep.id)
        ]
        now_ended = _sweep.c.id.in_(ended)
        connection.execute(update(_sweep).where(now_ended).values(ended_at=dialect.now()))
        return _sweep_rows(connection, now_ended)


def _sweep_rows(connection: Connection, *wanted: ColumnElement[bool]) -> list[SweepRow]:
    shown = (_run.c.deleted_at.is_(None), *wanted)
    members = select(_sweep.c.id, _run.c.id).join_from(_sweep, _member).join(_run).where(*shown)
    run_ids: dict[str, list[str]] = {}
    for sweep_id, run_id in connection.execute(members.order_by(_run.c.number)):
        run_ids.setdefault(sweep_id, []).append(run_id)
    query = select(_sweep).where(*wanted).order_by(_sweep.c.created_at.desc(), _sweep.c.id)
    return [
        SweepRow(row.id, row.name, row.created_at, row.base, row.axes, tuple(run_ids[row.id]), row.ended_at)
        for row in connection.execute(query)
        if row.id in run_ids
    ]


def _goes_on(connection: Connection, sweep_id: str) -> bool:
    members = _run.c.id.in_(select(_member.c.run_id).where(_member.c.sweep_id == sweep_id))
    may = run_select.LOOKS_LIVE | (_run.c.state == RunState.QUEUED)
    states = map(run_update.state_of, connection.execute(run_select.row_query().where(members, may)))
    return any(state.is_live or state is RunState.QUEUED for state in states)

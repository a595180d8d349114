"""The SQL that reads sweeps, for the modules that read and change them."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, select

from iterand_engine.store import schema
from iterand_engine.store.records import SweepRow

_run = schema.run
_sweep = schema.sweep
_member = schema.sweep_run


def sweep_rows(connection: Connection, *wanted: ColumnElement[bool]) -> list[SweepRow]:
    """The sweeps that have a run outside the trash, newest first; `wanted` are conditions on their rows."""
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

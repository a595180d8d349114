"""The queries of runs: which columns they select, how a run's state is judged, and how that stays fast.

`queries` and the modules that change runs use them, on a connection of the caller.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, func, or_, select

from iterand_engine.errors import UserError
from iterand_engine.machine.processes import ProcessIdentity
from iterand_engine.store import dialect, schema, states
from iterand_engine.store.records import RunRow, RunState
from iterand_engine.store.series_rows import last_values
from iterand_engine.store.states import STATES, Signs, derived_state, owner_of

GIVEN_UP = 0.0  # as `deleted_at`: the run's permanent removal has begun
_run = schema.run
_NOT_SHOWN = {"number", "config", "test_accuracy", "extensions", "notes", "behaviour"}
_JUDGED = {"state", "desired_state", "usual_step_s", "waiter", "lost_starts", "deleted_at"}
_JUDGED |= {*schema.OWNER_COLUMNS} - {"heartbeat_at"}
_SHOWN = [_run.c.id, *(c for c in _run.columns if c.name not in {"id"} | _NOT_SHOWN | _JUDGED)]
_TAGS = (
    select(func.group_concat(schema.tag.c.name, " "))  # a tag is one word
    .where(schema.tag.c.run_id == _run.c.id)
    .scalar_subquery()
    .label("tags")
)
# The fields of a run that no process trains or awaits, in the order of `short_query`.
_PLAIN_FIELDS = (
    *(column.name for column in _SHOWN),
    *("stored_state", "state", "stop_requested", "waiting", "owner", "tags", "accuracy_so_far"),
)
_ID_AT, _STEP_AT, _ACCURACY_AT = (_SHOWN.index(_run.c[name]) for name in ("id", "step", "val_accuracy"))
_STATE_AT, _TAGS_AT = len(_SHOWN), len(_SHOWN) + 1
# SQLite takes 32,766 parameters in one statement, some builds 999.
_IDS_AT_ONCE = 500
_NAMED_AT_MOST = 2_000

LOOKS_LIVE = _run.c.state.in_((RunState.STARTING, RunState.RUNNING))
SHOWN = _run.c.deleted_at.is_(None)
_HAS_PROCESS = or_(LOOKS_LIVE, and_(_run.c.state == RunState.QUEUED, _run.c.waiter.is_not(None)))


def row_query(*more: Any) -> Select[Any]:
    """Selects the columns that a run's state is judged by, and further ones, of runs outside the trash."""
    return any_row_query(*more).where(SHOWN)


def queue_query() -> Select[Any]:
    """As `row_query`, for the queued runs in the order of the queue."""
    return in_queue(row_query())


def in_queue(query: Select[Any]) -> Select[Any]:
    """Restrict a query of runs to queued ones, in the order of the queue."""
    return query.where(_run.c.queue_rank.is_not(None)).order_by(_run.c.queue_rank, _run.c.number)


def any_row_query(*more: Any) -> Select[Any]:
    """As `row_query`, with the runs in the trash."""
    return _all_rows().add_columns(*more) if more else _all_rows()


@cache  # to build the statement takes longer than to run it
def _all_rows() -> Select[Any]:
    judged = (_run.c[name] for name in sorted(_JUDGED))
    return select(*_SHOWN, _TAGS, *judged, dialect.now().label("now"))


@cache
def _with_process() -> Select[Any]:
    return row_query().where(_HAS_PROCESS)


def short_query(*more: ColumnElement[Any]) -> Select[Any]:
    """Selects the columns for `run_rows_of`, the number and further ones, of runs outside the trash."""
    return _short_rows().add_columns(*more) if more else _short_rows()


@cache
def _short_rows() -> Select[Any]:
    return select(*_SHOWN, _run.c.state, _TAGS, _run.c.number).where(SHOWN)


def newest(
    connection: Connection, ids: Collection[str] | None, limit: int | None, *more: ColumnElement[Any]
) -> list[Row[Any]]:
    """Rows of a `short_query`, newest first.

    Args:
        connection: a reader's.
        ids: only these; unknown ones are left out.
        limit: at most so many.
        more: further columns.
    """
    query = short_query(*more).order_by(_run.c.number.desc())
    if ids is None:
        return list(connection.execute(query.limit(limit)).all())
    rows = list(of_runs(connection, query, _run.c.id, ids))
    rows.sort(key=lambda row: int(row.number), reverse=True)
    return rows[:limit]


def of_runs(
    connection: Connection, query: Select[Any], column: ColumnElement[str], ids: Collection[str]
) -> Iterator[Row[Any]]:
    """The rows of a query that belong to given runs.

    For thousands of ids it is faster to read all rows and drop the others than to name them.

    Args:
        connection: a reader's.
        query: its first column is `column`.
        column: has the run's id.
        ids: the runs'.
    """
    if len(ids) > _NAMED_AT_MOST:
        wanted = frozenset(ids)
        yield from (row for row in connection.execute(query) if row[0] in wanted)
        return
    for some in portions(list(ids)):
        yield from connection.execute(query.where(column.in_(some)))


def run_rows_of(connection: Connection, rows: Sequence[Row[Any]]) -> list[RunRow]:
    """Make runs from rows of a `short_query`, with their states judged, in the same transaction.

    Few of many runs are live or awaited: only those are read again with the columns that they are judged by.
    The fields of the others are set at once, because the `__init__` of a frozen class sets them one by one
    and takes four times as long for ten thousand runs.
    """
    with_process = connection.execute(_with_process()).all()
    judged = {row.id: row for row in judged_rows(connection, with_process)}
    so_far = accuracies_so_far(connection, [row for row in rows if row[_ID_AT] not in judged])
    return [judged.get(row[_ID_AT]) or _plain_row(row, so_far) for row in rows]


def judged_rows(connection: Connection, rows: Sequence[Row[Any]]) -> list[RunRow]:
    """Make runs from rows of a `row_query`, with their states judged, in the same transaction."""
    so_far = accuracies_so_far(connection, rows)
    return [RunRow(**fields_of(row, so_far)) for row in rows]


def accuracies_so_far(connection: Connection, rows: Sequence[Row[Any]]) -> dict[str, float | None]:
    """The last epoch's validation accuracy by run id, for the rows that do not have it as a column."""
    began = [row for row in rows if row[_STEP_AT] and row[_ACCURACY_AT] is None]
    asked = [row[_ID_AT] for row in began if row.state != RunState.FINISHED]
    found: dict[str, float | None] = {}
    for some in portions(asked) if asked else ():
        for run_id, _, value in last_values(connection, some, "val_accuracy"):
            found[run_id] = None if math.isnan(value) else value
    return found


def _plain_row(row: Row[Any], so_far: Mapping[str, float | None]) -> RunRow:
    state = STATES[row[_STATE_AT]]
    plain = object.__new__(RunRow)
    accuracy = so_far.get(row[_ID_AT], row[_ACCURACY_AT])
    judged = state, state, False, False, None, _words(row[_TAGS_AT]), accuracy
    plain.__dict__.update(zip(_PLAIN_FIELDS, (*row[:_STATE_AT], *judged), strict=True))
    return plain


def fields_of(row: Row[Any], so_far: Mapping[str, float | None]) -> dict[str, Any]:
    """The fields of a `RunRow` from a row of a `row_query`, judged; `so_far` from `accuracies_so_far`."""
    stored, signs = STATES[row.state], signs_of(row)
    judged = {
        "stored_state": stored,
        "state": derived_state(signs),
        "stop_requested": stored.is_live and signs.stop_requested,
        "waiting": stored is RunState.QUEUED and is_waiting(row),
        "owner": signs.owner if stored.is_live else None,
        "tags": _words(row.tags),
        "accuracy_so_far": so_far.get(row.id, row.val_accuracy),
    }
    return dict(zip((column.name for column in _SHOWN), row, strict=False)) | judged


def _words(tags: str | None) -> tuple[str, ...]:
    return tuple(sorted(tags.split(" "))) if tags else ()


def signs_of(row: Row[Any]) -> Signs:
    """Take from a row of a `row_query` the values that say whether its run's process lives."""
    return Signs(
        stored=STATES[row.state],
        stop_requested=row.desired_state is not None,
        owner=owner_of(row.owner_host, row.owner_pid, row.owner_start_ticks, row.owner_boot_id),
        deadline=row.owner_deadline,
        heartbeat_at=row.heartbeat_at,
        now=row.now,
        last_step_at=row.last_step_at,
        usual_step_s=row.usual_step_s,
    )


def is_waiting(row: Row[Any]) -> bool:
    """Whether a living process waits to train the run of a `row_query` itself."""
    waiter = waiter_of(row)
    return waiter is not None and states.is_waiting(waiter, row.heartbeat_at, row.now)


def waiter_of(row: Row[Any]) -> ProcessIdentity | None:
    """The process that waits, or waited, to train the queued run of a `row_query` itself."""
    return None if row.waiter is None else ProcessIdentity(**row.waiter)


def unknown_run(run_id: str) -> UserError:
    """Make the error for an id that no run has."""
    return UserError(f"There is no run {run_id!r}: `iterand runs` lists the runs.")


def portions(ids: Sequence[str]) -> Iterator[list[str]]:
    """Split ids into lists that are short enough for one statement."""
    for start in range(0, len(ids), _IDS_AT_ONCE):
        yield list(ids[start : start + _IDS_AT_ONCE])

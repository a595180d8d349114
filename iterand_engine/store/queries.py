"""All reading of the store: runs, series, messages, checkpoints, and test accuracy by its one way out.

Each function reads one state of the database in a short transaction. Errors a user can cause (no such run, no
such series) are `UserError`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Connection, Row, Select, Table, func, select

from iterand_engine.errors import UserError, suggestion
from iterand_engine.processes import ProcessIdentity
from iterand_engine.store import blocks, dialect, schema, states
from iterand_engine.store.records import (
    Checkpoint,
    Environment,
    Event,
    ExtensionUse,
    Json,
    Locked,
    RunDetail,
    RunRow,
    RunState,
    Series,
    SeriesInfo,
)
from iterand_engine.store.series_rows import StoredSeries, stored_series, tails
from iterand_engine.store.states import Signs, derived_state, owner_of

if TYPE_CHECKING:
    from iterand_engine.store.store import Store

_run = schema.run
_NOT_SHOWN = {"number", "config", "test_accuracy", "deleted_at", "extensions", "notes"}
_JUDGED = {"state", "desired_state", "usual_step_s", "waiter", "lost_starts"}
_JUDGED |= {*schema.OWNER_COLUMNS} - {"heartbeat_at"}
_SHOWN = [column for column in _run.columns if column.name not in _NOT_SHOWN | _JUDGED]
_SAME_NAME = [column.name for column in _SHOWN]
# SQLite takes 32,766 parameters in one statement, some builds 999.
_IDS_AT_ONCE = 500
_VAL_ACCURACY = "val_accuracy"


def runs(store: Store, *, ids: Collection[str] | None = None, limit: int | None = None) -> list[RunRow]:
    """Runs, newest first.

    Args:
        ids: only these; unknown ones are left out.
        limit: at most so many.
    """
    return [run_row_of(row) for row in _found(store, ids, limit)]


def runs_with_configs(
    store: Store, *, ids: Collection[str] | None = None, limit: int | None = None
) -> list[tuple[RunRow, Json]]:
    """Runs as `runs` gives them, each with its configuration, which never changes."""
    return [(run_row_of(row), row.config) for row in _found(store, ids, limit, _run.c.config)]


def run(store: Store, run_id: str) -> RunDetail:
    """One run with its configuration and environments.

    Raises:
        UserError: there is no such run.
    """
    starts = schema.environment
    with store.reading() as connection:
        details = (_run.c.config, _run.c.extensions, _run.c.notes)
        row = connection.execute(row_query(*details).where(_run.c.id == run_id)).one_or_none()
        if row is None:
            raise unknown_run(run_id)
        query = select(starts).where(starts.c.run_id == run_id).order_by(starts.c.start)
        environments = tuple(Environment(e.start, e.at, e.snapshot) for e in connection.execute(query))
        labels = select(schema.tag.c.name).where(schema.tag.c.run_id == run_id).order_by(schema.tag.c.name)
        tags = tuple(connection.execute(labels).scalars())
    return RunDetail(
        **_fields(row),
        config=row.config,
        environments=environments,
        extensions=tuple(ExtensionUse(**use) for use in row.extensions or ()),
        notes=row.notes or "",
        tags=tags,
    )


def series_list(store: Store, run_id: str) -> list[SeriesInfo]:
    """The series of a run in the order declared."""
    with store.reading() as connection:
        return [SeriesInfo(s.name, s.axis, s.layers, s.points) for s in _series_of(connection, run_id)]


def series(store: Store, run_id: str, name: str, *, first: int = 0) -> Series:
    """One series, whole or from its point number `first` on (a reader that follows passes what it has).

    Where `rewind` differs from that of an earlier reading, what was read then no longer holds.

    Raises:
        UserError: no such run, or the run has no such series.
    """
    block = schema.series_block.c
    of_series = (block.series_id == schema.series.c.id) & (block.first_index + block.count > first)
    key = (
        select(
            *(schema.series.c.id, schema.series.c.axis, schema.series.c.layers, _run.c.rewind),
            func.coalesce(func.min(block.first_index), first).label("begin"),
            func.coalesce(func.max(block.first_index + block.count), first).label("end"),
        )
        .select_from(schema.series.join(_run).outerjoin(schema.series_block, of_series))
        .where(*_of_run(schema.series, run_id), schema.series.c.name == name)
        .group_by(schema.series.c.id)
    )
    with store.reading() as connection:
        found = connection.execute(key).one_or_none()
        if found is None:
            raise _unknown_series(connection, run_id, name)
        layers = None if found.layers is None else tuple(found.layers)
        packed = (
            select(block.steps, block.points)
            .where(block.series_id == found.id, block.first_index + block.count > first)
            .order_by(block.ordinal)
        )
        steps, values = blocks.unpack(
            (tuple(row) for row in connection.execute(packed)),
            found.end - found.begin,
            None if layers is None else len(layers),
        )
    skip = first - found.begin
    return Series(name, found.axis, layers, steps[skip:], values[skip:], first, found.rewind)


def last_values(store: Store, run_id: str) -> dict[str, float]:
    """The newest value of every series that has one value per point and at least one point; NaN stays NaN."""
    with store.reading() as connection:
        stored = _series_of(connection, run_id)
    return {s.name: float(s.tail.last_values()[0]) for s in stored if s.layers is None and s.tail.count}


def events(store: Store, run_id: str, *, after: int = 0) -> list[Event]:
    """Messages of a run in the order written, those with an id above `after`."""
    at = schema.event.c
    query = select(at.id, at.at, at.level, at.step, at.text).where(
        *_of_run(schema.event, run_id), at.id > after
    )
    with store.reading() as connection:
        return [Event(*row) for row in connection.execute(query.order_by(at.id))]


def checkpoints(store: Store, run_id: str) -> list[Checkpoint]:
    """Published checkpoints, newest first."""
    at = schema.checkpoint.c
    query = select(at.step, at.epoch, at.relpath, at.sha256, at.kind, at.at).where(
        *_of_run(schema.checkpoint, run_id)
    )
    with store.reading() as connection:
        return [Checkpoint(*row) for row in connection.execute(query.order_by(at.step.desc(), at.id.desc()))]


def val_accuracies(store: Store, rows: Sequence[RunRow]) -> dict[str, float | None]:
    """The validation accuracy of each run's last epoch, also of runs that have not finished.

    Args:
        rows: the runs; one that has finished knows it itself, of others the series does.
    Returns:
        By run id the accuracy, 0-1; None where no epoch was evaluated on validation images.
    """
    found = {row.id: row.val_accuracy for row in rows}
    began = [row for row in rows if row.step and row.stored_state is not RunState.FINISHED]
    asked = [row.id for row in began if row.val_accuracy is None]
    with store.reading() as connection:
        for some in portions(asked):
            for run_id, tail in tails(connection, _VAL_ACCURACY, some):
                value = float(tail.last_values()[0])
                found[run_id] = None if math.isnan(value) else value
    return found


def test_accuracies(store: Store, run_ids: Sequence[str], *, lock: bool) -> dict[str, float | Locked | None]:
    """The only way by which test accuracy leaves the store.

    Args:
        run_ids: any number; unknown ones are left out.
        lock: the workspace's setting `test_lock`.
    Returns:
        By run id the accuracy, 0-1; None where the run has none yet; LOCKED where the lock holds it back,
        which it does unless the run was unlocked.
    """
    found: dict[str, float | Locked | None] = {}
    with store.reading() as connection:
        for some in portions(run_ids):
            query = select(_run.c.id, _run.c.test_accuracy, _run.c.test_unlocked)
            for row in connection.execute(query.where(_run.c.id.in_(some), _run.c.deleted_at.is_(None))):
                hidden = lock and not row.test_unlocked and row.test_accuracy is not None
                found[row.id] = Locked.LOCKED if hidden else row.test_accuracy
    return found


def test_accuracy(store: Store, run_id: str, *, lock: bool) -> float | Locked | None:
    """`test_accuracies` of one run.

    Raises:
        UserError: there is no such run.
    """
    found = test_accuracies(store, [run_id], lock=lock)
    if run_id not in found:
        raise unknown_run(run_id)
    return found[run_id]


def row_query(*more: Any) -> Select[Any]:
    """Selects what a `RunRow` needs, and further columns, of runs that are not in the trash, newest first."""
    return any_row_query(*more).where(_run.c.deleted_at.is_(None)).order_by(_run.c.number.desc())


def queue_query(*more: Any) -> Select[Any]:
    """As `row_query`, of the queued runs in the order of the queue."""
    queued = (_run.c.queue_rank.is_not(None), _run.c.deleted_at.is_(None))
    return any_row_query(*more).where(*queued).order_by(_run.c.queue_rank, _run.c.number)


def any_row_query(*more: Any) -> Select[Any]:
    """As `row_query`, with the runs in the trash, in no order."""
    # What a RunRow takes as it is comes first: see `_fields`.
    return select(*_SHOWN, *(_run.c[name] for name in sorted(_JUDGED)), dialect.now().label("now"), *more)


def select_rows(connection: Connection, query: Select[Any]) -> list[RunRow]:
    """The rows of a `row_query`."""
    return [run_row_of(row) for row in connection.execute(query)]


def run_row_of(row: Row[Any]) -> RunRow:
    """A row of a `row_query`, judged."""
    return RunRow(**_fields(row))


def signs_of(row: Row[Any]) -> Signs:
    """What a row of a `row_query` says about its run's life."""
    return Signs(
        stored=RunState(row.state),
        stop_requested=row.desired_state is not None,
        owner=owner_of(row.owner_host, row.owner_pid, row.owner_start_ticks, row.owner_boot_id),
        deadline=row.owner_deadline,
        heartbeat_at=row.heartbeat_at,
        now=row.now,
        last_step_at=row.last_step_at,
        usual_step_s=row.usual_step_s,
    )


def is_waiting(row: Row[Any]) -> bool:
    """Whether a living process waits to train the queued run of a `row_query` itself."""
    waiter = waiter_of(row)
    return waiter is not None and states.is_waiting(waiter, row.heartbeat_at, row.now)


def waiter_of(row: Row[Any]) -> ProcessIdentity | None:
    """The process that waits, or waited, to train the queued run of a `row_query` itself."""
    return None if row.waiter is None else ProcessIdentity(**row.waiter)


def unknown_run(run_id: str) -> UserError:
    """The error for an id that no run has."""
    return UserError(f"There is no run {run_id!r}: `iterand runs` lists those that are.")


def portions(ids: Sequence[str]) -> Iterator[list[str]]:
    """Ids in lists that one statement takes."""
    for start in range(0, len(ids), _IDS_AT_ONCE):
        yield list(ids[start : start + _IDS_AT_ONCE])


def _found(store: Store, ids: Collection[str] | None, limit: int | None, *more: Any) -> list[Row[Any]]:
    """Rows of a `row_query` with further columns, newest first."""
    with store.reading() as connection:
        if ids is None:
            return list(connection.execute(row_query(*more).limit(limit)))
        found: list[Row[Any]] = []
        for some in portions(list(ids)):
            found += connection.execute(row_query(_run.c.number, *more).where(_run.c.id.in_(some)))
    found.sort(key=lambda row: row.number, reverse=True)
    return found[:limit]


def _fields(row: Row[Any]) -> dict[str, Any]:
    stored = RunState(row.state)
    fields = dict(zip(_SAME_NAME, row, strict=False))
    fields |= {"state": stored, "stored_state": stored, "stop_requested": False, "owner": None}
    fields["waiting"] = stored is RunState.QUEUED and is_waiting(row)
    if stored.is_live:  # few of many are
        signs = signs_of(row)
        judged = {"state": derived_state(signs), "stop_requested": signs.stop_requested, "owner": signs.owner}
        fields |= judged
    return fields


def _of_run(table: Table, run_id: str) -> tuple[ColumnElement[bool], ...]:
    """Rows of a run that is not in the trash."""
    shown = select(_run.c.id).where(_run.c.id == run_id, _run.c.deleted_at.is_(None)).exists()
    return table.c.run_id == run_id, shown


def _is_shown(connection: Connection, run_id: str) -> bool:
    query = select(_run.c.id).where(_run.c.id == run_id, _run.c.deleted_at.is_(None))
    return connection.execute(query).first() is not None


def _series_of(connection: Connection, run_id: str) -> list[StoredSeries]:
    return stored_series(connection, run_id) if _is_shown(connection, run_id) else []


def _unknown_series(connection: Connection, run_id: str, name: str) -> UserError:
    if not _is_shown(connection, run_id):
        return unknown_run(run_id)
    names = [s.name for s in stored_series(connection, run_id)]
    listed = ", ".join(names) if names else "none yet"
    return UserError(f"Run {run_id} has no series {name!r}{suggestion(name, names)} (recorded: {listed}).")

"""All reading of the store: runs, series, messages, checkpoints, and test accuracy by its one way out.

Each function reads one state of the database in a short transaction. Errors a user can cause (no such run, no
such series) are `UserError`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, Connection, Table, select

from iterand_engine.errors import UserError, suggestion
from iterand_engine.store import schema
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
from iterand_engine.store.run_select import (
    SHOWN,
    fields_of,
    newest,
    portions,
    row_query,
    run_rows_of,
    unknown_run,
)
from iterand_engine.store.series_rows import StoredSeries, read_series, series_keys, stored_series, tails

if TYPE_CHECKING:
    from iterand_engine.store.store import Store

_run = schema.run
_VAL_ACCURACY = "val_accuracy"


def runs(store: Store, *, ids: Collection[str] | None = None, limit: int | None = None) -> list[RunRow]:
    """Runs, newest first.

    Args:
        ids: only these; unknown ones are left out.
        limit: at most so many.
    """
    with store.reading() as connection:
        return run_rows_of(connection, newest(connection, ids, limit))


def runs_with_configs(
    store: Store, *, ids: Collection[str] | None = None, limit: int | None = None
) -> list[tuple[RunRow, Json]]:
    """Runs as `runs` gives them, each with its configuration, which never changes."""
    with store.reading() as connection:
        rows = newest(connection, ids, limit, _run.c.config)
        return list(zip(run_rows_of(connection, rows), (row.config for row in rows), strict=True))


def run(store: Store, run_id: str) -> RunDetail:
    """One run with its configuration and environments.

    Raises:
        UserError: there is no such run.
    """
    starts = schema.environment
    with store.reading() as connection:
        details = (_run.c.config, _run.c.behaviour, _run.c.extensions, _run.c.notes)
        row = connection.execute(row_query(*details).where(_run.c.id == run_id)).one_or_none()
        if row is None:
            raise unknown_run(run_id)
        query = select(starts).where(starts.c.run_id == run_id).order_by(starts.c.start)
        environments = tuple(Environment(e.start, e.at, e.snapshot) for e in connection.execute(query))
    return RunDetail(
        **fields_of(row),
        config=row.config,
        behaviour=row.behaviour or {},
        environments=environments,
        extensions=tuple(ExtensionUse(**use) for use in row.extensions or ()),
        notes=row.notes or "",
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
    with store.reading() as connection:
        keys = series_keys(connection, name, [run_id])
        if not keys:
            raise _unknown_series(connection, run_id, name)
        return read_series(connection, name, keys, [first])[0]


def series_of(
    store: Store,
    run_ids: Sequence[str],
    name: str,
    since: Mapping[str, tuple[int, int]] | None = None,
) -> dict[str, Series]:
    """One series of several runs, whole or what is new in each.

    Args:
        run_ids: the runs; those that have no such series are left out.
        name: of the series.
        since: by run id the `rewind` of an earlier reading and the number of points the reader has. Where the
            run was cut back since then, its series comes whole (`first` is 0).
    """
    had = since or {}
    found: dict[str, Series] = {}
    with store.reading() as connection:
        for some in portions(run_ids):
            keys = series_keys(connection, name, some)
            firsts = [_first_new(had.get(key.run_id), key.rewind) for key in keys]
            parts = read_series(connection, name, keys, firsts)
            found |= {key.run_id: part for key, part in zip(keys, parts, strict=True)}
    return {run_id: found[run_id] for run_id in run_ids if run_id in found}


def _first_new(had: tuple[int, int] | None, rewind: int) -> int:
    return had[1] if had is not None and had[0] == rewind else 0


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
            for row in connection.execute(query.where(_run.c.id.in_(some), SHOWN)):
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


def _of_run(table: Table, run_id: str) -> tuple[ColumnElement[bool], ...]:
    """Rows of a run that is not in the trash."""
    shown = select(_run.c.id).where(_run.c.id == run_id, SHOWN).exists()
    return table.c.run_id == run_id, shown


def _is_shown(connection: Connection, run_id: str) -> bool:
    query = select(_run.c.id).where(_run.c.id == run_id, SHOWN)
    return connection.execute(query).first() is not None


def _series_of(connection: Connection, run_id: str) -> list[StoredSeries]:
    return stored_series(connection, run_id) if _is_shown(connection, run_id) else []


def _unknown_series(connection: Connection, run_id: str, name: str) -> UserError:
    if not _is_shown(connection, run_id):
        return unknown_run(run_id)
    names = [s.name for s in stored_series(connection, run_id)]
    listed = ", ".join(names) if names else "none yet"
    return UserError(f"Run {run_id} has no series {name!r}{suggestion(name, names)} (recorded: {listed}).")

"""Every query of a workspace's database, as `reading.Reader` declares them; each is a short transaction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from sqlalchemy import ColumnElement, Connection, Table, select

from iterand_engine.errors import UserError, suggestion
from iterand_engine.store import run_update, schema
from iterand_engine.store.reading import ChangeFeed, Reader
from iterand_engine.store.records import (
    DiscardedRun,
    Environment,
    Event,
    ExtensionUse,
    Json,
    Locked,
    PublishedCheckpoint,
    RunDetail,
    RunRow,
    Series,
    SeriesInfo,
    SlotRow,
    SweepRow,
    TimedRun,
)
from iterand_engine.store.run_select import (
    GIVEN_UP,
    LOOKS_LIVE,
    SHOWN,
    accuracies_so_far,
    any_row_query,
    fields_of,
    in_queue,
    judged_rows,
    newest,
    portions,
    row_query,
    run_rows_of,
    short_query,
    unknown_run,
)
from iterand_engine.store.series_rows import (
    StoredSeries,
    last_values,
    read_series,
    series_keys,
    stored_series,
)
from iterand_engine.store.slot_rows import slot_rows
from iterand_engine.store.sweep_rows import sweep_rows
from iterand_engine.store.watcher import ChangeWatcher

_TIMED_AT_MOST = 50
_run = schema.run


class SqliteReader(Reader):
    """Reads one database.

    Args:
        path: the database's file.
        reading: opens a connection that sees one state of the database.
    """

    def __init__(self, path: Path, reading: Callable[[], AbstractContextManager[Connection]]) -> None:
        self._path = path
        self._reading = reading

    def runs(self, *, ids: Collection[str] | None = None, limit: int | None = None) -> list[RunRow]:
        with self._reading() as connection:
            return run_rows_of(connection, newest(connection, ids, limit))

    def runs_with_configs(
        self, *, ids: Collection[str] | None = None, limit: int | None = None
    ) -> list[tuple[RunRow, Json]]:
        with self._reading() as connection:
            rows = newest(connection, ids, limit, _run.c.config)
            return list(zip(run_rows_of(connection, rows), (row.config for row in rows), strict=True))

    def run(self, run_id: str) -> RunDetail:
        starts = schema.environment
        with self._reading() as connection:
            details = (_run.c.config, _run.c.behaviour, _run.c.extensions, _run.c.notes)
            row = connection.execute(row_query(*details).where(_run.c.id == run_id)).one_or_none()
            if row is None:
                raise unknown_run(run_id)
            query = select(starts).where(starts.c.run_id == run_id).order_by(starts.c.start)
            environments = tuple(Environment(e.start, e.at, e.snapshot) for e in connection.execute(query))
            so_far = accuracies_so_far(connection, [row])
        return RunDetail(
            **fields_of(row, so_far),
            config=row.config,
            behaviour=row.behaviour or {},
            environments=environments,
            extensions=tuple(ExtensionUse(**use) for use in row.extensions or ()),
            notes=row.notes or "",
        )

    def series_list(self, run_id: str) -> list[SeriesInfo]:
        with self._reading() as connection:
            return [SeriesInfo(s.name, s.axis, s.layers, s.points) for s in _series_of(connection, run_id)]

    def series(self, run_id: str, name: str, *, first: int = 0) -> Series:
        with self._reading() as connection:
            keys = series_keys(connection, name, [run_id])
            if not keys:
                raise _unknown_series(connection, run_id, name)
            return read_series(connection, name, keys, [first])[0]

    def series_of(
        self,
        run_ids: Sequence[str],
        name: str,
        since: Mapping[str, tuple[int, int]] | None = None,
    ) -> dict[str, Series]:
        had = since or {}
        found: dict[str, Series] = {}
        with self._reading() as connection:
            for some in portions(run_ids):
                keys = series_keys(connection, name, some)
                firsts = [_first_new(had.get(key.run_id), key.rewind) for key in keys]
                parts = read_series(connection, name, keys, firsts)
                found |= {key.run_id: part for key, part in zip(keys, parts, strict=True)}
        return {run_id: found[run_id] for run_id in run_ids if run_id in found}

    def last_values(self, run_id: str) -> dict[str, float]:
        with self._reading() as connection:
            found = last_values(connection, [run_id]) if _is_shown(connection, run_id) else []
        return {name: value for _, name, value in found}

    def events(self, run_id: str, *, after: int = 0) -> list[Event]:
        at = schema.event.c
        query = select(at.id, at.at, at.level, at.step, at.text).where(
            *_of_run(schema.event, run_id), at.id > after
        )
        with self._reading() as connection:
            return [Event(*row) for row in connection.execute(query.order_by(at.id))]

    def checkpoints(self, run_id: str) -> list[PublishedCheckpoint]:
        at = schema.checkpoint.c
        query = select(at.step, at.epoch, at.relpath, at.sha256, at.kind, at.at).where(
            *_of_run(schema.checkpoint, run_id)
        )
        with self._reading() as connection:
            return [
                PublishedCheckpoint(*row)
                for row in connection.execute(query.order_by(at.step.desc(), at.id.desc()))
            ]

    def test_accuracies(self, run_ids: Sequence[str], *, lock: bool) -> dict[str, float | Locked | None]:
        found: dict[str, float | Locked | None] = {}
        with self._reading() as connection:
            for some in portions(run_ids):
                query = select(_run.c.id, _run.c.test_accuracy, _run.c.test_unlocked)
                for row in connection.execute(query.where(_run.c.id.in_(some), SHOWN)):
                    hidden = lock and not row.test_unlocked and row.test_accuracy is not None
                    found[row.id] = Locked.LOCKED if hidden else row.test_accuracy
        return found

    def test_accuracy(self, run_id: str, *, lock: bool) -> float | Locked | None:
        found = self.test_accuracies([run_id], lock=lock)
        if run_id not in found:
            raise unknown_run(run_id)
        return found[run_id]

    def resolve(self, text: str) -> str:
        with self._reading() as connection:
            return run_update.named(connection, text, SHOWN)

    def resolve_discarded(self, text: str) -> str:
        with self._reading() as connection:
            return run_update.named(connection, text, _run.c.deleted_at.is_not(None), "in the trash ")

    def live_runs(self) -> list[RunRow]:
        query = row_query().where(LOOKS_LIVE).order_by(_run.c.number.desc())
        with self._reading() as connection:
            rows = connection.execute(query).all()
            return [row for row in judged_rows(connection, rows) if row.state.is_live]

    def queued(self) -> list[RunRow]:
        with self._reading() as connection:
            return run_rows_of(connection, connection.execute(in_queue(short_query())).all())

    def discarded(self) -> list[DiscardedRun]:
        query = any_row_query().where(_run.c.deleted_at.is_not(None))
        query = query.order_by(_run.c.deleted_at.desc(), _run.c.number.desc())
        with self._reading() as connection:
            rows = connection.execute(query).all()
            found = judged_rows(connection, rows)
        return [
            DiscardedRun(run, None if row.deleted_at == GIVEN_UP else row.deleted_at)
            for run, row in zip(found, rows, strict=True)
        ]

    def slots(self) -> list[SlotRow]:
        with self._reading() as connection:
            return slot_rows(connection)

    def sweeps(self) -> list[SweepRow]:
        with self._reading() as connection:
            return sweep_rows(connection)

    def timed_runs(
        self, *, model: str, width_factor: float, dataset: str, device_kind: str, precision: str
    ) -> list[TimedRun]:
        query = (
            select(_run.c.config, _run.c.step, _run.c.elapsed_s)
            .where(
                _run.c.model == model,
                _run.c.width_factor == width_factor,
                _run.c.dataset == dataset,
                _run.c.device_kind == device_kind,
                _run.c.precision == precision,
                _run.c.step > 0,
                SHOWN,
            )
            .order_by(_run.c.number.desc())
            .limit(_TIMED_AT_MOST)
        )
        with self._reading() as connection:
            return [TimedRun(*row) for row in connection.execute(query)]

    def changes(self) -> ChangeFeed:
        return ChangeWatcher(self._path)


def _first_new(had: tuple[int, int] | None, rewind: int) -> int:
    return had[1] if had is not None and had[0] == rewind else 0


def _of_run(table: Table, run_id: str) -> tuple[ColumnElement[bool], ...]:
    """Conditions for the rows of a run that is not in the trash."""
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

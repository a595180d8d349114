"""The transactions in which the owner of a run writes its rows; no threads (see `recorder`).

Every transaction begins with an update of the run under the owner's token. If that token is no longer the
run's, OwnershipLost is raised and nothing is written. The series in memory change only after the commit.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import ColumnElement, Connection, delete, insert, update

from iterand_engine.errors import OwnershipLost
from iterand_engine.store import dialect, schema
from iterand_engine.store.chunks import (
    Chunks,
    NewPoints,
    add_points,
    add_series,
    chunks_of,
    cut_series,
    merge,
)
from iterand_engine.store.open_files import OpenFiles
from iterand_engine.store.records import EndKind, Level, RunState, SeriesAxis
from iterand_engine.store.schema import OWNER_COLUMNS
from iterand_engine.store.series_rows import StoredSeries, stored_series

# Short, so that a locked database is soon reported to the user; the recorder tries again.
_BUSY_TIMEOUT_S = 1.0


@dataclass(frozen=True)
class Declared:
    """A series that a run declares, before its first point."""

    name: str
    axis: SeriesAxis
    layers: tuple[str, ...] | None


@dataclass(frozen=True)
class Points:
    """Packed points to append to a declared series."""

    name: str
    steps: bytes
    values: bytes

    @property
    def size_bytes(self) -> int:
        """Bytes of memory that the points take while they wait."""
        return len(self.steps) + len(self.values)


@dataclass(frozen=True)
class EventNote:
    """A message; `monotonic_s` is its time by this process's monotonic clock."""

    level: Level
    text: str
    step: int | None
    monotonic_s: float


@dataclass(frozen=True)
class Published:
    """The entry of a checkpoint whose file is complete."""

    step: int
    epoch: int
    relpath: str
    sha256: str
    kind: str


@dataclass(frozen=True)
class Forgotten:
    """The entry of a checkpoint whose file is about to be deleted."""

    relpath: str


@dataclass(frozen=True)
class Rewound:
    """Removes all points and checkpoints from `step` on."""

    step: int


@dataclass(frozen=True)
class RunEnded:
    """How the run ended; None keeps a stored result."""

    state: RunState
    end_kind: EndKind
    reason: str | None
    val_accuracy: float | None
    test_accuracy: float | None
    final_digest: str | None


Item = Declared | Points | EventNote | Published | Forgotten | Rewound | RunEnded


@dataclass(frozen=True)
class ProgressNote:
    """Updates done by `monotonic_s`; `usual_step_s` is the median time of recent steps."""

    step: int
    epoch: int
    total_steps: int
    monotonic_s: float
    usual_step_s: float | None


class RunWriter:
    """Commits batches of items to one run under one token. Not thread-safe."""

    def __init__(self, db_path: Path, run_id: str, token: str) -> None:
        self._run_id = run_id
        self._token = token
        self._engine = dialect.write_engine(db_path, busy_timeout_s=_BUSY_TIMEOUT_S)
        self._files = OpenFiles(db_path)
        self._series: dict[str, StoredSeries] = {}
        self._chunks = Chunks(run_number=0)
        self._is_running = False
        self._began_s = time.monotonic()
        self._elapsed_before_s = 0.0

    @property
    def series(self) -> dict[str, StoredSeries]:
        """The committed series by name."""
        return self._series

    def load(self, connection: Connection) -> None:
        """Read the run's series so far, on a connection of the store.

        Raises:
            OwnershipLost: the token is not the run's.
        """
        query = schema.run.select().where(self._owned())
        row = connection.execute(query).one_or_none()
        if row is None:
            raise self._lost()
        self._elapsed_before_s = row.elapsed_s
        self._is_running = row.state == RunState.RUNNING
        self._chunks = chunks_of(connection, row.number)
        self._series = {series.name: series for series in stored_series(connection, self._run_id)}

    def commit(self, items: Sequence[Item], progress: ProgressNote | None) -> bool:
        """Write items in their order, with a heartbeat, in one transaction.

        Args:
            items: the items that wait, in order.
            progress: the newest progress, or None where there is no new one.
        Returns:
            Whether somebody asked the run to stop.
        Raises:
            OwnershipLost: another process owns the run; nothing was written.
            UserError: the database's file is no longer the one that was opened.
            sqlalchemy.exc.DBAPIError: nothing was written.
        """
        with self._engine.begin() as connection:
            self._files.check()
            monotonic_s = time.monotonic()  # after the lock is taken, so both clocks are read together
            now, stop = self._touch(connection, progress, monotonic_s)
            batch = _Batch(connection, self._run_id, dict(self._series), self._chunks, now - monotonic_s)
            for item in items:
                batch.write(item)
            batch.flush()
        self._series, self._chunks = batch.series, batch.chunks
        self._is_running = self._is_running or progress is not None
        return stop

    def close(self) -> None:
        self._engine.dispose()

    def _touch(
        self, connection: Connection, progress: ProgressNote | None, monotonic_s: float
    ) -> tuple[float, bool]:
        now = dialect.now()
        values: dict[str, object] = {
            "revision": schema.run.c.revision + 1,
            "heartbeat_at": now,
            "elapsed_s": self._elapsed_before_s + monotonic_s - self._began_s,
        }
        if progress is not None:
            if not self._is_running:  # to write it again would write a page of its index
                values["state"] = RunState.RUNNING
            values |= {
                "step": progress.step,
                "epoch": progress.epoch,
                "total_steps": progress.total_steps,
                "last_step_at": now - (monotonic_s - progress.monotonic_s),
                "usual_step_s": progress.usual_step_s,
            }
        statement = update(schema.run).where(self._owned()).values(values)
        row = connection.execute(statement.returning(now, schema.run.c.desired_state)).one_or_none()
        if row is None:
            raise self._lost()
        return float(row[0]), row[1] is not None

    def _owned(self) -> ColumnElement[bool]:
        return (schema.run.c.id == self._run_id) & (schema.run.c.owner_token == self._token)

    def _lost(self) -> OwnershipLost:
        return OwnershipLost(f"another process owns run {self._run_id} now")


class _Batch:
    """The items of one transaction. Points gather per series until an item depends on their order."""

    def __init__(
        self,
        connection: Connection,
        run_id: str,
        series: dict[str, StoredSeries],
        chunks: Chunks,
        clock_offset_s: float,
    ) -> None:
        self.series = series
        self.chunks = chunks
        self._connection = connection
        self._run_id = run_id
        self._clock_offset_s = clock_offset_s  # database clock minus this process's monotonic clock
        self._points: dict[str, list[Points]] = {}

    def write(self, item: Item) -> None:
        match item:
            case Points():
                self._points.setdefault(item.name, []).append(item)
            case Declared():
                self.series[item.name] = add_series(
                    self._connection, self._run_id, item.name, item.axis, item.layers
                )
            case EventNote():
                self._add_message(item)
            case Published():
                self._publish(item)
            case Forgotten():
                at = schema.checkpoint.c
                self._connection.execute(
                    delete(schema.checkpoint).where(at.run_id == self._run_id, at.relpath == item.relpath)
                )
            case Rewound():
                self._rewind(item.step)
            case RunEnded():
                self._end(item)

    def flush(self) -> None:
        """Write the gathered points of all series."""
        new = [
            NewPoints(
                self.series[name], b"".join(part.steps for part in parts), b"".join(p.values for p in parts)
            )
            for name, parts in self._points.items()
        ]
        self.chunks = add_points(self._connection, self.chunks, new)
        self.series |= {points.series.name: points.appended for points in new}
        self._points.clear()

    def _add_message(self, item: EventNote) -> None:
        values = {
            "run_id": self._run_id,
            "at": self._clock_offset_s + item.monotonic_s,
            "level": item.level,
            "step": item.step,
            "text": item.text,
        }
        self._connection.execute(insert(schema.event).values(values))

    def _publish(self, item: Published) -> None:
        # Items keep their order, so the points before it are in this transaction or an earlier one.
        values = {
            "run_id": self._run_id,
            "step": item.step,
            "epoch": item.epoch,
            "relpath": item.relpath,
            "sha256": item.sha256,
            "kind": item.kind,
            "at": dialect.now(),
        }
        statement = dialect.upsert(schema.checkpoint, ["run_id", "relpath"])
        self._connection.execute(statement.values(values))

    def _rewind(self, step: int) -> None:
        self.flush()
        self.chunks = merge(self._connection, self.chunks)
        self.series = {
            name: cut_series(self._connection, series, step) for name, series in self.series.items()
        }
        at = schema.checkpoint.c
        self._connection.execute(delete(schema.checkpoint).where(at.run_id == self._run_id, at.step > step))
        self._update_run(rewind=schema.run.c.rewind + 1, step=step)

    def _end(self, item: RunEnded) -> None:
        self.flush()
        self.chunks = merge(self._connection, self.chunks)
        results = {
            "val_accuracy": item.val_accuracy,
            "test_accuracy": item.test_accuracy,
            "final_digest": item.final_digest,
        }
        given = {name: value for name, value in results.items() if value is not None}
        released = dict.fromkeys(OWNER_COLUMNS)
        self._update_run(
            state=item.state,
            end_kind=item.end_kind,
            reason=item.reason,
            ended_at=dialect.now(),
            desired_state=None,
            **given,
            **released,
        )
        if item.state is RunState.FINISHED:  # it is never resumed, and its checkpoint files are deleted next
            at = schema.checkpoint.c
            self._connection.execute(delete(schema.checkpoint).where(at.run_id == self._run_id))

    def _update_run(self, **values: object) -> None:
        self._connection.execute(update(schema.run).where(schema.run.c.id == self._run_id).values(values))

"""Reads the store for the window, on a thread of its own: what changed, and what was subscribed to.

`StoreReader` knows what was handed out already and gives only what is new; no Qt here, so that it is tested
as it is. Limits: states of runs that a process should be training are judged anew every two seconds, so a
killed worker shows by then, though nobody wrote anything.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from iterand_engine.store import (
    Axis,
    ChangeWatcher,
    RunRow,
    RunState,
    SlotRow,
    Store,
    SweepRow,
    labels,
    queries,
    slots,
    sweeps,
)
from iterand_engine.store.records import Json

JUDGE_EVERY_S = 2.0


@dataclass(frozen=True)
class RunsChange:
    """Runs that are new or changed, and those that went; `is_all` marks the first reading.

    `configs` and `tags` are of the new ones (configurations never change; tags are given anew where they may
    have); `accuracies` are the validation accuracies of the rows, also of runs that have not finished.
    """

    rows: tuple[RunRow, ...]
    configs: Mapping[str, Json]
    tags: Mapping[str, tuple[str, ...]]
    accuracies: Mapping[str, float | None]
    removed: frozenset[str]
    is_all: bool


@dataclass(frozen=True)
class SeriesPart:
    """New points of one series: what a view had from point number `first` on no longer holds.

    Shapes: steps int64 (n,); values float32 (n,) or, with `layers`, (n, len(layers)).
    """

    run_id: str
    name: str
    axis: Axis
    layers: tuple[str, ...] | None
    first: int
    steps: NDArray[np.int64]
    values: NDArray[np.float32]


@dataclass(frozen=True)
class Reading:
    """What one look found; None where a part is as it was."""

    runs: RunsChange | None = None
    slots: tuple[SlotRow, ...] | None = None
    sweeps: tuple[SweepRow, ...] | None = None
    series: Mapping[int, tuple[SeriesPart, ...]] = field(default_factory=dict)  # by subscription


@dataclass
class _Wanted:
    """One subscription, and what it was given of each series: (rewind, points)."""

    run_ids: tuple[str, ...]
    names: tuple[str, ...]
    given: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    is_new: bool = True


class StoreReader:
    """Looks for news; used by one thread.

    Args:
        store: an open store.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._watcher = ChangeWatcher(store.workspace.db_path)
        self._is_first = True
        self._known: set[str] = set()
        self._live: dict[str, RunRow] = {}
        self._judged_s = 0.0
        self._slots: tuple[SlotRow, ...] | None = None
        self._sweeps: tuple[SweepRow, ...] | None = None
        self._wanted: dict[int, _Wanted] = {}

    def want(self, number: int, run_ids: Collection[str], names: Collection[str]) -> None:
        """Give points of these series of these runs from now on, beginning with all there are.

        Args:
            number: of the subscription; an earlier wish of this number is replaced, and what it was given
                stays given.
            run_ids, names: runs, and the series of each.
        """
        before = self._wanted.get(number)
        wanted = _Wanted(tuple(run_ids), tuple(names))
        if before is not None:
            kept = {(run_id, name) for run_id in wanted.run_ids for name in wanted.names}
            wanted.given = {key: value for key, value in before.given.items() if key in kept}
        self._wanted[number] = wanted

    def unwant(self, number: int) -> None:
        """End a subscription."""
        self._wanted.pop(number, None)

    def look(self) -> Reading | None:
        """Read what is new.

        Returns:
            None where nothing is.
        Raises:
            UserError, dialect.READ_ERRORS: the database cannot be read now; the next
                look tries all of it again.
        """
        now_s = time.monotonic()
        changes = self._watcher.poll()
        judge = bool(self._live) and now_s - self._judged_s >= JUDGE_EVERY_S
        new = [number for number, wanted in self._wanted.items() if wanted.is_new]
        if changes is None and not judge and not new:
            return None
        changed = set(changes.revisions) if changes is not None else set()
        try:
            runs = self._runs(changed | (self._live.keys() if judge else set()), changes)
            slots_now, sweeps_now = self._others() if changes is not None or judge else (None, None)
            series = self._series(changed if changes is not None else set())
        except BaseException:
            if changes is not None:
                self._watcher.forget()
            raise
        if judge or changes is not None:
            self._judged_s = now_s
        return Reading(runs, slots_now, sweeps_now, series)

    def close(self) -> None:
        """Let go of the database."""
        self._watcher.close()

    def _runs(self, ids: set[str], changes: object) -> RunsChange | None:
        removed = frozenset(getattr(changes, "removed", ())) & self._known
        if not ids and not removed and not self._is_first:
            return None
        fresh = ids - self._known
        if self._is_first:
            pairs = queries.runs_with_configs(self._store)
        else:
            old = queries.runs(self._store, ids=ids - fresh) if ids - fresh else []
            pairs = queries.runs_with_configs(self._store, ids=fresh) if fresh else []
            pairs += [(row, {}) for row in old if self._live.get(row.id) != row]
        rows = [row for row, _ in pairs]
        gone = removed | frozenset(ids & self._known) - {row.id for row in rows} - self._live.keys()
        change = RunsChange(
            tuple(rows),
            {row.id: config for row, config in pairs if row.id not in self._known},
            labels.tags(self._store, [row.id for row in rows]),
            queries.val_accuracies(self._store, rows),
            gone,
            self._is_first,
        )
        self._note(rows, gone)
        self._is_first = False
        return change if rows or gone or change.is_all else None

    def _note(self, rows: Collection[RunRow], gone: Collection[str]) -> None:
        for row in rows:
            self._known.add(row.id)
            if row.stored_state.is_live or (row.state is RunState.QUEUED and row.waiting):
                self._live[row.id] = row
            else:
                self._live.pop(row.id, None)
        for run_id in gone:
            self._known.discard(run_id)
            self._live.pop(run_id, None)

    def _others(self) -> tuple[tuple[SlotRow, ...] | None, tuple[SweepRow, ...] | None]:
        now_slots, now_sweeps = tuple(slots.slots(self._store)), tuple(sweeps.sweeps(self._store))
        changed_slots = None if now_slots == self._slots else now_slots
        changed_sweeps = None if now_sweeps == self._sweeps else now_sweeps
        self._slots, self._sweeps = now_slots, now_sweeps
        return changed_slots, changed_sweeps

    def _series(self, changed: set[str]) -> dict[int, tuple[SeriesPart, ...]]:
        found: dict[int, tuple[SeriesPart, ...]] = {}
        for number, wanted in self._wanted.items():
            ids = wanted.run_ids if wanted.is_new else [one for one in wanted.run_ids if one in changed]
            parts = tuple(part for name in wanted.names for part in self._parts(wanted, name, ids))
            if parts or wanted.is_new:
                found[number] = parts
            wanted.is_new = False
        return found

    def _parts(self, wanted: _Wanted, name: str, ids: Collection[str]) -> list[SeriesPart]:
        if not ids:
            return []
        since = {run_id: wanted.given[run_id, name] for run_id in ids if (run_id, name) in wanted.given}
        parts = []
        for run_id, series in queries.series_of(self._store, list(ids), name, since).items():
            _, had = since.get(run_id, (0, 0))
            wanted.given[run_id, name] = (series.rewind, series.first + len(series.steps))
            if len(series.steps) or series.first < had:
                parts.append(
                    SeriesPart(
                        run_id, name, series.axis, series.layers, series.first, series.steps, series.values
                    )
                )
        return parts

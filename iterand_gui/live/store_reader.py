"""Reads changes and subscribed series from the store, on a thread beside the GUI thread.

`StoreReader` remembers what it has returned and returns only what is new; it needs no Qt, so that tests use
it as it is. A look that fails returns nothing, and the next one reads all of it again. Of many runs the
newest come first, the others with the next look. Limits: runs and slots that a process should work on are
judged again every two seconds, so that a killed process is seen by then, although it wrote nothing.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from iterand_engine.store import (
    Changes,
    Event,
    Reader,
    RunRow,
    RunState,
    Series,
    SlotRow,
    SweepRow,
)
from iterand_engine.store.records import Json
from iterand_gui.live.collector import undisturbed

JUDGE_EVERY_S = 2.0
SWEEPS_EVERY_S = 1.0
FIRST_RUNS = 300  # of more runs, the newest are returned before the others are read


@dataclass(frozen=True)
class RunsChange:
    """Runs that are new or changed, the newest first, and those that went.

    `is_all` marks what completes the first reading.

    `configs` are of the new ones (they never change).
    """

    rows: tuple[RunRow, ...]
    configs: Mapping[str, Json]
    removed: frozenset[str]
    is_all: bool


@dataclass(frozen=True)
class RunEvents:
    """New messages of one run, in the order written."""

    run_id: str
    events: tuple[Event, ...]


@dataclass(frozen=True)
class Reading:
    """The result of one look, None for unchanged parts; series and messages by subscription.

    A series brings its new points: they replace what a view holds from point number `first` on.
    """

    runs: RunsChange | None = None
    slots: tuple[SlotRow, ...] | None = None
    sweeps: tuple[SweepRow, ...] | None = None
    series: Mapping[int, tuple[Series, ...]] = field(default_factory=dict)
    events: Mapping[int, tuple[RunEvents, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class SeriesRequest:
    """What a subscription asks for: series of runs, and whether the runs' messages as well."""

    run_ids: tuple[str, ...]
    names: tuple[str, ...] = ()
    events: bool = False


@dataclass
class _Wanted:
    """One subscription, and what it was given: (rewind, points) of series, the last message of runs."""

    request: SeriesRequest
    given: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    last_event: dict[str, int] = field(default_factory=dict)
    is_new: bool = True


class StoreReader:
    """Finds what is new in a store; one thread uses it.

    Args:
        reader: of an open store.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._changes = reader.changes()
        self._is_first = True
        self._known: set[str] = set()
        self._unread: set[str] = set()
        self._live: dict[str, RunRow] = {}
        self._judged_s = self._sweeps_s = -math.inf
        self._slots: tuple[SlotRow, ...] | None = None
        self._sweeps: tuple[SweepRow, ...] | None = None
        self._wanted: dict[int, _Wanted] = {}

    def want(self, number: int, request: SeriesRequest) -> None:
        """Begin or change a subscription: the next look returns all that is stored, later ones news.

        Args:
            number: of the subscription; an earlier request of this number is replaced, and points that it
                has received are not sent again.
            request: series and messages of runs.
        """
        wanted = _Wanted(request)
        before = self._wanted.get(number)
        if before is not None:
            kept = {(run_id, name) for run_id in request.run_ids for name in request.names}
            wanted.given = {key: value for key, value in before.given.items() if key in kept}
            wanted.last_event = {k: last for k, last in before.last_event.items() if k in request.run_ids}
        self._wanted[number] = wanted

    def unwant(self, number: int) -> None:
        """End a subscription: nothing follows for its number. An unknown number changes nothing."""
        self._wanted.pop(number, None)

    @property
    def has_more(self) -> bool:
        """Whether runs are still unread, so that the next look should follow at once."""
        return bool(self._unread)

    def look(self) -> Reading | None:
        """Read what is new.

        Returns:
            None where nothing is.
        Raises:
            UserError, dialect.READ_ERRORS: the store is gone, or cannot be read now.
        """
        now_s = time.monotonic()
        changes = self._changes.poll()
        judge = self._is_to_judge(now_s)
        if changes is None and not judge and not self._unread and not self._has_new_requests():
            return None
        try:
            return self._read(changes, judge, now_s)
        except BaseException:
            if changes is not None:
                self._changes.forget()
            raise

    def close(self) -> None:
        """Close the connection to the database."""
        self._changes.close()

    def _read(self, changes: Changes | None, judge: bool, now_s: float) -> Reading | None:
        """Read all parts first and note them as returned only then, so that an error loses nothing."""
        changed = set(changes.revisions) if changes is not None else set()
        removed = changes.removed if changes is not None else frozenset()
        runs, unread = self._runs(changed, removed, judge)
        moved = changes is not None or judge
        slots_now = tuple(self._reader.slots()) if moved else self._slots
        others = runs is not None and bool(runs.configs or runs.removed)
        sweeps_due = moved and (others or now_s - self._sweeps_s >= SWEEPS_EVERY_S)
        sweeps_now = tuple(self._reader.sweeps()) if sweeps_due else self._sweeps
        series = {number: self._parts(wanted, changed) for number, wanted in self._wanted.items()}
        events = {number: self._events(wanted, changed) for number, wanted in self._wanted.items()}
        reading = Reading(
            runs,
            None if slots_now == self._slots else slots_now,
            None if sweeps_now == self._sweeps else sweeps_now,
            {number: parts for number, parts in series.items() if parts or self._wanted[number].is_new},
            {number: found for number, found in events.items() if found},
        )
        self._slots, self._sweeps = slots_now, sweeps_now
        self._judged_s = now_s if moved else self._judged_s
        self._sweeps_s = now_s if sweeps_due else self._sweeps_s
        self._note(reading, unread)
        return None if reading == Reading() else reading

    def _runs(
        self, changed: set[str], removed: frozenset[str], judge: bool
    ) -> tuple[RunsChange | None, set[str]]:
        """The changes of runs, and the ids that are left for the next look."""
        ids = changed | self._unread | (self._live.keys() if judge else set())
        fresh = ids - self._known
        if self._is_first:
            pairs = self._reader.runs_with_configs(limit=FIRST_RUNS)
            unread = fresh - {row.id for row, _ in pairs} if len(pairs) == FIRST_RUNS else set()
        else:
            unread = set()
            with undisturbed(len(fresh)):
                pairs = self._reader.runs_with_configs(ids=fresh) if fresh else []
        old = self._reader.runs(ids=ids - fresh) if ids - fresh else []
        news = [row for row, _ in pairs] + [row for row in old if self._live.get(row.id) != row]
        news.sort(key=lambda row: row.created_at, reverse=True)
        gone = ((removed | ids) & self._known) - {row.id for row in old}
        if not (news or gone or self._is_first or self._unread):
            return None, unread
        return RunsChange(
            tuple(news),
            {row.id: config for row, config in pairs},
            frozenset(gone),
            is_all=not unread and (self._is_first or bool(self._unread)),
        ), unread

    def _parts(self, wanted: _Wanted, changed: set[str]) -> tuple[Series, ...]:
        request = wanted.request
        ids = (
            request.run_ids if wanted.is_new else [run_id for run_id in request.run_ids if run_id in changed]
        )
        parts: list[Series] = []
        for name in request.names if ids else ():
            since = {run_id: wanted.given[run_id, name] for run_id in ids if (run_id, name) in wanted.given}
            for run_id, found in self._reader.series_of(list(ids), name, since).items():
                before = since.get(run_id)
                cut_back = before is not None and before[0] != found.rewind
                if len(found.steps) or cut_back:
                    parts.append(found)
        return tuple(parts)

    def _events(self, wanted: _Wanted, changed: set[str]) -> tuple[RunEvents, ...]:
        found: list[RunEvents] = []
        for run_id in wanted.request.run_ids if wanted.request.events else ():
            if wanted.is_new or run_id in changed:
                last = wanted.last_event.get(run_id, 0)
                events = self._reader.events(run_id, after=last)
                found += [RunEvents(run_id, tuple(events))] if events else []
        return tuple(found)

    def _note(self, reading: Reading, unread: set[str]) -> None:
        self._is_first, self._unread = False, unread
        if reading.runs is not None:
            self._note_runs(reading.runs)
        for number, wanted in self._wanted.items():
            wanted.is_new = False
            for part in reading.series.get(number, ()):
                wanted.given[part.run_id, part.name] = (part.rewind, part.first + len(part.steps))
            for batch in reading.events.get(number, ()):
                wanted.last_event[batch.run_id] = batch.events[-1].id

    def _note_runs(self, change: RunsChange) -> None:
        for row in change.rows:
            self._known.add(row.id)
            if row.stored_state.is_live or (row.state is RunState.QUEUED and row.waiting):
                self._live[row.id] = row
            else:
                self._live.pop(row.id, None)
        self._known -= change.removed
        for run_id in change.removed:
            self._live.pop(run_id, None)

    def _is_to_judge(self, now_s: float) -> bool:
        has_processes = bool(self._live) or any(slot.held for slot in self._slots or ())
        return has_processes and now_s - self._judged_s >= JUDGE_EVERY_S

    def _has_new_requests(self) -> bool:
        return any(wanted.is_new for wanted in self._wanted.values())

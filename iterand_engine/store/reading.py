"""The queries of a store, as one protocol of plain frozen values that any kind of store can implement.

`Store.reader` implements it for a workspace's database (`queries`). The modules in `results`, the command
line, scripts and the window use a `Reader`, so they could use another store or a remote one. Each query sees
one state of the store. Test accuracy leaves the store only through `test_accuracies` and `test_accuracy`,
which apply the lock.

Limits: queries give what is shown to users. Changes are functions that take the `Store`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from iterand_engine.store.records import (
    Changes,
    DiscardedRun,
    Event,
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


class ChangeFeed(Protocol):
    """Reports which runs changed since the last `poll`; a poll without news costs next to nothing.

    Only one thread at a time may use it.
    """

    def poll(self) -> Changes | None:
        """Report what changed since the last poll (the first: everything); None where nothing did.

        Raises:
            UserError: the store is gone, or another one is in its place.
        """

    def forget(self) -> None:
        """Make the next poll report the last changes again; for a caller that could not read them."""

    def close(self) -> None:
        """Release the connection or the like; no poll may follow."""


class Reader(Protocol):
    """Every query of a store; usable from several threads."""

    def runs(self, *, ids: Collection[str] | None = None, limit: int | None = None) -> list[RunRow]:
        """Runs, newest first.

        Args:
            ids: only these; unknown ones are left out.
            limit: at most so many.
        """

    def runs_with_configs(
        self, *, ids: Collection[str] | None = None, limit: int | None = None
    ) -> list[tuple[RunRow, Json]]:
        """Runs as `runs` gives them, each with its configuration, which never changes."""

    def run(self, run_id: str) -> RunDetail:
        """One run with its configuration and environments.

        Raises:
            UserError: there is no such run.
        """

    def series_list(self, run_id: str) -> list[SeriesInfo]:
        """The series of a run in the order declared."""

    def series(self, run_id: str, name: str, *, first: int = 0) -> Series:
        """One series, whole or from its point number `first` on (a caller that follows passes its count).

        Where `rewind` differs from that of an earlier query, the points of that query are no longer valid.

        Raises:
            UserError: there is no such run, or it has no such series.
        """

    def series_of(
        self,
        run_ids: Sequence[str],
        name: str,
        since: Mapping[str, tuple[int, int]] | None = None,
    ) -> dict[str, Series]:
        """One series of several runs by run id, whole or only the new points.

        Args:
            run_ids: the runs; those without such a series are left out.
            name: the series' name.
            since: by run id the `rewind` of an earlier query and the number of points that the caller has. A
                run that was cut back since then gives its whole series (`first` is 0).
        """

    def last_values(self, run_id: str) -> dict[str, float]:
        """The newest value of every series with one value per point and at least one point; NaN stays NaN."""

    def events(self, run_id: str, *, after: int = 0) -> list[Event]:
        """Messages of a run with an id above `after`, in the order written."""

    def checkpoints(self, run_id: str) -> list[PublishedCheckpoint]:
        """Published checkpoints of a run, newest first."""

    def test_accuracies(self, run_ids: Sequence[str], *, lock: bool) -> dict[str, float | Locked | None]:
        """Test accuracies of runs as the lock permits; no other query but `test_accuracy` gives them.

        Args:
            run_ids: any number; unknown ones are left out.
            lock: the workspace's setting `test_lock`.
        Returns:
            By run id the accuracy, 0-1; None where the run has none yet; LOCKED while the lock is set, unless
            the run was unlocked.
        """

    def test_accuracy(self, run_id: str, *, lock: bool) -> float | Locked | None:
        """`test_accuracies` of one run.

        Raises:
            UserError: there is no such run.
        """

    def resolve(self, text: str) -> str:
        """Find the id of the run that the user names.

        Args:
            text: an id, the beginning of just one id, or the name of just one run.
        Raises:
            UserError: the text fits no run, or several (the sentence lists their ids).
        """

    def resolve_discarded(self, text: str) -> str:
        """As `resolve`, among the runs in the trash."""

    def live_runs(self) -> list[RunRow]:
        """Runs that a process trains now or is about to train, newest first."""

    def queued(self) -> list[RunRow]:
        """The queued runs in the order of the queue."""

    def discarded(self) -> list[DiscardedRun]:
        """The runs in the trash, the last one put there first."""

    def slots(self) -> list[SlotRow]:
        """All slots that have a row, by host, device and position."""

    def sweeps(self) -> list[SweepRow]:
        """The sweeps, newest first; those whose runs are all in the trash are left out."""

    def timed_runs(
        self, *, model: str, width_factor: float, dataset: str, device_kind: str, precision: str
    ) -> list[TimedRun]:
        """The newest runs of one network on one kind of device, to estimate how long another one takes.

        Args:
            model, width_factor, dataset, device_kind, precision: as in the runs' rows.
        Returns:
            At most 50, newest first; runs without a step are left out.
        """

    def changes(self) -> ChangeFeed:
        """Open a feed of changes; the caller closes it."""

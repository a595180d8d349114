"""What can be read of a store: one protocol of plain frozen values, whatever the store is made of.

`Store.reader` is the one for a workspace's database (`queries`). Readers of results, the command line,
scripts and the window ask a `Reader`, and so could read another store or one elsewhere. Each reading sees one
state of the store. Test accuracy leaves it by `test_accuracies` and `test_accuracy` alone, which know the
lock.

Limits: what may be read is what people are shown; changes are functions that take the `Store`.
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
    """Says which runs changed since the last `poll`, which without news costs next to nothing.

    Any one thread at a time may use it.
    """

    def poll(self) -> Changes | None:
        """What changed since the last poll (the first: everything), or None where nothing did.

        Raises:
            UserError: the store is gone, or another is in its place.
        """

    def forget(self) -> None:
        """Tell at the next poll again what the last one told: it could not be read."""

    def close(self) -> None:
        """Give back what it holds."""


class Reader(Protocol):
    """Every reading of a store; usable from several threads."""

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
        """One series, whole or from its point number `first` on (a reader that follows passes what it has).

        Where `rewind` differs from that of an earlier reading, what was read then no longer holds.

        Raises:
            UserError: no such run, or the run has no such series.
        """

    def series_of(
        self,
        run_ids: Sequence[str],
        name: str,
        since: Mapping[str, tuple[int, int]] | None = None,
    ) -> dict[str, Series]:
        """One series of several runs, whole or what is new in each.

        Args:
            run_ids: the runs; those that have no such series are left out.
            name: of the series.
            since: by run id the `rewind` of an earlier reading and the number of points the reader has. Where
                the run was cut back since then, its series comes whole (`first` is 0).
        """

    def last_values(self, run_id: str) -> dict[str, float]:
        """The newest value of every series with one value per point and at least one point; NaN stays NaN."""

    def events(self, run_id: str, *, after: int = 0) -> list[Event]:
        """Messages of a run in the order written, those with an id above `after`."""

    def checkpoints(self, run_id: str) -> list[PublishedCheckpoint]:
        """Published checkpoints, newest first."""

    def test_accuracies(self, run_ids: Sequence[str], *, lock: bool) -> dict[str, float | Locked | None]:
        """The only way by which test accuracy leaves the store.

        Args:
            run_ids: any number; unknown ones are left out.
            lock: the workspace's setting `test_lock`.
        Returns:
            By run id the accuracy, 0-1; None where the run has none yet; LOCKED where the lock holds it back,
            which it does unless the run was unlocked.
        """

    def test_accuracy(self, run_id: str, *, lock: bool) -> float | Locked | None:
        """`test_accuracies` of one run.

        Raises:
            UserError: there is no such run.
        """

    def resolve(self, text: str) -> str:
        """The run that a user means.

        Args:
            text: an id, the beginning of just one id, or the name of just one run.
        Raises:
            UserError: none is meant, or several (named with their ids).
        """

    def resolve_discarded(self, text: str) -> str:
        """The run in the trash that a user means, as `resolve`."""

    def live_runs(self) -> list[RunRow]:
        """Runs that a process trains now or is about to, newest first."""

    def queued(self) -> list[RunRow]:
        """The queued runs, the next one first."""

    def discarded(self) -> list[DiscardedRun]:
        """The runs in the trash, the last one put there first."""

    def slots(self) -> list[SlotRow]:
        """All slots that anything is known of, by host, device and position."""

    def sweeps(self) -> list[SweepRow]:
        """The sweeps, newest first; those whose runs are all in the trash are left out."""

    def timed_runs(
        self, *, model: str, width_factor: float, dataset: str, device_kind: str, precision: str
    ) -> list[TimedRun]:
        """The newest runs of one network on one kind of device, so that another's length can be foretold.

        Args:
            model, width_factor, dataset, device_kind, precision: as runs are stored with.
        Returns:
            At most 50, newest first; runs that did no step are left out.
        """

    def changes(self) -> ChangeFeed:
        """Begin to follow what changes; the caller closes it."""

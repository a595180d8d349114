"""All reading (being filled in)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from iterand_engine.store.records import (
    Checkpoint,
    Event,
    Locked,
    RunDetail,
    RunRow,
    Series,
    SeriesInfo,
)

if TYPE_CHECKING:
    from iterand_engine.store.store import Store


def runs(store: Store, *, ids: Collection[str] | None = None, limit: int | None = None) -> list[RunRow]:
    """Runs, newest first."""
    raise NotImplementedError


def run(store: Store, run_id: str) -> RunDetail:
    raise NotImplementedError


def series_list(store: Store, run_id: str) -> list[SeriesInfo]:
    raise NotImplementedError


def series(store: Store, run_id: str, name: str, *, first: int = 0) -> Series:
    """One series from its point number `first` on. Unknown name: UserError naming the nearest."""
    raise NotImplementedError


def last_values(store: Store, run_id: str) -> dict[str, float]:
    """The newest value of every series that has one value per point (NaN stays NaN)."""
    raise NotImplementedError


def events(store: Store, run_id: str, *, after: int = 0) -> list[Event]:
    """Messages in the order written, those with id > after."""
    raise NotImplementedError


def checkpoints(store: Store, run_id: str) -> list[Checkpoint]:
    """Published checkpoints, newest first."""
    raise NotImplementedError


def test_accuracies(store: Store, run_ids: Sequence[str], *, lock: bool) -> dict[str, float | Locked | None]:
    """The only way by which test accuracy leaves the store."""
    raise NotImplementedError


def test_accuracy(store: Store, run_id: str, *, lock: bool) -> float | Locked | None:
    """`test_accuracies` of one run."""
    return test_accuracies(store, [run_id], lock=lock)[run_id]

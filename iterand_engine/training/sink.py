"""What training writes to: the part of the store's Recorder that it uses, and one that drops everything."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from iterand_engine.store import Level, SeriesAxis


class Sink(Protocol):
    """Takes what a run records; `store.Recorder` is one."""

    def declare(self, name: str, axis: SeriesAxis, layers: tuple[str, ...] | None = None) -> None:
        """Announce a series."""

    def append(self, name: str, steps: ArrayLike, values: NDArray[np.float32] | ArrayLike) -> None:
        """Add points to a series."""

    def progress(self, step: int, epoch: int, total_steps: int) -> None:
        """Say how far training is."""

    def event(self, level: Level, text: str, step: int | None = None) -> None:
        """Add a message."""

    @property
    def stop_requested(self) -> bool:
        """Whether the run was asked to stop."""


class NullSink:
    """Records nothing; for measuring."""

    stop_requested = False

    def declare(self, name: str, axis: SeriesAxis, layers: tuple[str, ...] | None = None) -> None:
        """Drop it."""

    def append(self, name: str, steps: ArrayLike, values: NDArray[np.float32] | ArrayLike) -> None:
        """Drop it."""

    def progress(self, step: int, epoch: int, total_steps: int) -> None:
        """Drop it."""

    def event(self, level: Level, text: str, step: int | None = None) -> None:
        """Drop it."""

"""The part of the store's Recorder that training uses, as a protocol, and a sink that drops everything."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from iterand_engine.store import Level, SeriesAxis


class Sink(Protocol):
    """Takes the values that a run records; `store.Recorder` implements it and documents each method."""

    def declare(self, name: str, axis: SeriesAxis, layers: tuple[str, ...] | None = None) -> None:
        """Declare a series before its first point."""

    def append(self, name: str, steps: ArrayLike, values: NDArray[np.float32] | ArrayLike) -> None:
        """Append points to a declared series: steps (n,), values (n,) or (n, layers)."""

    def progress(self, step: int, epoch: int, total_steps: int) -> None:
        """Report `step` updates of `total_steps`, in `epoch`, which counts from 0."""

    def event(self, level: Level, text: str, step: int | None = None) -> None:
        """Add a message to the run's log."""

    @property
    def stop_requested(self) -> bool:
        """Whether somebody asked the run to stop."""


class NullSink:
    """Drops everything; for measurements of the speed."""

    stop_requested = False

    def declare(self, name: str, axis: SeriesAxis, layers: tuple[str, ...] | None = None) -> None: ...

    def append(self, name: str, steps: ArrayLike, values: NDArray[np.float32] | ArrayLike) -> None: ...

    def progress(self, step: int, epoch: int, total_steps: int) -> None: ...

    def event(self, level: Level, text: str, step: int | None = None) -> None: ...

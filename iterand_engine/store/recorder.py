"""How the process that owns a run writes it (being filled in)."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from iterand_engine.store.records import Axis, Level, RunState
from iterand_engine.store.store import Store


class Recorder:
    """Buffers what a run records and commits it from its own thread. A context manager; methods are thread-safe.

    Any method raises OwnershipLost once another process owns the run. `on_wait` gets one sentence when the
    database has been unwritable for some seconds or training has to wait for it; it is called off the training
    thread. Positions of points are steps on EVERY axis (an epoch's point: the epoch's last step; an event's: the
    step before whose forward pass it happened; a clock sample's: the step just done), so that `rewind` cuts all
    series alike; they must rise within a series (on `clock`: not fall).
    """

    def __init__(
        self, store: Store, run_id: str, token: str, *, on_wait: Callable[[str], None] | None = None
    ) -> None:
        raise NotImplementedError

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()

    def declare(self, name: str, axis: Axis, layers: tuple[str, ...] | None = None) -> None:
        """Announce a series (again after a resume: it must then be the same). Names `test_*` are refused."""
        raise NotImplementedError

    def append(self, name: str, steps: ArrayLike, values: NDArray[np.float32] | ArrayLike) -> None:
        """Add points: steps int64 (n,), values float32 (n,) or (n, L). Copies; waits only when 64 MB are unwritten."""
        raise NotImplementedError

    def progress(self, step: int, epoch: int, total_steps: int) -> None:
        """`step` updates are done. Call it also while evaluating (same step), or the run looks stalled."""
        raise NotImplementedError

    def event(self, level: Level, text: str, step: int | None = None) -> None:
        raise NotImplementedError

    @property
    def stop_requested(self) -> bool:
        """Whether somebody asked the run to stop, as read at the last commit or heartbeat."""
        raise NotImplementedError

    def drain(self) -> None:
        """Return when all that was handed over is committed."""
        raise NotImplementedError

    def publish_checkpoint(self, step: int, epoch: int, relpath: str, sha256: str, kind: str) -> None:
        """Commit a checkpoint together with or after all that was handed over before; returns when committed."""
        raise NotImplementedError

    def forget_checkpoint(self, relpath: str) -> None:
        """Remove a checkpoint's entry; call before its file is deleted."""
        raise NotImplementedError

    def rewind(self, step: int) -> None:
        """Keep the points with position < step and checkpoints with step <= step; returns when committed."""
        raise NotImplementedError

    def finish(
        self,
        state: RunState,
        *,
        reason: str | None = None,
        val_accuracy: float | None = None,
        test_accuracy: float | None = None,
        final_digest: str | None = None,
    ) -> None:
        """Commit everything, store how the run ended and give up ownership. Only `close` may follow."""
        raise NotImplementedError

    def close(self) -> None:
        """Commit what waits, end the thread. Raises a failure that no other call has raised."""
        raise NotImplementedError

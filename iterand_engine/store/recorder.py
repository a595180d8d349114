"""The process that owns a run writes its results through a `Recorder`.

The training thread only checks and copies small arrays; an `Outbox` commits them from its own thread, with a
heartbeat. A locked or slow database never stops training: 64 MB wait in memory, then `append` waits and says
so. Limits: the heartbeat shows that the process lives; only `progress` shows that it trains.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from iterand_engine.store.blocks import pack_steps, pack_values
from iterand_engine.store.outbox import BUFFER_BYTES, Outbox
from iterand_engine.store.records import EndKind, Level, RunState, SeriesAxis
from iterand_engine.store.run_writer import (
    Declared,
    EventNote,
    Forgotten,
    Points,
    ProgressNote,
    Published,
    Rewound,
    RunEnded,
    RunWriter,
)
from iterand_engine.store.store import Store

TEST_PREFIX = "test_"
_USUAL_OF_STEPS = 31
_USUAL_EVERY_S = 1.0
_KINDS: Mapping[RunState, EndKind] = {
    RunState.FINISHED: "finished",
    RunState.STOPPED: "stopped",
    RunState.DIVERGED: "diverged",
}


@dataclass
class _Declared:
    """A series as the training thread knows it, to check further points against."""

    axis: SeriesAxis
    layers: tuple[str, ...] | None
    last_step: int | None


class Recorder:
    """Writes one run from its own thread; a context manager, its methods are thread-safe.

    Positions of points are steps on EVERY axis, so that `rewind` cuts all series alike: an epoch's point
    stands at the epoch's last step, a redraw event's at the step before whose forward pass it happened, a
    clock sample's at the step just done. They rise within a series (on `clock` they may repeat).

    Every method raises OwnershipLost once another process owns the run, or the error that ended the writing.
    """

    def __init__(
        self,
        store: Store,
        run_id: str,
        token: str,
        *,
        on_wait: Callable[[str], None] | None = None,
        buffer_bytes: int = BUFFER_BYTES,
    ) -> None:
        """Load an adopted run with the series it has recorded so far, and start the thread.

        Args:
            store: may be closed before the recorder.
            run_id, token: as claimed.
            on_wait: gets one sentence when the database cannot be written for some seconds, when training
                has to wait for it, and when it can be written again; called from the recorder's thread or
                from the thread that has to wait.
            buffer_bytes: how many bytes of points may wait in memory.
        Raises:
            OwnershipLost: the token is not the run's.
        """
        self._writer = RunWriter(store.workspace.db_path, run_id, token)
        with store.reading() as connection:
            self._writer.load(connection)
        self._series: dict[str, _Declared] = {}
        self._learn_series()
        self._order = threading.Lock()  # checking a series' order and queueing its points is one act
        self._pace = _Pace()
        self._outbox = Outbox(
            self._writer, f"recorder-{run_id[:8]}", on_wait or (lambda sentence: None), buffer_bytes
        )

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        failure = self._outbox.close(quietly=error is not None)
        if failure is not None and error is not None:
            error.add_note(f"Recording had ended as well: {failure}")

    def declare(self, name: str, axis: SeriesAxis, layers: tuple[str, ...] | None = None) -> None:
        """Declare a series before its first point; after a resume again, with the same axis and layers.

        Args:
            name: the series' name; names that begin with `test_` are refused, because test results leave the
                store only through functions that apply the lock.
            axis: what one point stands for.
            layers: names of the layers, where a point holds one value per layer.
        Raises:
            ValueError: the name is refused, or axis or layers differ from those recorded so far.
        """
        if name.startswith(TEST_PREFIX):
            raise ValueError(f"series {name!r} would show test results past the lock")
        with self._order:
            known = self._series.get(name)
            if known is None:
                self._outbox.put(Declared(name, axis, layers))
                self._series[name] = _Declared(axis, layers, last_step=None)
            elif (known.axis, known.layers) != (axis, layers):
                raise ValueError(f"series {name!r} was recorded with {known.axis}, {known.layers}")

    def append(self, name: str, steps: ArrayLike, values: ArrayLike) -> None:
        """Append points to a declared series; copies them, and waits only while the buffer is full.

        Args:
            name: the series' name.
            steps: int64 (n,), rising, above those recorded so far (on `clock`: not falling).
            values: float32 (n,), or (n, layers) for a series with layers; NaN is kept.
        Raises:
            ValueError: shapes or order do not fit.
            KeyError: the series is not declared.
        """
        at = np.asarray(steps, dtype=np.int64)
        numbers = np.asarray(values, dtype=np.float32)
        with self._order:
            series = self._series[name]
            shape = (at.size,) if series.layers is None else (at.size, len(series.layers))
            if at.ndim != 1 or numbers.shape != shape:
                raise ValueError(f"series {name!r} got steps {at.shape} and values {numbers.shape}")
            if not at.size:
                return
            _check_order(name, series, at)
            self._outbox.put(Points(name, pack_steps(at), pack_values(numbers)))
            series.last_step = int(at[-1])

    def progress(self, step: int, epoch: int, total_steps: int) -> None:
        """Report progress; the first report makes the run `running`. Cheap enough for every step.

        Args:
            step: updates done.
            epoch: the epoch being trained, from 0.
            total_steps: updates of the whole run.
        During an evaluation, report the same step now and then: a run without reports counts as stalled.
        """
        now_s = time.monotonic()
        self._outbox.report(
            ProgressNote(step, epoch, total_steps, now_s, self._pace.usual_step_s(step, now_s))
        )

    def event(self, level: Level, text: str, step: int | None = None) -> None:
        """Add a message to the run's log."""
        self._outbox.put(EventNote(level, text, step, time.monotonic()))

    @property
    def stop_requested(self) -> bool:
        """Whether somebody asked the run to stop, as read at the last commit or heartbeat."""
        return self._outbox.stop_requested

    def drain(self) -> None:
        """Wait until everything recorded so far is committed."""
        self._outbox.drain()

    def publish_checkpoint(self, step: int, epoch: int, relpath: str, sha256: str, kind: str) -> None:
        """Store a checkpoint's entry, after all points recorded so far; return when it is committed.

        Args:
            step: updates done at the checkpoint; the points of all earlier steps must be appended already.
            epoch: the epoch in which a resume continues.
            relpath: path of its complete file, relative to the workspace.
            sha256: the file's hash, hexadecimal.
            kind: its purpose, such as `resume` or `final`.
        """
        self._outbox.put(Published(step, epoch, relpath, sha256, kind))
        self._outbox.drain()

    def forget_checkpoint(self, relpath: str) -> None:
        """Remove a checkpoint's entry, before its file is deleted; return when that is committed."""
        self._outbox.put(Forgotten(relpath))
        self._outbox.drain()

    def rewind(self, step: int) -> None:
        """Cut the run back to `step` updates; return when that is committed.

        Keeps the points with position < step and the checkpoints up to `step`, and raises the run's rewind
        counter, which makes readers drop the points that they hold.
        """
        with self._order:
            self._outbox.put(Rewound(step))
            self._outbox.drain()
            self._learn_series()

    def finish(
        self,
        state: RunState,
        *,
        end_kind: EndKind | None = None,
        reason: str | None = None,
        val_accuracy: float | None = None,
        test_accuracy: float | None = None,
        final_digest: str | None = None,
    ) -> None:
        """Commit everything, store how the run ended and give up its ownership; only `close` may follow.

        Args:
            state: a stored state that is neither live nor queued; `finished` also removes the entries of the
                checkpoints, whose files may be deleted next.
            end_kind: how it ended; by default derived from the state, `other` where that is not enough.
            reason: one sentence for the user, where the state alone does not say it.
            val_accuracy, test_accuracy: shares 0-1; None keeps the stored value.
            final_digest: sha256 over the result.
        Raises:
            ValueError: the run cannot end in `state`.
        """
        if state.is_live or state is RunState.QUEUED:
            raise ValueError(f"a run cannot end as {state}")
        kind = end_kind or _KINDS.get(state, "other")
        self._outbox.put(RunEnded(state, kind, reason, val_accuracy, test_accuracy, final_digest))
        self._outbox.drain()

    def close(self) -> None:
        """Commit what waits, and end the thread; raises a failure that no other call has raised."""
        self._outbox.close()

    def _learn_series(self) -> None:
        self._series = {
            series.name: _Declared(series.axis, series.layers, series.last_step)
            for series in self._writer.series.values()
        }


class _Pace:
    """The usual time of a step: the median of the last ones, refreshed once a second."""

    def __init__(self) -> None:
        self._times_s: deque[float] = deque(maxlen=_USUAL_OF_STEPS)
        self._last: tuple[int, float] | None = None
        self._usual_s: float | None = None
        self._refreshed_s = 0.0

    def usual_step_s(self, step: int, now_s: float) -> float | None:
        """Add one report and return the usual time; a report without a new step only restarts the clock."""
        if self._last is not None and step > self._last[0]:
            self._times_s.append((now_s - self._last[1]) / (step - self._last[0]))
            if self._usual_s is None or now_s - self._refreshed_s >= _USUAL_EVERY_S:
                self._usual_s, self._refreshed_s = statistics.median(self._times_s), now_s
        self._last = (step, now_s)
        return self._usual_s


def _check_order(name: str, series: _Declared, steps: NDArray[np.int64]) -> None:
    least = 0 if series.axis == "clock" else 1
    last = series.last_step
    if (last is not None and steps[0] - last < least) or np.any(np.diff(steps) < least):
        raise ValueError(f"series {name!r} got steps that do not rise above {last}: {steps[:3]}...")

"""Where points stand on the x axis: by step, epoch or training time. Pure numpy, no Qt.

Every series has steps as positions. Epochs follow by division; times from the clock samples of a run.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from iterand_gui.plots.reduction import Steps, Values


class XAxis(StrEnum):
    """The quantity on the x axis."""

    STEP = "step"
    EPOCH = "epoch"
    TIME = "time"


@dataclass(frozen=True, eq=False)
class Clock:
    """Training time at some steps, both rising, (n,); of resumed runs without the pauses."""

    steps: NDArray[np.float64]
    times_s: NDArray[np.float64]

    @classmethod
    def of_series(cls, steps: Steps, elapsed_s: Values) -> Clock | None:
        """Make one from the series `elapsed_s`; None where it has no point.

        Training began at time 0 before the first step, and goes on after the last sample at the average pace.
        """
        known = np.isfinite(elapsed_s)
        # Several samples may share a step: the last is the one that says how long the step took.
        places, last = np.unique(steps[known][::-1], return_index=True)
        times = np.maximum.accumulate(elapsed_s[known][::-1][last].astype(np.float64))
        if not len(places):
            return None
        return cls(
            np.concatenate(([-1.0], places.astype(np.float64))),
            np.concatenate(([0.0], np.maximum(times, 0.0))),
        )


@dataclass(frozen=True)
class Positions:
    """Turns steps of one run into places on the x axis and back.

    Args:
        steps_per_epoch: None where it is not known.
        clock: None where no times were recorded.
    """

    steps_per_epoch: float | None = None
    clock: Clock | None = None

    def can(self, axis: XAxis) -> bool:
        """Whether this run has places on that axis."""
        match axis:
            case XAxis.STEP:
                return True
            case XAxis.EPOCH:
                return bool(self.steps_per_epoch)
            case XAxis.TIME:
                return self.clock is not None

    def places(self, axis: XAxis, steps: ArrayLike) -> NDArray[np.float64]:
        """Places of steps: steps as they are, epochs done after the step, or seconds of training.

        Args:
            steps: any shape; the axis is one that this run has places on.
        """
        at = np.asarray(steps, np.float64)
        if axis is XAxis.EPOCH and self.steps_per_epoch:
            return (at + 1) / self.steps_per_epoch
        if axis is XAxis.TIME and self.clock is not None:
            clock = self.clock
            beyond = np.maximum(at - clock.steps[-1], 0) * self._seconds_a_step(clock)
            return np.asarray(np.interp(at, clock.steps, clock.times_s) + beyond)
        return at

    def steps(self, axis: XAxis, places: ArrayLike) -> NDArray[np.float64]:
        """The steps, not rounded, that stand at given places; the inverse of `places`."""
        at = np.asarray(places, np.float64)
        if axis is XAxis.EPOCH and self.steps_per_epoch:
            return at * self.steps_per_epoch - 1
        if axis is XAxis.TIME and self.clock is not None:
            clock = self.clock
            pace = self._seconds_a_step(clock)
            beyond = np.maximum(at - clock.times_s[-1], 0) / pace if pace else 0.0
            before = np.minimum(at, 0.0) / (pace or 1.0)
            return np.asarray(np.interp(at, clock.times_s, clock.steps) + beyond + before)
        return at

    @staticmethod
    def _seconds_a_step(clock: Clock) -> float:
        return float(clock.times_s[-1] / (clock.steps[-1] + 1)) if clock.steps[-1] >= 0 else 0.0

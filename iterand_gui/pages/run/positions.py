"""Where the steps of one run stand by epoch and by training time, as far as it is known yet. No Qt."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from iterand_engine.store import RunRow, Series
from iterand_gui.plots.x_axis import Clock, Positions


class RunClock:
    """Collects the series `elapsed_s` of one run."""

    def __init__(self) -> None:
        self._steps = np.empty(0, np.int64)
        self._times_s = np.empty(0, np.float32)
        self._clock: Clock | None = None
        self._made: Positions | None = None

    def take(self, part: Series) -> None:
        """Take new points of the series."""
        self._steps = np.concatenate((self._steps[: part.first], part.steps))
        self._times_s = np.concatenate((self._times_s[: part.first], part.values))
        self._clock = Clock.of_series(self._steps, self._times_s)

    def positions(self, row: RunRow, config: Mapping[str, object]) -> Positions:
        """The positions of the run; the same object as before where nothing else is known.

        Args:
            row: the run.
            config: as stored.
        """
        made = Positions(_steps_per_epoch(row, config), self._clock)
        if self._made != made:
            self._made = made
        return self._made


def _steps_per_epoch(row: RunRow, config: Mapping[str, object]) -> float | None:
    training = config.get("training")
    epochs = training.get("epochs") if isinstance(training, Mapping) else None
    return row.total_steps / epochs if row.total_steps and isinstance(epochs, int) and epochs else None

"""The points of the runs that are compared, as they come, and the curves made of them. No Qt."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from iterand_engine.store import RunRow
from iterand_engine.store.records import Json
from iterand_gui.plots.curve_data import Growing
from iterand_gui.plots.group_curve import GroupCurve, group_curve
from iterand_gui.plots.reduction import Steps, Values
from iterand_gui.plots.x_axis import Clock, Positions, XAxis

Points = tuple[Steps, Values]


class Track:
    """The points of one series of one run."""

    def __init__(self) -> None:
        self._steps: Growing[np.int64] = Growing(np.empty(0, np.int64))
        self._values: Growing[np.float32] = Growing(np.empty(0, np.float32))
        self._changed = 0
        self.is_known = False  # whether anything came, be it that there are no points

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def steps(self) -> Steps:
        return self._steps.array

    @property
    def values(self) -> Values:
        return self._values.array

    @property
    def points(self) -> Points:
        return self.steps, self.values

    def take(self, first: int, steps: Steps, values: Values) -> bool:
        """Take in points; what was known from number `first` on no longer holds.

        Returns:
            False where points before these are still to come, and nothing was taken.
        """
        if first > len(self):
            return False
        self.is_known = True
        self._changed = min(self._changed, first)
        if first == 0:
            self._steps, self._values = Growing(steps), Growing(values)
            return True
        self._steps.cut(first)
        self._steps.extend(steps)
        self._values.cut(first)
        self._values.extend(values)
        return True

    def take_change(self) -> int:
        """The number of the first point that is not what it was when this was asked the last time."""
        changed, self._changed = self._changed, len(self)
        return changed


def mean_curve(members: Sequence[Points]) -> GroupCurve:
    """The curve of a group, of those of its runs that have points."""
    return group_curve([points for points in members if len(points[0])])


def positions_of(rows: Sequence[RunRow], config: Json, clocks: Sequence[Track]) -> Positions:
    """Where the steps of an entry's curve stand by epoch and time.

    Args:
        rows: its runs.
        config: of one of them.
        clocks: their training times; of several runs the mean counts.
    """
    return Positions(steps_per_epoch(rows, config), _mean_clock(clocks))


def steps_per_epoch(rows: Sequence[RunRow], config: Json) -> float | None:
    """Steps of an epoch, which runs of one group share; None before training began."""
    training = config.get("training")
    epochs = training.get("epochs") if isinstance(training, dict) else None
    steps = max((row.total_steps or 0 for row in rows), default=0)
    return steps / epochs if steps and isinstance(epochs, int) and epochs > 0 else None


def _mean_clock(tracks: Sequence[Track]) -> Clock | None:
    """The mean of several runs' times at each step that the longest has a time for."""
    made = (Clock.of_series(track.steps, track.values) for track in tracks)
    clocks = [clock for clock in made if clock is not None]
    if len(clocks) < 2:
        return clocks[0] if clocks else None
    steps = max(clocks, key=lambda clock: float(clock.steps[-1])).steps
    times = [Positions(clock=clock).places(XAxis.TIME, steps) for clock in clocks]
    return Clock(steps, np.mean(times, axis=0))

"""The points of one curve, stored so that the cost of adding points does not grow with the curve.

No Qt. Positions are steps, as everywhere in the store; what a plot draws (`shown`) is the values without what
cannot be drawn, or their logarithms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from iterand_gui.plots.reduction import Steps, Values, running_mean

Number = TypeVar("Number", bound=np.generic)


class Growing(Generic[Number]):
    """An array that grows at its end; views of it, and the array it was made from, never change."""

    def __init__(self, start: NDArray[Number]) -> None:
        self._room, self._count = start, len(start)
        self._is_ours = False

    @property
    def array(self) -> NDArray[Number]:
        """The values so far, as a view."""
        return self._room[: self._count]

    def extend(self, more: NDArray[Number]) -> None:
        """Add values at the end."""
        end = self._count + len(more)
        if end > len(self._room) or not self._is_ours:
            room = np.empty(max(256, end + end // 2), self._room.dtype)
            room[: self._count] = self.array
            self._room, self._is_ours = room, True
        self._room[self._count : end] = more
        self._count = end

    def cut(self, count: int) -> None:
        """Keep the first `count` values."""
        if count < self._count:
            self._count, self._is_ours = count, False  # later values must not overwrite views


@dataclass(frozen=True)
class Look:
    """How values are shown: on a logarithmic scale or not, smoothed over how many steps (0: not at all)."""

    log: bool = False
    smoothing: int = 0


@dataclass(frozen=True)
class CurveChanges:
    """The index of the first point whose value as drawn is not what it was, and of the first such mean."""

    shown: int
    smoothed: int


class CurveData:
    """The points of one curve and what is drawn of them.

    Args:
        steps: positions, never falling, (n,).
        values: (n,); NaN and infinities are kept, and not drawn.
        deviation: for the curve of a group, the deviation at each point, (n,); such a curve does not grow.
        look: how values are shown.
    """

    def __init__(
        self, steps: Steps, values: Values, deviation: Values | None = None, look: Look | None = None
    ) -> None:
        self._steps, self._values, self._deviation = Growing(steps), Growing(values), deviation
        self.show_as(look or Look())

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def steps(self) -> Steps:
        """Positions of the points, never falling, (n,)."""
        return self._steps.array

    @property
    def values(self) -> Values:
        """Values as they were given, (n,)."""
        return self._values.array

    @property
    def deviation(self) -> Values | None:
        """The deviation at each point, (n,); None for the curve of a run."""
        return self._deviation

    def show_as(self, look: Look) -> None:
        """Change how values are shown."""
        self.look = look
        self._changes = CurveChanges(0, 0)
        self._finite = Growing(_finite(self.values))
        self._shown = Growing(_logarithms(self._finite.array)) if look.log else self._finite
        self._smooth, self._window = Growing(np.empty(0, np.float32)), 1
        self._smooth_from(0)

    def extend(self, steps: Steps, values: Values) -> None:
        """Add points at the end of a curve without deviation."""
        before, finite = len(self), _finite(values)
        self._note_change(before)
        self._steps.extend(steps)
        self._values.extend(values)
        self._finite.extend(finite)
        if self._shown is not self._finite:
            self._shown.extend(_logarithms(finite))
        self._smooth_from(before)

    def cut(self, count: int) -> None:
        """Keep the first `count` points."""
        self._note_change(count)
        for part in (self._steps, self._values, self._finite, self._shown, self._smooth):
            part.cut(count)
        if self._deviation is not None:
            self._deviation = self._deviation[:count]
        self._smooth_from(count)

    def take_changes(self) -> CurveChanges:
        """Return what changed since the last call, and forget it."""
        changes, end = self._changes, len(self)
        self._changes = CurveChanges(end, end)
        return changes

    @property
    def shown(self) -> Values:
        """Values as drawn: NaN where nothing can be; on a logarithmic scale logarithms to base 10."""
        return self._shown.array

    @property
    def smoothed(self) -> Values | None:
        """The running mean as drawn; None where nothing is smoothed."""
        return self._smooth.array if self._window > 1 else None

    def band(self) -> tuple[Values, Values] | None:
        """Mean minus and plus deviation as drawn; None for a curve without deviation."""
        if self._deviation is None:
            return None
        spread = np.nan_to_num(self._deviation)  # of one run there is none
        low, high = self._finite.array - spread, self._finite.array + spread
        return (_logarithms(low), _logarithms(high)) if self.look.log else (low, high)

    def nearest(self, step: float) -> int | None:
        """The index of the point nearest to a step; None where there are no points."""
        steps = self.steps
        if not len(steps):
            return None
        after = int(np.searchsorted(steps, int(np.ceil(step))))
        if after == len(steps) or (after and step - steps[after - 1] <= steps[after] - step):
            return after - 1
        return after

    def _note_change(self, first: int, first_mean: int | None = None) -> None:
        known = self._changes
        mean = first if first_mean is None else first_mean
        self._changes = CurveChanges(min(known.shown, first), min(known.smoothed, mean))

    def _smooth_from(self, count: int) -> None:
        """Renew the running mean, of which all but the last half window before `count` still holds."""
        before, self._window = self._window, self._points_in(self.look.smoothing)
        if self._window > 1:
            done = len(self._smooth.array) if self._window == before else 0
            first = max(0, min(count, done) - self._window // 2)
            self._note_change(count, first)
            self._smooth.cut(first)
            means = running_mean(self._finite.array, self._window, first)
            self._smooth.extend(_logarithms(means) if self.look.log else means)

    def _points_in(self, steps: int) -> int:
        """How many points so many steps hold on average: an odd number, not more than there are."""
        count = len(self)
        if not steps or count < 2:
            return 1
        points = steps * (count - 1) / max(1, int(self.steps[-1]) - int(self.steps[0]))
        return 2 * min(round((points - 1) / 2), (count - 1) // 2) + 1 if points > 1 else 1


def _finite(values: Values) -> Values:
    """The values with NaN for infinities; the same array where all are finite."""
    finite = np.isfinite(values)
    return values if finite.all() else np.where(finite, values, np.float32(np.nan))


def _logarithms(values: Values) -> Values:
    """Logarithms to base 10; NaN for zero and below."""
    logs = np.full(len(values), np.nan, np.float32)
    np.log10(values, out=logs, where=values > 0)
    return logs

"""The curve of a group of seeds: mean and deviation at each step that any of them has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from iterand_gui.plots.reduction import Steps, Values


@dataclass(frozen=True)
class GroupCurve:
    """Mean, sample deviation (NaN where only one run counts) and number of runs at each step, all (n,)."""

    steps: Steps
    mean: Values
    deviation: Values
    runs: NDArray[np.int64]


def group_curve(members: Sequence[tuple[Steps, Values]]) -> GroupCurve:
    """Average runs step by step; a run that has not come to a step, or has NaN there, does not count at it.

    Args:
        members: steps, rising, and values of each run.
    Returns:
        Rising steps; the mean is NaN where no run has a number.
    """
    steps = _all_steps([steps for steps, _ in members])
    # Differences to one of the values, so that equal large values deviate by nothing.
    origin = _first_numbers(steps, members)
    sums, squares, runs = np.zeros(len(steps)), np.zeros(len(steps)), np.zeros(len(steps), np.int64)
    for own_steps, values in members:
        known = np.isfinite(values)
        places = np.searchsorted(steps, own_steps[known])
        difference = values[known].astype(np.float64) - origin[places]
        sums[places] += difference
        squares[places] += difference**2
        runs[places] += 1
    mean = np.full(len(steps), np.nan)
    np.divide(sums, runs, out=mean, where=runs > 0)
    variance = np.full(len(steps), np.nan)
    np.divide(squares - sums * np.nan_to_num(mean), runs - 1, out=variance, where=runs > 1)
    deviation = np.sqrt(np.maximum(variance, 0.0))
    return GroupCurve(steps, (mean + origin).astype(np.float32), deviation.astype(np.float32), runs)


def _all_steps(each: Sequence[Steps]) -> Steps:
    """The steps that any run has, rising."""
    if not each:
        return np.empty(0, np.int64)
    longest = max(each, key=len)
    # Runs of a group record at the same steps: then the longest has them all, and nothing need be sorted.
    if all(np.array_equal(steps, longest[: len(steps)]) for steps in each):
        return longest
    return np.unique(np.concatenate(each))


def _first_numbers(steps: Steps, members: Sequence[tuple[Steps, Values]]) -> NDArray[np.float64]:
    origin = np.zeros(len(steps))
    for own_steps, values in reversed(members):
        known = np.isfinite(values)
        origin[np.searchsorted(steps, own_steps[known])] = values[known]
    return origin

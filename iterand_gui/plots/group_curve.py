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
    values = np.full((len(members), len(steps)), np.nan)
    for row, (own_steps, own_values) in zip(values, members, strict=True):
        row[_places(steps, own_steps)] = np.where(np.isfinite(own_values), own_values, np.nan)
    known = ~np.isnan(values)
    runs = known.sum(axis=0)
    # Differences to one of the values, so that equal large values deviate by nothing.
    origin = values[known.argmax(axis=0), np.arange(len(steps))] if members else np.empty(0)
    differences = np.where(known, values - origin, 0.0)
    mean = np.full(len(steps), np.nan)
    np.divide(differences.sum(axis=0), runs, out=mean, where=runs > 0)
    variance = np.full(len(steps), np.nan)
    squares = np.where(known, differences - mean, 0.0) ** 2
    np.divide(squares.sum(axis=0), runs - 1, out=variance, where=runs > 1)
    return GroupCurve(steps, (mean + origin).astype(np.float32), np.sqrt(variance).astype(np.float32), runs)


def _all_steps(each: Sequence[Steps]) -> Steps:
    """The steps that any run has, rising."""
    if not each:
        return np.empty(0, np.int64)
    longest = max(each, key=len)
    # Runs of a group record at the same steps: then the longest has them all, and nothing has to be sorted.
    if all(np.array_equal(steps, longest[: len(steps)]) for steps in each):
        return longest
    return np.unique(np.concatenate(each))


def _places(steps: Steps, own_steps: Steps) -> slice | NDArray[np.intp]:
    """The indices of a run's steps among all steps."""
    if np.array_equal(own_steps, steps[: len(own_steps)]):
        return slice(0, len(own_steps))
    return np.searchsorted(steps, own_steps)

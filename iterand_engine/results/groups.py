"""Folds runs into groups: runs that differ only by the seed become one line with a mean.

Runs with the same group key are the same experiment but for the seed; `is_same_experiment` and
`by_experiment` compare the keys. `differences` decides which options define an experiment.

The newest finished run of each seed counts. `Groups` are updated run by run; 10,000 runs fold in 30 to 50 ms.
Limits: validation accuracy only, as rows have no test accuracy; `figure` computes mean and deviation of any
other numbers. Torch-free.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from iterand_engine.store import RunRow, RunState

# In the order of `Group.text`.
_STATES_SHOWN = (
    RunState.FINISHED,
    *(RunState.RUNNING, RunState.STARTING, RunState.STOPPING, RunState.STALLED, RunState.QUEUED),
    *(RunState.DIVERGED, RunState.FAILED, RunState.INTERRUPTED, RunState.STOPPED),
)
_FINISHED = RunState.FINISHED


@dataclass(frozen=True)
class Figure:
    """Mean and sample deviation (n - 1) of n numbers; the mean needs one number, the deviation two."""

    mean: float | None
    deviation: float | None
    n: int


@dataclass(frozen=True)
class Group:
    """Runs whose results should differ only by the seed.

    `runs` has all of them, the newest first. `seeds` has one run by seed: the newest finished one, else the
    newest. `accuracy` is that of the finished runs in `seeds`.
    """

    key: str
    runs: tuple[RunRow, ...]
    seeds: tuple[RunRow, ...]
    accuracy: Figure

    @cached_property
    def counted(self) -> tuple[RunRow, ...]:
        """The finished run of each seed that has one; every figure of the group is computed from these."""
        return tuple(run for run in self.seeds if run.state is _FINISHED)

    @cached_property
    def states(self) -> Mapping[RunState, int]:
        """The number of seeds in each state."""
        states: dict[RunState, int] = {}
        for run in self.seeds:
            states[run.state] = states.get(run.state, 0) + 1
        return states

    @property
    def n(self) -> int:
        """Number of seeds with a finished run."""
        return self.states.get(_FINISHED, 0)

    @cached_property
    def text(self) -> str:
        """The number of finished seeds, and the states of the others: `2 of 3, 1 diverged`."""
        n, of = self.n, len(self.seeds)
        if n == of:
            return str(n)
        counts = sorted(self.states.items(), key=_place_in_text)
        others = [f"{count} {state}" for state, count in counts if state is not _FINISHED]
        return ", ".join((f"{n} of {of}", *others))

    @cached_property
    def programs(self) -> tuple[str, ...]:
        """The versions of the program that made the run of each seed; more than one deserves a notice."""
        return tuple(sorted({_program(run) for run in self.seeds}))

    def hardware(self, names: Mapping[str, str] | None = None) -> tuple[str, ...]:
        """The hardware that the run of each seed was trained on; more than one deserves a notice.

        Args:
            names: the device's name by run id; for a missing one, the kind of device is used.
        """
        known = names or {}
        return tuple(sorted({known.get(run.id, run.device_kind) for run in self.seeds}))


def is_same_experiment(one: RunRow, other: RunRow) -> bool:
    """Return whether the results of two runs should differ only by the seed."""
    return one.group_key == other.group_key


def by_experiment(rows: Iterable[RunRow]) -> dict[str, list[RunRow]]:
    """Sort runs by experiment: lists by group key, in the order given."""
    found: dict[str, list[RunRow]] = {}
    for row in rows:
        found.setdefault(row.group_key, []).append(row)
    return found


def figure(values: Iterable[float | None]) -> Figure:
    """Compute mean and sample deviation; None and NaN are left out."""
    known = [value for value in values if value is not None and not math.isnan(value)]
    n = len(known)
    if n == 0:
        return _NOTHING
    if n == 1:
        return Figure(known[0], None, 1)
    mean = math.fsum(known) / n
    return Figure(mean, math.sqrt(math.fsum((value - mean) ** 2 for value in known) / (n - 1)), n)


def group_of(key: str, rows: Sequence[RunRow]) -> Group:
    """Fold runs into one group, without a look at their keys.

    Args:
        key: the group's.
        rows: at least one; of runs made at the same time the first counts as the newest.
    """
    if len(rows) == 1:
        row = rows[0]
        only = (row,)
        return Group(key, only, only, figure((row.val_accuracy,)) if row.state is _FINISHED else _NOTHING)
    newest_first = sorted(rows, key=_made_at, reverse=True)  # keeps equal ones in their order
    by_seed: dict[int, RunRow] = {}
    for row in newest_first:
        chosen = by_seed.setdefault(row.seed, row)
        if chosen.state is not _FINISHED and row.state is _FINISHED:
            by_seed[row.seed] = row
    seeds = tuple(by_seed[seed] for seed in sorted(by_seed))
    accuracy = figure(row.val_accuracy for row in seeds if row.state is _FINISHED)
    return Group(key, tuple(newest_first), seeds, accuracy)


class Groups:
    """The groups of a list of runs, updated as the runs change.

    Args:
        rows: the runs, the newest first.
    """

    def __init__(self, rows: Iterable[RunRow] = ()) -> None:
        self._groups: dict[str, Group] = {}
        self._key_of: dict[str, str] = {}
        self.update(rows)

    def update(self, changed: Iterable[RunRow], removed: Iterable[str] = ()) -> set[str]:
        """Add new runs, replace changed ones, and remove others.

        Args:
            changed: rows of new and changed runs, the newest first.
            removed: ids of runs that no longer exist; unknown ids are ignored.
        Returns:
            The keys of the groups that changed or vanished; only these are folded again.
        """
        touched: dict[str, list[RunRow]] = {}
        gone = {run_id: key for run_id in removed if (key := self._key_of.pop(run_id, None)) is not None}
        for key in gone.values():
            touched[key] = []
        for row in changed:
            self._key_of[row.id] = key = row.group_key  # the key of a run never changes
            rows = touched.get(key)
            if rows is None:
                touched[key] = [row]
            else:
                rows.append(row)
        for key, rows in touched.items():
            known = self._groups.pop(key, None)
            members = rows if known is None else _merged(known.runs, rows, gone)
            if members:
                self._groups[key] = group_of(key, members)
        return set(touched)

    def __len__(self) -> int:
        return len(self._groups)

    def get(self, key: str) -> Group | None:
        """Return the group with a key; None if there is none."""
        return self._groups.get(key)

    def newest_first(self) -> list[Group]:
        """List all groups, the one with the newest run first."""
        return sorted(self._groups.values(), key=lambda group: group.runs[0].created_at, reverse=True)


def _merged(known: Sequence[RunRow], changed: Sequence[RunRow], gone: Collection[str]) -> list[RunRow]:
    """Give the runs of a group after a change, new ones before the others."""
    news = {row.id: row for row in changed}
    kept = [news.pop(row.id, row) for row in known if row.id in news or row.id not in gone]
    return [*news.values(), *kept]


_NOTHING = Figure(None, None, 0)


def _place_in_text(item: tuple[RunState, int]) -> int:
    return _STATES_SHOWN.index(item[0])


def _made_at(row: RunRow) -> float:
    return row.created_at


def _program(run: RunRow) -> str:
    return f"{run.program_version} ({run.git_commit[:7]})" if run.git_commit else run.program_version

"""The content of one line of the run table: a run, the seeds of one group, or all cells of a sweep. No Qt.

Figures of a group come from its finished seeds; where none has finished, they are the figures so far and are
marked as such.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from iterand_engine.config.axes import SEED
from iterand_engine.results.differences import ABSENT, differences, short_names, value_of, value_text
from iterand_engine.results.groups import Figure, Group, figure
from iterand_engine.store import RunRow, RunState, SweepRow
from iterand_engine.store.records import Json

# Of several states the first that occurs is shown: live runs, then those that need the user, then ended ones.
URGENCY = (
    *(RunState.RUNNING, RunState.STALLED, RunState.STOPPING, RunState.STARTING, RunState.QUEUED),
    *(RunState.DIVERGED, RunState.FAILED, RunState.INTERRUPTED, RunState.STOPPED, RunState.FINISHED),
)
_RANK = {state: rank for rank, state in enumerate(URGENCY)}
_LIVE = frozenset(state for state in RunState if state.is_live)


class LineKind(IntEnum):
    """What a line stands for."""

    SWEEP = 0
    GROUP = 1
    RUN = 2


@dataclass(frozen=True, slots=True)
class RunLine:
    """One line. `lead` is its newest run, which speaks for what all of them share.

    `n` counts the finished seeds (of a sweep: the cells with one); `is_preliminary` marks an accuracy of runs
    that have not finished. Times in seconds: `left_s` until the last live run is done, `spent_s` of training.
    """

    kind: LineKind
    name: str
    lead: RunRow
    states: Mapping[RunState, int]
    n: int
    n_text: str
    seeds: tuple[int, ...]
    accuracy: Figure
    is_preliminary: bool
    progress: float | None
    left_s: float | None
    spent_s: float
    differs: str = ""

    @property
    def state(self) -> RunState:
        """The state that is shown where there are several."""
        states = self.states
        return next(iter(states)) if len(states) == 1 else min(states, key=_RANK.__getitem__)

    @property
    def urgency(self) -> int:
        """Orders lines by state: what goes on first."""
        return _RANK[self.state]

    @property
    def is_live(self) -> bool:
        """Whether a process trains any of its runs."""
        return self.state in _LIVE


def line_of_run(row: RunRow, *, in_group: bool) -> RunLine:
    """The line of a single run; within a group only its seed sets it apart."""
    done = row.state is RunState.FINISHED
    live = [row] if row.state in _LIVE else []  # few are
    return RunLine(
        LineKind.RUN,
        row.name,
        row,
        {row.state: 1},
        int(done),
        "1" if done else "0 of 1",
        (row.seed,),
        Figure(row.accuracy_so_far, None, int(row.accuracy_so_far is not None)),
        not done and row.accuracy_so_far is not None,
        _progress(live) if live else None,
        _left_s(live) if live else None,
        row.elapsed_s,
        f"seed {row.seed}" if in_group else "",
    )


def line_of_group(group: Group) -> RunLine:
    """The line of a group of seeds."""
    if len(group.runs) == 1:
        return line_of_run(group.runs[0], in_group=False)
    so_far = group.accuracy.n == 0
    return RunLine(
        LineKind.GROUP,
        group.runs[0].name,
        group.runs[0],
        group.states,
        group.n,
        group.text,
        tuple(row.seed for row in group.seeds),
        figure(row.accuracy_so_far for row in group.seeds) if so_far else group.accuracy,
        so_far,
        _progress(group.seeds),
        _left_s(group.runs),
        sum(row.elapsed_s for row in group.runs),
    )


def line_of_sweep(sweep: SweepRow, groups: Sequence[Group]) -> RunLine:
    """The line of a sweep; its accuracy is that of its best cell.

    Args:
        sweep: the sweep.
        groups: its cells, at least one.
    """
    states: dict[RunState, int] = {}
    for group in groups:
        for state, count in group.states.items():
            states[state] = states.get(state, 0) + count
    runs = [row for group in groups for row in group.runs]
    done = sum(1 for group in groups if group.n)
    best = max((group.accuracy for group in groups), key=lambda found: found.mean or -1.0)
    return RunLine(
        LineKind.SWEEP,
        sweep.name,
        max(runs, key=lambda row: row.created_at),
        states,
        done,
        f"{done} of {len(groups)} cells",
        tuple(sorted({row.seed for row in runs})),
        best,
        False,
        _progress([row for group in groups for row in group.seeds]),
        _left_s(runs),
        sum(row.elapsed_s for row in runs),
        _axes_text(sweep),
    )


def _axes_text(sweep: SweepRow) -> str:
    """The options that vary, with their values: `width 0.25 0.5 1, lr 0.1 0.3`."""
    axes = {option: values for option, values in sweep.axes.items() if option != SEED}
    names = short_names(axes)
    varying = (f"{names[option]} {value_text(values)}" for option, values in axes.items())
    return ", ".join(varying)


def place_text(sweep: SweepRow, config: Json) -> str:
    """Where a run stands in its sweep: `width 0.5, lr 0.1`; an option that it lacks is left out."""
    names = short_names([option for option in sweep.axes if option != SEED])
    values = ((name, value_of(config, tuple(option.split(".")))) for option, name in names.items())
    return ", ".join(f"{name} {value_text(value)}" for name, value in values if value is not ABSENT)


def _progress(rows: Sequence[RunRow]) -> float | None:
    """The share of the steps that are done, 0-1; None where all have ended or no total is known."""
    if not any(row.state in _LIVE for row in rows):
        return None
    totals = [row.total_steps or 0 for row in rows]
    known = max(totals)
    if known == 0:
        return None
    steps = [row.total_steps or known if row.state is RunState.FINISHED else row.step for row in rows]
    return min(1.0, sum(steps) / sum(total or known for total in totals))


def _left_s(rows: Sequence[RunRow]) -> float | None:
    """Until the last of the live ones is done, at their mean speed so far."""
    left = [
        row.elapsed_s / row.step * (row.total_steps - row.step)
        for row in rows
        if row.state in _LIVE and row.step > 0 and row.total_steps
    ]
    return max(left, default=None)


def difference_texts(configs: Mapping[str, Json]) -> dict[str, str]:
    """What sets each of these apart from the others, by their keys; what separates most of them first."""
    found = differences(configs).labels()
    return {key: found.text(key) for key in configs}

"""How chosen runs stand and what to do next: `4 interrupted: Resume all`, `1 of 3 diverged`. No Qt.

What can be done with one run is decided by `next_steps`; several runs that stand alike are said together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from iterand_engine.results.next_steps import StepKind
from iterand_engine.store import RunRow, RunState
from iterand_engine.store.records import Json
from iterand_gui.look.theme import state_word
from iterand_gui.session.next_steps import Step, next_steps

# What needs somebody comes first; runs that have finished need nothing.
_ORDER = (
    *(RunState.FAILED, RunState.DIVERGED, RunState.INTERRUPTED, RunState.STALLED, RunState.STOPPED),
    *(RunState.STOPPING, RunState.STARTING, RunState.RUNNING, RunState.QUEUED),
)
_FOR_ALL = (StepKind.RESUME, StepKind.STOP)
_ELSEWHERE = (StepKind.COMPARE, StepKind.CLONE, StepKind.SEEDS)  # the toolbar and the menu have these
_IN_NEED = (RunState.INTERRUPTED, RunState.STALLED)
_EXPLAINED = (RunState.FAILED, RunState.INTERRUPTED)
_SAID = {
    RunState.DIVERGED: "The loss or a trained value was no longer finite.",
    RunState.FAILED: "Its log may say why.",
    RunState.INTERRUPTED: "The process that trained it is gone.",
    RunState.STALLED: "The worker lives, but has made no step for a long time.",
    RunState.STOPPING: "It saves a checkpoint and stops.",
}


@dataclass(frozen=True)
class RunFinding:
    """Runs that stand alike. `run_id` is the newest of them, whose log is worth a look where `has_log`."""

    state: RunState
    ids: tuple[str, ...]
    text: str
    reason: str
    steps: tuple[Step, ...]
    has_log: bool

    @property
    def run_id(self) -> str:
        return self.ids[0]


def findings(rows: Sequence[RunRow], configs: Mapping[str, Json]) -> tuple[RunFinding, ...]:
    """What is to be said of runs.

    Args:
        rows: the runs.
        configs: configurations by run id.
    Returns:
        One for each state that needs reporting, what needs somebody first.
    """
    by_state: dict[RunState, list[RunRow]] = {}
    for row in sorted(rows, key=lambda row: row.created_at, reverse=True):
        by_state.setdefault(row.state, []).append(row)
    said = [state for state in _ORDER if state in by_state]
    return tuple(_finding(state, by_state[state], len(rows), configs) for state in said)


def in_need(rows: Iterable[RunRow], configs: Mapping[str, Json]) -> tuple[RunFinding, ...]:
    """What is to be said while no run is chosen: which of all wait for somebody to let them go on."""
    waiting = [row for row in rows if row.state in _IN_NEED]
    return tuple(replace(one, has_log=False) for one in findings(waiting, configs))


def _finding(state: RunState, rows: Sequence[RunRow], of: int, configs: Mapping[str, Json]) -> RunFinding:
    newest, is_alone = rows[0], len(rows) == 1
    count = f"{len(rows)} of {of}" if of > len(rows) else str(len(rows))
    steps = [
        step
        if is_alone or state is RunState.QUEUED or step.kind not in _FOR_ALL
        else replace(step, text=f"{step.text} all")
        for step in next_steps(newest, configs.get(newest.id, {}))
        if step.kind not in _ELSEWHERE
    ]
    return RunFinding(
        state,
        tuple(row.id for row in rows),
        state_word(state) if of == 1 else f"{count} {state_word(state).lower()}",
        _reason(state, rows),
        tuple(steps),
        state in _EXPLAINED,
    )


def _reason(state: RunState, rows: Sequence[RunRow]) -> str:
    """Why, once for all of them; where they differ, that of the newest."""
    newest = rows[0]
    said = newest.reason or _SAID.get(state, "")
    if state is RunState.RUNNING:
        return ""
    same = all(row.reason == newest.reason for row in rows)
    sentence = f"{said[:1].upper()}{said[1:]}"
    if sentence and not sentence.endswith((".", "!")):
        sentence += "."
    return sentence if same or not sentence else f"The newest: {sentence}"

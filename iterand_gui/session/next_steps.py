"""The next steps that the user can take with one run, the most likely first, and their actions. No widgets.

Pages show the steps as buttons. `results.next_steps` decides which steps a run has, in which order; only
their words stand here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from iterand_engine.results import next_steps as policy
from iterand_engine.results.differences import value_of, value_text
from iterand_engine.results.groups import is_same_experiment
from iterand_engine.results.next_steps import MORE_SEEDS, SLOWER_BY, NextStep, StepKind
from iterand_engine.store import RunRow, RunState

if TYPE_CHECKING:
    from iterand_gui.session.session import Session

LR = "training.lr"


@dataclass(frozen=True)
class Step:
    """One of them: text with a mnemonic, icon (as in `theme.ICONS`), and what it does in a sentence."""

    kind: StepKind
    text: str
    icon: str
    help: str

    @property
    def words(self) -> str:
        """The text without its mnemonic."""
        return self.text.replace("&", "")


_STOP = Step(
    StepKind.STOP, "&Stop", "stop", "Save a checkpoint and free the device; Resume goes on from there"
)
_LEAVE = Step(StepKind.STOP, "Take o&ut of the queue", "stop", "Leave the queue; Resume puts it back")
_RESUME = Step(
    StepKind.RESUME, "&Resume", "resume", "Go on from the last checkpoint, at the head of the queue"
)
_RETRY = Step(
    StepKind.RESUME, "&Resume", "resume", "Try again from the last checkpoint, once the cause is repaired"
)
_FIRST = Step(StepKind.FIRST, "To the hea&d of the queue", "resume", "Train this run next")
_CLONE = Step(StepKind.CLONE, "Clo&ne and edit", "clone", "Open the form with this run's options")
_COMPARE = Step(StepKind.COMPARE, "Compar&e", "compare", "Show it beside other runs")
_MORE = Step(
    StepKind.SEEDS,
    f"+&{MORE_SEEDS} seeds",
    "seeds",
    f"Queue the same options with {MORE_SEEDS} more seeds",
)
_PLAIN = {step.kind: step for step in (_STOP, _RESUME, _FIRST, _CLONE, _COMPARE, _MORE)}
_IN_STATE = {(StepKind.STOP, RunState.QUEUED): _LEAVE, (StepKind.RESUME, RunState.FAILED): _RETRY}


def next_steps(row: RunRow, config: Mapping[str, object]) -> tuple[Step, ...]:
    """The steps that the run's state allows, the most likely first.

    Args:
        row: the run.
        config: its configuration as stored.
    """
    found = (_worded(step, row, config) for step in policy.next_steps(row, config))
    return tuple(step for step in found if step is not None)


def _worded(step: NextStep, row: RunRow, config: Mapping[str, object]) -> Step | None:
    """A step as a button; None for one that the window has elsewhere."""
    match step.kind:
        case StepKind.SLOWER:
            rate = value_text(value_of(config, tuple(LR.split("."))))
            what = f"learning rate {value_text(step.changes[LR])} instead of {rate}"
            return Step(step.kind, f"Clone with lr / &{SLOWER_BY}", "clone", f"Open the form with {what}")
        case StepKind.FP32:
            what = f"Open the form with precision fp32 instead of {row.precision}"
            return Step(step.kind, "Clone &in fp32", "clone", what)
        case kind:
            return _IN_STATE.get((kind, row.state), _PLAIN.get(kind))


def do(session: Session, kind: StepKind, row: RunRow, config: Mapping[str, object]) -> None:
    """Do one of the steps of a run; its result or error comes as a message.

    Args:
        session: the window's.
        kind: of the step.
        row, config: as for `next_steps`.
    """
    actions, run_id = session.actions, row.id
    changes = {step.kind: step.changes for step in policy.next_steps(row, config)}
    doing: dict[StepKind, Callable[[], object]] = {
        StepKind.STOP: lambda: actions.stop([run_id]),
        StepKind.RESUME: lambda: actions.resume([run_id]),
        StepKind.FIRST: lambda: actions.move_first([run_id]),
        StepKind.CLONE: lambda: actions.clone(run_id),
        StepKind.SLOWER: lambda: actions.clone(run_id, changes[kind]),
        StepKind.FP32: lambda: actions.clone(run_id, changes[kind]),
        StepKind.COMPARE: lambda: actions.open_compare.emit(compared(session, row)),
        StepKind.SEEDS: lambda: actions.add_seeds([run_id], MORE_SEEDS),
    }
    doing[kind]()


def compared(session: Session, row: RunRow) -> tuple[str, ...]:
    """The runs to compare with: the selection if it has several runs, else the seeds of the run's group."""
    chosen = session.selection.ids
    if len(chosen) > 1 and row.id in chosen:
        return chosen
    seeds = (other for other in session.watcher.runs.values() if is_same_experiment(other, row))
    return (*(other.id for other in seeds if other.id != row.id), row.id)

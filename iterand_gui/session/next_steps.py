"""What a person can do next with one run, the most likely first, and what does it. No widgets.

Pages show these as buttons; the words and the order are decided here alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from iterand_engine.results.groups import is_same_experiment
from iterand_engine.store import RunRow, RunState

if TYPE_CHECKING:
    from iterand_gui.session.session import Session

LR = "training.lr"
PRECISION = "compute.precision"
_SLOWER = 3  # divides the learning rate of a run that diverged
_SEEDS = 2


class StepKind(StrEnum):
    """What can be done."""

    STOP = "stop"
    RESUME = "resume"
    FIRST = "first"
    CLONE = "clone"
    SLOWER = "slower"
    FP32 = "fp32"
    COMPARE = "compare"
    SEEDS = "seeds"


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
    StepKind.RESUME, "&Resume", "resume", "Try again from the last checkpoint, once the cause is mended"
)
_FIRST = Step(StepKind.FIRST, "To the hea&d of the queue", "resume", "Train this run next")
_CLONE = Step(StepKind.CLONE, "Clo&ne and edit", "clone", "Open the form with this run's options")
_COMPARE = Step(StepKind.COMPARE, "Compar&e", "compare", "Show it beside other runs")
_MORE = Step(StepKind.SEEDS, f"+&{_SEEDS} seeds", "seeds", f"Queue the same options with {_SEEDS} more seeds")
_SAVES = (RunState.STARTING, RunState.RUNNING, RunState.STALLED)


def next_steps(row: RunRow, config: Mapping[str, object]) -> tuple[Step, ...]:
    """What can be done with a run as it stands.

    Args:
        row: the run.
        config: its configuration as stored.
    """
    match row.state:
        case RunState.QUEUED:
            return (_FIRST, _LEAVE, _CLONE)
        case state if state in _SAVES:
            return (_STOP, _COMPARE, _CLONE)
        case RunState.STOPPING:
            return (_COMPARE, _CLONE)
        case RunState.STOPPED | RunState.INTERRUPTED:
            return (_RESUME, _COMPARE, _CLONE)
        case RunState.FAILED:
            return (_RETRY, _CLONE)
        case RunState.DIVERGED:
            return (*_after_divergence(row, config), _COMPARE, _CLONE)
        case _:
            return (_COMPARE, _MORE, _CLONE)


def _after_divergence(row: RunRow, config: Mapping[str, object]) -> tuple[Step, ...]:
    steps: list[Step] = []
    rate = _learning_rate(config)
    if rate:
        told = f"Open the form with learning rate {_third(rate):g} instead of {rate:g}"
        steps.append(Step(StepKind.SLOWER, f"Clone with lr / &{_SLOWER}", "clone", told))
    if row.precision != "fp32":
        told = f"Open the form with precision fp32 instead of {row.precision}"
        steps.append(Step(StepKind.FP32, "Clone &in fp32", "clone", told))
    return tuple(steps)


def do(session: Session, kind: StepKind, row: RunRow, config: Mapping[str, object]) -> None:
    """Do one of the steps of a run; its result or error comes as a message.

    Args:
        session: the window's.
        kind: of the step.
        row, config: as for `next_steps`.
    """
    actions, run_id = session.actions, row.id
    rate = _learning_rate(config) or 0.0
    doing: dict[StepKind, Callable[[], object]] = {
        StepKind.STOP: lambda: actions.stop([run_id]),
        StepKind.RESUME: lambda: actions.resume([run_id]),
        StepKind.FIRST: lambda: actions.move_first([run_id]),
        StepKind.CLONE: lambda: actions.clone(run_id),
        StepKind.SLOWER: lambda: actions.clone(run_id, {LR: _third(rate)}),
        StepKind.FP32: lambda: actions.clone(run_id, {PRECISION: "fp32"}),
        StepKind.COMPARE: lambda: actions.open_compare.emit(compared(session, row)),
        StepKind.SEEDS: lambda: actions.add_seeds([run_id], _SEEDS),
    }
    doing[kind]()


def compared(session: Session, row: RunRow) -> tuple[str, ...]:
    """What a run is compared with: the selection where it has several runs, else the seeds of its group."""
    chosen = session.selection.ids
    if len(chosen) > 1 and row.id in chosen:
        return chosen
    seeds = (other for other in session.watcher.runs.values() if is_same_experiment(other, row))
    return (*(other.id for other in seeds if other.id != row.id), row.id)


def _learning_rate(config: Mapping[str, object]) -> float | None:
    training = config.get("training")
    rate = training.get("lr") if isinstance(training, Mapping) else None
    return float(rate) if isinstance(rate, int | float) else None


def _third(rate: float) -> float:
    """A third to three digits: 0.1 becomes 0.0333."""
    return float(f"{rate / _SLOWER:.3g}")

"""Suggests next steps for a run in its present state, the most likely first, as values.

The command line shows them as commands, the window as buttons; each leaves out steps that it has elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from iterand_engine.store.records import Json, RunRow, RunState

MORE_SEEDS = 2
SLOWER_BY = 3  # divides the learning rate of a run that diverged
_LR, _BATCH_SIZE, _PRECISION = "training.lr", "training.batch_size", "compute.precision"


class StepKind(StrEnum):
    """The kinds of next steps.

    `slower`, `fp32` and `smaller` make a new run with other options, `repair` one with a repaired extension.
    """

    STOP = "stop"
    RESUME = "resume"
    FIRST = "first"
    CLONE = "clone"
    SLOWER = "slower"
    FP32 = "fp32"
    SMALLER = "smaller"
    REPAIR = "repair"
    COMPARE = "compare"
    SEEDS = "seeds"
    LOG = "log"
    EXPORT = "export"


@dataclass(frozen=True)
class NextStep:
    """A next step, with the dotted options in which a new run differs from this one."""

    kind: StepKind
    changes: Mapping[str, object] = field(default_factory=dict)


def next_steps(row: RunRow, config: Json, *, was_started: bool = True) -> tuple[NextStep, ...]:
    """List the steps for a run in its present state.

    Args:
        row: the run.
        config: its configuration as stored.
        was_started: whether its extensions could be run at all. A run keeps its copy of the extensions: if
            their code failed, only a new run helps; if they could not be run, this run can still go on.
    """
    match row.state:
        case RunState.QUEUED:
            return _plain(StepKind.FIRST, StepKind.STOP, StepKind.CLONE)
        case RunState.STARTING:
            return _plain(StepKind.STOP, StepKind.COMPARE, StepKind.CLONE)
        case RunState.RUNNING | RunState.STALLED:
            return _plain(StepKind.LOG, StepKind.STOP, StepKind.COMPARE, StepKind.CLONE)
        case RunState.STOPPING:
            return _plain(StepKind.COMPARE, StepKind.CLONE)
        case RunState.STOPPED | RunState.INTERRUPTED:
            return _plain(StepKind.RESUME, StepKind.COMPARE, StepKind.CLONE)
        case RunState.FAILED:
            cures = _after_failure(row, config, was_started=was_started)
            return (*cures, *_plain(StepKind.RESUME, StepKind.CLONE))
        case RunState.DIVERGED:
            return (*_after_divergence(row, config), *_plain(StepKind.COMPARE, StepKind.CLONE))
        case RunState.FINISHED:
            return _plain(StepKind.EXPORT, StepKind.COMPARE, StepKind.SEEDS, StepKind.CLONE)


def _plain(*kinds: StepKind) -> tuple[NextStep, ...]:
    return tuple(NextStep(kind) for kind in kinds)


def _after_failure(row: RunRow, config: Json, *, was_started: bool) -> list[NextStep]:
    """The step depends on the cause, because a resumed run keeps its options and extensions."""
    batch_size = _number(config, "batch_size")
    if row.end_kind == "out_of_memory" and batch_size is not None:
        return [NextStep(StepKind.SMALLER, {_BATCH_SIZE: max(1, int(batch_size) // 2)})]
    if row.end_kind == "extension" and was_started:
        return [NextStep(StepKind.REPAIR)]
    return []


def _after_divergence(row: RunRow, config: Json) -> list[NextStep]:
    steps: list[NextStep] = []
    lr = _number(config, "lr")
    if lr:
        steps.append(NextStep(StepKind.SLOWER, {_LR: float(f"{lr / SLOWER_BY:.3g}")}))
    if row.precision != "fp32":
        steps.append(NextStep(StepKind.FP32, {_PRECISION: "fp32"}))
    return steps


def _number(config: Json, option: str) -> float | None:
    """Read a numeric option; None if the configuration is not known."""
    training = config.get("training")
    value = training.get(option) if isinstance(training, Mapping) else None
    return value if isinstance(value, int | float) else None

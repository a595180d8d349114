"""Suggests the next step for a run, in one sentence with the command for it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from iterand_engine.results.differences import value_text
from iterand_engine.results.next_steps import StepKind, next_steps
from iterand_engine.store import RunDetail, RunState

SHORT_ID = 8


def next_step(run: RunDetail, checkpoint_step: int | None, config_file: Path) -> str | None:
    """Suggest the next step for a run; None if no command fits.

    Args:
        run: the run in its present state.
        checkpoint_step: the step of its newest checkpoint, None if there is none.
        config_file: the file with its configuration.
    """
    short = run.id[:SHORT_ID]
    steps = next_steps(run, run.config, was_started=bool(run.environments))
    kinds = {step.kind for step in steps}
    changes = {option: value for step in steps for option, value in step.changes.items()}
    goes_on = "from the beginning" if checkpoint_step is None else f"from step {checkpoint_step}"
    resume = f"`iterand queue --resume {short}` goes on {goes_on}"
    if StepKind.LOG in kinds:
        if run.state is RunState.STALLED:
            return f"`iterand log {short}` may say why; `iterand stop {short}` asks it to save and stop"
        return f"`iterand log {short} -f` follows it, `iterand stop {short}` saves and stops it"
    if StepKind.EXPORT in kinds:
        return f"`iterand export {short} --format safetensors --out {short}.safetensors`"
    if kinds & {StepKind.SLOWER, StepKind.FP32}:
        return f"try it anew with `iterand queue {config_file} {_sets(changes)}`"
    if StepKind.SMALLER in kinds:
        return f"`iterand queue {config_file} {_sets(changes)}` trains anew with less; {resume} as it is"
    if StepKind.REPAIR in kinds:
        files = " or ".join(use.file for use in run.extensions)
        return (
            f"repair {files} and enable it, then `iterand queue {config_file}` trains anew; this run keeps"
            " the code that it was made with"
        )
    if StepKind.RESUME in kinds:
        return f"repair the cause, then {resume}" if run.state is RunState.FAILED else resume
    return None


def _sets(changes: Mapping[str, object]) -> str:
    return " ".join(f"--set {option}={value_text(value)}" for option, value in changes.items())

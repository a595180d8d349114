"""What a person may do next with a run, in one sentence with the command for it."""

from __future__ import annotations

from pathlib import Path

from iterand_engine.store import RunDetail, RunState

SHORT_ID = 8
_LOWER_LR = 3  # a diverged run is tried again with its learning rate divided by this


def next_step(run: RunDetail, checkpoint_step: int | None, config_file: Path) -> str | None:
    """Say what suggests itself; None where nothing does.

    Args:
        run: as it stands.
        checkpoint_step: of its newest checkpoint, None where there is none.
        config_file: its configuration.
    """
    short = run.id[:SHORT_ID]
    goes_on = "from the beginning" if checkpoint_step is None else f"from step {checkpoint_step}"
    match run.state:
        case RunState.STOPPED | RunState.INTERRUPTED:
            return f"`iterand queue --resume {short}` goes on {goes_on}"
        case RunState.FAILED:
            return _after_failure(run, config_file, f"`iterand queue --resume {short}` goes on {goes_on}")
        case RunState.DIVERGED:
            return f"try it anew with `iterand queue {config_file} {_calmer(run)}`"
        case RunState.RUNNING:
            return f"`iterand log {short} -f` follows it, `iterand stop {short}` saves and stops it"
        case RunState.STALLED:
            return f"`iterand log {short}` may say why; `iterand stop {short}` asks it to save and stop"
        case RunState.FINISHED:
            return f"`iterand export {short} --format safetensors --out {short}.safetensors`"
        case _:
            return None


def _after_failure(run: RunDetail, config_file: Path, resume: str) -> str:
    """What helps depends on the cause: a resumed run has the options and the code that it was made with."""
    if run.end_kind == "out_of_memory":
        training = run.config["training"]
        assert isinstance(training, dict)
        smaller = f"--set training.batch_size={max(1, training['batch_size'] // 2)}"
        return f"`iterand queue {config_file} {smaller}` trains anew with less; {resume} as it is"
    if run.end_kind == "extension" and run.environments:  # else its code could not even be run
        files = " or ".join(use.file for use in run.extensions)
        return (
            f"mend {files} and enable it, then `iterand queue {config_file}` trains anew; this run keeps"
            " the code that it was made with"
        )
    return f"mend the cause, then {resume}"


def _calmer(run: RunDetail) -> str:
    """The sets that make divergence less likely."""
    training = run.config["training"]
    assert isinstance(training, dict)
    sets = f"--set training.lr={training['lr'] / _LOWER_LR:.3g}"
    return sets if run.precision == "fp32" else f"{sets} --set compute.precision=fp32"

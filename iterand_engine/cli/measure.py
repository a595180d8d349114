"""`iterand measure`: how long the steps of a run take on its device, and so the run."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from iterand_engine.cli.common import (
    JsonOption,
    WorkspaceOption,
    duration,
    json_result,
    opened,
    result,
    results_alone,
)
from iterand_engine.cli.train import ConfigArgument, PresetOption, SetOption, chosen_config
from iterand_engine.config.extension_code import explained
from iterand_engine.errors import UserError
from iterand_engine.extensions.active import allowed
from iterand_engine.machine.settings import data_roots


def measure(
    config: ConfigArgument = None,
    preset: PresetOption = None,
    sets: SetOption = None,
    steps: Annotated[int, typer.Option(min=1, help="Steps to time at most.")] = 30,
    seconds: Annotated[float, typer.Option(min=0, help="Begin no further step after so long.")] = 10.0,
    as_json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Time some training steps of a run, on random images, and say how long the whole run would take."""
    with opened(workspace, makes=True) as at, allowed(at.workspace):
        options = chosen_config(config, preset, sets or [])
        from iterand_engine.preflight import step_time

        try:
            roots = data_roots(at.workspace, at.settings)
            with results_alone():
                found = step_time.measure(options, roots, steps=steps, seconds=seconds)
        except Exception as error:
            sentence = explained(error)
            if sentence is None:
                raise
            raise UserError(sentence) from error
    if as_json:
        json_result(json.dumps({**asdict(found), "run_s": found.run_s}))
        return
    result(
        f"{found.step_s * 1e3:.1f} ms a step (median of {found.steps}, {found.device}, {found.precision}); "
        f"{found.total_steps} steps take {duration(found.run_s)}, without evaluation"
    )

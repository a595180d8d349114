"""The process that trains one claimed run: `python -m iterand_engine.runs.worker_process --run ID`.

A slot starts it with the run's owner token in its environment and its output in the run's `worker.log`; it is
never imported. From then on it needs no other process. Its exit code says only whether the device failed;
everything else is in the store.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from iterand_engine.errors import ExitCode, OwnershipLost, UserError
from iterand_engine.machine.run_log import RunLog, log_path
from iterand_engine.machine.signals import StopSignals
from iterand_engine.machine.workspace import existing_workspace_dir
from iterand_engine.runs.faults import explain
from iterand_engine.runs.report import train_reported
from iterand_engine.slots.launches import TOKEN_VARIABLE
from iterand_engine.store import RunState, Store
from iterand_engine.training.hooks import Hooks


def main(arguments: Sequence[str] | None = None) -> ExitCode:
    """Train the run that the arguments name, under the token in the environment."""
    words = _parser().parse_args(arguments)
    token = os.environ.pop(TOKEN_VARIABLE)  # the processes that load data must not inherit it
    workspace = existing_workspace_dir(words.workspace)
    with (
        StopSignals() as signals,
        Store.open(workspace, makes=False) as store,
        RunLog(log_path(workspace, words.run), _say) as log,
    ):
        try:
            outcome = train_reported(
                workspace,
                store,
                words.run,
                token,
                display=Hooks(),
                log=log,
                signals=signals,
                device=words.device,
            )
        except UserError:
            return ExitCode.USER
        except OwnershipLost:
            return ExitCode.FAILED
        except Exception as error:  # noqa: BLE001 - a process edge: the run and its log have the error
            return ExitCode.DEVICE if explain(error).kind == "device" else ExitCode.FAILED
    match outcome.state:
        case RunState.FINISHED:
            return ExitCode.OK
        case RunState.STOPPED:
            return ExitCode.STOPPED
        case _:
            return ExitCode.FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="iterand_engine.runs.worker_process", description=__doc__)
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--run", required=True, help="its id")
    parser.add_argument("--device", required=True, help="the id of the device to train on")
    return parser


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # At once: after a device error, the interpreter's own cleanup may abort and hide the exit code.
    os._exit(code)

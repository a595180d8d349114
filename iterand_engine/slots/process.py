"""The process of one slot: `python -m iterand_engine.slots.process --workspace W --device D --position N`.

It holds the slot, trains the runs queued for its device and ends when there is none left.
`drain.start_missing` starts it; it is never imported. SIGTERM asks its run to save and stop.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from pathlib import Path

from iterand_engine.errors import ExitCode, UserError
from iterand_engine.machine import processes
from iterand_engine.machine.settings import Settings
from iterand_engine.machine.signals import StopSignals
from iterand_engine.machine.workspace import Workspace, existing_workspace_dir
from iterand_engine.slots.drain import drain
from iterand_engine.slots.places import our_processes, places
from iterand_engine.store import Store
from iterand_engine.store.records import SlotKey, SlotPlace

IDLE_S = 3.0  # runs are often queued one after the other


def main(arguments: Sequence[str] | None = None) -> ExitCode:
    """Hold the slot that the arguments name until nothing is queued for it."""
    words = _parser().parse_args(arguments)
    try:
        with StopSignals() as signals:
            workspace = existing_workspace_dir(words.workspace)
            with Store.open(workspace, makes=False) as store:
                place = _place(workspace, store, words.device, words.position)
                drain(
                    workspace,
                    store,
                    [place],
                    say=_say,
                    should_stop=lambda: signals.requested,
                    idle_s=IDLE_S,
                )
    except UserError as error:
        _say(str(error))
        return ExitCode.USER
    return ExitCode.OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="iterand_engine.slots.process", description=__doc__)
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--device", required=True, help="the device's id: cpu, or the UUID of a GPU")
    parser.add_argument("--position", type=int, required=True, help="0, 1, ... on the device")
    return parser


def _place(workspace: Workspace, store: Store, device: str, position: int) -> SlotPlace:
    key = SlotKey(processes.host_id(), device, position)
    for offered in places(Settings.load(workspace), our_processes(store)):
        if offered.place.key == key:
            return offered.place
    raise UserError(f"There is no slot {position} on {device} here by the settings of {workspace.root}.")


def _say(text: str) -> None:
    print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} [{os.getpid()}] {text}", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())

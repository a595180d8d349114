"""The launch of a slot's and of a worker's process: command line, environment, log."""

from __future__ import annotations

import os

from iterand_engine.machine import own_files
from iterand_engine.machine.launch import Launch, python_launch
from iterand_engine.machine.workspace import Workspace
from iterand_engine.store.records import Claim, SlotKey

TOKEN_VARIABLE = "ITERAND_RUN_TOKEN"  # no argument, because every user of the machine can read arguments


def slot_launch(workspace: Workspace, key: SlotKey) -> Launch:
    """Describe the launch of a slot's process, and make the folder of its log."""
    own_files.make_folder(workspace.slots_dir)
    words = ("--workspace", str(workspace.root), "--device", key.device, "--position", str(key.position))
    log = workspace.slots_dir / f"{key.device}-{key.position}.log"
    return python_launch("iterand_engine.slots.process", words, log)


def worker_launch(workspace: Workspace, claim: Claim, threads: int) -> Launch:
    """Describe the launch of a claimed run's worker, and make the run's folder.

    Args:
        workspace: the run's.
        claim: the run, its owner token, and its slot; the worker uses that slot's device alone.
        threads: how many CPU threads it may use.
    """
    folder, device = workspace.make_run_dir(claim.run_id), claim.key.device
    visible = {
        TOKEN_VARIABLE: claim.token,
        "CUDA_VISIBLE_DEVICES": device if device != "cpu" else "",
        "OMP_NUM_THREADS": str(threads),
        # Threads that wait by spinning take the cores from other processes (docs/decisions.md).
        "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "PASSIVE"),
    }
    words = ("--workspace", str(workspace.root), "--run", claim.run_id, "--device", device)
    return python_launch("iterand_engine.runs.worker_process", words, folder / "worker.log", visible)

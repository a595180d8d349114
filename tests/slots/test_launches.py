"""Both launchers, of `subprocess` and of Qt, start slots and workers that need nobody, by one contract."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from iterand_engine.errors import UserError
from iterand_engine.machine import launch as launching
from iterand_engine.machine import processes
from iterand_engine.machine.launch import Launch
from iterand_engine.machine.workspace import Workspace
from iterand_engine.slots.launches import slot_launch, worker_launch
from iterand_engine.store import RunState, slots
from iterand_engine.store.records import Claim, SlotKey
from iterand_gui.live import launcher as qt
from tests.paths import ROOT
from tests.patience import PATIENCE_S
from tests.slot_processes import Queue, kill

MODULES = {"subprocess": "iterand_engine.machine.launch", "qt": "iterand_gui.live.launcher"}
CPU = SlotKey(processes.host_id(), "cpu", 0)
# Starts a launch and ends, as a window does.
PARENT = """
import json, sys
from importlib import import_module
from pathlib import Path
from iterand_engine.machine.launch import Launch
facts = json.loads(sys.argv[2])
launch = Launch(facts["program"], tuple(facts["arguments"]), facts["environment"], Path(facts["log"]))
import_module(sys.argv[1]).start_detached(launch)
import psutil
left = psutil.Process().children()
sys.exit(f"left: {left}" if left else 0)
"""
# Says who it is, flushes nothing, and lives until it is asked to end.
CHILD = """
import json, os, pathlib, sys, time, psutil
print(json.dumps({
    "pid": os.getpid(), "session": os.getsid(0), "input": sys.stdin.read(), "folder": os.getcwd(),
    "environment": dict(os.environ), "files": psutil.Process().num_fds(),
}))
print("trouble", file=sys.stderr)
while not pathlib.Path(sys.argv[1]).exists():
    time.sleep(0.02)
"""


@pytest.fixture(params=list(MODULES))
def module(request: pytest.FixtureRequest) -> str:
    """Each launcher in turn, by its module."""
    return MODULES[request.param]


def start_and_end(module: str, launch: Launch) -> None:
    """Start a launch from a process that has ended when this returns."""
    facts = {**asdict(launch), "log": str(launch.log)}
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NOT_FOR_THE_CHILD": "1"}
    words = (sys.executable, "-c", PARENT, module, json.dumps(facts))
    done = subprocess.run(
        words, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def reported(log: Path) -> list[str]:
    """The lines of a log, once there are three."""
    deadline_s = time.monotonic() + PATIENCE_S
    while len(lines := log.read_text().splitlines() if log.exists() else []) < 3:
        assert time.monotonic() < deadline_s, lines
        time.sleep(0.02)
    return lines


def test_that_what_is_started_needs_nobody(
    module: str, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    slot = slot_launch(workspace, CPU)
    slot.log.write_text("earlier\n")
    flag = tmp_path / "end now"
    start_and_end(module, replace(slot, arguments=("-c", CHILD, str(flag))))
    earlier, facts, trouble = reported(slot.log)
    child: dict[str, Any] = json.loads(facts)
    try:
        assert (earlier, trouble) == ("earlier", "trouble"), "added to the log, unbuffered, with errors"
        assert psutil.pid_exists(child["pid"]), "outlives who started it"
        assert child["session"] != os.getsid(0), "no terminal of ours reaches it"
        assert (child["input"], child["folder"]) == ("", "/"), "where only the administrator writes"
        assert "NOT_FOR_THE_CHILD" not in child["environment"]
        assert dict(slot.environment).items() <= child["environment"].items()
        assert child["files"] <= 4, "input, output, errors, and the look itself"
    finally:
        flag.touch()
        psutil.wait_procs([process for process in psutil.process_iter() if process.pid == child["pid"]], 10)


@pytest.mark.parametrize("launcher", [launching.start_detached, qt.start_detached], ids=list(MODULES))
def test_that_what_cannot_be_started_is_reported(
    launcher: Callable[[Launch], None], workspace: Workspace
) -> None:
    files = psutil.Process().num_fds()
    with pytest.raises(UserError, match=r"Cannot start .*/no/such/"):
        launcher(replace(slot_launch(workspace, CPU), program="/no/such/program"))
    assert psutil.Process().num_fds() <= files


def test_that_both_start_a_worker_and_a_slot_that_train_what_is_queued(module: str, queue: Queue) -> None:
    queue.set(slots_per_device=2)
    by_worker, by_slot = queue.add({"seed": 1}, {"seed": 2})
    claim = claimed(queue)
    assert claim.run_id == by_worker
    start_and_end(module, worker_launch(queue.workspace, claim, 1))
    start_and_end(module, slot_launch(queue.workspace, replace(CPU, position=1)))
    for run_id in (by_worker, by_slot):
        queue.until_state(run_id, RunState.FINISHED)
    slots.vacate(queue.store, CPU)
    queue.until(lambda: not queue.slots())
    assert claim.token not in "".join(worker_launch(queue.workspace, claim, 1).arguments)


def claimed(queue: Queue) -> Claim:
    """Claim the next run as a slot's process does that dies then."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as holder:
        identity = processes.identity_of(holder.pid)
        assert identity is not None
        token = slots.hold(
            queue.store, CPU, device_name="CPU", device_kind="cpu", identity=identity, program="1"
        )
        assert token is not None
        claim = slots.claim_next(queue.store, CPU, token)
        assert claim is not None
        kill(holder.pid)
    return claim

"""Helpers of the tests of slots: tiny runs in the queue, a copy of the program, and what is left running."""

from __future__ import annotations

import compileall
import contextlib
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from iterand_engine.config.run_config import RunConfig
from iterand_engine.machine import environment, launch
from iterand_engine.machine.allowed import allow_command
from iterand_engine.machine.run_log import last_lines
from iterand_engine.machine.settings import Settings
from iterand_engine.machine.workspace import Workspace, open_workspace_dir
from iterand_engine.runs.make import make_runs
from iterand_engine.slots.drain import start_missing
from iterand_engine.store import RunState, Store
from iterand_engine.store.records import SlotRow
from tests.command_line import TINY
from tests.paths import ROOT
from tests.patience import PATIENCE_S

ENDLESS = {"epochs": 1_000_000, "lr": 0.01}
SHORT = {"epochs": 1, "batch_size": 64, "lr": 0.1}


def copy_of_the_program(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copy the program; slots and workers started from now on run the copy.

    It is no git checkout, so nothing that happens to the real one changes it under a slot's eyes.
    """
    keep = shutil.ignore_patterns("__pycache__", "*.pyc")
    shutil.copytree(ROOT / "iterand_engine", folder / "iterand_engine", ignore=keep)
    shutil.copytree(ROOT / "resources", folder / "resources")
    compileall.compile_dir(folder / "iterand_engine", quiet=1)
    monkeypatch.setattr(environment, "CHECKOUT", folder)
    monkeypatch.setattr(launch, "CHECKOUT", folder)
    # A machine for development may have these set; what is started must not depend on them.
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return folder


class Queue:
    """A workspace whose queue is worked through by real processes.

    Args:
        workspace, store: of the test.
    """

    def __init__(self, workspace: Workspace, store: Store) -> None:
        self.workspace, self.store = workspace, store

    def add(self, *trainings: Mapping[str, Any], **sections: Mapping[str, Any]) -> list[str]:
        """Queue tiny runs, one for each `training` section, with other sections changed for all."""
        base: dict[str, dict[str, Any]] = {name: {**TINY[name], **sections.get(name, {})} for name in TINY}
        configs = [RunConfig.from_mapping({**base, "training": {**SHORT, **it}}) for it in trainings]
        return make_runs(self.workspace, self.store, configs)

    def set(self, **settings: Any) -> None:
        """Change settings, and allow their command."""
        changed = Settings.load(self.workspace).model_copy(update=settings)
        allow_command(self.workspace, changed.on_end)
        changed.save(self.workspace)

    def start(self) -> None:
        """Start the slots that are missing."""
        start_missing(self.workspace, self.store)

    def state(self, run_id: str) -> RunState:
        """How a run stands."""
        return self.store.reader.runs(ids=[run_id])[0].state

    def slots(self) -> list[SlotRow]:
        """The slots as they stand."""
        return self.store.reader.slots()

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition; a failure shows how everything stands."""
        deadline_s = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline_s, self._picture()
            time.sleep(0.05)

    def until_state(self, run_id: str, state: RunState) -> None:
        """Wait until a run stands so."""
        self.until(lambda: self.state(run_id) is state)

    def until_stepping(self, run_id: str) -> None:
        """Wait until a run has done some steps."""
        self.until(lambda: self.store.reader.runs(ids=[run_id])[0].step > 2)

    def worker_pid(self, run_id: str) -> int:
        """The process that trains a run."""
        owner = self.store.reader.runs(ids=[run_id])[0].owner
        assert owner is not None
        return owner.pid

    def holder_pid(self) -> int:
        """The process that holds the only slot."""
        (slot,) = self.slots()
        assert slot.held
        assert slot.holder is not None
        return slot.holder.pid

    def _picture(self) -> str:
        runs = [f"{run.id} {run.state} step {run.step} {run.reason}" for run in self.store.reader.runs()]
        logs = [log for kind in ("slots/*.log", "runs/*/*.log") for log in self.workspace.root.glob(kind)]
        tails = [f"--- {log}\n{last_lines(log)}" for log in logs]
        return "\n".join(["waited in vain", *runs, *map(str, self.slots()), *tails])


@contextmanager
def queue_in(folder: Path) -> Iterator[Queue]:
    """A queue that leaves no process and no open file behind; what is left is ended, and fails the test."""
    workspace = open_workspace_dir(folder)
    files = psutil.Process().num_fds()
    try:
        with Store.open(workspace) as store:
            queue = Queue(workspace, store)
            yield queue
            for slot in queue.slots():
                if slot.holder is not None and slot.held:  # sooner than by itself
                    os.kill(slot.holder.pid, signal.SIGTERM)
        deadline_s = time.monotonic() + PATIENCE_S
        while (left := processes_of(folder)) and time.monotonic() < deadline_s:
            time.sleep(0.05)
        assert not left, f"left running: {[process.cmdline() for process in left]}"
        assert psutil.Process().num_fds() <= files
    finally:
        for process in processes_of(folder):
            kill(process.pid)


def processes_of(folder: Path) -> list[psutil.Process]:
    """The processes that were started for a workspace and still run."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            is_ours = str(folder) in process.cmdline() and process.pid != os.getpid()
            if is_ours and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def kill(pid: int) -> None:
    """End a process without warning."""
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(pid).send_signal(signal.SIGKILL)

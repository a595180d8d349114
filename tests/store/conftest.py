"""A store on disk to test with, and other processes that use the same one."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from iterand_engine.machine import processes
from iterand_engine.machine.processes import ProcessIdentity
from iterand_engine.machine.workspace import Workspace, open_workspace_dir
from iterand_engine.store import Recorder, Store
from iterand_engine.store.runs import adopt_run, claim_run, create_run
from tests.new_runs import new_run
from tests.paths import ROOT
from tests.patience import PATIENCE_S

CHILD_START = """
import sys, time
from pathlib import Path
from iterand_engine.machine import processes
from iterand_engine.errors import OwnershipLost
from iterand_engine.store import NewRun, Recorder, RunState, Store
from iterand_engine.machine.workspace import open_workspace_dir
from iterand_engine.store.runs import adopt_run, claim_run, create_run
store = Store.open(open_workspace_dir(sys.argv[1]))
"""


@dataclass
class Place:
    """A workspace with its store, and the children started on it."""

    workspace: Workspace
    store: Store
    children: list[subprocess.Popen[str]] = field(default_factory=list)

    def new_run(
        self,
        name: str = "run",
        *,
        group: str = "group",
        waiter: ProcessIdentity | None = None,
        first: bool = False,
    ) -> str:
        """A queued run with a small configuration."""
        return create_run(self.store, new_run(name, group=group), waiter, first)

    def started_run(self, name: str = "run") -> tuple[str, str]:
        """A run that this process trains, and its token."""
        run_id = self.new_run(name)
        return run_id, self.taken(run_id)

    def taken(self, run_id: str) -> str:
        """Claim and adopt a run for this process; returns the token."""
        token = claim_run(self.store, run_id)
        adopt_run(self.store, run_id, token, processes.current(), {"threads": 1})
        return token

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Another program holds the database."""
        with closing(sqlite3.connect(self.workspace.db_path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
            other.execute("ROLLBACK")

    def child(self, script: str, *arguments: str) -> subprocess.Popen[str]:
        """Start a process that has opened this store as `store`; its arguments begin at sys.argv[2]."""
        process = subprocess.Popen(
            [sys.executable, "-c", CHILD_START + script, str(self.workspace.root), *arguments],
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            text=True,
        )
        self.children.append(process)
        return process

    def end_children(self) -> None:
        """Kill and reap what still runs."""
        for process in self.children:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A new database; made once, because that takes longer than most tests."""
    workspace = open_workspace_dir(tmp_path_factory.mktemp("empty"))
    Store.open(workspace).close()
    return workspace.db_path.read_bytes()


@pytest.fixture
def place(workspace_dir: Path, empty_database: bytes) -> Iterator[Place]:
    """An empty store."""
    workspace = open_workspace_dir(workspace_dir)
    workspace.db_path.write_bytes(empty_database)
    place = Place(workspace, Store.open(workspace))
    yield place
    place.end_children()
    place.store.close()


@pytest.fixture
def run(place: Place) -> tuple[str, str]:
    """A run that this process trains: its id and token."""
    return place.started_run()


@pytest.fixture
def recorder(place: Place, run: tuple[str, str]) -> Iterator[Recorder]:
    """Records that run; the series `loss` is declared."""
    with Recorder(place.store, *run) as recorder:
        recorder.declare("loss", "step")
        yield recorder


@pytest.fixture
def until() -> Callable[[Callable[[], object]], None]:
    """Wait for a condition; the test fails where it does not come."""

    def wait(condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.01)

    return wait

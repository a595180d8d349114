"""What every test gets: its own workspace, one thread for arithmetic, and a check that it cleans up."""

from __future__ import annotations

import os

# Before anything imports numpy or torch: test processes run side by side and must not fight for the cores.
os.environ["OMP_NUM_THREADS"] = "1"

import gc
import multiprocessing.resource_tracker
import threading
import time
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import psutil
import pytest
from hypothesis import settings

from iterand_engine.machine.workspace import Workspace, open_workspace_dir
from iterand_engine.store import Store
from iterand_gui.live.collector import collect_due
from tests.slot_processes import Queue, copy_of_the_program, queue_in

# The files that take longest are begun first: the last that is begun decides when all are done.
LONGEST = ("test_slots.py", "test_every_view.py", "slots", "test_proof.py", "test_probe_process.py")
LEAK_GRACE_S = 30.0  # a thread or process that is about to end may take this long

# A loaded machine is slow now and then; that is not what a test is about. And a change is judged by the same
# examples as the one before it; `--hypothesis-profile=searching` looks for new ones.
settings.register_profile("searching", deadline=None)
settings.register_profile("the-same", deadline=None, derandomize=True)
settings.load_profile("the-same")

# As in the window, where it may not run in whichever thread makes the next object.
gc.disable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Iterator[None]:
    """Collect what is due, in the main thread."""
    yield
    collect_due()


@pytest.fixture(autouse=True)
def own_places(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No test sees or changes the user's workspace or enables extension code, whatever it forgets to say."""
    monkeypatch.delenv("ITERAND_WORKSPACE", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path_factory.getbasetemp() / "user-data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def workspace_dir(tmp_path: Path) -> Path:
    """An empty folder for a workspace."""
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


@pytest.fixture
def workspace(workspace_dir: Path) -> Workspace:
    """A workspace with nothing in it."""
    return open_workspace_dir(workspace_dir)


@pytest.fixture
def store(workspace: Workspace) -> Iterator[Store]:
    """The open store of an empty workspace."""
    with Store.open(workspace) as opened:
        yield opened


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the program, which slots and workers run from now on."""
    return copy_of_the_program(tmp_path / "program", monkeypatch)


@pytest.fixture
def queue(workspace_dir: Path, program: Path) -> Iterator[Queue]:
    """A queue with real processes, of which none is left behind."""
    with queue_in(workspace_dir) as queue:
        yield queue


@pytest.fixture
def one_thread() -> Iterator[None]:
    """One torch thread, for tests that compare numbers bit for bit."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Fail a test that leaves a thread or a child process running."""
    threads, children = set(threading.enumerate()), _children()
    yield
    deadline = time.monotonic() + LEAK_GRACE_S
    while (left := _left(threads, children)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not left, f"still running after the test: {', '.join(left)}"


def _left(threads: set[threading.Thread], children: set[psutil.Process]) -> list[str]:
    # A dummy stands for a thread that Python did not start, such as one of torch's own.
    new = [t.name for t in set(threading.enumerate()) - threads if not isinstance(t, threading._DummyThread)]
    return new + [f"process {child.pid}" for child in _children() - children]


def _children() -> set[psutil.Process]:
    # multiprocessing keeps one helper for the whole process; it is nobody's leak.
    helper = getattr(multiprocessing.resource_tracker._resource_tracker, "_pid", None)
    return {child for child in psutil.Process().children(recursive=True) if child.pid != helper}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest."""
    ranks = {name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: min(ranks.get(part, len(ranks)) for part in item.path.parts))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip `gpu` tests, with the reason, where there is no GPU that torch can use."""
    if item.get_closest_marker("gpu") and not _cuda_works():
        pytest.skip("needs an NVIDIA GPU and a torch built for CUDA; this machine has not both")


@cache
def _cuda_works() -> bool:
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of an old driver; the answer is no
        return torch.cuda.is_available()


@pytest.fixture
def no_slots(workspace_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace whose settings give the CPU no slot, so that queueing trains nothing; nothing is probed."""

    from tests.command_line import iterand

    def nothing_to_say(workspace: object, configs: object) -> list[str]:
        return []

    monkeypatch.setattr("iterand_engine.cli.queue.check_before_queueing", nothing_to_say)
    assert iterand("settings", "set", "cpu_slot", "false", "--workspace", workspace_dir).code == 0
    return workspace_dir

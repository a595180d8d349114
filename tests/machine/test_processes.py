"""A process is known by more than its number, and a dead one is never taken for alive."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from iterand_engine.machine import processes
from iterand_engine.machine.processes import ProcessIdentity
from tests.patience import PATIENCE_S

SLEEPER = "import time; print('up', flush=True); time.sleep(600)"


@pytest.fixture(params=["proc", "psutil"], autouse=True)
def way_of_looking(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test runs with the kernel's files and with psutil alone, as on other systems."""
    if request.param == "psutil":
        monkeypatch.setattr(processes, "_has_proc", lambda: False)


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[str]]:
    """A process that lives until it is killed."""
    process = subprocess.Popen([sys.executable, "-c", SLEEPER], stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def identity(process: subprocess.Popen[str]) -> ProcessIdentity:
    found = processes.identity_of(process.pid)
    assert found is not None
    return found


def test_that_this_process_is_alive_and_the_same_each_time() -> None:
    assert processes.is_alive(processes.current()) is True
    assert processes.current() == processes.current()


def test_that_two_processes_have_two_identities(sleeper: subprocess.Popen[str]) -> None:
    assert identity(sleeper) != processes.current()
    assert processes.is_alive(identity(sleeper)) is True


def test_that_a_process_killed_and_reaped_is_gone(sleeper: subprocess.Popen[str]) -> None:
    known = identity(sleeper)
    sleeper.kill()
    sleeper.wait()
    assert processes.is_alive(known) is False
    assert processes.identity_of(known.pid) is None


def test_that_a_zombie_is_gone(sleeper: subprocess.Popen[str]) -> None:
    known = identity(sleeper)
    sleeper.kill()
    deadline = time.monotonic() + PATIENCE_S
    while psutil.Process(sleeper.pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert psutil.pid_exists(known.pid)
    assert processes.is_alive(known) is False
    assert processes.identity_of(known.pid) is None


def test_that_a_number_used_again_is_another_process(sleeper: subprocess.Popen[str]) -> None:
    known = identity(sleeper)
    assert processes.is_alive(replace(known, start_ticks=known.start_ticks - 1)) is False


@pytest.mark.parametrize("elsewhere", [{"host": "another"}, {"boot_id": "another"}])
def test_that_a_process_of_another_machine_or_boot_is_not_judged(elsewhere: dict[str, str]) -> None:
    assert processes.is_alive(replace(processes.current(), **elsewhere)) is None  # type: ignore[arg-type]


def test_that_a_process_with_an_odd_name_is_seen(tmp_path: Path) -> None:
    program = tmp_path / "a) S (b"
    program.symlink_to(sys.executable)
    with subprocess.Popen([program, "-Ic", SLEEPER], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert processes.is_alive(identity(process)) is True
        process.kill()

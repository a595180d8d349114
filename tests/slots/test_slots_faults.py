"""What ends runs in slots: a broken device, too little memory, a program that does not start or is new."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from iterand_engine.extensions.active import activated
from iterand_engine.machine.environment import program_stamp
from iterand_engine.machine.settings import Settings
from iterand_engine.slots import held_slot
from iterand_engine.slots.drain import drain, start_missing, why_waiting
from iterand_engine.slots.places import places
from iterand_engine.store import RunState, slots
from iterand_engine.store.runs import request_stop
from iterand_engine.store.sweeps import add_sweep
from tests.extension_code import trusted
from tests.slot_processes import ENDLESS, Queue, kill

# An extension that fails in its third step as devices and allocators do, or that starts a process of its own.
FAULTY = """
import pathlib
import subprocess
from typing import Literal

import torch
from torch import nn

from iterand_engine.extending import model


class Faulty(nn.Module):
    def __init__(self, spec, fault, met):
        super().__init__()
        self.head = nn.Linear(spec.channels * spec.height * spec.width, spec.classes)
        self.fault, self.met, self.calls = fault, pathlib.Path(met), 0

    def forward(self, images):
        self.calls += 1
        if self.calls == 3:
            self.fail()
        return self.head(images.flatten(1))

    def fail(self):
        if self.fault == "memory":
            torch.empty(2**50)
        if self.fault == "helper":
            self.met.write_text(str(subprocess.Popen(["sleep", "600"]).pid))
        if self.fault == "device" and not self.met.exists():
            self.met.touch()
            raise torch.AcceleratorError("CUDA error: uncorrectable ECC error encountered")


@model
def faulty(width_factor, spec, fault: Literal["memory", "helper", "device"] = "device", met: str = ""):
    return Faulty(spec, fault, met)
"""


@pytest.fixture
def met(queue: Queue, tmp_path: Path) -> Iterator[Path]:
    """Where the network `faulty`, an extension of the workspace, writes what it met."""
    trusted(queue.workspace, "faulty.py", FAULTY)
    with activated(queue.workspace):
        yield tmp_path / "met"


def faulty(fault: str, met: Path) -> dict[str, object]:
    """The section `model` of a run that meets a fault."""
    return {"name": "faulty", "fault": fault, "met": str(met)}


def drained(queue: Queue) -> tuple[list[RunState], str]:
    """Drain the machine's slots here; how the runs ended, and what was said."""
    said: list[str] = []
    wanted = [offer.place for offer in places(Settings.load(queue.workspace), ())]
    ended = drain(queue.workspace, queue.store, wanted, say=said.append)
    return [run.state for run in ended], "\n".join(said)


def test_that_a_device_error_closes_its_slot_and_the_run_goes_on_in_another(
    queue: Queue, met: Path, tmp_path: Path
) -> None:
    reported = tmp_path / "reported"
    queue.set(
        slots_per_device=2, on_end=f'echo "$ITERAND_EVENT $ITERAND_DEVICE $ITERAND_STATE" >> {reported}'
    )
    (run_id,) = queue.add({}, model=faulty("device", met))
    queue.start()  # one slot, because one run needs no more
    queue.until_state(run_id, RunState.FINISHED)
    queue.until(lambda: [slot.held for slot in queue.slots()] == [False])
    (closed,) = queue.slots()
    assert closed.key.position == 0
    assert closed.closed_reason == "The device failed (CUDA error: uncorrectable ECC error encountered)"
    assert closed.closed_reason in why_waiting(queue.store, Settings(), queue.store.reader.runs()[0]).text
    run = queue.store.reader.run(run_id)
    assert (run.device_errors, len(run.environments)) == (1, 2)
    assert "Back in the queue after a device error" in "".join(
        event.text for event in queue.store.reader.events(run_id)
    )
    queue.until(lambda: reported.exists() and len(reported.read_text().splitlines()) == 2)
    assert reported.read_text() == "slot cpu closed\nrun  finished\n"


def test_that_a_run_out_of_memory_fails_with_the_size_asked_for_and_its_slot_goes_on(
    queue: Queue, met: Path, tmp_path: Path
) -> None:
    reported = tmp_path / "reported"
    queue.set(on_end=f'echo "$ITERAND_EVENT $ITERAND_STATE $ITERAND_REASON" >> {reported}')
    (greedy,) = queue.add({}, model=faulty("memory", met))
    (modest,) = queue.add({})
    add_sweep(queue.store, "both", {}, {}, [greedy, modest])
    states, said = drained(queue)
    assert states == [RunState.FAILED, RunState.FINISHED]
    reason = queue.store.reader.run(greedy).reason
    assert reason == (
        "Out of memory (4096.0 TiB asked for at once): lower training.batch_size or model.width_factor, "
        "or take a device with more memory."
    )
    assert reason in said
    assert "DefaultCPUAllocator" in (queue.workspace.run_dir(greedy) / "worker.log").read_text()
    queue.until(lambda: reported.exists() and len(reported.read_text().splitlines()) == 3)
    first, *others = reported.read_text().splitlines()
    assert first == f"run failed {reason}"
    assert sorted(others) == ["run finished ", "sweep incomplete 1 of 2 runs finished"]


def test_that_what_a_worker_started_ends_with_it(queue: Queue, met: Path) -> None:
    (run_id,) = queue.add(ENDLESS, model=faulty("helper", met))
    queue.start()
    queue.until(lambda: met.exists() and bool(met.read_text()))
    helper = psutil.Process(int(met.read_text()))
    assert helper.is_running()
    kill(queue.worker_pid(run_id))
    queue.until_state(run_id, RunState.INTERRUPTED)
    queue.until(lambda: not helper.is_running() or helper.status() == psutil.STATUS_ZOMBIE)


def test_that_a_worker_that_cannot_start_is_tried_three_times_and_then_its_run_failed(
    queue: Queue, program: Path
) -> None:
    (program / "iterand_engine" / "runs" / "worker_process.py").write_text(
        "raise OSError('libcuda.so.1 is missing')"
    )
    (run_id,) = queue.add({})
    states, _ = drained(queue)
    assert states == [RunState.QUEUED, RunState.QUEUED, RunState.FAILED]
    run = queue.store.reader.run(run_id)
    assert run.reason is not None
    assert run.reason.startswith("it could not be started 3 times")
    assert run.reason.endswith("its worker ended with exit code 1")
    assert "OSError: libcuda.so.1 is missing" in queue.store.reader.events(run_id)[-1].text


def test_that_a_new_version_of_the_program_holds_the_queue_until_it_is_told_to_go_on(
    queue: Queue, program: Path
) -> None:
    first, second = queue.add(ENDLESS, {})
    queue.start()
    queue.until_stepping(first)
    package = program / "iterand_engine" / "version.py"
    before = program_stamp()
    package.write_text(package.read_text().replace(f'"{before}"', '"99.0"'))
    request_stop(queue.store, first)
    queue.until(lambda: (queue.slots()[0].message or "").startswith("held"))
    sentence = f"the program changed from {before} to 99.0"
    waiting = queue.store.reader.run(second)
    assert why_waiting(queue.store, Settings(), waiting).text == f"Slot 0 of cpu is held: {sentence}."
    assert start_missing(queue.workspace, queue.store) == [], "not even another slot"
    assert (queue.state(first), queue.state(second)) == (RunState.STOPPED, RunState.QUEUED)
    slots.ask(queue.store, [queue.slots()[0].key], "restart")
    queue.until_state(second, RunState.FINISHED)
    assert queue.store.reader.run(second).environments[0].snapshot["program"] == "99.0"


def test_that_a_slot_that_left_the_settings_is_given_back(queue: Queue) -> None:
    queue.set(slots_per_device=2)
    wanted = [offer.place for offer in places(Settings.load(queue.workspace), ())]
    queue.set(slots_per_device=1)
    said: list[str] = []
    assert drain(queue.workspace, queue.store, wanted, say=said.append) == []
    assert said == ["Slot 1 of cpu is no longer in the settings."]
    assert queue.slots() == []


def test_that_trouble_with_the_settings_is_told_and_a_slot_goes_on_once_it_is_mended(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_slot, "TROUBLE_S", 0.2)
    wanted = [offer.place for offer in places(Settings(), ())]
    queue.workspace.settings_path.write_text("cpu_slot: perhaps")
    said: list[str] = []

    def repair(text: str) -> None:
        said.append(text)
        queue.workspace.settings_path.unlink()

    assert drain(queue.workspace, queue.store, wanted, say=repair) == []
    (trouble,) = said
    assert trouble.startswith("Slot 0 of cpu: Setting cpu_slot cannot be 'perhaps'")

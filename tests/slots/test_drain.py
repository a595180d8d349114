"""Which slots a machine offers, which are started, and why a run waits; devices and NVML are fakes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from iterand_engine.config.run_config import RunConfig
from iterand_engine.errors import UserError
from iterand_engine.machine import devices as devices_module
from iterand_engine.machine import processes
from iterand_engine.machine.devices import Device, default_threads
from iterand_engine.machine.environment import program_stamp
from iterand_engine.machine.launch import Launch
from iterand_engine.machine.settings import Settings
from iterand_engine.machine.workspace import Workspace, open_workspace_dir
from iterand_engine.runs.make import make_run, make_runs
from iterand_engine.slots import drain
from iterand_engine.slots import places as places_module
from iterand_engine.slots.drain import start_missing, why_waiting
from iterand_engine.slots.places import my_devices, places, threads_at
from iterand_engine.store import RunState, Store, slots
from iterand_engine.store.records import SlotKey
from iterand_engine.store.runs import request_stop
from tests.command_line import TINY

GIB = 2**30
CPU = Device("cpu", "cpu", "Some CPU", 32 * GIB, 8 * GIB, bf16=False)
ONE = Device("GPU-1111", "cuda", "A100", 80 * GIB, 0, bf16=True)
TWO = Device("GPU-2222", "cuda", "A100", 80 * GIB, 0, bf16=True)
MACHINE = (ONE, TWO, CPU)
HOST = processes.host_id()


@dataclass
class FakeNvml:
    """The part of pynvml that reports who holds memory, by GPU and process id."""

    holders: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    NVMLError: type = OSError

    def nvmlInit(self) -> None:  # noqa: N802 - NVML's own names
        """Begin."""

    def nvmlShutdown(self) -> None:  # noqa: N802
        """End."""

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:  # noqa: N802
        return uuid

    def nvmlDeviceGetComputeRunningProcesses(self, uuid: str) -> list[Any]:  # noqa: N802
        held = self.holders.get(uuid, {})
        return [SimpleNamespace(pid=pid, usedGpuMemory=size) for pid, size in held.items()]


@pytest.fixture(autouse=True)
def cuda_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A torch that can use GPUs."""
    monkeypatch.setattr(devices_module, "_torch_version", lambda: "2.13.0+cu130")


def offered(settings: Settings, machine: tuple[Device, ...] = MACHINE) -> list[tuple[str, int]]:
    """Device and position of what is offered."""
    found = places(settings, (), FakeNvml(), machine)
    assert all(offer.skipped is None for offer in found)
    return [(offer.place.key.device, offer.place.key.position) for offer in found]


# What a machine offers


@pytest.mark.parametrize(
    ("settings", "machine", "expected"),
    [
        (Settings(), MACHINE, ["GPU-1111", "GPU-2222"]),
        (Settings(), (CPU,), ["cpu"]),
        (Settings(cpu_slot=True), MACHINE, ["GPU-1111", "GPU-2222", "cpu"]),
        (Settings(cpu_slot=False), (CPU,), []),
        (Settings(devices=("GPU-2",)), MACHINE, ["GPU-2222"]),
        (Settings(devices=("GPU-2", "cpu")), MACHINE, ["GPU-2222", "cpu"]),
        (Settings(devices=("cpu",)), MACHINE, ["cpu"]),
        (Settings(devices=("cpu",), cpu_slot=False), MACHINE, []),
        (Settings(devices=("GPU-2", "GPU-9")), MACHINE, ["GPU-2222"]),
    ],
)
def test_that_the_settings_say_which_devices_have_slots(
    settings: Settings, machine: tuple[Device, ...], expected: list[str]
) -> None:
    assert [device.id for device in my_devices(settings, machine)] == expected
    assert offered(settings, machine) == [(device, 0) for device in expected]


def test_that_a_device_has_as_many_slots_as_the_settings_say() -> None:
    expected = [(device, position) for device in ("GPU-1111", "GPU-2222") for position in range(3)]
    assert offered(Settings(slots_per_device=3)) == expected


def test_that_devices_of_which_none_is_here_are_a_mistake() -> None:
    with pytest.raises(UserError, match="The setting devices names GPU-9, and none of them is here"):
        my_devices(Settings(devices=("GPU-9",)), MACHINE)


def test_that_gpus_are_nobodys_for_a_torch_without_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices_module, "_torch_version", lambda: "2.13.0+cpu")
    assert offered(Settings()) == [("cpu", 0)]


def test_that_a_gpu_is_skipped_while_others_hold_over_a_gibibyte_of_it() -> None:
    ours, other = os.getpid(), os.getppid()
    nvml = FakeNvml({"GPU-1111": {ours: 9 * GIB, other: GIB}, "GPU-2222": {other: GIB + 1, ours: 9 * GIB}})
    one, two = places(Settings(), {ours}, nvml, MACHINE)
    assert one.skipped is None
    assert two.skipped == "skipped: other programs hold 1.0 GiB of A100"


@pytest.mark.parametrize(
    ("settings", "machine", "device", "share"),
    [
        (Settings(), (CPU,), "cpu", 8),
        (Settings(slots_per_device=2), (CPU,), "cpu", 4),
        (Settings(slots_per_device=9), (CPU,), "cpu", 1),
        (Settings(slots_per_device=2, cpu_share=3), (CPU,), "cpu", 3),
        (Settings(cpu_share=3), MACHINE, "GPU-1111", 4),
    ],
)
def test_that_the_slots_of_a_kind_share_the_cores(
    settings: Settings, machine: tuple[Device, ...], device: str, share: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places_module, "default_threads", lambda: 8)
    found = places(settings, (), FakeNvml(), machine)
    place = next(offer.place for offer in found if offer.place.key.device == device)
    assert threads_at(place, settings, found) == share


# Which slots are started


@dataclass
class Machine:
    """A workspace on a machine with two GPUs, where what would be started is only noted."""

    workspace: Workspace
    store: Store
    nvml: FakeNvml
    started: list[Launch] = field(default_factory=list)

    def start(self) -> list[str]:
        """Start what is missing; the devices."""
        del self.started[:]
        keys = start_missing(self.workspace, self.store, self.started.append)
        assert len(self.started) == len(keys)
        return [key.device for key in keys]

    def queue(self, *devices: str) -> list[str]:
        """Queue a run for each `compute.device`."""
        base = {**TINY, "name": "tiny"}
        mappings = [{**base, "compute": {"precision": "fp32", "device": device}} for device in devices]
        return make_runs(self.workspace, self.store, [RunConfig.from_mapping(it) for it in mappings])

    def hold(self, device: str, program: str | None = None) -> tuple[SlotKey, str]:
        """Hold a slot as this very process; its key and token."""
        key = SlotKey(HOST, device, 0)
        kind = "cpu" if device == "cpu" else "cuda"
        token = slots.hold(
            self.store,
            key,
            device_name=device,
            device_kind=kind,
            identity=processes.current(),
            program=program or program_stamp(),
        )
        assert token is not None
        return key, token

    def why(self, run_id: str) -> str:
        """Why a run waits."""
        return why_waiting(self.store, Settings.load(self.workspace), self.store.reader.run(run_id)).text


@pytest.fixture
def machine(workspace_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """A machine with two GPUs."""
    nvml = FakeNvml()
    monkeypatch.setattr(places_module, "list_devices", lambda: MACHINE)
    monkeypatch.setattr("iterand_engine.runs.make.list_devices", lambda: MACHINE)
    held = devices_module.foreign_bytes
    monkeypatch.setattr(places_module, "foreign_bytes", lambda device, ours, _: held(device, ours, nvml))
    workspace = open_workspace_dir(workspace_dir)
    with Store.open(workspace) as store:
        yield Machine(workspace, store, nvml)


def test_that_nothing_is_started_for_an_empty_queue(machine: Machine) -> None:
    assert machine.start() == []


def test_that_as_many_slots_are_started_as_runs_need(machine: Machine) -> None:
    machine.queue("auto")
    assert machine.start() == ["GPU-1111"]
    machine.queue("cuda", "auto")
    assert machine.start() == ["GPU-1111", "GPU-2222"]


def test_that_a_run_for_one_gpu_starts_that_slot(machine: Machine) -> None:
    machine.queue("GPU-2")
    assert machine.start() == ["GPU-2222"]
    (launch,) = machine.started
    assert launch.arguments[-4:] == ("--device", "GPU-2222", "--position", "0")


def test_that_a_held_slot_without_a_run_takes_one_and_a_busy_one_none(machine: Machine) -> None:
    machine.queue("auto", "auto")
    key, token = machine.hold("GPU-1111")
    assert machine.start() == ["GPU-2222"]
    assert slots.claim_next(machine.store, key, token) is not None
    assert machine.start() == ["GPU-2222"]
    machine.queue("GPU-1")
    assert machine.start() == ["GPU-2222"], "the slot that is held takes it in its turn"


def test_that_closed_and_skipped_slots_are_not_started(machine: Machine) -> None:
    first, second = machine.queue("auto", "auto")
    key, token = machine.hold("GPU-1111")
    slots.close(machine.store, key, token, "its device failed")
    assert slots.release(machine.store, key, token, only_if_idle=False)
    machine.nvml.holders = {"GPU-2222": {1: 2 * GIB}}
    assert machine.start() == []
    assert machine.why(first) == (
        "Slot 0 of GPU-1111 is closed: its device failed; 1 other slot takes none either."
    )
    slots.reopen(machine.store, HOST, "GPU-1")
    assert machine.start() == ["GPU-1111"]
    assert machine.why(second) == ("Slot 0 of GPU-1111 is not started; 1 other slot takes none either.")


def test_that_no_slot_is_started_for_a_run_that_a_process_waits_for(machine: Machine) -> None:
    config = RunConfig.from_mapping({**TINY, "compute": {"precision": "fp32"}})
    run_id = make_run(machine.workspace, machine.store, config, waiter=processes.current(), first=True)
    assert machine.start() == []
    assert machine.why(run_id) == "A process waits to train it as soon as a slot is free."


def test_that_nothing_is_started_beside_another_version_of_the_program(machine: Machine) -> None:
    machine.queue("auto", "auto")
    machine.hold("GPU-1111", program="0.0.1")
    assert machine.start() == []


def test_that_a_run_says_what_it_waits_for(machine: Machine) -> None:
    first, second = machine.queue("GPU-1", "GPU-1")
    key, token = machine.hold("GPU-1111")
    assert machine.why(first) == "It is next: a slot is about to take it."
    assert machine.why(second) == "1 run is before it."
    assert slots.claim_next(machine.store, key, token) is not None
    assert machine.why(second) == f"Slot 0 of GPU-1111 trains run {first[:8]} (tiny)."
    slots.beat(machine.store, key, token, "held: the program changed")
    request_stop(machine.store, first)
    (on_cpu,) = machine.queue("cpu")
    assert machine.why(on_cpu) == (
        "No slot of this machine takes it: it asks for 'cpu' (cpu); see the settings devices and cpu_slot."
    )


# Making runs


def test_that_runs_are_made_for_the_owners_devices(machine: Machine) -> None:
    Settings(devices=("GPU-2",)).save(machine.workspace)
    kinds = {run.device_kind for run in machine.store.reader.runs(ids=machine.queue("auto", "cuda"))}
    assert kinds == {"cuda"}
    (on_cpu,) = machine.store.reader.runs(ids=machine.queue("cpu"))
    assert on_cpu.device_kind == "cpu"
    with pytest.raises(UserError, match=r"compute\.device is 'GPU-1', which the setting devices leaves"):
        machine.queue("auto", "GPU-1")
    Settings(devices=("cpu",)).save(machine.workspace)
    with pytest.raises(UserError, match=r"compute\.device is 'cuda', which the setting devices leaves"):
        machine.queue("cuda")
    assert len(machine.store.reader.runs()) == 3, "all or none"


def test_that_made_runs_are_queued_in_their_order_with_a_file_each(machine: Machine) -> None:
    earlier = machine.queue("auto")
    config = RunConfig.from_mapping({**TINY, "compute": {"precision": "fp32"}})
    first = make_runs(machine.workspace, machine.store, [config, config], first=True)
    assert [run.id for run in machine.store.reader.queued()] == [*first, *earlier]
    for run_id in (*first, *earlier):
        assert (machine.workspace.run_dir(run_id) / "config.yaml").exists()
    assert drain.OfferedPlace is places_module.OfferedPlace
    assert default_threads() == 1
    assert {run.state for run in machine.store.reader.runs()} == {RunState.QUEUED}

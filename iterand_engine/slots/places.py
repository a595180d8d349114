"""Which slots this machine offers by a workspace's settings, and which of them may start a run now.

A place is a position on a device: as many on each of the owner's GPUs as the settings say, and on the CPU
where there is no GPU or it is asked for. Torch-free.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import pynvml

from iterand_engine.errors import UserError
from iterand_engine.machine import processes, texts
from iterand_engine.machine.devices import (
    Device,
    cpu_device,
    default_threads,
    foreign_bytes,
    list_devices,
    trainable_devices,
)
from iterand_engine.machine.settings import Settings
from iterand_engine.store import RunRow, Store
from iterand_engine.store.records import SlotKey, SlotPlace

CPU = "cpu"
FOREIGN_LIMIT_BYTES = 2**30


@dataclass(frozen=True)
class OfferedPlace:
    """A slot that the settings ask for; `skipped` says why no run may start there now."""

    place: SlotPlace
    skipped: str | None = None


def my_devices(settings: Settings, devices: Sequence[Device] | None = None) -> tuple[Device, ...]:
    """The devices that runs of a workspace are given: those of the settings, as far as they are here.

    Args:
        settings: the workspace's.
        devices: of this machine; found by default.
    Raises:
        UserError: the driver does not answer, or the settings name devices and none of them is here.
    """
    found = trainable_devices(list_devices() if devices is None else devices)
    named = settings.devices
    gpus = [d for d in found if d.kind == "cuda" and (not named or d.id.startswith(named))]
    with_cpu = settings.cpu_slot is True or (
        settings.cpu_slot == "auto" and (CPU in named if named else not gpus)
    )
    if not gpus and named and CPU not in named and not with_cpu:
        here = ", ".join(device.id for device in found)
        raise UserError(
            f"The setting devices names {', '.join(named)}, and none of them is here (found: {here}): "
            "change it with `iterand settings set devices ...`."
        )
    return (*gpus, *(d for d in found if d.kind == CPU and with_cpu))


def places(
    settings: Settings,
    ours: Collection[int],
    nvml: Any = pynvml,
    devices: Sequence[Device] | None = None,
) -> list[OfferedPlace]:
    """The slots of this machine, device by device.

    Args:
        settings: the workspace's.
        ours: process ids of the workspace's workers here, see `our_processes`.
        nvml: the NVML binding; tests pass a small object of their own.
        devices: of this machine; found by default.
    Raises:
        UserError: as `my_devices`.
    """
    return [
        OfferedPlace(
            SlotPlace(SlotKey(processes.host_id(), device.id, position), device.name, device.kind), skipped
        )
        for device in my_devices(settings, devices)
        for skipped in [_skipped(device, ours, nvml)]
        for position in range(settings.slots_per_device)
    ]


def our_processes(store: Store) -> set[int]:
    """Process ids of the workers of a workspace on this machine."""
    owners = [run.owner for run in store.reader.live_runs()]
    return {owner.pid for owner in owners if owner is not None and owner.host == processes.host_id()}


def suits(run: RunRow, device: object, place: SlotPlace) -> bool:
    """Whether a run may be trained at a place, as `store.slots` judges it.

    Args:
        run: the run.
        device: its option compute.device.
        place: the place.
    """
    if isinstance(device, str) and device.startswith("GPU-") and not place.key.device.startswith(device):
        return False
    return run.device_kind == place.device_kind


def threads_at(place: SlotPlace, settings: Settings, offered: Sequence[OfferedPlace]) -> int:
    """CPU threads for a run at a place: the slots of its kind of device share the machine's cores.

    Args:
        place: where the run is trained.
        settings: the workspace's; `cpu_share` decides for runs on the CPU.
        offered: all places of this machine.
    """
    if place.device_kind == CPU and settings.cpu_share != "auto":
        return settings.cpu_share
    sharing = sum(other.place.device_kind == place.device_kind for other in offered)
    return max(1, default_threads() // max(1, sharing))


def own_place(run: RunRow, device: object, settings: Settings) -> list[SlotPlace]:
    """Where a run that a person starts may wait for a place though the settings offer none: the CPU.

    Raises:
        UserError: the run needs a GPU, and none here suits it.
    """
    if run.device_kind == CPU:
        cpu = cpu_device()
        return [SlotPlace(SlotKey(processes.host_id(), cpu.id, 0), cpu.name, cpu.kind)]
    mine = ", ".join(settings.devices) or "all"
    raise UserError(
        f"Run {run.id} asks for the device {device!r}, and no GPU here suits it (setting devices: {mine}): "
        "train it where there is one, or see `iterand doctor`."
    )


def _skipped(device: Device, ours: Collection[int], nvml: Any) -> str | None:
    held = foreign_bytes(device, ours, nvml) if device.kind == "cuda" else 0
    if held <= FOREIGN_LIMIT_BYTES:
        return None
    return f"skipped: other programs hold {texts.memory(held)} of {device.name}"

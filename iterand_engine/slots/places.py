"""Lists the slots that this machine offers by a workspace's settings, and which of them may start a run now.

A place is a position on a device: each of the user's GPUs has as many as the settings say, and the CPU has
some if there is no GPU or the settings ask for them. Torch-free.
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
    """A slot that the settings ask for; `skipped` says why no run may start there now, else None."""

    place: SlotPlace
    skipped: str | None = None


def my_devices(settings: Settings, devices: Sequence[Device] | None = None) -> tuple[Device, ...]:
    """Find the devices of this machine that a workspace's settings let its runs use.

    Args:
        settings: the workspace's.
        devices: this machine's; detected by default.
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
    """List the slots of this machine, device by device.

    Args:
        settings: the workspace's.
        ours: process ids of the workspace's workers here, see `our_processes`.
        nvml: the NVML binding; tests pass a small object of their own.
        devices: this machine's; detected by default.
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
    """Find the process ids of a workspace's workers on this machine."""
    owners = [run.owner for run in store.reader.live_runs()]
    return {owner.pid for owner in owners if owner is not None and owner.host == processes.host_id()}


def suits(run: RunRow, device: object, place: SlotPlace) -> bool:
    """Return whether a run may be trained at a place; the same rule as in `store.slots`.

    Args:
        run: the run.
        device: the run's option compute.device.
        place: the place.
    """
    if isinstance(device, str) and device.startswith("GPU-") and not place.key.device.startswith(device):
        return False
    return run.device_kind == place.device_kind


def threads_at(place: SlotPlace, settings: Settings, offered: Sequence[OfferedPlace]) -> int:
    """Compute the CPU threads of a run: the slots of one kind of device share the machine's cores.

    Args:
        place: the run's.
        settings: the workspace's; `cpu_share` decides for runs on the CPU.
        offered: all places of this machine.
    """
    if place.device_kind == CPU and settings.cpu_share != "auto":
        return settings.cpu_share
    sharing = sum(other.place.device_kind == place.device_kind for other in offered)
    return max(1, default_threads() // max(1, sharing))


def own_place(run: RunRow, device: object, settings: Settings) -> list[SlotPlace]:
    """Give the places for a run that the user starts where the settings offer none: one on the CPU.

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

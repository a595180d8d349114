"""What this machine has and offers to the queue, and what a person can do about its slots. No Qt.

Limits: everything here asks drivers, processes or the store, so it is called in background jobs only.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from iterand_engine.errors import UserError
from iterand_engine.machine.devices import (
    Device,
    cpu_device,
    default_threads,
    list_devices,
    trainable_devices,
)
from iterand_engine.machine.environment import program_stamp
from iterand_engine.machine.processes import host_id
from iterand_engine.machine.settings import Settings
from iterand_engine.machine.texts import counted
from iterand_engine.machine.workspace import Workspace
from iterand_engine.slots import drain
from iterand_engine.slots.places import CPU, OfferedPlace, our_processes, places
from iterand_engine.store import Store, slots
from iterand_engine.store.records import SlotKey, SlotRow
from iterand_gui.live.launcher import start_detached
from iterand_gui.look.advice import sentence_of


@dataclass(frozen=True)
class Machine:
    """One look at this machine.

    `usable` are the ids of the devices that the installed torch can train on; `offered` the slots that the
    settings ask for; `cores` those that a run uses where nothing else is said; `older` the slots that a
    process of an earlier program holds; `problem` is a sentence where devices or settings cannot be used.
    """

    host: str
    devices: tuple[Device, ...]
    usable: frozenset[str]
    offered: tuple[OfferedPlace, ...]
    cores: int
    older: frozenset[SlotKey]
    problem: str = ""


def look(settings: Settings, store: Store) -> Machine:
    """Look at the machine.

    Args:
        settings: the workspace's.
        store: of its slots.
    """
    devices: tuple[Device, ...] = (cpu_device(),)
    usable: tuple[Device, ...] = ()
    offered: list[OfferedPlace] = []
    problem = ""
    try:
        devices = list_devices()
        usable = trainable_devices(devices)
        offered = places(settings, our_processes(store), devices=devices)
    except UserError as error:
        problem = str(error)
    return Machine(
        host=host_id(),
        devices=devices,
        usable=frozenset(device.id for device in usable),
        offered=tuple(offered),
        cores=default_threads(),
        older=frozenset(row.key for row in _older(store)),
        problem=problem,
    )


def _older(store: Store) -> list[SlotRow]:
    """The slots of this machine that a process of an earlier program holds."""
    held = [row for row in store.reader.slots() if row.held and row.key.host == host_id()]
    now = program_stamp() if held else ""
    return [row for row in held if row.program != now]


def is_named(device: str, named: Collection[str]) -> bool:
    """Whether the setting `devices` gives a GPU to the runs of the workspace."""
    return not named or device.startswith(tuple(named))


def with_gpu(named: tuple[str, ...], here: Collection[str], gpu: str, wanted: bool) -> tuple[str, ...]:
    """The setting `devices` with one GPU of this machine given or taken.

    Args:
        named: the setting now.
        here: ids of the GPUs of this machine.
        gpu: which of them.
        wanted: whether runs may have it.
    Returns:
        The setting then: nothing where it is all GPUs, also those of later; `cpu` where none is left here,
        because an empty setting would mean all. What is named of other machines stays.
    """
    mine = [one for one in here if (wanted if one == gpu else is_named(one, named))]
    elsewhere = [name for name in named if name != CPU and not any(one.startswith(name) for one in here)]
    beside = CPU in named and any(name != CPU for name in named)  # asked for together with GPUs
    if len(mine) == len(here) and not elsewhere and not beside:
        return ()
    return (*([CPU] if beside or not mine else []), *mine, *elsewhere)


def start_missing(workspace: Workspace, store: Store) -> str:
    """Start the slots that queued runs need; says what was started, or why nothing."""
    started = drain.start_missing(workspace, store, start_detached)
    if started:
        return f"{counted(len(started), 'slot')} started."
    queued = store.reader.queued()
    if not queued:
        return "The queue is empty. Slots start by themselves when runs are queued."
    why = drain.why_waiting(store, Settings.load(workspace), queued[0])
    return f"No slot is missing. Why the first queued run waits: {sentence_of(why)}"


def reopen(workspace: Workspace, store: Store, devices: Collection[str]) -> str:
    """Let closed slots of this machine be used again, and start them where runs wait.

    Args:
        workspace, store: of the slots.
        devices: ids of their devices.
    """
    keys = [key for device in devices for key in slots.reopen(store, host_id(), device)]
    if not keys:
        return "No slot of this machine is closed any more."
    started = drain.start_missing(workspace, store, start_detached)
    return f"{counted(len(keys), 'slot')} opened again, {len(started)} started."


def go_on_after_upgrade(store: Store) -> str:
    """Ask slots of an earlier program to start anew, each when its run has ended."""
    older = [row.key for row in _older(store)]
    slots.ask(store, older, "restart")
    if not older:
        return "No slot is held by an earlier program any more."
    return f"{counted(len(older), 'slot')} will start anew with the new program, each when its run has ended."

"""How this machine works through the queue: start missing slots, drain slots, say why a run waits.

There is no scheduler: each slot's process claims its next run itself, in one transaction (`store.slots`). A
process that queues runs starts the missing slots. Two that do so at once start one process too many, which
finds its slot held and ends. Torch-free, so that the window can import it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from iterand_engine.errors import Advice, OwnershipLost, UserError
from iterand_engine.machine import processes
from iterand_engine.machine.environment import program_stamp
from iterand_engine.machine.launch import Launcher, start_detached
from iterand_engine.machine.settings import Settings
from iterand_engine.machine.workspace import Workspace
from iterand_engine.slots.held_slot import EndedRun, HeldSlot, slot_name, take_hold
from iterand_engine.slots.launches import slot_launch
from iterand_engine.slots.places import OfferedPlace, my_devices, our_processes, places, suits
from iterand_engine.store import RunRow, Store
from iterand_engine.store.records import SlotKey, SlotPlace, SlotRow

__all__ = [
    "EndedRun",
    "Hindrance",
    "OfferedPlace",
    "drain",
    "my_devices",
    "obstacle",
    "places",
    "slot_name",
    "start_missing",
    "why_waiting",
]

POLL_S = 0.1
_RUNS_AT_ONCE = 500


def start_missing(workspace: Workspace, store: Store, launcher: Launcher = start_detached) -> list[SlotKey]:
    """Start the slots that queued runs need and that nobody holds.

    While a process of another version of the program holds a slot of this machine, none is started: the user
    decides when the queue goes on with the new version.

    Args:
        workspace, store: whose queue.
        launcher: starts a process that outlives this one.
    Returns:
        The slots that were started.
    Raises:
        UserError: the settings or the devices cannot be read, or a process cannot be started.
    """
    rows = {row.key: row for row in store.reader.slots() if row.key.host == processes.host_id()}
    if any(row.held and row.program != program_stamp() for row in rows.values()):
        return []
    free, missing = [], []
    for offered in places(Settings.load(workspace), our_processes(store)):
        row = rows.get(offered.place.key)
        if row is not None and row.held:
            free += [offered.place] if row.run_id is None else []
        elif offered.skipped is None and (row is None or row.closed_reason is None):
            missing.append(offered.place)
    started = [place.key for place in _needed(store, free, missing)]
    for key in started:
        launcher(slot_launch(workspace, key))
    return started


def _needed(store: Store, free: list[SlotPlace], missing: list[SlotPlace]) -> list[SlotPlace]:
    """The missing places that are needed for queued runs which no free slot will take."""
    free, missing, needed = list(free), list(missing), []
    for run, device in _queued_with_devices(store):
        if not missing:
            break
        if taken := next((place for place in free if suits(run, device, place)), None):
            free.remove(taken)
        elif taken := next((place for place in missing if suits(run, device, place)), None):
            missing.remove(taken)
            needed.append(taken)
    return needed


def _queued_with_devices(store: Store) -> Iterator[tuple[RunRow, object]]:
    """The queued runs that slots may take, each with its option compute.device, the next one first."""
    queued = [run.id for run in store.reader.queued() if not run.waiting]
    for start in range(0, len(queued), _RUNS_AT_ONCE):
        some = queued[start : start + _RUNS_AT_ONCE]
        found = {run.id: (run, config) for run, config in store.reader.runs_with_configs(ids=some)}
        for run, config in (found[run_id] for run_id in some if run_id in found):
            yield run, _device_of(config)


def _device_of(config: object) -> object:
    compute = config.get("compute") if isinstance(config, dict) else None
    return compute.get("device") if isinstance(compute, dict) else None


@dataclass(frozen=True)
class Hindrance:
    """What keeps a run from being trained, what helps if anything does, and the id of its device."""

    text: str
    advice: Advice | None = None
    device: str = ""


def why_waiting(store: Store, settings: Settings, run: RunRow) -> Hindrance:
    """Say in one sentence why a queued run is not being trained yet.

    Raises:
        UserError: the devices of this machine cannot be read.
    """
    if run.waiting:
        return Hindrance("A process waits to train it as soon as a slot is free.")
    device = _device_of(store.reader.run(run.id).config)
    offered = [p for p in places(settings, our_processes(store)) if suits(run, device, p.place)]
    if not offered:
        return Hindrance(
            f"No slot of this machine takes it: it asks for {device or run.device_kind!r}"
            f" ({run.device_kind}); see the settings devices and cpu_slot."
        )
    rows = {row.key: row for row in store.reader.slots()}
    found = [_why_not(store, offer, rows.get(offer.place.key)) for offer in offered]
    reasons = [reason for reason in found if reason is not None]
    if len(reasons) < len(found):
        ahead = sum(
            other.queue_rank < run.queue_rank
            for other in store.reader.queued()
            if other.queue_rank is not None and run.queue_rank is not None
        )
        before = "1 run is" if ahead == 1 else f"{ahead} runs are"
        return Hindrance(f"{before} before it." if ahead else "It is next: a slot is about to take it.")
    others = len(reasons) - 1
    more = f"; {others} other {'slot takes' if others == 1 else 'slots take'} none either" if others else ""
    return replace(reasons[0], text=f"{reasons[0].text}{more}.")


def _why_not(store: Store, offered: OfferedPlace, row: SlotRow | None) -> Hindrance | None:
    """Say why a slot takes no run now, without a full stop; None where it would take one."""
    name = slot_name(offered.place.key)
    found = obstacle(store, offered, row)
    if found is not None:
        return found
    if row is None or not row.held:
        return Hindrance(f"{name} is not started", Advice.START_SLOTS)
    advice = None if row.program == program_stamp() else Advice.START_SLOTS
    return Hindrance(f"{name} is {row.message}", advice) if row.message else None


def obstacle(store: Store, offered: OfferedPlace, row: SlotRow | None) -> Hindrance | None:
    """Say what keeps every run from a place now, without a full stop; None for a free place.

    Args:
        store: the slots'.
        offered: the place.
        row: its slot, if the store has one.
    """
    key = offered.place.key
    name = slot_name(key)
    if row is not None and row.closed_reason is not None:
        return Hindrance(f"{name} is closed: {row.closed_reason}", Advice.REOPEN_SLOT, key.device)
    if row is not None and row.run_id is not None:
        return Hindrance(f"{name} trains {_named(store, row.run_id)}")
    return Hindrance(f"{name} is {offered.skipped}") if offered.skipped is not None else None


def _named(store: Store, run_id: str) -> str:
    found = store.reader.runs(ids=[run_id])
    return f"run {run_id[:8]} ({found[0].name})" if found else f"run {run_id[:8]}"


def drain(
    workspace: Workspace,
    store: Store,
    wanted: Sequence[SlotPlace],
    *,
    say: Callable[[str], None],
    should_stop: Callable[[], bool] = lambda: False,
    idle_s: float = 0.0,
    launcher: Launcher = start_detached,
) -> list[EndedRun]:
    """Hold slots and train the runs queued for them, each in a process of its own, until none is left.

    Args:
        workspace, store: the queue's.
        wanted: the places to hold; one that is closed, or that a living process holds, is reported and left
            out.
        say: gets a sentence about each start, each end, and each error.
        should_stop: called several times a second; once it is True, the runs are asked to save and stop.
        idle_s: how long to look for further runs when nothing is queued.
        launcher: starts processes that outlive this one.
    Returns:
        The runs that ended, slot by slot; none if no place could be held.
    """
    taken = [take_hold(workspace, store, place, say, launcher) for place in wanted]
    ours = [slot for slot in taken if slot is not None]
    held = list(ours)
    while held:
        stops = should_stop()
        for slot in list(held):
            if stops:
                slot.leave()
            if not _goes_on(slot, idle_s, say):
                held.remove(slot)
                if slot.is_closed:  # the run that its device ended waits for another slot
                    _start_others(workspace, store, launcher, say)
        time.sleep(POLL_S if held else 0.0)
    return [ended for slot in ours for ended in slot.ended]


def _start_others(workspace: Workspace, store: Store, launcher: Launcher, say: Callable[[str], None]) -> None:
    try:
        start_missing(workspace, store, launcher)
    except UserError as error:
        say(str(error))


def _goes_on(slot: HeldSlot, idle_s: float, say: Callable[[str], None]) -> bool:
    try:
        slot.tick(idle_s)
    except OwnershipLost as error:
        say(f"Gave up: {error}.")
        return False
    return not slot.is_done

"""What the strip of slots says: one entry for each slot that works, waits or is closed. No Qt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from iterand_engine.machine import texts as shown
from iterand_engine.slots.places import CPU
from iterand_engine.store import RunRow, SlotKey, SlotRow
from iterand_gui.look.run_line import line_of_run
from iterand_gui.look.theme import STATE_LOOKS, Role

_SHORT_DEVICE = 12  # characters of a GPU's UUID that name it: GPU- and its first group


class Click(Enum):
    """What a click on a slot does."""

    OPEN_RUN = auto()
    SHOW_SETTINGS = auto()
    START = auto()


@dataclass(frozen=True)
class SlotFacts:
    """One slot.

    `device` names it, `word` says how it stands and `detail` more of that, `text` what it trains or why it
    does not; `progress` is 0-1 or None.
    """

    key: SlotKey | None
    device: str
    icon: str
    role: Role
    word: str
    text: str
    detail: str = ""
    progress: float | None = None
    run_id: str | None = None
    click: Click = Click.SHOW_SETTINGS

    @property
    def sentence(self) -> str:
        """All of it, for those who cannot see it."""
        return ", ".join(filter(None, (self.device, self.word, self.text, self.detail)))


def slot_facts(
    slots: Sequence[SlotRow], runs: Mapping[str, RunRow], queued: int, host: str
) -> list[SlotFacts]:
    """The slots to show.

    Args:
        slots: as the store has them.
        runs: all runs by id.
        queued: how many runs wait in the queue.
        host: this machine.
    Returns:
        Those of this machine first. Where runs wait and no slot is there to take them, an entry that says so;
        nothing where there is nothing to say.
    """
    said = [slot for slot in slots if slot.held or slot.run_id is not None or slot.closed_reason]
    names = _names(said, host)
    facts = [
        _facts(slot, names[slot.key], runs)
        for slot in sorted(said, key=lambda s: (s.key.host != host, s.key))
    ]
    if queued and not any(slot.held for slot in said):
        waiting = shown.counted(queued, "run waits", "runs wait")
        start = "Click to start the slots that are missing"
        facts.append(
            SlotFacts(None, "No slot is working", "clock", "warn", "", waiting, start, click=Click.START)
        )
    return facts


def _facts(slot: SlotRow, device: str, runs: Mapping[str, RunRow]) -> SlotFacts:
    if slot.run_id is not None:
        return _training(slot, device, runs.get(slot.run_id))
    if slot.closed_reason is not None:
        return SlotFacts(slot.key, device, "x-circle-fill", "bad", "Closed", slot.closed_reason)
    if slot.message:
        return SlotFacts(slot.key, device, "warning", "warn", "Waiting", slot.message)
    return SlotFacts(slot.key, device, "moon", "muted", "Idle", "Looks for a run that it can train")


def _training(slot: SlotRow, device: str, run: RunRow | None) -> SlotFacts:
    if run is None:  # its row comes with the next look
        return SlotFacts(slot.key, device, "play-fill", "accent", "Running", f"Run {(slot.run_id or '')[:8]}")
    look = STATE_LOOKS[run.state]
    line = line_of_run(run, in_group=False)
    return SlotFacts(
        slot.key,
        device,
        look.icon,
        look.role,
        look.word,
        f"{run.name}, seed {run.seed}",
        shown.time_left(line.left_s),
        line.progress,
        run.id,
        Click.OPEN_RUN,
    )


def _names(slots: Sequence[SlotRow], host: str) -> dict[SlotKey, str]:
    """What sets each slot apart: the device, its number where several are alike, the machine if another."""
    positions = Counter((slot.key.host, slot.key.device) for slot in slots)
    devices = {(slot.key.host, slot.key.device): _plain(slot) for slot in slots}
    alike = Counter(devices.values())
    names: dict[SlotKey, str] = {}
    for slot in slots:
        place = slot.key.host, slot.key.device
        parts = [devices[place]]
        if alike[devices[place]] > 1 and slot.key.device != CPU:
            parts.append(slot.key.device[4:_SHORT_DEVICE])
        if positions[place] > 1:
            parts.append(f"slot {slot.key.position + 1}")
        if slot.key.host != host:
            parts.append("on another machine")
        names[slot.key] = " · ".join(parts)
    return names


def _plain(slot: SlotRow) -> str:
    if slot.key.device == CPU:
        return "CPU"
    return slot.device_name.removeprefix("NVIDIA ")

"""The slots of all machines as lines of a table: which, how each stands in a word, and why. No Qt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from iterand_engine.slots.places import CPU, OfferedPlace
from iterand_engine.store import RunRow, SlotRow
from iterand_engine.store.records import SlotKey
from iterand_gui.look.theme import Role
from iterand_gui.pages.settings.machine import Machine

_SHORT_DEVICE = 12  # characters of a GPU's UUID that name it: GPU- and its first group


@dataclass(frozen=True)
class SlotLine:
    """One slot. `icon` and `word` say how it stands, `why` what it does or waits for, in a sentence."""

    key: SlotKey
    device: str
    word: str
    icon: str
    role: Role
    why: str

    @property
    def is_closed(self) -> bool:
        """Whether it must be opened again before it is used."""
        return self.word == "Closed"


def slot_lines(
    rows: Sequence[SlotRow], machine: Machine | None, runs: Mapping[str, RunRow]
) -> list[SlotLine]:
    """All slots: those that there are rows for, and those that the settings offer besides.

    Args:
        rows: as the store has them.
        machine: the last look at this machine, if there was one.
        runs: all runs by id, for their names.
    """
    offered = {offer.place.key: offer for offer in machine.offered} if machine is not None else {}
    known = {row.key: row for row in rows}
    names = {offer.place.key: offer.place.device_name for offer in offered.values()}
    names |= {row.key: row.device_name for row in rows}
    host = machine.host if machine is not None else None
    keys = sorted(names, key=lambda key: (key.host != host, key))
    return [
        SlotLine(
            key,
            _device(key, names[key], is_here=key.host == host or host is None),
            *_standing(known.get(key), offered.get(key), runs, machine),
        )
        for key in keys
    ]


def _device(key: SlotKey, name: str, *, is_here: bool) -> str:
    which = "CPU" if key.device == CPU else key.device[:_SHORT_DEVICE]
    return f"{which}, {name}" + ("" if is_here else ", on another machine")


def _standing(
    row: SlotRow | None, offer: OfferedPlace | None, runs: Mapping[str, RunRow], machine: Machine | None
) -> tuple[str, str, Role, str]:
    """Word, icon, its colour, and why."""
    if row is not None and row.closed_reason is not None:
        return "Closed", "x-circle-fill", "bad", _sentence(row.closed_reason)
    if row is not None and row.run_id is not None:
        return "Training", "play-fill", "accent", _training(row, runs, machine)
    if row is not None and row.held and row.message:
        return "Waiting", "warning", "warn", _sentence(row.message)
    if row is not None and row.held:
        return "Idle", "clock", "muted", "Looks for a run that it can train."
    if offer is not None and offer.skipped is not None:
        return "Waiting", "warning", "warn", _sentence(offer.skipped)
    return "Not started", "minus-circle", "muted", "Starts by itself when a run is queued that it can train."


def _training(row: SlotRow, runs: Mapping[str, RunRow], machine: Machine | None) -> str:
    assert row.run_id is not None  # asked before
    run = runs.get(row.run_id)
    what = f"{run.name}, seed {run.seed}." if run is not None else f"Run {row.run_id[:8]}."
    if machine is not None and row.key in machine.older:
        return f"{what} Its process is of an earlier program ({row.program})."
    return what if row.held else f"{what} Nothing follows it: the slot's own process has ended."


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."

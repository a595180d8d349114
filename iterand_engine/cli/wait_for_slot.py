"""Waits for a slot's place for a run in the foreground, and says why it has to wait."""

from __future__ import annotations

import time

from iterand_engine.cli.common import Opened, say
from iterand_engine.cli.words import as_typed, help_by, sentence_with
from iterand_engine.errors import UserError
from iterand_engine.machine.settings import Settings
from iterand_engine.machine.signals import StopSignals
from iterand_engine.slots.drain import obstacle, slot_name, why_waiting
from iterand_engine.slots.places import OfferedPlace, our_processes, own_place, places, suits
from iterand_engine.store import RunDetail, RunRow, RunState, slots
from iterand_engine.store import queue as store_queue
from iterand_engine.store.records import Claim, SlotRow

POLL_S = 0.2
LOOK_S = 5.0  # between two looks at what the machine offers


def wait_for_slot(at: Opened, run_id: str, before: RunState, signals: StopSignals) -> Claim | None:
    """Wait until a queued run, whose waiter this process is, gets a place.

    Args:
        at: the run's workspace.
        run_id: the run's id.
        before: its state before it was queued, which it gets back if the user gives up.
        signals: say whether the user gives up.
    Returns:
        The claim; None if the user gave up, or the run was stopped meanwhile.
    Raises:
        UserError: no device here suits the run, or it left the queue in another way.
    """
    run = at.store.reader.run(run_id)
    said, look_at_s = "", 0.0
    offered: list[OfferedPlace] = []
    try:
        while not signals.requested:
            if time.monotonic() >= look_at_s:
                offered, look_at_s = _offered(at, run), time.monotonic() + LOOK_S
            free = [offer.place for offer in offered if offer.skipped is None]
            claim = slots.claim_waiting(at.store, run_id, free)
            if isinstance(claim, Claim):
                return claim
            reason = _reason(at, offered, claim)
            if reason != said:
                say(f"Waiting for a slot: {reason}. Ctrl+C gives up; --now does not wait for slots.")
                said = reason
            time.sleep(POLL_S)
    except UserError:
        if at.store.reader.run(run_id).state is RunState.STOPPED:  # by `iterand stop`, say
            return None
        store_queue.withdraw(at.store, run_id, before)
        raise
    store_queue.withdraw(at.store, run_id, before)
    return None


def _offered(at: Opened, run: RunDetail) -> list[OfferedPlace]:
    """Find the places that suit a run; for a run on the CPU one of its own if the settings give none."""
    compute = run.config["compute"]
    device = compute.get("device") if isinstance(compute, dict) else None
    offered = places(Settings.load(at.workspace), our_processes(at.store))
    suited = [offer for offer in offered if suits(run, device, offer.place)]
    return suited or [OfferedPlace(place) for place in own_place(run, device, at.settings)]


def _reason(at: Opened, offered: list[OfferedPlace], rows: list[SlotRow]) -> str:
    """Say why none of the places is free, without a full stop."""
    taken = {row.key: row for row in rows}
    found = []
    for offer in offered:
        hindrance = obstacle(at.store, offer, taken.get(offer.place.key))
        if hindrance is None:
            found.append(f"{slot_name(offer.place.key)} goes to a run that waited before this one")
        else:
            found.append(hindrance.text)
            found += [help_by(hindrance.advice, hindrance.device)] if hindrance.advice else []
    return "; ".join(found)


def waiting_words(at: Opened, run: RunRow) -> str:
    """Why a queued run is not being trained yet, and what helps; errors as `why_waiting`."""
    why = why_waiting(at.store, at.settings, run)
    return as_typed(sentence_with(why.advice, why.text, why.device))

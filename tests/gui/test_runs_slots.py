"""The strip of slots above the table: what each says, and what a click does."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from iterand_engine.machine import processes
from iterand_engine.store import Recorder, RunState, SlotKey, SlotRow, Store, slots
from iterand_engine.store.runs import adopt_run
from iterand_gui.pages.runs.slot_facts import Click, slot_facts
from tests.gui import run_rows
from tests.gui.open_runs_page import OpenRuns, add_run, end

HOST = "here"
SLOT = SlotRow(SlotKey(HOST, "cpu", 0), "Some CPU", "cpu", None, True, None, None, None, None, None)


def hold(store: Store, device: str = "cpu") -> tuple[SlotKey, str]:
    """A slot that this process holds."""
    key = SlotKey(processes.host_id(), device, 0)
    token = slots.hold(
        store, key, device_name="Some CPU", device_kind="cpu", identity=processes.current(), program="x"
    )
    assert token is not None
    return key, token


def test_that_a_slot_shows_its_run_live_and_a_click_opens_it(open_runs_page: OpenRuns) -> None:
    claims = []

    def store_runs(store: Store) -> None:
        add_run(store)
        key, token = hold(store)
        claim = slots.claim_next(store, key, token)
        assert claim is not None
        adopt_run(store, claim.run_id, claim.token, processes.current(), {"device": "cpu"})
        claims.append(claim)

    gui = open_runs_page(store_runs)
    (claim,) = claims
    strip = gui.page.strip
    gui.until(lambda: len(strip.cards) == 1 and strip.isVisible())
    (card,) = strip.cards
    with Recorder(gui.store, claim.run_id, claim.token) as recorder:
        recorder.progress(40, 1, 100)
        gui.until(lambda: card.facts is not None and card.facts.progress == 0.4)
        assert "Running, tiny, seed 1" in card.accessibleName()
        card.setFocus()
        QTest.keyClick(card, Qt.Key.Key_Space)
        assert gui.heard("open_run") == [claim.run_id]
        recorder.finish(RunState.FINISHED)
    gui.until(lambda: card.facts is not None and card.facts.word == "Idle")


def test_that_a_closed_slot_says_why_and_leads_to_the_settings(open_runs_page: OpenRuns) -> None:
    def store_runs(store: Store) -> None:
        add_run(store)
        key, token = hold(store)
        slots.close(store, key, token, "the device broke")

    gui = open_runs_page(store_runs)
    gui.until(lambda: gui.page.strip.cards)
    card = gui.page.strip.cards[0]
    assert "Closed, the device broke" in card.accessibleName()
    card.click()
    assert gui.heard("show_page") == ["settings"]


def test_that_a_queue_without_slots_can_be_started(open_runs_page: OpenRuns) -> None:
    gui = open_runs_page(lambda store: [add_run(store, name) for name in ("one", "two")])
    gui.until(lambda: gui.page.strip.cards)
    (card,) = gui.page.strip.cards
    assert "2 runs wait" in card.accessibleName()
    card.click()
    gui.until(lambda: gui.launched)


def test_that_nothing_is_shown_where_nothing_works_or_waits(open_runs_page: OpenRuns) -> None:
    gui = open_runs_page(lambda store: end(store, add_run(store), RunState.STOPPED))
    assert not gui.page.strip.isVisible()


def test_that_slots_have_different_names() -> None:
    keys = [SlotKey(HOST, f"GPU-{n}fa1b2c4-aaaa", 0) for n in (1, 2)]
    gpus = [replace(SLOT, key=key, device_name="NVIDIA A100", device_kind="cuda") for key in keys]
    second = replace(SLOT, key=SlotKey(HOST, "cpu", 1))
    other = replace(SLOT, key=SlotKey("there", "GPU-9", 0), device_name="Tesla T4")
    facts = slot_facts([other, *gpus, SLOT, second], {}, 0, HOST)
    assert [one.device for one in facts] == [
        "A100 · 1fa1b2c4",
        "A100 · 2fa1b2c4",
        "CPU · slot 1",
        "CPU · slot 2",
        "Tesla T4 · on another machine",
    ]


def test_that_a_slot_that_nobody_holds_is_not_shown() -> None:
    gone = replace(SLOT, held=False)
    assert slot_facts([gone], {}, 0, HOST) == []
    (waiting,) = slot_facts([gone], {}, 3, HOST)
    assert (waiting.text, waiting.click) == ("3 runs wait", Click.START)


def test_that_a_slot_that_waits_says_why() -> None:
    (facts,) = slot_facts([replace(SLOT, message="held: the program changed")], {}, 1, HOST)
    assert (facts.word, facts.text, facts.click) == (
        "Waiting",
        "held: the program changed",
        Click.SHOW_SETTINGS,
    )


def test_that_a_slots_run_that_is_not_read_yet_is_shown_by_its_id() -> None:
    run = run_rows.run(7, state=RunState.STOPPING, step=50, elapsed_s=10.0)
    slot = replace(SLOT, run_id=run.id)
    (unknown,) = slot_facts([slot], {}, 0, HOST)
    (known,) = slot_facts([slot], {run.id: run}, 0, HOST)
    assert (unknown.text, unknown.run_id) == (f"Run {run.id}", None)
    assert (known.word, known.detail, known.click) == ("Stopping", "10 s left", Click.OPEN_RUN)

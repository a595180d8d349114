"""Slots are held by one process, give their place to one run, and are left to whoever waits before."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from iterand_engine.errors import OwnershipLost, UserError
from iterand_engine.machine.processes import ProcessIdentity
from iterand_engine.store import (
    Claim,
    RunState,
    SlotKey,
    SlotPlace,
    queue,
    slots,
    states,
)
from iterand_engine.store.runs import create_run, request_stop
from tests.new_runs import new_run
from tests.store.slot_tools import (
    CPU,
    CPU_2,
    ELSEWHERE,
    GONE,
    GPU_A,
    GPU_B,
    HERE,
    adopt,
    change,
    finish,
    held,
    hold,
    next_id,
    only_slot,
)

if TYPE_CHECKING:
    from tests.store.conftest import Place


def test_that_one_living_process_holds_a_slot(place: Place) -> None:
    token = held(place)
    assert hold(place) is None
    row = only_slot(place)
    assert (row.key, row.device_name, row.device_kind, row.program) == (*_names(CPU), "0.1.0")
    assert (row.holder, row.held, row.run_id, row.message) == (HERE, True, None, None)
    assert row.started_at is not None
    assert slots.beat(place.store, CPU.key, token, "looking") is None
    assert only_slot(place).message == "looking"
    assert hold(place, CPU_2) is not None


def _names(at: SlotPlace) -> tuple[SlotKey, str, str]:
    return at.key, at.device_name, at.device_kind


@pytest.mark.parametrize("gone", [GONE, replace(HERE, boot_id="an earlier boot")])
def test_that_a_slot_of_a_dead_process_is_taken_over(place: Place, gone: ProcessIdentity) -> None:
    old = held(place, identity=gone)
    change(place, f"UPDATE slot SET heartbeat_at = heartbeat_at - {states.STALE_AFTER_S + 1}")
    assert not only_slot(place).held
    held(place)
    assert only_slot(place).held
    for late in (
        lambda: slots.beat(place.store, CPU.key, old, None),
        lambda: slots.claim_next(place.store, CPU.key, old),
        lambda: slots.close(place.store, CPU.key, old, "x"),
        lambda: slots.beat(place.store, CPU_2.key, old, None),
    ):
        with pytest.raises(OwnershipLost, match="another process holds slot"):
            late()
    assert slots.release(place.store, CPU.key, old, only_if_idle=False)
    assert only_slot(place).held


def test_that_a_holder_elsewhere_lives_by_its_heartbeat(place: Place) -> None:
    far = SlotPlace(SlotKey("elsewhere", "cpu", 0), "a processor", "cpu")
    token = held(place, far, ELSEWHERE)
    change(place, f"UPDATE slot SET heartbeat_at = heartbeat_at - {states.STALE_AFTER_S - 5}")
    assert hold(place, far, ELSEWHERE) is None
    slots.beat(place.store, far.key, token, None)
    change(place, f"UPDATE slot SET heartbeat_at = heartbeat_at - {states.STALE_AFTER_S + 1}")
    assert hold(place, far, ELSEWHERE) is not None


def test_that_a_slot_takes_runs_in_the_order_of_the_queue(place: Place) -> None:
    one, two, three = (place.new_run(name) for name in ("one", "two", "three"))
    first = place.new_run("first", first=True)
    token = held(place)
    for expected in (first, one, two, three):
        claim = adopt(place, slots.claim_next(place.store, CPU.key, token))
        assert claim.run_id == expected
        assert only_slot(place).run_id == expected
        assert next_id(place, CPU, token) is None  # the place is taken
        finish(place, claim)
        assert only_slot(place).run_id is None
    assert next_id(place, CPU, token) is None


def test_that_a_claimed_run_keeps_its_place_before_it_is_adopted(place: Place) -> None:
    run_id, _ = place.new_run(), place.new_run()
    token = held(place)
    claim = slots.claim_next(place.store, CPU.key, token)
    assert claim is not None
    assert next_id(place, CPU, token) is None
    row = place.store.reader.run(run_id)
    assert (row.state, row.queue_rank, row.waiting) == (RunState.STARTING, None, False)
    adopt(place, claim)


def test_that_a_place_stays_taken_when_its_slot_process_dies(place: Place) -> None:
    place.new_run()
    place.new_run()
    claim = adopt(place, slots.claim_next(place.store, CPU.key, held(place, identity=GONE)))
    token = held(place)  # a new process at once, which waits
    assert only_slot(place).run_id == claim.run_id
    assert next_id(place, CPU, token) is None
    finish(place, claim)
    assert next_id(place, CPU, token) is not None


def test_that_a_run_taken_by_another_slot_leaves_the_first_one_free(place: Place) -> None:
    run_id = place.new_run()
    one, two = held(place, CPU), held(place, CPU_2)
    finish(place, adopt(place, slots.claim_next(place.store, CPU.key, one)), RunState.STOPPED)
    queue.enqueue(place.store, [run_id])
    adopt(place, slots.claim_next(place.store, CPU_2.key, two))
    assert [row.run_id for row in place.store.reader.slots()] == [None, run_id]
    other = place.new_run()
    assert next_id(place, CPU, one) == other


@pytest.mark.parametrize(
    ("kind", "device", "takers"),
    [
        ("cpu", None, {CPU}),
        ("cpu", "cpu", {CPU}),
        ("cpu", "auto", {CPU}),
        ("cuda", "auto", {GPU_A, GPU_B}),
        ("cuda", "cuda", {GPU_A, GPU_B}),
        ("cuda", "GPU-a", {GPU_A, GPU_B}),
        ("cuda", "GPU-aaaa", {GPU_A}),
        ("cuda", "GPU-aaaa-1", {GPU_A}),
        ("cuda", "GPU-aaaa-11", set()),
        ("cuda", "GPU-aaaa_1", set()),
        ("cuda", "GPU-%", set()),
    ],
)
def test_that_a_slot_takes_only_what_suits_its_device(
    place: Place, kind: str, device: str | None, takers: set[SlotPlace]
) -> None:
    for at in (CPU, GPU_A, GPU_B):
        token = held(place, at)
        run_id = create_run(place.store, new_run("run", kind=kind, device=device))
        assert slots.release(place.store, at.key, token, only_if_idle=True) is (at not in takers)
        token = token if at in takers else held(place, at)
        assert next_id(place, at, token) == (run_id if at in takers else None)
        request_stop(place.store, run_id)
        waited = create_run(place.store, new_run("waited", kind=kind, device=device), waiter=HERE)
        claim = slots.claim_waiting(place.store, waited, [replace(at, key=replace(at.key, position=1))])
        assert isinstance(claim, Claim) is (at in takers)
        if claim == []:
            request_stop(place.store, waited)


def test_that_a_place_is_left_to_the_process_that_waits_first(place: Place) -> None:
    waited = place.new_run("waited", waiter=HERE)
    other = place.new_run("other")
    token = held(place)
    assert place.store.reader.run(waited).waiting
    assert next_id(place, CPU, token) is None
    assert not slots.release(place.store, CPU.key, token, only_if_idle=True)
    claim = slots.claim_waiting(place.store, waited, [CPU])
    assert isinstance(claim, Claim)
    assert (claim.run_id, claim.key) == (waited, CPU.key)
    assert not place.store.reader.run(waited).waiting
    assert next_id(place, CPU, token) is None
    finish(place, adopt(place, claim))
    assert next_id(place, CPU, token) == other


def test_that_what_comes_before_a_waiter_goes_first(place: Place) -> None:
    place.new_run("waited", waiter=HERE)
    moved = place.new_run("moved", first=True)
    assert next_id(place, CPU, held(place)) == moved


def test_that_a_slot_passes_over_a_process_that_waits_on_another_machine(place: Place) -> None:
    waited = place.new_run("waited", waiter=ELSEWHERE)
    other = place.new_run("other")
    assert next_id(place, CPU, held(place)) == other
    assert place.store.reader.run(waited).waiting
    far = SlotPlace(SlotKey("elsewhere", "cpu", 0), "a processor", "cpu")
    assert isinstance(slots.claim_waiting(place.store, waited, [far]), Claim)


@pytest.mark.parametrize("waiter", [GONE, HERE, ELSEWHERE])
def test_that_a_run_whose_waiter_is_gone_or_asks_no_more_is_like_any_other(
    place: Place, waiter: ProcessIdentity
) -> None:
    waited = place.new_run("waited", waiter=waiter)
    token = held(place)
    if waiter is not GONE:
        assert next_id(place, CPU, token) is None
        change(place, f"UPDATE run SET heartbeat_at = heartbeat_at - {states.STALE_AFTER_S + 1}")
    assert not place.store.reader.run(waited).waiting
    assert next_id(place, CPU, token) == waited


def test_that_asking_keeps_a_waiter_waiting(place: Place) -> None:
    adopt_first = held(place)
    place.new_run("first")
    adopt(place, slots.claim_next(place.store, CPU.key, adopt_first))
    waited = place.new_run("waited", waiter=HERE)
    change(place, f"UPDATE run SET heartbeat_at = heartbeat_at - {states.STALE_AFTER_S + 1}")
    assert not place.store.reader.run(waited).waiting
    assert slots.claim_waiting(place.store, waited, [CPU]) == place.store.reader.slots()
    assert place.store.reader.run(waited).waiting


def test_that_waiters_take_places_in_the_order_they_came(place: Place) -> None:
    place.new_run("in the queue")
    one, two, three = (place.new_run(name, waiter=HERE, first=True) for name in ("one", "two", "three"))
    assert [row.id for row in place.store.reader.queued()][:3] == [one, two, three]
    assert slots.claim_waiting(place.store, two, [CPU, CPU_2]) == []
    first = slots.claim_waiting(place.store, one, [CPU, CPU_2])
    assert isinstance(first, Claim)
    assert first.key == CPU.key
    second = slots.claim_waiting(place.store, two, [CPU, CPU_2])
    assert isinstance(second, Claim)
    assert second.key == CPU_2.key
    rows = slots.claim_waiting(place.store, three, [CPU, CPU_2])
    assert not isinstance(rows, Claim)
    assert [row.run_id for row in rows] == [one, two]
    assert [row.held for row in rows] == [False, False]


def test_that_waiters_for_other_devices_do_not_hinder_each_other(place: Place) -> None:
    create_run(place.store, new_run("gpu", kind="cuda", device="cuda"), waiter=HERE)
    waited = place.new_run("cpu", waiter=HERE)
    assert isinstance(slots.claim_waiting(place.store, waited, [GPU_A, CPU]), Claim)


def test_that_a_run_that_left_the_queue_is_waited_for_no_longer(place: Place) -> None:
    waited = place.new_run(waiter=HERE)
    request_stop(place.store, waited)
    with pytest.raises(UserError, match="is stopped: it no longer waits in the queue"):
        slots.claim_waiting(place.store, waited, [CPU])
    queue.enqueue(place.store, [waited], waiter=HERE)
    place.taken(waited)
    with pytest.raises(UserError, match="is starting: it no longer waits"):
        slots.claim_waiting(place.store, waited, [CPU])


def test_that_a_vacated_place_leaves_no_slot_that_nobody_holds(place: Place) -> None:
    waited = place.new_run(waiter=HERE)
    claim = adopt(place, slots.claim_waiting(place.store, waited, [CPU]))
    slots.vacate(place.store, CPU.key)
    assert only_slot(place).run_id == waited  # it is still being trained
    finish(place, claim)
    slots.vacate(place.store, CPU.key)
    assert place.store.reader.slots() == []
    slots.vacate(place.store, CPU.key)
    held(place)
    slots.vacate(place.store, CPU.key)
    assert only_slot(place).held


def test_that_a_slot_is_not_released_while_it_has_work(place: Place) -> None:
    token = held(place)
    run_id = place.new_run()
    assert not slots.release(place.store, CPU.key, token, only_if_idle=True)
    claim = adopt(place, slots.claim_next(place.store, CPU.key, token))
    assert slots.release(place.store, CPU.key, token, only_if_idle=True)
    row = only_slot(place)
    assert (row.held, row.holder, row.run_id) == (False, None, run_id)
    finish(place, claim)
    token = held(place)
    place.new_run()
    assert slots.release(place.store, CPU.key, token, only_if_idle=False)
    assert place.store.reader.slots() == []

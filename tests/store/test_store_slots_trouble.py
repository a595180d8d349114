"""Slots that are closed, asked to end, or left by processes and devices that failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from iterand_engine.errors import OwnershipLost, UserError
from iterand_engine.machine import processes
from iterand_engine.store import (
    RunState,
    queue,
    slots,
    states,
)
from iterand_engine.store.runs import adopt_run, create_run, settle_runs
from tests.new_runs import new_run
from tests.store.slot_tools import (
    CPU,
    CPU_2,
    GPU_A,
    GPU_B,
    HERE,
    Until,
    adopt,
    change,
    finish,
    held,
    hold,
    next_id,
    only_slot,
    state,
)

if TYPE_CHECKING:
    from tests.store.conftest import Place


def test_that_a_closed_slot_is_used_by_nobody_until_it_is_reopened(place: Place) -> None:
    token = held(place, GPU_A)
    create_run(place.store, new_run("run", kind="cuda", device="cuda"))
    waited = create_run(place.store, new_run("waited", kind="cuda", device="cuda"), waiter=HERE)
    slots.close(place.store, GPU_A.key, token, "the card fell off the bus")
    assert only_slot(place).closed_reason == "the card fell off the bus"
    assert next_id(place, GPU_A, token) is None
    assert slots.release(place.store, GPU_A.key, token, only_if_idle=True)
    with pytest.raises(UserError, match=r"is closed \(the card fell off the bus\): it takes no run"):
        hold(place, GPU_A)
    assert slots.claim_waiting(place.store, waited, [GPU_A]) == place.store.reader.slots()
    assert slots.reopen(place.store, HERE.host, "GPU-b") == []
    assert slots.reopen(place.store, "elsewhere", None) == []
    assert slots.reopen(place.store, HERE.host, "GPU-aaaa") == [GPU_A.key]
    assert place.store.reader.slots() == []
    assert next_id(place, GPU_A, held(place, GPU_A)) is not None


def test_that_a_closed_slot_is_open_after_a_restart_of_the_machine(place: Place) -> None:
    token = held(place)
    slots.close(place.store, CPU.key, token, "x")
    assert slots.release(place.store, CPU.key, token, only_if_idle=False)
    change(place, "UPDATE slot SET closed_boot_id = 'an earlier boot'")
    assert only_slot(place).closed_reason is None
    held(place)
    change(place, f"UPDATE slot SET closed_boot_id = '{HERE.boot_id}'")
    assert only_slot(place).closed_reason is None  # holding it forgot the closure


def test_that_a_holder_hears_what_it_is_asked(place: Place) -> None:
    one = held(place, CPU)
    two = held(place, CPU_2)
    slots.ask(place.store, [CPU.key, GPU_A.key], "restart")
    assert slots.beat(place.store, CPU.key, one, None) == "restart"
    assert slots.beat(place.store, CPU.key, one, None) == "restart"
    assert slots.beat(place.store, CPU_2.key, two, None) is None
    assert slots.release(place.store, CPU.key, one, only_if_idle=False)
    assert slots.beat(place.store, CPU.key, held(place, CPU), None) is None


def test_that_a_device_error_closes_the_slot_and_gives_the_run_to_another(place: Place) -> None:
    create_run(place.store, new_run("one", kind="cuda", device="cuda"))
    other = create_run(place.store, new_run("two", kind="cuda", device="cuda"))
    a, b = held(place, GPU_A), held(place, GPU_B)
    claim = adopt(place, slots.claim_next(place.store, GPU_A.key, a))
    finish(place, claim, RunState.INTERRUPTED)
    error = slots.device_error(place.store, GPU_A.key, a, claim.run_id, "the card fell off the bus")
    assert error is RunState.QUEUED
    row = place.store.reader.run(claim.run_id)
    assert (row.device_errors, row.reason) == (1, "the card fell off the bus")
    assert [queued.id for queued in place.store.reader.queued()] == [claim.run_id, other]
    assert "device error" in place.store.reader.events(claim.run_id)[-1].text
    assert next_id(place, GPU_A, a) is None
    assert next_id(place, GPU_B, b) == claim.run_id


def test_that_the_third_device_error_fails_a_run(place: Place) -> None:
    run_id = place.new_run()
    for expected in (RunState.QUEUED, RunState.QUEUED, RunState.FAILED):
        token = held(place)
        finish(place, adopt(place, slots.claim_next(place.store, CPU.key, token)), RunState.FAILED)
        assert slots.device_error(place.store, CPU.key, token, run_id, "it broke") is expected
        assert slots.release(place.store, CPU.key, token, only_if_idle=False)
        slots.reopen(place.store, HERE.host, None)
    row = place.store.reader.run(run_id)
    assert (row.state, row.reason) == (RunState.FAILED, "its device failed 3 times, the last time: it broke")
    assert place.store.reader.events(run_id)[-1].level == "error"
    queue.enqueue(place.store, [run_id])
    assert place.store.reader.run(run_id).device_errors == 0


def test_that_a_run_that_went_on_after_a_device_error_is_left_alone(place: Place) -> None:
    run_id = place.new_run()
    token = held(place)
    claim = adopt(place, slots.claim_next(place.store, CPU.key, token))
    finish(place, claim, RunState.STOPPED)
    assert slots.device_error(place.store, CPU.key, token, run_id, "it broke") is RunState.STOPPED
    assert only_slot(place).closed_reason == "it broke"
    with pytest.raises(OwnershipLost):
        slots.device_error(place.store, CPU.key, "another", run_id, "it broke")


def test_that_claims_of_slots_count_as_starts_that_may_be_lost(place: Place) -> None:
    run_id = place.new_run()
    other = place.new_run()
    one, two = held(place, CPU), held(place, CPU_2)
    assert next_id(place, CPU, one) == run_id
    change(place, f"UPDATE run SET owner_deadline = owner_deadline - {states.ADOPT_WITHIN_S + 1}")
    assert next_id(place, CPU_2, two) == run_id  # before the other: it went back to the head
    assert next_id(place, CPU, one) == other


def test_that_the_runs_of_a_slot_that_died_with_its_process_are_settled(place: Place, until: Until) -> None:
    place.new_run()
    child = place.child("print(__import__('os').getpid(), flush=True)\ntime.sleep(600)")
    assert child.stdout is not None
    worker = processes.identity_of(int(child.stdout.readline()))
    assert worker is not None
    token = held(place)
    claim = slots.claim_next(place.store, CPU.key, token)
    assert claim is not None
    adopt_run(place.store, claim.run_id, claim.token, worker, {})
    child.kill()
    until(lambda: state(place, claim.run_id) is RunState.INTERRUPTED)
    assert only_slot(place).run_id is None
    assert settle_runs(place.store) == []  # the slot's process is about to say why
    assert place.store.reader.run(claim.run_id).stored_state is RunState.STARTING
    assert next_id(place, CPU, token) is None  # by now it has nothing more to say
    assert place.store.reader.run(claim.run_id).stored_state is RunState.INTERRUPTED

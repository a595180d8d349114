"""Runs keep their order in the queue, and come back to it from wherever they ended."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from iterand_engine.errors import UserError
from iterand_engine.machine.processes import ProcessIdentity
from iterand_engine.store import ExtensionUse, Recorder, RunState, queue, states
from iterand_engine.store.runs import adopt_run, claim_run, create_run, create_runs, request_stop, settle_runs
from tests.new_runs import CONFIG, new_run
from tests.store.slot_tools import GONE, HERE, change

if TYPE_CHECKING:
    from tests.store.conftest import Place

OTHER = ProcessIdentity("elsewhere", 4321, 1, "boot")


def order(place: Place) -> list[str]:
    return [row.name for row in place.store.reader.queued()]


def ended(place: Place, state: RunState, name: str = "ended") -> str:
    run_id, token = place.started_run(name)
    with Recorder(place.store, run_id, token) as recorder:
        recorder.finish(state, reason="so it is")
    return run_id


def lapse(place: Place) -> None:
    """Nobody came for the claimed runs."""
    change(place, f"UPDATE run SET owner_deadline = owner_deadline - {states.ADOPT_WITHIN_S + 1}")


def test_that_runs_made_together_keep_their_order(place: Place) -> None:
    place.new_run("before")
    made = create_runs(place.store, [new_run("a"), new_run("b"), new_run("c")])
    assert order(place) == ["before", "a", "b", "c"]
    assert [row.id for row in place.store.reader.runs()][:3] == made[::-1]
    create_runs(place.store, [new_run("x"), new_run("y")], first=True)
    assert order(place) == ["x", "y", "before", "a", "b", "c"]
    assert create_runs(place.store, []) == []


def test_that_runs_are_made_all_or_none(place: Place) -> None:
    broken = replace(new_run("b"), config={**CONFIG, "seed": object()})
    with pytest.raises(Exception, match="not JSON serializable"):
        create_runs(place.store, [new_run("a"), broken])
    assert place.store.reader.runs() == []


def test_that_a_run_knows_the_extension_code_it_uses(place: Place) -> None:
    uses = (ExtensionUse("mine.py", "ab" * 32), ExtensionUse("more.py", "cd" * 32))
    run_id = create_run(place.store, replace(new_run("run"), extensions=uses))
    assert place.store.reader.run(run_id).extensions == uses
    assert place.store.reader.run(place.new_run()).extensions == ()


@pytest.mark.parametrize("state", [RunState.STOPPED, RunState.INTERRUPTED, RunState.FAILED])
def test_that_an_ended_run_goes_back_to_the_queue(place: Place, state: RunState) -> None:
    run_id = ended(place, state)
    place.new_run("other")
    queue.enqueue(place.store, [run_id])
    assert order(place) == ["other", "ended"]
    row = place.store.reader.run(run_id)
    assert (row.state, row.reason, row.ended_at, row.owner) == (RunState.QUEUED, None, None, None)
    place.taken(run_id)
    assert place.store.reader.run(run_id).queue_rank is None


def test_that_a_run_whose_process_died_goes_back_to_the_queue(place: Place) -> None:
    run_id = place.new_run()
    adopt_run(place.store, run_id, claim_run(place.store, run_id), GONE, {})
    queue.enqueue(place.store, [run_id])
    assert place.store.reader.run(run_id).state is RunState.QUEUED
    assert "ended without a word" in place.store.reader.events(run_id)[-1].text


def test_that_a_claim_of_a_run_whose_process_died_says_so_in_its_events(place: Place) -> None:
    run_id = place.new_run()
    adopt_run(place.store, run_id, claim_run(place.store, run_id), GONE, {})
    claim_run(place.store, run_id)
    assert "ended without a word" in place.store.reader.events(run_id)[-1].text


def test_that_moved_runs_keep_the_order_given(place: Place) -> None:
    ids = {name: place.new_run(name) for name in "abcde"}
    queue.enqueue(place.store, [ids["d"], ids["b"], ids["d"]], first=True)
    assert order(place) == list("dbace")
    queue.enqueue(place.store, [ids["c"], ids["d"]])
    assert order(place) == list("baecd")


def test_that_queueing_is_all_or_nothing_and_names_what_cannot_be(place: Place) -> None:
    stopped, finished = ended(place, RunState.STOPPED), ended(place, RunState.FINISHED)
    running, _ = place.started_run()
    with pytest.raises(UserError, match=f"but {finished} is finished, {running} is starting: leave them out"):
        queue.enqueue(place.store, [stopped, finished, running])
    with pytest.raises(UserError, match="There is no run 'x'"):
        queue.enqueue(place.store, [stopped, "x"])
    assert place.store.reader.run(stopped).state is RunState.STOPPED
    many = [ended(place, RunState.DIVERGED) for _ in range(7)]
    with pytest.raises(UserError, match="is diverged and 2 more: leave"):
        queue.enqueue(place.store, many)


def test_that_a_run_that_is_moved_is_still_waited_for(place: Place) -> None:
    place.new_run("other")
    waited = place.new_run("waited", waiter=HERE)
    queue.enqueue(place.store, [waited], first=True)
    assert order(place) == ["waited", "other"]
    assert place.store.reader.run(waited).waiting


def test_that_one_process_at_a_time_waits_for_a_run(place: Place) -> None:
    run_id = place.new_run(waiter=OTHER)
    with pytest.raises(UserError, match="process 4321 waits to train it"):
        queue.enqueue(place.store, [run_id], first=True, waiter=HERE)
    queue.enqueue(place.store, [run_id], first=True, waiter=OTHER)
    change(place, f"UPDATE run SET heartbeat_at = heartbeat_at - {states.STALE_AFTER_S + 1}")
    queue.enqueue(place.store, [run_id], first=True, waiter=HERE)
    assert place.store.reader.run(run_id).waiting


def test_that_a_run_is_as_before_when_its_waiter_gives_up(place: Place) -> None:
    fresh = place.new_run("fresh", waiter=HERE)
    queue.withdraw(place.store, fresh, RunState.STOPPED)
    row = place.store.reader.run(fresh)
    assert (row.state, row.reason, row.queue_rank) == (
        RunState.STOPPED,
        "stopped before it started",
        None,
    )
    failed = ended(place, RunState.FAILED)
    before = place.store.reader.run(failed)
    queue.enqueue(place.store, [failed], first=True, waiter=HERE)
    queue.withdraw(place.store, failed, RunState.FAILED)
    after = place.store.reader.run(failed)
    assert replace(after, revision=before.revision) == before
    queued = place.new_run("queued")
    queue.enqueue(place.store, [queued], waiter=HERE)
    queue.withdraw(place.store, queued, RunState.QUEUED)
    assert (order(place), place.store.reader.run(queued).waiting) == (["queued"], False)


def test_that_a_run_that_is_queued_no_more_is_not_withdrawn(place: Place) -> None:
    run_id = place.new_run(waiter=HERE)
    place.taken(run_id)
    queue.withdraw(place.store, run_id, RunState.STOPPED)
    assert place.store.reader.run(run_id).state is RunState.STARTING
    with pytest.raises(ValueError, match="cannot have been running"):
        queue.withdraw(place.store, run_id, RunState.RUNNING)


def test_that_stopping_a_queued_run_takes_it_out_of_the_queue(place: Place) -> None:
    run_id = place.new_run(waiter=HERE)
    assert request_stop(place.store, run_id) is RunState.STOPPED
    row = place.store.reader.run(run_id)
    assert (row.queue_rank, row.waiting, row.heartbeat_at) == (None, False, None)
    assert order(place) == []


def test_that_a_start_nobody_adopts_goes_back_to_the_head_twice_and_then_fails(place: Place) -> None:
    run_id = place.new_run("lost")
    place.new_run("other")
    for _ in range(2):
        claim_run(place.store, run_id)
        assert settle_runs(place.store) == []
        lapse(place)
        assert place.store.reader.run(run_id).state is RunState.INTERRUPTED
        assert settle_runs(place.store) == [run_id]
        assert order(place) == ["lost", "other"]
        assert "no process came to train it within 60 s" in place.store.reader.events(run_id)[-1].text
    claim_run(place.store, run_id)
    lapse(place)
    assert settle_runs(place.store) == [run_id]
    row = place.store.reader.run(run_id)
    assert row.state is RunState.FAILED
    assert row.reason == (
        "it could not be started 3 times, the last time because no process came to train it within 60 s"
    )
    assert order(place) == ["other"]
    queue.enqueue(place.store, [run_id])  # what comes in from outside is counted anew
    claim_run(place.store, run_id)
    lapse(place)
    assert settle_runs(place.store) == [run_id]
    assert order(place) == ["lost", "other"]


def test_that_only_starts_in_a_row_are_counted(place: Place) -> None:
    run_id = place.new_run()
    for _ in range(2):
        claim_run(place.store, run_id)
        lapse(place)
        settle_runs(place.store)
    with Recorder(place.store, run_id, place.taken(run_id)) as recorder:
        recorder.finish(RunState.INTERRUPTED, reason="the machine was shut down")
    claim_run(place.store, run_id)
    lapse(place)
    settle_runs(place.store)
    assert place.store.reader.run(run_id).state is RunState.QUEUED


def test_that_a_lost_start_that_was_to_stop_is_stopped(place: Place) -> None:
    run_id = place.new_run()
    claim_run(place.store, run_id)
    assert request_stop(place.store, run_id) is RunState.STOPPING
    lapse(place)
    assert settle_runs(place.store) == [run_id]
    assert place.store.reader.run(run_id).state is RunState.STOPPED


def test_that_a_death_that_a_slot_saw_is_told_with_the_last_lines_of_the_log(place: Place) -> None:
    run_id, token = place.started_run()
    queue.died(place.store, run_id, token, "its worker was killed by SIGKILL", "epoch 3\nKilled")
    row = place.store.reader.run(run_id)
    assert (row.stored_state, row.reason) == (RunState.INTERRUPTED, "its worker was killed by SIGKILL")
    event = place.store.reader.events(run_id)[-1]
    assert (event.level, event.text.splitlines()[-2:]) == ("warning", ["epoch 3", "Killed"])
    assert event.text.startswith("Interrupted: its worker was killed by SIGKILL.")


def test_that_a_death_before_the_start_is_a_lost_start(place: Place) -> None:
    run_id = place.new_run()
    for expected in (RunState.QUEUED, RunState.QUEUED, RunState.FAILED):
        queue.died(
            place.store, run_id, claim_run(place.store, run_id), "its worker ended with exit code 1", "boo"
        )
        row = place.store.reader.run(run_id)
        assert row.state is expected
        assert "its worker ended with exit code 1" in (row.reason or "")
        assert place.store.reader.events(run_id)[-1].text.endswith("\nboo")


def test_that_the_death_of_a_worker_that_has_spoken_is_no_news(place: Place) -> None:
    run_id, token = place.started_run()
    with Recorder(place.store, run_id, token) as recorder:
        recorder.finish(RunState.FINISHED)
    before = place.store.reader.run(run_id)
    queue.died(place.store, run_id, token, "its worker ended with exit code 0", "")
    assert place.store.reader.run(run_id) == before
    again, old = place.started_run()
    change(place, "UPDATE run SET owner_start_ticks = owner_start_ticks - 1")
    place.taken(again)  # somebody was faster and goes on with it
    queue.died(place.store, again, old, "its worker was killed by SIGKILL", "")
    assert place.store.reader.run(again).state is RunState.STARTING


def test_that_a_recorder_does_not_queue_a_run(place: Place) -> None:
    run_id, token = place.started_run()
    with Recorder(place.store, run_id, token) as recorder:
        with pytest.raises(ValueError, match="cannot end as queued"):
            recorder.finish(RunState.QUEUED)
        recorder.finish(RunState.STOPPED)

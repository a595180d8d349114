"""A run has one owner at a time, and what became of a process is read right; with real processes."""

from __future__ import annotations

import sqlite3
import subprocess
from contextlib import closing
from typing import TYPE_CHECKING

import psutil
import pytest

from iterand_engine.errors import OwnershipLost, UserError
from iterand_engine.machine import processes
from iterand_engine.store import Recorder, RunState, states
from iterand_engine.store.runs import adopt_run, claim_run, request_stop, settle_runs
from iterand_engine.store.states import Signs, derived_state
from tests.patience import PATIENCE_S
from tests.store.slot_tools import ELSEWHERE, GONE, HERE, Until, state

if TYPE_CHECKING:
    from tests.store.conftest import Place

# Adopts as the host named in sys.argv[4] (empty = truthfully), then records until it may not.
TRAINER = """
from dataclasses import replace
me = processes.current()
if sys.argv[4]:
    me = replace(me, host=sys.argv[4])
adopt_run(store, sys.argv[2], sys.argv[3], me, {"threads": 1})
try:
    with Recorder(store, sys.argv[2], sys.argv[3]) as recorder:
        recorder.declare("loss", "step")
        for step in range(10**6):
            recorder.append("loss", [step], [step])
            recorder.progress(step + 1, 0, 10**6)
            recorder.drain()
            if step == 2:
                print("training", flush=True)
            time.sleep(0.01)
except OwnershipLost:
    sys.exit(7)
"""


def start_trainer(place: Place, run_id: str, host: str = "") -> subprocess.Popen[str]:
    """A child that trains the run; returns when it does."""
    child = place.child(TRAINER, run_id, claim_run(place.store, run_id), host)
    assert child.stdout is not None
    assert child.stdout.readline() == "training\n"
    return child


def backdate(place: Place, column: str, seconds: float) -> None:
    with closing(sqlite3.connect(place.workspace.db_path)) as other:
        other.execute(f"UPDATE run SET {column} = {column} - {seconds}")
        other.commit()


def test_that_of_two_processes_with_one_token_exactly_one_trains(place: Place) -> None:
    run_id = place.new_run()
    script = """
go = Path(sys.argv[4])
print("ready", flush=True)
while not go.exists():
    time.sleep(0.001)
try:
    adopt_run(store, sys.argv[2], sys.argv[3], processes.current(), {"threads": 1})
except OwnershipLost:
    sys.exit(7)
with Recorder(store, sys.argv[2], sys.argv[3]) as recorder:
    recorder.declare("loss", "step")
    recorder.append("loss", range(100), range(100))
    recorder.finish(RunState.FINISHED)
"""
    go = place.workspace.root / "go"
    token = claim_run(place.store, run_id)
    children = [place.child(script, run_id, token, str(go)) for _ in range(2)]
    for child in children:
        assert child.stdout is not None
        child.stdout.readline()
    go.touch()
    assert sorted(child.wait(timeout=PATIENCE_S) for child in children) == [0, 7]
    assert state(place, run_id) is RunState.FINISHED
    assert place.store.reader.series(run_id, "loss").steps.tolist() == list(range(100))
    assert len(place.store.reader.run(run_id).environments) == 1


def test_that_of_many_claims_at_once_one_succeeds(place: Place) -> None:
    run_id = place.new_run()
    script = """
try:
    print(claim_run(store, sys.argv[2]))
except Exception as error:
    print(type(error).__name__)
"""
    children = [place.child(script, run_id) for _ in range(3)]
    said = [child.communicate(timeout=PATIENCE_S)[0].strip() for child in children]
    assert said.count("UserError") == 2
    token = next(word for word in said if word != "UserError")
    adopt_run(place.store, run_id, token, processes.current(), {})


def test_that_a_killed_process_leaves_its_run_interrupted(place: Place, until: Until) -> None:
    run_id = place.new_run()
    child = start_trainer(place, run_id)
    assert state(place, run_id) is RunState.RUNNING
    assert [row.id for row in place.store.reader.live_runs()] == [run_id]
    assert settle_runs(place.store) == []
    child.kill()  # it stays a zombie until it is waited for, and that already counts as gone
    until(lambda: state(place, run_id) is RunState.INTERRUPTED)
    assert psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE
    child.wait()
    assert state(place, run_id) is RunState.INTERRUPTED
    assert place.store.reader.run(run_id).stored_state is RunState.RUNNING
    assert place.store.reader.live_runs() == []
    assert settle_runs(place.store) == [run_id]
    detail = place.store.reader.run(run_id)
    assert detail.stored_state is RunState.INTERRUPTED
    assert f"process {child.pid} ended without a word" in (detail.reason or "")
    assert place.store.reader.events(run_id)[-1].level == "warning"
    assert settle_runs(place.store) == []
    steps = place.store.reader.series(run_id, "loss").steps
    assert steps.tolist() == list(range(len(steps)))
    with Recorder(place.store, run_id, place.taken(run_id)) as recorder:
        recorder.append("loss", [len(steps)], [0])


def test_that_a_process_whose_run_was_taken_writes_nothing_more(place: Place, until: Until) -> None:
    run_id = place.new_run()
    child = start_trainer(place, run_id, host="elsewhere")
    psutil.Process(child.pid).suspend()
    assert state(place, run_id) is RunState.RUNNING  # its heartbeat is fresh
    with pytest.raises(UserError, match=f"is being trained by process {child.pid}"):
        claim_run(place.store, run_id)
    backdate(place, "heartbeat_at", states.STALE_AFTER_S + 1)
    assert state(place, run_id) is RunState.INTERRUPTED
    token = place.taken(run_id)
    before = place.store.reader.run(run_id)
    psutil.Process(child.pid).resume()
    assert child.wait(timeout=PATIENCE_S) == 7
    after = place.store.reader.run(run_id)
    assert (after.revision, after.step, after.state) == (before.revision, before.step, RunState.STARTING)
    with Recorder(place.store, run_id, token) as recorder:
        recorder.finish(RunState.STOPPED)


def test_that_a_suspended_process_of_this_machine_keeps_its_run(place: Place) -> None:
    run_id = place.new_run()
    child = start_trainer(place, run_id)
    psutil.Process(child.pid).suspend()
    backdate(place, "heartbeat_at", 1000)
    assert state(place, run_id) is RunState.RUNNING


def test_that_a_claim_that_nobody_adopts_lapses(place: Place) -> None:
    run_id = place.new_run()
    token = claim_run(place.store, run_id)
    assert state(place, run_id) is RunState.STARTING
    with pytest.raises(UserError, match="by a process that is starting"):
        claim_run(place.store, run_id)
    backdate(place, "owner_deadline", states.ADOPT_WITHIN_S + 1)
    assert state(place, run_id) is RunState.INTERRUPTED
    claim_run(place.store, run_id)
    with pytest.raises(OwnershipLost):
        adopt_run(place.store, run_id, token, processes.current(), {})


@pytest.mark.parametrize("ended", [RunState.FINISHED, RunState.DIVERGED])
def test_that_an_ended_run_cannot_be_claimed(place: Place, ended: RunState) -> None:
    run_id, token = place.started_run()
    with Recorder(place.store, run_id, token) as recorder:
        recorder.finish(ended, reason="so it is")
    with pytest.raises(
        UserError, match=f"is {ended}: only one that is queued, stopped, interrupted or failed"
    ):
        claim_run(place.store, run_id)
    assert request_stop(place.store, run_id) is ended


def test_that_a_failed_run_goes_on_once_the_cause_is_mended(place: Place) -> None:
    run_id, token = place.started_run()
    with Recorder(place.store, run_id, token) as recorder:
        recorder.finish(RunState.FAILED, reason="the disk is full")
    claim_run(place.store, run_id)
    assert state(place, run_id) is RunState.STARTING
    assert place.store.reader.run(run_id).reason is None


def test_that_stopping_what_does_not_run_says_how_it_stands(place: Place) -> None:
    queued = place.new_run()
    assert request_stop(place.store, queued) is RunState.STOPPED
    assert place.store.reader.run(queued).reason == "stopped before it started"
    claimed = place.new_run()
    claim_run(place.store, claimed)
    assert request_stop(place.store, claimed) is RunState.STOPPING
    backdate(place, "owner_deadline", states.ADOPT_WITHIN_S + 1)
    assert request_stop(place.store, claimed) is RunState.STOPPED
    assert place.store.reader.run(claimed).reason == "stopped before it started"
    with pytest.raises(UserError, match="There is no run 'x'"):
        request_stop(place.store, "x")


def test_that_resuming_forgets_the_old_request(place: Place) -> None:
    run_id, token = place.started_run()
    request_stop(place.store, run_id)
    with Recorder(place.store, run_id, token) as recorder:
        recorder.finish(RunState.STOPPED)
    place.taken(run_id)
    assert state(place, run_id) is RunState.STARTING


NOW = 10_000.0


@pytest.mark.parametrize(
    ("signs", "expected"),
    [
        (Signs(RunState.FINISHED, True, None, None, None, NOW), RunState.FINISHED),
        (Signs(RunState.QUEUED, False, None, None, None, NOW), RunState.QUEUED),
        (Signs(RunState.RUNNING, False, ELSEWHERE, None, NOW - 14, NOW), RunState.RUNNING),
        (Signs(RunState.RUNNING, False, ELSEWHERE, None, NOW - 16, NOW), RunState.INTERRUPTED),
        (Signs(RunState.RUNNING, False, ELSEWHERE, None, None, NOW), RunState.INTERRUPTED),
        (Signs(RunState.RUNNING, False, GONE, None, NOW, NOW), RunState.INTERRUPTED),
        (Signs(RunState.RUNNING, True, HERE, None, NOW, NOW, NOW - 900), RunState.STOPPING),
        (Signs(RunState.RUNNING, False, HERE, None, NOW, NOW, NOW - 59), RunState.RUNNING),
        (Signs(RunState.RUNNING, False, HERE, None, NOW, NOW, NOW - 61), RunState.STALLED),
        (Signs(RunState.RUNNING, False, HERE, None, NOW, NOW, NOW - 61, 7.0), RunState.RUNNING),
        (Signs(RunState.RUNNING, False, HERE, None, NOW, NOW, NOW - 71, 7.0), RunState.STALLED),
        (Signs(RunState.STARTING, False, HERE, None, NOW, NOW), RunState.STARTING),
        (Signs(RunState.STARTING, False, None, NOW + 1, None, NOW), RunState.STARTING),
        (Signs(RunState.STARTING, True, None, NOW + 1, None, NOW), RunState.STOPPING),
        (Signs(RunState.STARTING, False, None, NOW - 1, None, NOW), RunState.INTERRUPTED),
        (Signs(RunState.STARTING, False, None, None, None, NOW), RunState.INTERRUPTED),
    ],
)
def test_that_the_state_shown_follows_from_the_signs(signs: Signs, expected: RunState) -> None:
    assert derived_state(signs) is expected


def test_that_a_run_without_steps_is_shown_as_stalled(place: Place) -> None:
    run_id, token = place.started_run()
    with Recorder(place.store, run_id, token) as recorder:
        recorder.progress(1, 0, 10)
        recorder.drain()
        backdate(place, "last_step_at", states.STALLED_AT_LEAST_S + 1)
        assert state(place, run_id) is RunState.STALLED
        recorder.progress(2, 0, 10)
        recorder.drain()
        assert state(place, run_id) is RunState.RUNNING

"""Slots as real processes: one run at a time on a place, whoever starts or dies, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from functools import partial
from itertools import pairwise

from iterand_engine.store import RunRow, RunState
from iterand_engine.store.queue import enqueue
from iterand_engine.store.runs import request_stop
from tests.patience import PATIENCE_S, SHOWN_WITHIN_S, seconds_here
from tests.slot_processes import ENDLESS, Queue, kill

# As windows do that were opened twice: both start what is missing, again and again.
STARTER = """
import sys
from iterand_engine.slots.drain import start_missing
from iterand_engine.store import Store
from iterand_engine.machine.workspace import open_workspace_dir
workspace = open_workspace_dir(sys.argv[1])
with Store.open(workspace) as store:
    for _ in range(4):
        start_missing(workspace, store)
"""


def started(*words: str) -> subprocess.Popen[bytes]:
    """Start Python with the copy of the program."""
    return subprocess.Popen([sys.executable, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def in_turn(runs: list[RunRow]) -> bool:
    """Whether each run began when the one before it had ended."""
    times = sorted((run.started_at or 0.0, run.ended_at or 0.0) for run in runs)
    return all(first[1] <= second[0] for first, second in pairwise(times))


def test_that_two_windows_and_a_drain_never_train_two_runs_on_one_place(queue: Queue) -> None:
    run_ids = queue.add(*({"seed": seed} for seed in range(3)))
    folder = str(queue.workspace.root)
    most = 0
    with (
        started("-c", STARTER, folder) as one,
        started("-m", "iterand_engine.cli", "work", "--workspace", folder) as drain,
        started("-c", STARTER, folder) as other,
    ):

        def all_finished() -> bool:
            nonlocal most
            most = max(most, len(queue.store.reader.live_runs()))
            return all(queue.state(run_id) is RunState.FINISHED for run_id in run_ids)

        queue.until(all_finished)
        assert [process.wait(PATIENCE_S) for process in (one, other, drain)] == [0, 0, 0]
    assert most == 1
    assert in_turn(queue.store.reader.runs())
    assert all(len(queue.store.reader.run(run_id).environments) == 1 for run_id in run_ids)
    queue.until(lambda: not queue.slots())


def test_that_a_worker_outlives_its_slot_and_keeps_the_place_from_the_next_one(queue: Queue) -> None:
    first, second = queue.add(ENDLESS, {})
    queue.start()
    queue.until_stepping(first)
    holder, worker = queue.holder_pid(), queue.worker_pid(first)
    kill(holder)
    queue.until(lambda: not queue.slots()[0].held)
    assert queue.slots()[0].run_id == first
    queue.start()
    queue.until(lambda: queue.slots()[0].held and queue.holder_pid() != holder)
    queue.until_stepping(first)
    assert (queue.worker_pid(first), queue.state(second)) == (worker, RunState.QUEUED)
    request_stop(queue.store, first)
    queue.until_state(second, RunState.FINISHED)
    assert queue.state(first) is RunState.STOPPED
    assert in_turn(queue.store.reader.runs())


def test_that_a_killed_worker_is_interrupted_with_its_last_words_and_the_queue_goes_on(queue: Queue) -> None:
    first, second = queue.add(ENDLESS, {})
    queue.start()
    queue.until_stepping(first)
    kill(queue.worker_pid(first))
    killed_s = time.monotonic()
    queue.until_state(first, RunState.INTERRUPTED)
    queue.until(lambda: queue.store.reader.runs(ids=[first])[0].stored_state is RunState.INTERRUPTED)
    assert time.monotonic() - killed_s < seconds_here(SHOWN_WITHIN_S)
    run = queue.store.reader.run(first)
    assert run.reason is not None
    assert run.reason.startswith("its worker was killed by SIGKILL")
    assert f"run {first} begins" in queue.store.reader.events(first)[-1].text
    queue.until_state(second, RunState.FINISHED)
    assert in_turn(queue.store.reader.runs())


def test_that_a_run_whose_slot_and_worker_are_killed_goes_on_when_it_is_resumed(queue: Queue) -> None:
    (run_id,) = queue.add(ENDLESS)
    queue.start()
    queue.until(lambda: bool(queue.store.reader.checkpoints(run_id)))
    for pid in (queue.holder_pid(), queue.worker_pid(run_id)):
        kill(pid)
    queue.until(lambda: queue.state(run_id) is RunState.INTERRUPTED)
    enqueue(queue.store, [run_id], first=True)
    queue.start()
    queue.until(lambda: queue.state(run_id) is RunState.RUNNING)
    request_stop(queue.store, run_id)
    queue.until_state(run_id, RunState.STOPPED)
    assert len(queue.store.reader.run(run_id).environments) == 2
    texts = (queue.workspace.run_dir(run_id) / "worker.log").read_text()
    assert f"run {run_id} goes on from step " in texts


def test_that_a_slot_told_to_end_saves_its_run_and_leaves_the_others_queued(queue: Queue) -> None:
    first, second = queue.add(ENDLESS, {})
    queue.start()
    queue.until_stepping(first)
    os.kill(queue.holder_pid(), signal.SIGTERM)
    queue.until(lambda: not queue.slots())
    assert (queue.state(first), queue.state(second)) == (RunState.STOPPED, RunState.QUEUED)
    assert queue.store.reader.checkpoints(first)


def test_that_thirty_runs_are_trained_by_three_slots(queue: Queue) -> None:
    queue.set(slots_per_device=3)
    run_ids = queue.add(*({"seed": seed} for seed in range(30)), data={"train_limit": 64})
    queue.start()
    most = 0

    def have_ended(count: int) -> bool:
        nonlocal most
        most = max(most, len(queue.store.reader.live_runs()))
        return sum(run.ended_at is not None for run in queue.store.reader.runs()) >= count

    for count in range(1, len(run_ids) + 1):  # patient with each: together they take long on a busy machine
        queue.until(partial(have_ended, count))
    queue.until(lambda: not queue.slots())
    runs = queue.store.reader.runs()
    assert {run.id for run in runs} == set(run_ids)
    assert {run.state for run in runs} == {RunState.FINISHED}
    assert most == 3
    assert all(len(queue.store.reader.run(run_id).environments) == 1 for run_id in run_ids)
    assert len({run.val_accuracy for run in runs}) > 1, "thirty runs, not one thirty times"

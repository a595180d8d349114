"""`iterand train` and `resume` take their turn on a device, unless the user says not to wait."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from iterand_engine.machine import processes
from iterand_engine.store import Recorder, RunState
from iterand_engine.store.runs import adopt_run, claim_run, request_stop
from tests.command_line import Done, config_file, finished, iterand, start
from tests.slot_processes import ENDLESS, Queue


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A tiny run of one epoch."""
    return config_file(tmp_path, training={"epochs": 1})


def a_waiter(queue: Queue, *words: str | Path) -> tuple[subprocess.Popen[str], str]:
    """Start a command that waits for a slot; the process and the run that it waits to train."""
    before = {run.id for run in queue.store.reader.runs() if run.waiting}
    process = start(*words, "--workspace", queue.workspace.root)
    queue.until(lambda: any(run.waiting and run.id not in before for run in queue.store.reader.runs()))
    return process, next(r.id for r in queue.store.reader.runs() if r.waiting and r.id not in before)


def gave_up(process: subprocess.Popen[str], run_id: str, state: RunState) -> Done:
    """Check how a wait that was given up ends."""
    done = finished(process)
    assert (done.code, done.out) == (130, f"run {run_id} {state} step=0\n"), done.err
    return done


def test_that_training_takes_its_turn_and_says_what_it_waits_for(queue: Queue, config: Path) -> None:
    endless, queued = queue.add(ENDLESS, {})
    queue.start()
    queue.until_stepping(endless)
    patient, waits = a_waiter(queue, "train", config)
    gives_up, given_up = a_waiter(queue, "train", config)
    is_stopped, stopped = a_waiter(queue, "train", config)
    gives_up.send_signal(signal.SIGINT)
    request_stop(queue.store, stopped)
    assert (
        f"Slot 0 of cpu trains run {endless[:8]} (conv2-x0.0625-iterand)"
        in gave_up(gives_up, given_up, RunState.STOPPED).err
    )
    gave_up(is_stopped, stopped, RunState.STOPPED)

    beside = finished(start("train", config, "--now", "--workspace", queue.workspace.root))
    assert beside.code == 0, beside.err
    assert (queue.state(endless), queue.state(waits)) == (RunState.RUNNING, RunState.QUEUED)

    request_stop(queue.store, endless)
    done = finished(patient)
    assert (done.code, done.run_id) == (0, waits), done.err
    queue.until_state(queued, RunState.FINISHED)
    runs = {run.id: run for run in queue.store.reader.runs()}
    times = [(runs[run_id].started_at, runs[run_id].ended_at) for run_id in (endless, waits, queued)]
    flat = [moment for pair in times for moment in pair if moment is not None]
    assert len(flat) == 6
    assert flat == sorted(flat), "one after the other, before what was queued"


def test_that_a_resumed_run_stands_as_before_where_the_wait_is_given_up(queue: Queue) -> None:
    endless, failed = queue.add(ENDLESS, {})
    token = claim_run(queue.store, failed)
    adopt_run(queue.store, failed, token, processes.current(), {})
    with Recorder(queue.store, failed, token) as recorder:
        recorder.finish(RunState.FAILED, reason="so it is")
    queue.start()
    queue.until_stepping(endless)
    process, run_id = a_waiter(queue, "resume", failed)
    process.send_signal(signal.SIGTERM)
    gave_up(process, run_id, RunState.FAILED)
    assert queue.store.reader.run(failed).reason == "so it is"
    request_stop(queue.store, endless)


def test_that_a_run_on_a_cpu_without_slots_has_a_place_of_its_own(queue: Queue, config: Path) -> None:
    queue.set(cpu_slot=False)
    assert iterand("train", config, "--workspace", queue.workspace.root).code == 0
    assert queue.slots() == []

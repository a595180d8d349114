"""What every reader of a store keeps to, whatever the store is made of; another one joins `readers`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import closing

import pytest

from iterand_engine.errors import UserError
from iterand_engine.store import (
    Locked,
    Reader,
    Recorder,
    RunState,
    SlotKey,
    TimedRun,
    slots,
    trash,
)
from iterand_engine.store.sweeps import add_sweep
from tests.store.conftest import Place


@pytest.fixture
def reader(place: Place) -> Reader:
    return place.store.reader


@pytest.fixture
def finished(place: Place) -> str:
    """A run with a series, a message and results."""
    run_id, token = place.started_run("finished")
    with Recorder(place.store, run_id, token) as recorder:
        recorder.declare("loss", "step")
        recorder.declare("kept", "epoch", ("a", "b"))
        recorder.progress(2, 1, 2)
        recorder.append("loss", [0, 1], [0.5, 0.25])
        recorder.append("kept", [1], [[3.0, 4.0]])
        recorder.event("info", "said")
        recorder.publish_checkpoint(2, 1, "runs/x/checkpoint.pt", "ab", "resume")
        recorder.finish(RunState.STOPPED, val_accuracy=0.75, test_accuracy=0.5)
    return run_id


@pytest.fixture
def running(place: Place) -> Iterator[str]:
    """A run under way, with one epoch evaluated."""
    run_id, token = place.started_run("running")
    with Recorder(place.store, run_id, token) as recorder:
        recorder.declare("val_accuracy", "epoch")
        recorder.append("val_accuracy", [1], [0.625])
        recorder.progress(2, 1, 4)
        recorder.drain()
        yield run_id


def test_that_runs_are_frozen_rows_the_newest_first(reader: Reader, finished: str, running: str) -> None:
    rows = reader.runs()
    assert [row.id for row in rows] == [running, finished]
    assert [row.accuracy_so_far for row in rows] == [0.625, 0.75]
    assert [row.id for row in reader.runs(ids=[finished, "unknown"])] == [finished]
    assert [row.id for row in reader.runs(limit=1)] == [running]
    with pytest.raises(dataclasses.FrozenInstanceError):
        rows[0].name = "other"  # type: ignore[misc]
    ((row, config),) = reader.runs_with_configs(ids=[finished])
    detail = reader.run(finished)
    assert row == rows[1]
    assert (detail.config, detail.name, detail.state) == (config, "finished", RunState.STOPPED)
    assert [dict(start.snapshot) for start in detail.environments] == [{"threads": 1}]
    assert [row.id for row in reader.live_runs()] == [running]


def test_that_what_a_user_names_is_one_run_or_a_mistake(reader: Reader, place: Place, finished: str) -> None:
    assert reader.resolve("finished") == reader.resolve(finished[:8]) == finished
    for wrong in ("unknown", ""):
        with pytest.raises(UserError):
            reader.resolve(wrong)
    with pytest.raises(UserError):
        reader.run("unknown")
    trash.discard(place.store, [finished])
    assert reader.runs() == []
    assert [entry.row.id for entry in reader.discarded()] == [finished]
    assert reader.resolve_discarded("finished") == finished
    with pytest.raises(UserError):
        reader.resolve("finished")


def test_that_series_come_whole_or_what_is_new(reader: Reader, finished: str) -> None:
    known = {info.name: (info.axis, info.layers, info.points) for info in reader.series_list(finished)}
    assert known == {"loss": ("step", None, 2), "kept": ("epoch", ("a", "b"), 1)}
    loss = reader.series(finished, "loss")
    assert (loss.run_id, loss.steps.tolist(), loss.values.tolist()) == (finished, [0, 1], [0.5, 0.25])
    assert reader.series(finished, "kept").values.tolist() == [[3.0, 4.0]]
    assert reader.series(finished, "loss", first=1).values.tolist() == [0.25]
    since = {finished: (loss.rewind, 1)}
    assert reader.series_of([finished, "unknown"], "loss", since)[finished].steps.tolist() == [1]
    assert reader.last_values(finished) == {"loss": 0.25}
    with pytest.raises(UserError, match="no series 'los'"):
        reader.series(finished, "los")


def test_that_messages_and_checkpoints_are_read(reader: Reader, finished: str) -> None:
    (event,) = reader.events(finished)
    assert (event.level, event.text) == ("info", "said")
    assert reader.events(finished, after=event.id) == []
    assert [(one.step, one.relpath) for one in reader.checkpoints(finished)] == [(2, "runs/x/checkpoint.pt")]


def test_that_test_accuracy_has_one_gate_which_the_lock_shuts(reader: Reader, finished: str) -> None:
    assert reader.test_accuracy(finished, lock=False) == 0.5
    assert reader.test_accuracies([finished, "unknown"], lock=True) == {finished: Locked.LOCKED}
    assert not any("test_accuracy" in field.name for field in dataclasses.fields(reader.run(finished)))


def test_that_queue_sweeps_and_slots_are_read(reader: Reader, place: Place) -> None:
    one, two = place.new_run("one"), place.new_run("two", first=True)
    assert [row.id for row in reader.queued()] == [two, one]
    add_sweep(place.store, "lr", {}, {"training.lr": [0.1, 0.2]}, [one, two])
    (sweep,) = reader.sweeps()
    assert (sweep.name, set(sweep.run_ids)) == ("lr", {one, two})
    assert reader.slots() == []
    key = SlotKey("host", "cpu", 0)
    identity = reader.run(place.started_run()[0]).owner
    assert identity is not None
    slots.hold(place.store, key, device_name="CPU", device_kind="cpu", identity=identity, program="iterand 1")
    assert [(slot.key, slot.held) for slot in reader.slots()] == [(key, True)]


def test_that_recorded_times_are_found_by_what_they_are_of(reader: Reader, finished: str) -> None:
    row = reader.run(finished)

    def timed_runs(precision: str) -> list[TimedRun]:
        return reader.timed_runs(
            model=row.model,
            width_factor=row.width_factor,
            dataset=row.dataset,
            device_kind=row.device_kind,
            precision=precision,
        )

    (timed,) = timed_runs(row.precision)
    assert (timed.steps, timed.elapsed_s, timed.config) == (row.step, row.elapsed_s, row.config)
    assert timed_runs("other") == []


def test_that_a_feed_tells_changes_once_and_again_when_asked(reader: Reader, place: Place) -> None:
    one = place.new_run()
    with closing(reader.changes()) as feed:
        first = feed.poll()
        assert first is not None
        assert set(first.revisions) == {one}
        assert feed.poll() is None
        trash.discard(place.store, [one])
        gone = feed.poll()
        assert gone is not None
        assert (gone.revisions, gone.removed) == ({}, frozenset({one}))
        feed.forget()
        assert feed.poll() == gone

"""Sweeps keep what belongs together, and are reported once when they have ended."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from iterand_engine.errors import UserError
from iterand_engine.store import Recorder, RunState, Store, dialect, queue, sweeps, trash
from iterand_engine.store.runs import request_stop

if TYPE_CHECKING:
    from tests.store.conftest import Place

AXES = {"method.sparsity": [0.5, 0.9], "training.seed": [1, 2]}
BASE = {"model": {"name": "conv2"}}


def train(place: Place, run_id: str, state: RunState = RunState.FINISHED) -> None:
    with Recorder(place.store, run_id, place.taken(run_id)) as recorder:
        recorder.finish(state, reason=None if state is RunState.FINISHED else "so it is")


def ended_by(place: Place, run_id: str) -> list[str]:
    return [sweep.name for sweep in sweeps.sweeps_ended_by(place.store, run_id)]


def test_that_a_sweep_reads_back_as_it_was_made(place: Place) -> None:
    ids = [place.new_run(name) for name in "abc"]
    older = sweeps.add_sweep(place.store, "older", {}, {}, ids[:1])
    newer = sweeps.add_sweep(place.store, "newer", BASE, AXES, [ids[2], ids[0], ids[2]])
    rows = place.store.reader.sweeps()
    assert {row.id for row in rows} == {older, newer}
    row = next(row for row in rows if row.id == newer)
    assert (row.name, row.base, row.axes, row.ended_at) == ("newer", BASE, AXES, None)
    assert list(row.axes) == list(AXES)  # in the order given
    assert row.run_ids == (ids[0], ids[2])


def test_that_a_sweep_of_unknown_runs_is_refused_whole(place: Place) -> None:
    with pytest.raises(UserError, match="There is no run 'x'"):
        sweeps.add_sweep(place.store, "sweep", {}, {}, [place.new_run(), "x"])
    assert place.store.reader.sweeps() == []


def test_that_a_sweep_ends_once_with_its_last_run(place: Place) -> None:
    one, two, three = (place.new_run(name) for name in ("one", "two", "three"))
    sweeps.add_sweep(place.store, "both", {}, {}, [one, two])
    sweeps.add_sweep(place.store, "all", {}, {}, [one, two, three])
    train(place, one)
    assert ended_by(place, one) == []  # two is queued
    token = place.taken(two)
    assert ended_by(place, one) == []  # and now live
    with Recorder(place.store, two, token) as recorder:
        recorder.finish(RunState.FAILED, reason="so it is")
    assert ended_by(place, two) == ["both"]
    assert ended_by(place, two) == []
    assert ended_by(place, one) == []
    request_stop(place.store, three)
    assert ended_by(place, three) == ["all"]
    assert all(row.ended_at for row in place.store.reader.sweeps())


def test_that_a_sweep_goes_on_when_a_run_of_it_does(place: Place) -> None:
    one = place.new_run()
    sweeps.add_sweep(place.store, "sweep", {}, {}, [one])
    train(place, one, RunState.STOPPED)
    assert ended_by(place, one) == ["sweep"]
    queue.enqueue(place.store, [one])
    (row,) = place.store.reader.sweeps()
    assert row.ended_at is None
    train(place, one, RunState.STOPPED)
    assert ended_by(place, one) == ["sweep"]
    train(place, one)  # claimed without the queue
    assert ended_by(place, one) == ["sweep"]


def test_that_runs_in_the_trash_are_no_part_of_a_sweep(place: Place) -> None:
    one, two = place.new_run("one"), place.new_run("two")
    sweeps.add_sweep(place.store, "sweep", {}, {}, [one, two])
    train(place, one)
    trash.discard(place.store, [two])
    assert ended_by(place, one) == ["sweep"]
    (row,) = place.store.reader.sweeps()
    assert row.run_ids == (one,)
    trash.discard(place.store, [one])
    assert place.store.reader.sweeps() == []
    trash.restore(place.store, [one])
    assert len(place.store.reader.sweeps()) == 1
    assert place.store.reader.run(one).state is RunState.FINISHED


def test_that_what_sweeps_are_made_of_is_read_once_for_each(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "other"):
        sweeps.add_sweep(place.store, name, BASE, AXES, [place.new_run(run) for run in "abcd"])
    read: list[str] = []

    def from_json(text: str) -> object:
        read.append(text)
        return json.loads(text)

    monkeypatch.setattr(dialect, "from_json", from_json)
    with Store.open(place.workspace) as store:
        assert [row.base for row in store.reader.sweeps()] == [BASE, BASE]
    assert len(read) == 4  # base and axes of two

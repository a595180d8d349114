"""One look at the store: what is new is given once, whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from iterand_engine.errors import UserError
from iterand_engine.machine import processes
from iterand_engine.store import (
    Recorder,
    RunState,
    SlotKey,
    Store,
    labels,
    slots,
    sweeps,
    trash,
)
from iterand_engine.store.queries import SqliteReader
from iterand_engine.store.runs import adopt_run, claim_run, create_run, request_stop
from iterand_gui.live import store_reader
from iterand_gui.live.store_reader import RunsChange, SeriesRequest, StoreReader
from tests.gui.stores import owned, points
from tests.new_runs import CONFIG, new_run


@pytest.fixture
def reader(store: Store) -> Iterator[StoreReader]:
    reading = StoreReader(store.reader)
    yield reading
    reading.close()


def test_that_the_first_look_gives_everything_and_the_next_nothing(store: Store, reader: StoreReader) -> None:
    run_id = create_run(store, new_run())
    first = reader.look()
    assert first is not None
    assert first.runs is not None
    assert first.runs.is_all
    assert [row.id for row in first.runs.rows] == [run_id]
    assert first.runs.configs[run_id]["model"] == CONFIG["model"]
    assert reader.look() is None


def test_that_an_empty_workspace_counts_as_read(reader: StoreReader) -> None:
    first = reader.look()
    assert first is not None
    assert first.runs == RunsChange((), {}, frozenset(), is_all=True)


def test_that_only_changed_runs_are_returned_and_configurations_once(
    store: Store, reader: StoreReader
) -> None:
    one, other = create_run(store, new_run("one")), create_run(store, new_run("other"))
    reader.look()
    request_stop(store, other)
    change = reader.look()
    assert change is not None
    assert change.runs is not None
    assert [(row.id, row.state) for row in change.runs.rows] == [(other, RunState.STOPPED)]
    assert change.runs.configs == {}
    labels.set_tags(store, one, ("good",))
    tagged = reader.look()
    assert tagged is not None
    assert tagged.runs is not None
    assert [(row.id, row.tags) for row in tagged.runs.rows] == [(one, ("good",))]


def test_that_a_run_in_the_trash_is_returned_as_removed(store: Store, reader: StoreReader) -> None:
    from iterand_engine.store import trash

    run_id = create_run(store, new_run())
    reader.look()
    trash.discard(store, [run_id])
    change = reader.look()
    assert change is not None
    assert change.runs is not None
    assert change.runs.removed == {run_id}
    trash.restore(store, [run_id])
    back = reader.look()
    assert back is not None
    assert back.runs is not None
    assert run_id in back.runs.configs


def test_that_a_killed_worker_shows_though_nobody_writes(
    store: Store, reader: StoreReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = create_run(store, new_run())
    gone = replace(processes.current(), start_ticks=1)
    token = claim_run(store, run_id)
    adopt_run(store, run_id, token, processes.current(), {"device": "cpu"})
    assert (first := reader.look()) is not None
    assert first.runs is not None
    assert first.runs.rows[0].state is RunState.STARTING
    monkeypatch.setattr(processes, "is_alive", lambda identity: identity == gone)
    monkeypatch.setattr("iterand_gui.live.store_reader.JUDGE_EVERY_S", 0.0)
    change = reader.look()
    assert change is not None
    assert change.runs is not None
    assert change.runs.rows[0].state is RunState.INTERRUPTED


def test_that_a_subscription_gives_what_is_new_and_all_after_a_rewind(
    store: Store, reader: StoreReader
) -> None:
    run_id = create_run(store, new_run())
    token = owned(store, run_id)
    reader.want(1, SeriesRequest((run_id,), ("loss",)))
    nothing = reader.look()
    assert nothing is not None
    assert nothing.series == {1: ()}
    with Recorder(store, run_id, token) as recorder:
        recorder.declare("loss", "step", None)
        recorder.append("loss", *points(5))
        recorder.drain()
        assert positions_read(reader) == [(0, [0, 1, 2, 3, 4])]
        recorder.append("loss", *points(2, start=5))
        recorder.drain()
        assert positions_read(reader) == [(5, [5, 6])]
        recorder.rewind(3)
        recorder.drain()
        assert positions_read(reader) == [(0, [0, 1, 2])]
        recorder.finish(RunState.STOPPED)


def positions_read(reader: StoreReader) -> list[tuple[int, list[int]]]:
    reading = reader.look()
    assert reading is not None
    return [(part.first, part.steps.tolist()) for part in reading.series.get(1, ())]


def test_that_a_changed_subscription_does_not_return_again_what_stays(
    store: Store, reader: StoreReader
) -> None:
    ids = [create_run(store, new_run(seed=seed)) for seed in (1, 2)]
    for run_id in ids:
        with Recorder(store, run_id, owned(store, run_id)) as recorder:
            recorder.declare("loss", "step", None)
            recorder.append("loss", *points(3))
            recorder.finish(RunState.STOPPED)
    reader.want(7, SeriesRequest(tuple(ids[:1]), ("loss",)))
    first = reader.look()
    assert first is not None
    assert [part.run_id for part in first.series[7]] == ids[:1]
    reader.want(7, SeriesRequest(tuple(ids), ("loss",)))
    second = reader.look()
    assert second is not None
    assert [part.run_id for part in second.series[7]] == ids[1:]


def test_that_of_many_runs_the_newest_come_first(
    store: Store, reader: StoreReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_reader, "FIRST_RUNS", 3)
    ids = [create_run(store, new_run(seed=seed)) for seed in range(8)]
    first = reader.look()
    assert first is not None
    assert first.runs is not None
    assert ([row.id for row in first.runs.rows], first.runs.is_all) == (ids[:-4:-1], False)
    assert reader.has_more
    rest = reader.look()
    assert rest is not None
    assert rest.runs is not None
    assert ([row.id for row in rest.runs.rows], rest.runs.is_all) == (ids[4::-1], True)
    assert rest.runs.configs.keys() == set(ids[:5])
    assert not reader.has_more
    assert reader.look() is None


def test_that_the_first_reading_ends_also_where_all_that_is_left_went_meanwhile(
    store: Store, reader: StoreReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_reader, "FIRST_RUNS", 1)
    older, newer = create_run(store, new_run(seed=1)), create_run(store, new_run(seed=2))
    first = reader.look()
    assert first is not None
    assert first.runs is not None
    assert [row.id for row in first.runs.rows] == [newer]
    trash.discard(store, [older])
    rest = reader.look()
    assert rest is not None
    assert rest.runs is not None
    assert (rest.runs.rows, rest.runs.is_all) == ((), True)


def test_that_a_look_that_failed_is_made_up_for_whole(
    store: Store, reader: StoreReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader.look()
    run_id = create_run(store, new_run())
    with Recorder(store, run_id, owned(store, run_id)) as recorder:
        recorder.declare("loss", "step", None)
        recorder.append("loss", *points(3))
        recorder.event("info", "began")
        recorder.finish(RunState.STOPPED)
    reader.want(1, SeriesRequest((run_id,), ("loss",), events=True))
    with monkeypatch.context() as broken:
        broken.setattr(SqliteReader, "events", raising(OSError("disk I/O error")))
        with pytest.raises(OSError, match="disk I/O error"):
            reader.look()
    reading = reader.look()
    assert reading is not None
    assert reading.runs is not None
    assert reading.runs.configs.keys() == {run_id}
    assert [part.steps.tolist() for part in reading.series[1]] == [[0, 1, 2]]
    assert [event.text for batch in reading.events[1] for event in batch.events] == ["began"]
    assert reader.look() is None


def raising(error: Exception) -> Callable[..., object]:
    def fail(*arguments: object, **options: object) -> object:
        raise error

    return fail


def test_that_messages_are_returned_once(store: Store, reader: StoreReader) -> None:
    run_id = create_run(store, new_run())
    with Recorder(store, run_id, owned(store, run_id)) as recorder:
        reader.want(1, SeriesRequest((run_id,), events=True))
        reader.look()
        recorder.event("warning", "slow disk")
        recorder.drain()
        assert messages(reader) == ["slow disk"]
        recorder.event("info", "fine again")
        recorder.drain()
        assert messages(reader) == ["fine again"]
        recorder.finish(RunState.STOPPED)


def messages(reader: StoreReader) -> list[str]:
    reading = reader.look()
    assert reading is not None
    return [event.text for batch in reading.events.get(1, ()) for event in batch.events]


def test_that_sweeps_and_slots_are_returned_when_they_change(store: Store, reader: StoreReader) -> None:
    reader.look()
    ids = [create_run(store, new_run(seed=seed)) for seed in (1, 2)]
    sweeps.add_sweep(store, "seeds", {}, {"training.seed": [1, 2]}, ids)
    key = SlotKey(processes.host_id(), "cpu", 0)
    me = processes.current()
    assert slots.hold(store, key, device_name="CPU", device_kind="cpu", identity=me, program="0.1.0")
    reading = reader.look()
    assert reading is not None
    assert reading.sweeps is not None
    assert [(sweep.name, sweep.run_ids) for sweep in reading.sweeps] == [("seeds", tuple(ids))]
    assert reading.slots is not None
    assert [(slot.key, slot.held) for slot in reading.slots] == [(key, True)]
    request_stop(store, ids[0])
    again = reader.look()
    assert again is not None
    assert (again.slots, again.sweeps) == (None, None)


def test_that_a_database_that_is_gone_or_another_is_reported(store: Store, reader: StoreReader) -> None:
    reader.look()
    path = store.workspace.db_path
    elsewhere = path.rename(path.with_name("elsewhere.db"))
    with pytest.raises(UserError, match="is gone while it was open: bring"):
        reader.look()
    path.write_bytes(elsewhere.read_bytes())
    with pytest.raises(UserError, match="was replaced by another file"):
        reader.look()
    elsewhere.rename(path)
    create_run(store, new_run())
    assert reader.look() is not None

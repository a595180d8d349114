"""The window's eye on the store: what is new is told once, by signals, without a query on the GUI thread."""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from iterand_engine import processes
from iterand_engine.errors import UserError
from iterand_engine.processes import ProcessIdentity
from iterand_engine.store import (
    NewRun,
    Recorder,
    RunState,
    SlotKey,
    Store,
    labels,
    queries,
    slots,
    sweeps,
)
from iterand_engine.workspace import open_workspace_dir
from iterand_gui.live import store_reader
from iterand_gui.live.collector import MANY, undisturbed
from iterand_gui.live.store_reader import RunsChange, SeriesPart, StoreReader, Wish
from iterand_gui.live.store_watcher import StoreWatcher

WAIT_MS = 10_000
CONFIG = {
    "data": {"dataset": "digits"},
    "model": {"name": "conv2", "width_factor": 0.25},
    "method": {"name": "iterand"},
    "compute": {"device": "cpu"},
}


def new_run(name: str = "tiny", seed: int = 1) -> NewRun:
    return NewRun(name, CONFIG, "key", seed, "cpu", "fp32", "0.1.0")


@pytest.fixture
def store(workspace_dir: Path) -> Iterator[Store]:
    with Store.open(open_workspace_dir(workspace_dir)) as opened:
        yield opened


@pytest.fixture
def watcher(store: Store, qtbot: QtBot) -> Iterator[StoreWatcher]:
    watching = StoreWatcher(store)
    yield watching
    watching.stop()


@pytest.fixture
def reader(store: Store) -> Iterator[StoreReader]:
    reading = StoreReader(store)
    yield reading
    reading.close()


def owned(store: Store, run_id: str, identity: ProcessIdentity | None = None) -> str:
    """Claim and adopt a run, so that this process may write it."""
    token = store.claim(run_id)
    store.adopt(run_id, token, identity or processes.current(), {"device": "cpu"})
    return token


def points(count: int, start: int = 0) -> tuple[np.ndarray, np.ndarray]:
    steps = np.arange(start, start + count, dtype=np.int64)
    return steps, steps.astype(np.float32) / 10


def test_that_the_first_look_gives_everything_and_the_next_nothing(store: Store, reader: StoreReader) -> None:
    run_id = store.create_run(new_run())
    first = reader.look()
    assert first is not None
    assert first.runs is not None
    assert first.runs.is_all
    assert [row.id for row in first.runs.rows] == [run_id]
    assert first.runs.configs[run_id]["model"] == CONFIG["model"]
    assert reader.look() is None


def test_that_an_empty_workspace_is_told_as_read(reader: StoreReader) -> None:
    first = reader.look()
    assert first is not None
    assert first.runs == RunsChange((), {}, {}, {}, frozenset(), is_all=True)


def test_that_only_changed_runs_are_told_and_configurations_once(store: Store, reader: StoreReader) -> None:
    one, other = store.create_run(new_run("one")), store.create_run(new_run("other"))
    reader.look()
    store.request_stop(other)
    change = reader.look()
    assert change is not None
    assert change.runs is not None
    assert [(row.id, row.state) for row in change.runs.rows] == [(other, RunState.STOPPED)]
    assert change.runs.configs == {}
    labels.set_tags(store, one, ("good",))
    tagged = reader.look()
    assert tagged is not None
    assert tagged.runs is not None
    assert tagged.runs.tags == {one: ("good",)}


def test_that_a_run_in_the_trash_is_told_as_removed(store: Store, reader: StoreReader) -> None:
    from iterand_engine.store import trash

    run_id = store.create_run(new_run())
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
    run_id = store.create_run(new_run())
    gone = replace(processes.current(), start_ticks=1)
    token = store.claim(run_id)
    store.adopt(run_id, token, processes.current(), {"device": "cpu"})
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
    run_id = store.create_run(new_run())
    token = owned(store, run_id)
    reader.want(1, Wish((run_id,), ("loss",)))
    nothing = reader.look()
    assert nothing is not None
    assert nothing.series == {1: ()}
    with Recorder(store, run_id, token) as recorder:
        recorder.declare("loss", "step", None)
        recorder.append("loss", *points(5))
        recorder.drain()
        assert told(reader) == [(0, [0, 1, 2, 3, 4])]
        recorder.append("loss", *points(2, start=5))
        recorder.drain()
        assert told(reader) == [(5, [5, 6])]
        recorder.rewind(3)
        recorder.drain()
        assert told(reader) == [(0, [0, 1, 2])]
        recorder.finish(RunState.STOPPED)


def told(reader: StoreReader) -> list[tuple[int, list[int]]]:
    reading = reader.look()
    assert reading is not None
    return [(part.first, part.steps.tolist()) for part in reading.series.get(1, ())]


def test_that_a_changed_subscription_does_not_tell_again_what_stays(
    store: Store, reader: StoreReader
) -> None:
    ids = [store.create_run(new_run(seed=seed)) for seed in (1, 2)]
    for run_id in ids:
        with Recorder(store, run_id, owned(store, run_id)) as recorder:
            recorder.declare("loss", "step", None)
            recorder.append("loss", *points(3))
            recorder.finish(RunState.STOPPED)
    reader.want(7, Wish(tuple(ids[:1]), ("loss",)))
    first = reader.look()
    assert first is not None
    assert [part.run_id for part in first.series[7]] == ids[:1]
    reader.want(7, Wish(tuple(ids), ("loss",)))
    second = reader.look()
    assert second is not None
    assert [part.run_id for part in second.series[7]] == ids[1:]


def test_that_news_arrive_as_signals_and_state_is_kept(
    store: Store, watcher: StoreWatcher, qtbot: QtBot
) -> None:
    with qtbot.waitSignal(watcher.runs_changed, timeout=WAIT_MS):
        watcher.start()
    with qtbot.waitSignal(watcher.overview_changed, timeout=WAIT_MS) as told:
        run_id = store.create_run(new_run())
    assert told.args == [0, 1]
    assert watcher.runs[run_id].name == "tiny"
    assert watcher.configs[run_id]["method"] == CONFIG["method"]


def test_that_points_of_a_live_run_arrive_by_subscription(
    store: Store, watcher: StoreWatcher, qtbot: QtBot
) -> None:
    run_id = store.create_run(new_run())
    token = owned(store, run_id)
    got: list[SeriesPart] = []
    subscription = watcher.subscribe([run_id], ["loss"])
    subscription.arrived.connect(got.extend)
    watcher.start()
    with Recorder(store, run_id, token) as recorder:
        recorder.declare("loss", "step", None)
        recorder.append("loss", *points(4))
        qtbot.waitUntil(lambda: sum(len(part.steps) for part in got) == 4, timeout=WAIT_MS)
        recorder.append("loss", *points(4, start=4))
        qtbot.waitUntil(lambda: sum(len(part.steps) for part in got) == 8, timeout=WAIT_MS)
        subscription.close()
        recorder.finish(RunState.STOPPED)
    assert np.concatenate([part.steps for part in got]).tolist() == list(range(8))


def test_that_a_damaged_database_is_told_once_and_its_repair_as_well(
    store: Store, watcher: StoreWatcher, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = True
    look = StoreReader.look

    def failing(reader: StoreReader) -> object:
        if broken:
            raise OSError("disk I/O error")
        return look(reader)

    monkeypatch.setattr(StoreReader, "look", failing)
    monkeypatch.setattr("iterand_gui.live.store_watcher._AFTER_ERROR_MS", 10)
    sentences: list[str] = []
    watcher.failed.connect(sentences.append)
    with qtbot.waitSignal(watcher.failed, timeout=WAIT_MS):
        watcher.start()
    with qtbot.waitSignal(watcher.recovered, timeout=WAIT_MS):
        broken = False
    assert len(sentences) == 1
    assert "disk I/O error" in sentences[0]


def test_that_of_many_runs_the_newest_come_first(
    store: Store, reader: StoreReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_reader, "FIRST_RUNS", 3)
    ids = [store.create_run(new_run(seed=seed)) for seed in range(8)]
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


def test_that_a_look_that_failed_is_made_up_for_whole(
    store: Store, reader: StoreReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader.look()
    run_id = store.create_run(new_run())
    with Recorder(store, run_id, owned(store, run_id)) as recorder:
        recorder.declare("loss", "step", None)
        recorder.append("loss", *points(3))
        recorder.event("info", "began")
        recorder.finish(RunState.STOPPED)
    reader.want(1, Wish((run_id,), ("loss",), events=True))
    with monkeypatch.context() as broken:
        broken.setattr(queries, "events", raising(OSError("disk I/O error")))
        with pytest.raises(OSError, match="disk I/O error"):
            reader.look()
    reading = reader.look()
    assert reading is not None
    assert reading.runs is not None
    assert reading.runs.configs.keys() == {run_id}
    assert [part.steps.tolist() for part in reading.series[1]] == [[0, 1, 2]]
    assert [event.text for told in reading.events[1] for event in told.events] == ["began"]
    assert reader.look() is None


def raising(error: Exception) -> Callable[..., object]:
    def fail(*arguments: object, **options: object) -> object:
        raise error

    return fail


def test_that_messages_are_told_once(store: Store, reader: StoreReader) -> None:
    run_id = store.create_run(new_run())
    with Recorder(store, run_id, owned(store, run_id)) as recorder:
        reader.want(1, Wish((run_id,), events=True))
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
    return [event.text for told in reading.events.get(1, ()) for event in told.events]


def test_that_sweeps_and_slots_are_told_when_they_change(store: Store, reader: StoreReader) -> None:
    reader.look()
    ids = [store.create_run(new_run(seed=seed)) for seed in (1, 2)]
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
    store.request_stop(ids[0])
    again = reader.look()
    assert again is not None
    assert (again.slots, again.sweeps) == (None, None)


def test_that_a_database_that_is_gone_or_another_is_told(store: Store, reader: StoreReader) -> None:
    reader.look()
    path = store.workspace.db_path
    elsewhere = path.rename(path.with_name("elsewhere.db"))
    with pytest.raises(UserError, match="is gone: bring it back"):
        reader.look()
    path.write_bytes(elsewhere.read_bytes())
    with pytest.raises(UserError, match="was replaced by another file"):
        reader.look()
    elsewhere.rename(path)
    store.create_run(new_run())
    assert reader.look() is not None


def test_that_a_killed_worker_shows_within_five_seconds(
    store: Store, watcher: StoreWatcher, qtbot: QtBot
) -> None:
    run_id = store.create_run(new_run())
    script = "import time; print('here', flush=True); time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline()
        identity = processes.identity_of(worker.pid)
        assert identity is not None
        owned(store, run_id, identity)
        watcher.start()
        qtbot.waitUntil(lambda: state_of(watcher, run_id) is RunState.STARTING, timeout=WAIT_MS)
        worker.kill()
        worker.wait()
        killed_s = time.monotonic()
        qtbot.waitUntil(lambda: state_of(watcher, run_id) is RunState.INTERRUPTED, timeout=WAIT_MS)
        assert time.monotonic() - killed_s < 5


def state_of(watcher: StoreWatcher, run_id: str) -> RunState | None:
    row = watcher.runs.get(run_id)
    return None if row is None else row.state


def test_that_news_do_not_pile_up_while_the_window_is_busy(
    store: Store, watcher: StoreWatcher, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("iterand_gui.live.store_watcher.LOOK_EVERY_MS", 1)
    with qtbot.waitSignal(watcher.runs_changed, timeout=WAIT_MS):
        watcher.start()
    changes: list[RunsChange] = []
    watcher.runs_changed.connect(changes.append)
    ids = [store.create_run(new_run(seed=seed)) for seed in range(30)]  # no events are handled meanwhile
    qtbot.waitUntil(lambda: watcher.runs.keys() == set(ids), timeout=WAIT_MS)
    assert len(changes) <= 2


def test_that_the_overview_counts_what_is_trained_and_queued(
    store: Store, watcher: StoreWatcher, qtbot: QtBot
) -> None:
    counts: list[tuple[int, int]] = []
    watcher.overview_changed.connect(lambda running, queued: counts.append((running, queued)))
    ids = [store.create_run(new_run(seed=seed)) for seed in range(3)]
    token = owned(store, ids[0])
    watcher.start()
    qtbot.waitUntil(lambda: counts[-1:] == [(1, 2)], timeout=WAIT_MS)
    with Recorder(store, ids[0], token) as recorder:
        recorder.finish(RunState.FINISHED)
    store.request_stop(ids[1])
    qtbot.waitUntil(lambda: counts[-1:] == [(0, 1)], timeout=WAIT_MS)


@pytest.mark.parametrize("count", [10, MANY])
def test_that_the_collector_runs_again_after_many_objects_were_made(count: int) -> None:
    frozen = gc.get_freeze_count()
    with undisturbed(count):
        assert gc.isenabled() == (count < MANY)
    assert gc.isenabled()
    assert (gc.get_freeze_count() > frozen) == (count >= MANY)
    gc.unfreeze()

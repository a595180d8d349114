"""Watching the store: news are signalled once, without a query on the GUI thread."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from iterand_engine.machine import processes
from iterand_engine.store import Recorder, RunState, Series, Store
from iterand_engine.store.runs import create_run, request_stop
from iterand_gui.live import store_reader
from iterand_gui.live.store_reader import RunsChange, StoreReader
from iterand_gui.live.store_watcher import StoreWatcher
from tests.gui.stores import owned, points
from tests.new_runs import CONFIG, new_run
from tests.patience import SHOWN_WITHIN_S, WAIT_MS, seconds_here


@pytest.fixture
def watcher(store: Store, qtbot: QtBot) -> Iterator[StoreWatcher]:
    watching = StoreWatcher(store)
    yield watching
    watching.stop()


def test_that_news_arrive_as_signals_and_state_is_kept(
    store: Store, watcher: StoreWatcher, qtbot: QtBot
) -> None:
    with qtbot.waitSignal(watcher.runs_changed, timeout=WAIT_MS):
        watcher.start()
    with qtbot.waitSignal(watcher.overview_changed, timeout=WAIT_MS) as signal:
        run_id = create_run(store, new_run())
    assert signal.args == [0, 1]
    assert watcher.runs[run_id].name == "run"
    assert watcher.configs[run_id]["method"] == CONFIG["method"]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="the names of threads are read from /proc")
def test_that_the_thread_has_its_own_name(watcher: StoreWatcher, qtbot: QtBot) -> None:
    def names() -> list[str]:
        return [file.read_text().strip() for file in Path("/proc/self/task").glob("*/comm")]

    with qtbot.waitSignal(watcher.runs_changed, timeout=WAIT_MS):
        watcher.start()
    assert "store-watcher" in names()
    assert "QThread" not in names(), "the class was asked for its name, without Python's lock"


def test_that_everything_counts_as_read_when_the_oldest_run_is(
    store: Store, watcher: StoreWatcher, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_reader, "FIRST_RUNS", 1)
    oldest = create_run(store, new_run(seed=1))
    create_run(store, new_run(seed=2))
    read: list[bool] = []
    watcher.runs_changed.connect(lambda change: read.append(watcher.has_read))
    watcher.start()
    qtbot.waitUntil(lambda: oldest in watcher.runs, timeout=WAIT_MS)
    assert read == [False, True]


def test_that_points_of_a_live_run_arrive_by_subscription(
    store: Store, watcher: StoreWatcher, qtbot: QtBot
) -> None:
    run_id = create_run(store, new_run())
    token = owned(store, run_id)
    got: list[Series] = []
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


def test_that_a_damaged_database_is_reported_once_and_its_repair_as_well(
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


def test_that_a_killed_worker_shows_within_five_seconds(
    store: Store, watcher: StoreWatcher, qtbot: QtBot
) -> None:
    run_id = create_run(store, new_run())
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
        assert time.monotonic() - killed_s < seconds_here(SHOWN_WITHIN_S)


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
    ids = [create_run(store, new_run(seed=seed)) for seed in range(30)]  # no events are handled meanwhile
    qtbot.waitUntil(lambda: watcher.runs.keys() == set(ids), timeout=WAIT_MS)
    assert len(changes) <= 2


def test_that_the_overview_counts_what_is_trained_and_queued(
    store: Store, watcher: StoreWatcher, qtbot: QtBot
) -> None:
    counts: list[tuple[int, int]] = []
    watcher.overview_changed.connect(lambda running, queued: counts.append((running, queued)))
    ids = [create_run(store, new_run(seed=seed)) for seed in range(3)]
    token = owned(store, ids[0])
    watcher.start()
    qtbot.waitUntil(lambda: counts[-1:] == [(1, 2)], timeout=WAIT_MS)
    with Recorder(store, ids[0], token) as recorder:
        recorder.finish(RunState.FINISHED)
    request_stop(store, ids[1])
    qtbot.waitUntil(lambda: counts[-1:] == [(0, 1)], timeout=WAIT_MS)

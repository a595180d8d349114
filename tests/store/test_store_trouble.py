"""Recording while the database is locked, slow, broken or taken over: nothing is lost or written wrongly."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from iterand_engine.errors import OwnershipLost
from iterand_engine.store import Recorder, RunState, outbox
from tests.patience import seconds_here
from tests.store.slot_tools import Until, ramp

if TYPE_CHECKING:
    from tests.store.conftest import Place


def test_that_a_locked_database_loses_nothing_and_stops_nobody(
    place: Place, run: tuple[str, str], monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    monkeypatch.setattr(outbox, "_SAY_AFTER_S", 0.0)
    said: list[str] = []
    with Recorder(place.store, *run, on_wait=said.append) as recorder:
        recorder.declare("loss", "step")
        recorder.drain()
        with place.locked():
            began_s = time.monotonic()
            for step in range(2000):
                recorder.append("loss", [step], [step])
                recorder.progress(step + 1, 0, 2000)
                assert not recorder.stop_requested
            # The busy timeout alone would be a second each time.
            assert time.monotonic() - began_s < seconds_here(5)
            until(lambda: said)
            assert place.store.reader.series(run[0], "loss").steps.size == 0
        recorder.drain()
        assert place.store.reader.series(run[0], "loss").values.tolist() == list(range(2000))
        assert place.store.reader.run(run[0]).step == 2000
        until(lambda: len(said) == 2)
    assert "database is locked" in said[0]
    assert "can be written again" in said[1]


def test_that_a_full_buffer_waits_for_the_database_and_says_so(
    place: Place, run: tuple[str, str], until: Until
) -> None:
    said: list[str] = []
    with Recorder(place.store, *run, on_wait=said.append, buffer_bytes=1200) as recorder:
        recorder.declare("loss", "step")
        recorder.drain()

        def train() -> None:
            for first in range(0, 300, 50):
                recorder.append("loss", *ramp(first, 50))

        with place.locked():
            thread = threading.Thread(target=train)
            thread.start()
            until(lambda: said)
            assert thread.is_alive()
        thread.join()
        recorder.drain()
        until(lambda: "can be written again" in said[-1])
    assert "training waits until they are written" in said[0]
    assert place.store.reader.series(run[0], "loss").steps.tolist() == list(range(300))


def test_that_another_owner_ends_the_recording_at_once(
    place: Place, run: tuple[str, str], recorder: Recorder
) -> None:
    recorder.append("loss", *ramp(0, 10))
    recorder.drain()
    with closing(sqlite3.connect(place.workspace.db_path)) as other:
        other.execute("UPDATE run SET owner_token = 'another'")
        other.commit()
    before = place.store.reader.run(run[0])
    recorder.append("loss", *ramp(10, 10))
    with pytest.raises(OwnershipLost):
        recorder.drain()
    with pytest.raises(OwnershipLost):
        recorder.append("loss", *ramp(20, 10))
    with pytest.raises(OwnershipLost):
        recorder.finish(RunState.FINISHED)
    with pytest.raises(OwnershipLost):
        assert recorder.stop_requested
    assert place.store.reader.series(run[0], "loss").steps.size == 10
    assert place.store.reader.run(run[0]).revision == before.revision


def test_that_a_loss_of_ownership_nobody_met_is_raised_by_closing(place: Place, run: tuple[str, str]) -> None:
    recorder = Recorder(place.store, *run)
    with closing(sqlite3.connect(place.workspace.db_path)) as other:
        other.execute("UPDATE run SET owner_token = 'another'")
        other.commit()
    recorder.event("info", "too late")
    with pytest.raises(OwnershipLost):
        recorder.close()
    assert place.store.reader.events(run[0]) == []


def test_that_a_wrong_token_opens_no_recorder(place: Place, run: tuple[str, str]) -> None:
    with pytest.raises(OwnershipLost):
        Recorder(place.store, run[0], "stale")


def test_that_a_defect_of_the_writing_is_raised_and_not_swallowed(place: Place, run: tuple[str, str]) -> None:
    recorder = Recorder(place.store, *run)
    with closing(sqlite3.connect(place.workspace.db_path)) as other:
        other.execute("DROP TABLE event")
    recorder.event("info", "lost")
    with pytest.raises(Exception, match="no such table: event"):
        recorder.drain()
    recorder.close()  # it has been reported


def test_that_an_error_in_training_is_not_hidden_by_one_of_recording(
    place: Place, run: tuple[str, str]
) -> None:
    def train() -> None:
        with Recorder(place.store, *run) as recorder:
            with closing(sqlite3.connect(place.workspace.db_path)) as other:
                other.execute("DROP TABLE event")
            recorder.event("info", "lost")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        train()
    assert "no such table: event" in caught.value.__notes__[0]

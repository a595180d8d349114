"""What is in the trash is seen by nobody else, comes back as it was, or goes for good."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from iterand_engine.errors import UserError
from iterand_engine.store import (
    ChangeWatcher,
    Recorder,
    RunState,
    SlotKey,
    labels,
    queue,
    schema,
    slots,
    sweeps,
    trash,
)
from iterand_engine.store.runs import adopt_run, claim_run, request_stop, unlock_runs
from tests.store.slot_tools import HERE

if TYPE_CHECKING:
    from tests.store.conftest import Place


@pytest.fixture
def finished(place: Place) -> str:
    """A finished run with all that a run can have."""
    run_id, token = place.started_run("finished")
    with Recorder(place.store, run_id, token) as recorder:
        recorder.declare("loss", "step")
        recorder.append("loss", [0], [0.5])
        recorder.event("info", "x")
        recorder.finish(RunState.FINISHED, val_accuracy=0.5, test_accuracy=0.25)
    labels.set_tags(place.store, run_id, ["good"])
    labels.set_notes(place.store, run_id, "worth a look")
    unlock_runs(place.store, [run_id])
    return run_id


def test_that_no_reading_shows_a_discarded_run(place: Place, finished: str) -> None:
    store = place.store
    other = place.new_run("other")
    trash.discard(store, [finished])
    assert [row.id for row in store.reader.runs()] == [other]
    assert store.reader.runs(ids=[finished]) == []
    assert [row.id for row, _ in store.reader.runs_with_configs()] == [other]
    assert store.reader.test_accuracies([finished, other], lock=False) == {other: None}
    assert store.reader.series_of([finished], "loss") == {}
    for read in (store.reader.series_list, store.reader.events, store.reader.checkpoints):
        assert read(finished) == []
    assert store.reader.last_values(finished) == {}
    unknown: list[Callable[[], object]] = [
        lambda: store.reader.run(finished),
        lambda: store.reader.series(finished, "loss"),
        lambda: store.reader.test_accuracy(finished, lock=False),
        lambda: claim_run(store, finished),
        lambda: request_stop(store, finished),
        lambda: unlock_runs(store, [finished]),
        lambda: queue.enqueue(store, [finished]),
        lambda: trash.discard(store, [finished]),
        lambda: labels.set_notes(store, finished, "x"),
        lambda: labels.set_tags(store, finished, ["x"]),
        lambda: sweeps.add_sweep(store, "x", {}, {}, [finished]),
    ]
    for ask in unknown:
        with pytest.raises(UserError, match="There is no run"):
            ask()
    with pytest.raises(UserError, match="No run has the name 'finished'"):
        store.reader.resolve("finished")


def test_that_a_restored_run_is_as_it_was(place: Place, finished: str) -> None:
    before = place.store.reader.run(finished)
    trash.discard(place.store, [finished])
    (entry,) = place.store.reader.discarded()
    assert entry.row.name == "finished"
    assert entry.row.val_accuracy == 0.5
    assert entry.deleted_at is not None
    assert entry.deleted_at > before.created_at
    trash.restore(place.store, [finished])
    after = place.store.reader.run(finished)
    assert replace(after, revision=before.revision) == before
    assert (after.tags, after.notes) == (("good",), "worth a look")
    assert place.store.reader.series(finished, "loss").values.tolist() == [0.5]
    assert place.store.reader.discarded() == []


def test_that_a_queued_run_is_stopped_by_that_and_claimed_by_nobody(place: Place) -> None:
    run_id = place.new_run(waiter=HERE)
    trash.discard(place.store, [run_id])
    assert place.store.reader.queued() == []
    key = SlotKey(HERE.host, "cpu", 0)
    token = slots.hold(place.store, key, device_name="x", device_kind="cpu", identity=HERE, program="0.1.0")
    assert token is not None
    assert slots.claim_next(place.store, key, token) is None
    trash.restore(place.store, [run_id])
    assert place.store.reader.run(run_id).state is RunState.STOPPED


def test_that_live_runs_are_not_discarded_nor_what_is_named_with_them(place: Place, finished: str) -> None:
    live, _ = place.started_run()
    with pytest.raises(UserError, match=f"{live} is starting: stop it first .`iterand stop {live[:8]}`"):
        trash.discard(place.store, [finished, live])
    assert place.store.reader.discarded() == []


def test_that_a_run_whose_process_died_can_be_discarded(place: Place) -> None:
    run_id = place.new_run()
    token = claim_run(place.store, run_id)
    adopt_run(place.store, run_id, token, replace(HERE, start_ticks=HERE.start_ticks - 1), {})
    trash.discard(place.store, [run_id])
    (entry,) = place.store.reader.discarded()
    assert entry.row.stored_state is RunState.INTERRUPTED
    queue.died(place.store, run_id, token, "killed", "")  # its slot finds it out later
    assert place.store.reader.discarded() == [entry]


def test_that_a_forgotten_run_leaves_nothing(place: Place, finished: str) -> None:
    sweeps.add_sweep(place.store, "alone", {}, {}, [finished])
    kept = place.new_run("kept")
    sweeps.add_sweep(place.store, "shared", {}, {}, [finished, kept])
    with pytest.raises(UserError, match=f"There is no run '{finished}' in the trash"):
        trash.forget(place.store, [finished])
    trash.discard(place.store, [finished])
    trash.forget(place.store, [finished])
    assert place.store.reader.discarded() == []
    assert [(sweep.name, sweep.run_ids) for sweep in place.store.reader.sweeps()] == [("shared", (kept,))]
    with place.store.reading() as connection:
        left = {
            name: connection.execute(table.select()).all() for name, table in schema.metadata.tables.items()
        }
    assert {name for name, rows in left.items() if rows} == {"run", "run_change", "sweep", "sweep_run"}
    assert len(left["sweep"]) == 1


def test_that_the_trash_is_all_or_nothing(place: Place, finished: str) -> None:
    trash.discard(place.store, [finished])
    kept = place.new_run()
    for act in (trash.restore, trash.forget):
        with pytest.raises(UserError, match=f"no run '{kept}' in the trash"):
            act(place.store, [finished, kept])
    assert len(place.store.reader.discarded()) == 1


def test_that_a_run_in_the_trash_is_named_by_id_prefix_or_name(place: Place, finished: str) -> None:
    place.new_run("other")
    trash.discard(place.store, [finished])
    assert place.store.reader.resolve_discarded("finished") == finished
    assert place.store.reader.resolve_discarded(finished[:12]) == finished
    with pytest.raises(UserError, match="No run in the trash has the name 'othr'"):
        place.store.reader.resolve_discarded("othr")
    with pytest.raises(UserError, match="No run in the trash has the name 'other'"):
        place.store.reader.resolve_discarded("other")


def test_that_a_watcher_sees_discarded_runs_go_and_come(place: Place, finished: str) -> None:
    with closing(ChangeWatcher(place.workspace.db_path)) as watcher:
        watcher.poll()
        trash.discard(place.store, [finished])
        changes = watcher.poll()
        assert changes is not None
        assert (dict(changes.revisions), changes.removed) == ({}, frozenset({finished}))
        trash.restore(place.store, [finished])
        changes = watcher.poll()
        assert changes is not None
        assert set(changes.revisions) == {finished}


@pytest.mark.parametrize("tags", [["two words"], ["a,b"], [""], ["tab\t"]])
def test_that_a_tag_is_one_word(place: Place, finished: str, tags: list[str]) -> None:
    with pytest.raises(UserError, match="A tag is one word"):
        labels.set_tags(place.store, finished, ["fine", *tags])
    assert place.store.reader.run(finished).tags == ("good",)


def test_that_tags_and_notes_are_replaced_and_seen_as_a_change(place: Place, finished: str) -> None:
    revision = place.store.reader.run(finished).revision
    labels.set_tags(place.store, finished, ["z", "a", "z"])
    labels.set_notes(place.store, finished, "")
    row = place.store.reader.run(finished)
    assert (row.tags, row.notes, row.revision) == (("a", "z"), "", revision + 2)
    labels.set_tags(place.store, finished, [])
    assert place.store.reader.run(finished).tags == ()

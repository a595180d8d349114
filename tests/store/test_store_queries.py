"""Runs are listed, named, watched and unlocked as users and the window need it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import from_json
from sqlalchemy import func, select, text

from iterand_engine.errors import UserError
from iterand_engine.store import (
    ChangeWatcher,
    Locked,
    Recorder,
    RunRow,
    RunState,
    dialect,
    labels,
    run_select,
    schema,
    trash,
)
from iterand_engine.store.runs import claim_run, clear_request, request_stop, unlock_runs
from tests.patience import PATIENCE_S
from tests.store.slot_tools import Until

if TYPE_CHECKING:
    from tests.store.conftest import Place


@pytest.fixture
def watcher(place: Place) -> Iterator[ChangeWatcher]:
    with closing(ChangeWatcher(place.workspace.db_path)) as watcher:
        yield watcher


def finish(place: Place, name: str, test_accuracy: float | None) -> str:
    run_id, token = place.started_run(name)
    with Recorder(place.store, run_id, token) as recorder:
        recorder.finish(RunState.FINISHED, val_accuracy=0.5, test_accuracy=test_accuracy)
    return run_id


def test_that_a_new_run_reads_back_as_it_was_made(place: Place) -> None:
    detail = place.store.reader.run(place.new_run("mine", group="key"))
    assert (detail.name, detail.state, detail.stored_state) == ("mine", RunState.QUEUED, RunState.QUEUED)
    assert (detail.dataset, detail.model, detail.method, detail.width_factor) == (
        *("digits", "conv2", "iterand"),
        0.5,
    )
    assert (detail.seed, detail.group_key, detail.precision, detail.device_kind) == (1, "key", "fp32", "cpu")
    assert (detail.program_version, detail.git_commit) == ("0.1.0", "abc")
    assert detail.config["method"] == {"name": "iterand", "sparsity": 0.5}
    assert (detail.step, detail.epoch, detail.revision, detail.rewind) == (0, 0, 1, 0)
    assert detail.environments == ()


def test_that_runs_come_newest_first(place: Place) -> None:
    made = [place.new_run(f"run-{number}") for number in range(5)]
    assert [row.id for row in place.store.reader.runs()] == made[::-1]
    assert [row.id for row in place.store.reader.runs(limit=2)] == [made[4], made[3]]
    assert [row.id for row in place.store.reader.runs(ids=[made[1], "x", made[3]])] == [made[3], made[1]]
    assert place.store.reader.runs(ids=[]) == []


def test_that_more_runs_than_one_statement_takes_can_be_asked_for(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_select, "_IDS_AT_ONCE", 2)
    made = [place.new_run(f"run-{number}") for number in range(5)]
    assert [row.id for row in place.store.reader.runs(ids=made)] == made[::-1]
    assert set(place.store.reader.test_accuracies(made, lock=True)) == set(made)


def test_that_of_many_runs_everything_is_read_in_one_statement(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [place.new_run(f"run-{number}") for number in range(6)]
    for number, run_id in enumerate(made):
        labels.set_tags(place.store, run_id, [f"tag-{number}"])
    wanted = [made[4], "x", made[1], made[2]]

    def read() -> tuple[list[RunRow], list[object]]:
        pairs = place.store.reader.runs_with_configs(ids=wanted, limit=2)
        return place.store.reader.runs(ids=wanted), list(pairs)

    by_name = read()
    assert [row.id for row in by_name[0]] == [made[4], made[2], made[1]]
    assert [row.tags for row in by_name[0]] == [("tag-4",), ("tag-2",), ("tag-1",)]
    monkeypatch.setattr(run_select, "_NAMED_AT_MOST", 3)
    monkeypatch.setattr(run_select, "portions", lambda ids: pytest.fail("they were asked for by name"))
    assert read() == by_name


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(st.characters(codec="utf-8")),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    )
)
def test_that_stored_values_are_read_to_the_last_bit(value: object) -> None:
    stored = dialect._to_json(value)
    assert repr(from_json(stored)) == repr(json.loads(stored))


def test_that_an_unknown_run_is_a_users_mistake(place: Place) -> None:
    for ask in (
        lambda: place.store.reader.run("x"),
        lambda: place.store.reader.test_accuracy("x", lock=False),
        lambda: claim_run(place.store, "x"),
        lambda: clear_request(place.store, "x"),
        lambda: unlock_runs(place.store, ["x"]),
    ):
        with pytest.raises(UserError, match="There is no run 'x'"):
            ask()


def test_that_a_run_is_named_by_id_prefix_or_name(place: Place) -> None:
    one, two = place.new_run("first"), place.new_run("second")
    assert place.store.reader.resolve(one) == one
    assert place.store.reader.resolve("second") == two
    length = next(n for n in range(1, 37) if one[:n] != two[:n])
    assert place.store.reader.resolve(one[:length]) == one
    assert place.store.reader.resolve(one.upper()[:length]) == one


def test_that_a_name_that_several_have_is_refused_with_their_ids(place: Place) -> None:
    ids = [place.new_run("same") for _ in range(2)]
    with pytest.raises(UserError, match="means 2 runs") as caught:
        place.store.reader.resolve("same")
    assert all(run_id in str(caught.value) for run_id in ids)
    assert " more" not in str(caught.value)


def test_that_of_many_runs_of_one_name_the_newest_are_listed(place: Place) -> None:
    ids = [place.new_run("same") for _ in range(13)]
    with pytest.raises(UserError, match=r"means 13 runs: .* and 3 more\.$") as caught:
        place.store.reader.resolve("same")
    assert [run_id in str(caught.value) for run_id in ids] == 3 * [False] + 10 * [True]


def test_that_a_name_which_also_begins_an_id_is_refused(place: Place) -> None:
    one = place.new_run("first")
    place.new_run(one[:2])
    with pytest.raises(UserError, match=f"'{one[:2]}' means 2 runs"):
        place.store.reader.resolve(one[:2])
    exact = place.new_run(one)  # named like another's id: the id goes first
    assert place.store.reader.resolve(one) == one
    assert place.store.reader.resolve(exact) == exact


@pytest.mark.parametrize("word", ["", "secnd", "%", "_", "' OR 1=1 --"])
def test_that_what_names_no_run_is_refused(place: Place, word: str) -> None:
    place.new_run("second")
    with pytest.raises(UserError, match="No run has the name"):
        place.store.reader.resolve(word)


def test_that_a_near_name_is_suggested(place: Place) -> None:
    place.new_run("second")
    with pytest.raises(UserError, match="did you mean 'second'"):
        place.store.reader.resolve("secnd")


def test_that_the_lock_holds_test_accuracy_back_until_a_run_is_unlocked(place: Place) -> None:
    one, two = finish(place, "one", 0.25), finish(place, "two", 0.5)
    assert place.store.reader.test_accuracy(one, lock=False) == 0.25
    assert place.store.reader.test_accuracy(one, lock=True) is Locked.LOCKED
    assert str(Locked.LOCKED) == "locked"
    unlock_runs(place.store, [two], scope="group")
    assert place.store.reader.test_accuracies([one, two], lock=True) == {one: Locked.LOCKED, two: 0.5}
    assert [row.test_unlocked for row in place.store.reader.runs()] == [True, False]
    with place.store.reading() as connection:
        recorded = connection.execute(schema.unlock.select()).all()
    assert [(row.run_id, row.scope) for row in recorded] == [(two, "group")]


def test_that_a_run_without_test_accuracy_has_none_locked_or_not(place: Place) -> None:
    run_id = finish(place, "one", None)
    assert place.store.reader.test_accuracy(run_id, lock=True) is None
    assert place.store.reader.test_accuracy(run_id, lock=False) is None


def test_that_unlocking_is_all_or_nothing(place: Place) -> None:
    run_id = finish(place, "one", 0.25)
    with pytest.raises(UserError, match="There is no run 'x'"):
        unlock_runs(place.store, [run_id, "x"])
    assert place.store.reader.test_accuracy(run_id, lock=True) is Locked.LOCKED


def test_that_no_other_reading_carries_test_accuracy(place: Place) -> None:
    run_id = finish(place, "one", 0.8125)
    assert "test_accuracy" not in RunRow.__dataclass_fields__
    assert "0.8125" not in repr(place.store.reader.run(run_id))
    assert "0.8125" not in repr(place.store.reader.runs())


def test_that_a_watcher_sees_the_commits_of_other_processes_only_once(
    place: Place, watcher: ChangeWatcher, until: Until
) -> None:
    own = place.new_run("before")
    first = watcher.poll()
    assert first is not None
    assert first.revisions == {own: 1}
    assert watcher.poll() is None
    child = place.child("""
config = {"data": {"dataset": "x"}, "model": {"name": "x", "width_factor": 1}, "method": {"name": "x"}}
print(create_run(store, NewRun("run", config, "g", 1, "cpu", "fp32", "0")))
""")
    run_id = child.communicate(timeout=PATIENCE_S)[0].strip()
    changes = watcher.poll()
    assert changes is not None
    assert changes.revisions == {run_id: 1}
    assert watcher.poll() is None
    request_stop(place.store, own)
    changes = watcher.poll()
    assert changes is not None
    assert (dict(changes.revisions), changes.removed) == ({own: 2}, frozenset())


def test_that_a_watcher_sees_what_is_gone_and_what_a_recorder_writes(
    place: Place, watcher: ChangeWatcher
) -> None:
    run_id, token = place.started_run()
    watcher.poll()
    with Recorder(place.store, run_id, token) as recorder:
        recorder.declare("loss", "step")
        for step in range(3):
            recorder.append("loss", [step], [0])
            recorder.drain()
            changes = watcher.poll()
            assert changes is not None
            assert changes.revisions[run_id] == place.store.reader.run(run_id).revision
        recorder.finish(RunState.STOPPED)
    with place.store.writing() as connection:
        connection.execute(schema.run.delete())
    changes = watcher.poll()
    assert changes is not None
    assert changes.removed == {run_id}


def test_that_a_watcher_that_slept_knows_what_came_and_went(place: Place, watcher: ChangeWatcher) -> None:
    seen: dict[str, int] = {}

    def catch_up() -> None:
        changes = watcher.poll()
        assert changes is not None
        for run_id in changes.removed:
            del seen[run_id]
        seen.update(changes.revisions)
        assert seen == {row.id: row.revision for row in place.store.reader.runs()}

    run_ids = [place.new_run(str(number)) for number in range(4)]
    catch_up()
    trash.discard(place.store, run_ids[:2])
    trash.forget(place.store, run_ids[:1])
    passing = place.new_run("made and gone unseen")
    trash.discard(place.store, [passing])
    token = place.taken(run_ids[2])
    catch_up()
    trash.restore(place.store, [run_ids[1]])
    with Recorder(place.store, run_ids[2], token) as recorder:
        recorder.finish(RunState.STOPPED)
    catch_up()


def test_that_a_watcher_repeats_what_its_caller_could_not_read(place: Place, watcher: ChangeWatcher) -> None:
    kept, gone = place.new_run("kept"), place.new_run("gone")
    watcher.poll()
    trash.discard(place.store, [gone])
    run_id, _ = place.started_run("live")
    lost = watcher.poll()
    assert lost is not None
    for _ in range(2):
        watcher.forget()
        labels.set_tags(place.store, kept, ["later"])
        again = watcher.poll()
        assert again is not None
        assert again.removed == lost.removed == {gone}
        assert again.revisions.keys() == {run_id, kept}
    assert watcher.poll() is None


def test_that_a_commit_of_a_live_run_notes_no_change(place: Place, run: tuple[str, str]) -> None:
    def noted() -> int:
        with place.store.reading() as connection:
            return int(connection.execute(select(func.max(schema.run_change.c.serial))).scalar_one())

    with Recorder(place.store, *run) as recorder:
        recorder.progress(1, 0, 10)
        recorder.drain()
        before = noted()
        recorder.progress(2, 0, 10)
        recorder.drain()
        assert noted() == before
        recorder.finish(RunState.STOPPED)
        assert noted() > before


def test_that_deleting_a_run_deletes_all_of_it(place: Place) -> None:
    run_id, token = place.started_run()
    with Recorder(place.store, run_id, token) as recorder:
        recorder.declare("loss", "step")
        recorder.append("loss", [0], [0])
        recorder.event("info", "x")
        recorder.publish_checkpoint(1, 0, "x", "y", "training")
        recorder.finish(RunState.FINISHED, test_accuracy=1.0)
    unlock_runs(place.store, [run_id])
    with place.store.writing() as connection:
        connection.execute(schema.run.delete())
    with place.store.reading() as connection:
        left = {
            name: connection.execute(table.select()).all() for name, table in schema.metadata.tables.items()
        }
    assert {name for name, rows in left.items() if rows} == {"run_change"}  # says that it is gone
    assert {"series_block", "event", "checkpoint", "environment", "unlock"} <= set(left)


def test_that_readers_cannot_write(place: Place) -> None:
    with pytest.raises(UserError, match="readonly"), place.store.reading() as connection:
        connection.execute(schema.run.delete())


def test_that_a_writer_that_reads_first_is_not_overtaken(place: Place) -> None:
    """A deferred transaction would fail at its first write, whatever the timeout."""
    run_id = place.new_run()
    with place.store.writing() as connection:
        connection.execute(schema.run.select()).all()
        with (
            closing(sqlite3.connect(place.workspace.db_path, timeout=0)) as other,
            pytest.raises(sqlite3.OperationalError, match="locked"),
        ):
            other.execute("UPDATE run SET step = 1")
        connection.execute(schema.run.update().values(step=2))
    assert place.store.reader.run(run_id).step == 2


def test_that_a_transaction_that_fails_changes_nothing(place: Place) -> None:
    run_id = place.new_run()

    def fail() -> None:
        with place.store.writing() as connection:
            connection.execute(schema.run.update().values(step=2))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert place.store.reader.run(run_id).step == 0


def test_that_a_database_locked_for_long_is_a_users_matter(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        place.store, "_writer", dialect.write_engine(place.workspace.db_path, busy_timeout_s=0)
    )
    with closing(sqlite3.connect(place.workspace.db_path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(UserError, match="has been locked by another program"):
            place.new_run()


def test_that_the_database_keeps_its_rules(place: Place) -> None:
    with place.store.writing() as connection:
        found = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "foreign_keys", "synchronous", "busy_timeout")
        }
    assert found == {"journal_mode": "wal", "foreign_keys": 1, "synchronous": 1, "busy_timeout": 30_000}

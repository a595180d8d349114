"""A workspace of the second schema after its upgrade: keys stay, runs go on, and prose became values."""

from __future__ import annotations

import gzip
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from iterand_engine.config.catalog import DATASETS
from iterand_engine.config.run_config import RunConfig
from iterand_engine.machine.settings import Settings, data_roots
from iterand_engine.machine.workspace import Workspace, open_workspace_dir
from iterand_engine.runs.fingerprints import fill_fingerprints
from iterand_engine.runs.group_key import group_key
from iterand_engine.runs.make import make_run
from iterand_engine.runs.train import RunOutcome, work
from iterand_engine.store import RunDetail, RunRow, RunState, Store, identities
from iterand_engine.store.runs import claim_run
from iterand_engine.training import checkpoint, final_state
from iterand_engine.training.trainer import Trainer
from tests.command_line import iterand, opened
from tests.store.make_released_workspace import HALTED_AT, KINDS
from tests.store.unpacking import RELEASED, unpacked
from tests.training_tasks import ListSink, task_of

STEPS = 15


@pytest.fixture
def old(workspace_dir: Path) -> Workspace:
    """The workspace as the second schema left it."""
    return unpacked(workspace_dir)


@pytest.fixture
def keys(old: Workspace) -> dict[str, str]:
    """The group keys before the upgrade, by the run's id."""
    with closing(sqlite3.connect(old.db_path)) as connection:
        return dict(connection.execute("SELECT id, group_key FROM run"))


@pytest.fixture
def store(old: Workspace, keys: dict[str, str]) -> Iterator[Store]:
    """Of the upgraded workspace, as the upgrade alone leaves it."""
    with Store.open(old) as store:
        assert store.was_upgraded
        yield store


def named(store: Store, name: str) -> RunDetail:
    (row,) = (row for row in store.reader.runs() if row.name == name)
    return store.reader.run(row.id)


def by_name(store: Store) -> dict[str, RunRow]:
    return {row.name: row for row in store.reader.runs()}


def train(store: Store, run_id: str) -> RunOutcome:
    return work(store.workspace, store, run_id, claim_run(store, run_id))


def roots(store: Store) -> list[Path]:
    return data_roots(store.workspace, Settings.load(store.workspace))


def test_that_an_upgrade_leaves_every_key_and_says_how_each_run_ended(
    store: Store, keys: dict[str, str]
) -> None:
    rows = by_name(store)
    assert {row.id: row.group_key for row in rows.values()} == keys
    assert {name: row.end_kind for name, row in rows.items()} == KINDS
    digits = {name for name, row in rows.items() if row.dataset == "digits"}
    assert {name for name, row in rows.items() if row.fingerprint == "digits-v1"} == digits
    assert {rows[name].fingerprint for name in set(rows) - digits} == {None}
    assert all(store.reader.run(row.id).behaviour == {} for row in rows.values())


def test_that_a_new_run_of_the_same_options_joins_the_group_of_old_ones(store: Store) -> None:
    finished = named(store, "finished")
    new = make_run(store.workspace, store, RunConfig.from_mapping(finished.config))
    row = store.reader.run(new)
    assert (row.group_key, row.fingerprint) == (finished.group_key, "digits-v1")
    assert not Store.open(store.workspace).was_upgraded


def test_that_a_queued_run_of_an_upgraded_workspace_trains(store: Store, keys: dict[str, str]) -> None:
    run_id = named(store, "queued").id
    assert train(store, run_id).state is RunState.FINISHED
    row = store.reader.run(run_id)
    assert (row.step, row.end_kind, row.fingerprint) == (STEPS, "finished", "digits-v1")
    assert row.group_key == keys[run_id]
    assert row.final_digest


def test_that_a_stopped_run_of_an_upgraded_workspace_goes_on_exactly(
    store: Store, keys: dict[str, str], one_thread: None
) -> None:
    stopped = named(store, "stopped")
    newest = store.reader.checkpoints(stopped.id)[0]
    start = checkpoint.read(store.workspace.absolute(newest.relpath), newest.sha256)
    assert start.position.step == HALTED_AT == stopped.step
    before = store.reader.series(stopped.id, "loss")

    # What the checkpoint alone leads to, without any store.
    task, sink = task_of(RunConfig.from_mapping(stopped.config)), ListSink()
    alone = Trainer(task, sink, None, start)
    with task.numerics.active():
        alone.train()
    facts = {"epoch": str(alone.position.epoch), "step": str(alone.position.step)}
    expected = final_state.digest(final_state.snapshot(task.module, task.method.layers, facts))

    assert train(store, stopped.id).state is RunState.FINISHED
    row, loss = store.reader.run(stopped.id), store.reader.series(stopped.id, "loss")
    assert (row.step, row.final_digest, row.end_kind) == (STEPS, expected, "finished")
    assert (row.group_key, row.fingerprint) == (keys[stopped.id], "digits-v1")
    assert loss.steps.tolist() == list(range(STEPS))
    assert np.array_equal(loss.values[: len(before.values)], before.values)
    assert loss.values[HALTED_AT:].tolist() == sink.values("loss").tolist()


def test_that_data_at_hand_is_known_after_the_upgrade_and_data_that_is_gone_is_not(store: Store) -> None:
    fill_fingerprints(store, roots(store))
    rows = by_name(store)
    found = rows["brought"].fingerprint
    assert found is not None
    assert found.startswith("sha256:")
    config = RunConfig.from_mapping(named(store, "brought").config)
    assert group_key(config, fingerprint=found, precision="fp32") == rows["brought"].group_key
    assert rows["data gone"].fingerprint is rows["data gone later"].fingerprint is None


def test_that_other_content_in_the_place_of_a_runs_data_proves_nothing(store: Store) -> None:
    data = store.workspace.data_dir
    (data / "data gone.npz").write_bytes((data / "brought.npz").read_bytes())
    fill_fingerprints(store, roots(store))
    assert by_name(store)["data gone"].fingerprint is None


@pytest.mark.parametrize("again", ["made", "trained"])
def test_that_data_that_is_seen_again_makes_itself_known(store: Store, again: str) -> None:
    brought = named(store, "brought")
    if again == "made":
        mapping = {**brought.config, "name": "again", "training": {"epochs": 1}}
        make_run(store.workspace, store, RunConfig.from_mapping(mapping))
    else:
        assert train(store, brought.id).state is RunState.FINISHED
    rows = by_name(store)
    assert rows["brought"].fingerprint
    assert {row.fingerprint for row in rows.values() if row.dataset == "npz"} == {
        rows["brought"].fingerprint,
        None,
    }
    assert {one.run_id for one in identities.without_fingerprint(store, "npz")} == {
        rows["data gone"].id,
        rows["data gone later"].id,
    }


def test_that_a_command_that_upgrades_looks_at_the_data_at_hand(old: Workspace) -> None:
    done = iterand("show", "brought", "--json", "--workspace", old.root)
    document = json.loads(done.out)
    assert document["fingerprint"].startswith("sha256:")
    assert document["end_kind"] is None
    shown = json.loads(iterand("show", "memory", "--json", "--workspace", old.root).out)
    assert shown["end_kind"] == "out_of_memory"
    with opened(old.root) as (_, store):
        assert not store.was_upgraded


def test_that_no_fingerprint_is_claimed_for_a_key_that_it_does_not_give(workspace_dir: Path) -> None:
    workspace = open_workspace_dir(workspace_dir)
    workspace.db_path.write_bytes(gzip.decompress((RELEASED / "schema-0002.db.gz").read_bytes()))
    with Store.open(workspace) as store:
        fill_fingerprints(store, roots(store))
        assert {row.fingerprint for row in store.reader.runs()} == {None}


def test_that_the_constants_of_the_step_are_the_catalogs() -> None:
    step: dict[str, Any] = {}
    path = Path(identities.__file__).parent / "migrations" / "versions" / "schema_0003.py"
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), step)
    constants = {name: entry.fingerprint for name, entry in DATASETS.items() if entry.fingerprint}
    assert step["_CONSTANTS"].items() <= constants.items()

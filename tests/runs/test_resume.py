"""Stopping anywhere and going on gives what the uninterrupted run gives, bit for bit, for every method."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from iterand_engine.config.run_config import RunConfig
from iterand_engine.data.dataset import Split
from iterand_engine.errors import UserError
from iterand_engine.machine.workspace import Workspace, open_workspace_dir
from iterand_engine.results.epoch_masks import epoch_path, read_epoch, stored_epochs
from iterand_engine.runs import adopt
from iterand_engine.runs.files import load_checkpoint
from iterand_engine.runs.make import make_run
from iterand_engine.runs.train import RunOutcome, work
from iterand_engine.store import RunState, Store
from iterand_engine.store.runs import claim_run
from iterand_engine.training import checkpoint, evaluation, final_state, trainer
from iterand_engine.training.checkpoint import Checkpoint
from iterand_engine.training.trainer import Trainer
from tests.hooks import hooks
from tests.paths import ROOT
from tests.patience import PATIENCE_S
from tests.training_tasks import METHODS, ListSink, config_of, state_bytes, task_of

EPOCHS, STEPS_PER_EPOCH = 3, 5
STEPS = EPOCHS * STEPS_PER_EPOCH
CLOCK = "epoch_s"


def config_for(method: str) -> RunConfig:
    """Fifteen steps; redraws at 2, 5, 8, ... and looks at 0, 2, 4, ..."""
    training = {"epochs": EPOCHS, "batch_size": 13, "lr": 0.05 if method == "dense" else 2.0}
    return config_of(method, data={"train_limit": 60, "val_fraction": 0.02}, training=training)


@dataclass
class Place:
    """A workspace in which runs are made, stopped and resumed."""

    workspace: Workspace
    store: Store
    notes: list[str] = field(default_factory=list)
    whole: dict[str, dict[str, Any]] = field(default_factory=dict)

    def new_run(self, config: RunConfig) -> str:
        return make_run(self.workspace, self.store, config)

    def start(self, run_id: str, stop_at: int | None = None) -> RunOutcome:
        """Claim and train a run, to its end or until so many updates are done."""
        around = hooks(note=self.notes.append, should_stop=lambda step: step == stop_at)
        return work(self.workspace, self.store, run_id, claim_run(self.store, run_id), around)

    def uninterrupted(self, method: str) -> dict[str, Any]:
        """What a run that nobody stops leaves behind."""
        if method not in self.whole:
            run_id = self.new_run(config_for(method))
            assert self.start(run_id).state is RunState.FINISHED
            self.whole[method] = self.left_behind(run_id)
        return self.whole[method]

    def left_behind(self, run_id: str) -> dict[str, Any]:
        """Every series but those of the clock, the final network bit for bit, and the masks of the epochs."""
        found: dict[str, Any] = {}
        for info in self.store.reader.series_list(run_id):
            if info.axis != "clock" and info.name != CLOCK:
                series = self.store.reader.series(run_id, info.name)
                found[f"series {info.name}"] = (series.steps.tolist(), series.values.tobytes())
        folder = self.workspace.run_dir(run_id)
        state = final_state.read(folder / "final.safetensors")
        for name, tensor in state.tensors.items():
            found[name] = tensor.reshape(-1).view(torch.uint8).numpy().tobytes()
        assert final_state.digest(state) == self.store.reader.run(run_id).final_digest
        best = final_state.read(folder / "best.safetensors")
        found["best"] = final_state.digest(best), best.facts["epoch"]
        for epoch in stored_epochs(folder / "masks"):
            masks = read_epoch(folder / "masks", epoch)
            found[f"masks {epoch}"] = {name: mask.packed.tobytes() for name, mask in masks.layers.items()}
        detail = self.store.reader.run(run_id)
        found["results"] = (detail.step, detail.epoch, detail.val_accuracy)
        found["test"] = self.store.reader.test_accuracy(run_id, lock=False)
        return found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    workspace = open_workspace_dir(tmp_path_factory.mktemp("workspace"))
    with Store.open(workspace) as store:
        yield Place(workspace, store)


STOPS = st.lists(st.integers(0, STEPS), min_size=1, max_size=3, unique=True).map(sorted)
FAST = settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize("method", list(METHODS))
@FAST
@example([STEPS_PER_EPOCH])  # at the end of an epoch
@example([0, 2, 3])  # before anything, before a redraw and after it
@given(STOPS)
def test_that_stopping_and_going_on_changes_nothing(place: Place, method: str, stops: list[int]) -> None:
    run_id = place.new_run(config_for(method))
    for stop in stops:
        outcome = place.start(run_id, stop)
        if stop < STEPS:
            assert (outcome.state, outcome.step) == (RunState.STOPPED, stop)
            assert place.store.reader.run(run_id).state is RunState.STOPPED
    if stops[-1] < STEPS:
        outcome = place.start(run_id)
    assert outcome.state is RunState.FINISHED
    found, expected = place.left_behind(run_id), place.uninterrupted(method)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == value, name


KILLED = """
import os, signal, sys
from iterand_engine.store import Store
from iterand_engine.training import trainer
from iterand_engine.training.hooks import Hooks
from iterand_engine.runs.train import work
from iterand_engine.machine.workspace import open_workspace_dir
from iterand_engine.store.runs import claim_run

class KilledAtEight(Hooks):
    def should_stop(self, step):
        if step == 8:
            os.kill(os.getpid(), signal.SIGKILL)
        return False

trainer.FLUSH_S = 0.0  # so that the store has more than the last checkpoint has
workspace = open_workspace_dir(sys.argv[1])
store = Store.open(workspace)
work(workspace, store, sys.argv[2], claim_run(store, sys.argv[2]), KilledAtEight())
"""


@pytest.mark.parametrize("method", list(METHODS))
def test_that_a_killed_process_costs_only_the_steps_since_its_last_checkpoint(
    place: Place, method: str
) -> None:
    run_id = place.new_run(config_for(method))
    arguments = [sys.executable, "-c", KILLED, str(place.workspace.root), run_id]
    done = subprocess.run(
        arguments, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert place.store.reader.run(run_id).state is RunState.INTERRUPTED
    assert [entry.step for entry in place.store.reader.checkpoints(run_id)][:1] in ([5], [])
    assert place.start(run_id).state is RunState.FINISHED
    assert place.left_behind(run_id) == place.uninterrupted(method)


# from any checkpoint, however it came to be


def checkpoints_of(config: RunConfig) -> tuple[Trainer, ListSink, list[bytes]]:
    """Train to the end, saving at every flush and flushing at every step."""
    saved: list[bytes] = []
    sink = ListSink()
    saving = hooks(on_checkpoint=lambda state: saved.append(checkpoint.to_bytes(state)))
    run = Trainer(task_of(config), sink, saving)
    with run.task.numerics.active():
        run.train()
    return run, sink, saved


def reopened(path: Path, content: bytes) -> Checkpoint:
    path.write_bytes(content)
    return checkpoint.read(path, checkpoint.checksum(content))


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("method", list(METHODS))
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_that_any_checkpoint_leads_to_the_same_end(
    method: str, optimizer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer, "FLUSH_S", 0.0)
    lr = {"sgd": 0.05 if method == "dense" else 2.0, "adamw": 0.01}[optimizer]
    config = config_of(
        method,
        data={"train_limit": 60, "val_fraction": 0.02},
        training={"epochs": 2, "batch_size": 13, "optimizer": optimizer, "lr": lr},
        recording={"checkpoint_minutes": 1e-9},
    )
    whole, sink, saved = checkpoints_of(config)
    assert len(saved) == 10  # after every step but the last of an epoch, and after every epoch
    for content in saved:
        start = reopened(tmp_path / "checkpoint.pt", content)
        step = start.position.step
        again = Trainer(task_of(config), rest := ListSink(), start=start)
        with again.task.numerics.active():
            again.train()
        assert state_bytes(again) == state_bytes(whole)
        assert again.counters.best_val_accuracy == whole.counters.best_val_accuracy
        for name, axis in sink.axes.items():
            if axis != "clock" and name != CLOCK:
                expected = [(at, value.tobytes()) for at, value in sink.points[name] if at >= step]
                assert [(at, value.tobytes()) for at, value in rest.points[name]] == expected, (name, step)


@pytest.mark.parametrize("break_at", ["never", "within the last epoch", "after the last epoch"])
def test_that_the_last_epochs_validation_accuracy_stays_not_the_best(
    place: Place, monkeypatch: pytest.MonkeyPatch, break_at: str
) -> None:
    left = [0.75, 0.5, 0.25]

    def falling(*words: Any) -> Any:
        found = evaluation.evaluate(*words)
        return replace(found, accuracy=left.pop(0)) if Split.VAL in words else found

    monkeypatch.setattr(trainer, "evaluate", falling)
    run_id = place.new_run(config_for("iterand"))
    if break_at == "within the last epoch":
        assert place.start(run_id, STEPS - 1).state is RunState.STOPPED
    elif break_at == "after the last epoch":
        with monkeypatch.context() as change:
            change.setattr(Trainer, "test", lambda _: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                place.start(run_id)
    outcome = place.start(run_id)
    assert (outcome.state, left) == (RunState.FINISHED, [])
    row = place.store.reader.run(run_id)
    assert (outcome.val_accuracy, row.val_accuracy) == (0.25, 0.25)
    assert row.accuracy_so_far == 0.25
    assert place.store.reader.series(run_id, "val_accuracy").values.tolist() == [0.75, 0.5, 0.25]
    best = final_state.read(place.workspace.run_dir(run_id) / "best.safetensors")
    assert best.facts["epoch"] == "1"


def test_that_a_checkpoint_is_a_copy_on_the_host() -> None:
    run = Trainer(task_of(config_for("iterand")), ListSink())
    state = checkpoint.take(run.task.module, run.optimizer, run.position, run.counters)
    before = checkpoint.to_bytes(state)
    with run.task.numerics.active():
        run.train()
    assert checkpoint.to_bytes(state) == before


# damage


@pytest.fixture
def stopped(place: Place) -> str:
    """An iterand run stopped in its second epoch, with two checkpoints."""
    run_id = place.new_run(config_for("iterand"))
    place.start(run_id, 7)
    place.notes.clear()
    return run_id


def files_of(place: Place, run_id: str) -> list[Path]:
    """Checkpoint files, newest first."""
    return [place.workspace.absolute(entry.relpath) for entry in place.store.reader.checkpoints(run_id)]


def test_that_two_checkpoints_are_kept_and_a_finished_run_has_none(place: Place, stopped: str) -> None:
    newest, older = files_of(place, stopped)
    folder = place.workspace.run_dir(stopped) / "checkpoints"
    assert sorted(folder.iterdir()) == sorted([newest, older])
    assert (newest.name, older.name) == ("step-000000007-epoch-00001.pt", "step-000000005-epoch-00001.pt")
    place.start(stopped, 12)
    assert sorted(folder.iterdir()) == sorted(files_of(place, stopped))
    assert len(files_of(place, stopped)) == 2
    place.start(stopped)
    assert files_of(place, stopped) == []
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("damage", ["cut", "changed", "gone"])
def test_that_a_damaged_checkpoint_gives_way_to_the_one_before(
    place: Place, stopped: str, damage: str
) -> None:
    newest, older = files_of(place, stopped)
    damaged(newest, damage)
    outcome = place.start(stopped)
    assert outcome.state is RunState.FINISHED
    [note] = place.notes
    assert note.startswith(
        f"Cannot read the checkpoint {newest}" if damage == "gone" else f"The checkpoint {newest}"
    )
    assert note.endswith(" Going on from the one before it, at step 5.")
    messages = [event.text for event in place.store.reader.events(stopped) if event.level == "warning"]
    assert note in messages
    assert older.name == "step-000000005-epoch-00001.pt"
    found, expected = place.left_behind(stopped), place.uninterrupted("iterand")
    assert found == expected


def damaged(path: Path, how: str) -> None:
    content = path.read_bytes()
    match how:
        case "cut":
            path.write_bytes(content[: len(content) // 2])
        case "changed":
            path.write_bytes(content[:1000] + bytes([content[1000] ^ 1]) + content[1001:])
        case "gone":
            path.unlink()


def test_that_a_run_without_a_whole_checkpoint_says_so_and_waits_for_it(place: Place, stopped: str) -> None:
    contents = {path: path.read_bytes() for path in files_of(place, stopped)}
    for path in contents:
        damaged(path, "changed")
    with pytest.raises(UserError) as caught:
        place.start(stopped)
    newest = next(iter(contents))
    configuration = place.workspace.run_dir(stopped) / "config.yaml"
    assert str(caught.value) == (
        f"No checkpoint of run {stopped} can be read, so it cannot go on: The checkpoint {newest} is "
        f"damaged: its checksum differs from the stored one. Put the file back, or train anew from "
        f"{configuration}."
    )
    detail = place.store.reader.run(stopped)
    assert (detail.state, detail.reason) == (RunState.STOPPED, str(caught.value))
    assert not place.notes, "nothing is said of going on where there is nothing to go on from"
    newest.write_bytes(contents[newest])
    assert place.start(stopped).state is RunState.FINISHED
    assert place.left_behind(stopped) == place.uninterrupted("iterand")


def test_that_a_mistake_found_when_resuming_can_be_mended(place: Place, tmp_path: Path) -> None:
    images, labels = np.zeros((40, 8, 8), dtype=np.uint8), np.arange(40) % 3
    path = tmp_path / "images.npz"
    np.savez(path, train_images=images, train_labels=labels, test_images=images, test_labels=labels)
    data = {"dataset": "npz", "path": str(path), "train_limit": None, "val_fraction": 0.1}
    run_id = place.new_run(config_of("iterand", data=data, training={"batch_size": 12}))
    place.start(run_id, 4)
    path.rename(tmp_path / "away.npz")
    with pytest.raises(UserError, match=r"images\.npz"):
        place.start(run_id)
    assert place.store.reader.run(run_id).state is RunState.STOPPED
    (tmp_path / "away.npz").rename(path)
    assert place.start(run_id).state is RunState.FINISHED


def test_that_damaged_masks_do_not_keep_a_run_from_going_on(place: Place, stopped: str) -> None:
    folder = place.workspace.run_dir(stopped) / "masks"
    damaged(epoch_path(folder, 1), "cut")
    assert place.start(stopped).state is RunState.FINISHED
    [note] = place.notes
    assert note.startswith(f"Cannot read the masks in {epoch_path(folder, 1)}")
    assert note.endswith(" Training goes on without the masks of epoch 1.")
    expected = place.uninterrupted("iterand")
    for epoch in (2, 3):
        layers = read_epoch(folder, epoch).layers
        assert {name: mask.packed.tobytes() for name, mask in layers.items()} == expected[f"masks {epoch}"]


def test_that_a_run_stopped_before_its_first_checkpoint_begins_again(place: Place) -> None:
    run_id = place.new_run(config_for("iterand"))
    assert load_checkpoint(place.workspace, place.store, run_id, place.notes.append) is None


def test_that_a_checkpoint_of_another_format_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Trainer(task_of(config_for("dense")), ListSink())
    state = checkpoint.take(run.task.module, run.optimizer, run.position, run.counters)
    monkeypatch.setattr(checkpoint, "FORMAT", 99)
    content = checkpoint.to_bytes(state)
    monkeypatch.undo()
    with pytest.raises(UserError, match="has format 99, this program reads 1; use the version"):
        reopened(tmp_path / "checkpoint.pt", content)


def test_that_a_start_that_could_not_be_prepared_is_not_the_first_start(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_device(text: str) -> None:
        raise UserError("The device is away; bring it back.")

    run_id = place.new_run(config_for("dense"))
    with monkeypatch.context() as away:
        away.setattr(adopt, "find_device", no_device)
        with pytest.raises(UserError, match="The device is away"):
            place.start(run_id)
    assert place.store.reader.run(run_id).environments == ()
    assert place.start(run_id, stop_at=3).state is RunState.STOPPED
    first, *others = place.store.reader.run(run_id).environments
    assert not others
    assert first.snapshot["threads"]

"""How training ends: divergence with its step, chance reported once, and what is kept in files."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from iterand_engine.config.run_config import RunConfig
from iterand_engine.errors import UserError
from iterand_engine.machine.workspace import open_workspace_dir
from iterand_engine.runs.background_writer import BackgroundWriter
from iterand_engine.runs.make import make_run
from iterand_engine.runs.train import work
from iterand_engine.store import RunState, Store
from iterand_engine.store.runs import claim_run
from iterand_engine.training import checkpoint, final_state, trainer
from iterand_engine.training.checkpoint import Checkpoint
from iterand_engine.training.hooks import Hooks
from iterand_engine.training.trainer import Ending, Trainer
from tests.hooks import hooks
from tests.patience import PATIENCE_S
from tests.training_tasks import ListSink, config_of, task_of, train

ABSURD = {"epochs": 4, "lr": 1e30}
# So few weights are kept that all logits are equal: every image is taken for the first class.
BLIND = {"name": "edge-popup", "sparsity": 0.999}


# divergence


def diverging(method: str, around: Hooks | None = None) -> tuple[Trainer, ListSink]:
    run = Trainer(task_of(config_of(method, training=ABSURD)), sink := ListSink(), around)
    with run.task.numerics.active():
        assert run.train() is Ending.DIVERGED
    return run, sink


@pytest.mark.parametrize("flush_s", [0.0, 3600.0])
def test_that_a_loss_that_is_not_finite_ends_training_with_its_step(
    flush_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer, "FLUSH_S", flush_s)
    saved: list[Checkpoint] = []
    run, sink = diverging("dense", hooks(on_checkpoint=saved.append))
    losses = sink.values("loss")
    first = int(np.flatnonzero(~np.isfinite(losses))[0])
    assert (run.diverged_at, run.divergence) == (first, f"The loss was not finite at step {first}")
    assert len(losses) == (first + 1 if flush_s == 0 else 5), "at the flush that sees it, or the epoch's end"
    assert saved == []


@pytest.mark.parametrize("method", ["edge-popup", "iterand"])
@pytest.mark.parametrize("stop_at", [None, 3])
def test_that_scores_that_are_not_finite_end_training_though_the_loss_is(
    method: str, stop_at: int | None
) -> None:
    saved: list[Checkpoint] = []
    run, sink = diverging(method, hooks(on_checkpoint=saved.append, should_stop=lambda step: step == stop_at))
    assert np.isfinite(sink.values("loss")).all()
    last = 4 if stop_at is None else stop_at - 1
    assert (run.diverged_at, run.divergence) == (last, f"The trained scores were not finite at step {last}")
    assert saved == [], "nothing that cannot be used is saved"


def test_that_the_last_update_may_not_ruin_a_finished_network(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Trainer(task_of(config_of("dense", training={"epochs": 1})), ListSink())

    def ruin(step: int) -> None:
        if step == 4:
            run.task.method.trained[0].data[0] = float("inf")

    monkeypatch.setattr(run.task.method, "after_step", ruin)
    with run.task.numerics.active():
        assert run.train() is Ending.DIVERGED
    assert run.divergence == "The trained weights were not finite at step 4"


@pytest.mark.parametrize("method", ["dense", "iterand"])
def test_that_a_diverged_run_is_stored_with_step_and_advice(workspace_dir: Path, method: str) -> None:
    workspace = open_workspace_dir(workspace_dir)
    with Store.open(workspace) as store:
        run_id = make_run(workspace, store, config_of(method, training=ABSURD))
        outcome = work(workspace, store, run_id, claim_run(store, run_id))
        losses = store.reader.series(run_id, "loss").values
        detail = store.reader.run(run_id)
    assert outcome.state is detail.state is RunState.DIVERGED
    first = np.flatnonzero(~np.isfinite(losses))
    what = (
        f"The loss was not finite at step {first[0]}"
        if method == "dense"
        else "The trained scores were not finite at step 4"
    )
    advice = "; try a lower training.lr or weight_decay, or compute.precision: fp32."
    assert outcome.reason == detail.reason == what + advice
    assert detail.final_digest is None


# chance


def warnings_of(config: RunConfig, start: Checkpoint | None = None) -> list[int | None]:
    """Steps at which accuracy at chance was reported."""
    _, sink = train(config, start=start)
    for level, text, _ in sink.events:
        assert level == "warning"
        assert text == (
            "Accuracy has been at chance (0.1000) for 5 epochs; check training.lr, method.sparsity "
            "and the labels."
        )
    return [step for _, _, step in sink.events]


def blind(epochs: int, **data: Any) -> RunConfig:
    small = {"train_limit": 100, **data}
    return config_of(BLIND, data=small, training={"epochs": epochs, "lr": 0.0})


def test_that_five_epochs_at_chance_are_told_once() -> None:
    assert warnings_of(blind(4)) == []
    assert warnings_of(blind(8)) == [10]
    assert warnings_of(blind(6, val_fraction=0.0)) == [10]


def test_that_a_continuation_remembers_the_epochs_at_chance() -> None:
    saved: list[Checkpoint] = []
    train(blind(8), hooks(on_checkpoint=saved.append))
    assert [state.counters.chance_epochs for state in saved] == list(range(1, 9))
    assert warnings_of(blind(8), saved[2]) == [10]
    assert warnings_of(blind(8), saved[5]) == []


def test_that_a_network_that_learns_is_not_warned_about() -> None:
    learns = config_of(
        "iterand",
        data={"augmentation": "none"},
        model={"width_factor": 0.2},
        training={"epochs": 7, "batch_size": 20, "lr": 0.5},
    )
    run, sink = train(learns)
    assert run.val_score.accuracy > 0.2
    assert sink.events == []


# hooks


def test_that_an_epoch_is_handed_on_with_selected_masks_and_whether_it_is_the_best() -> None:
    seen: list[tuple[int, bool, float]] = []

    def on_epoch(epoch: int, best: bool) -> None:
        assert epoch == run.position.epoch
        for layer in run.task.method.layers:
            before = layer.masking.mask.clone()
            run.task.method.before_evaluation()
            assert torch.equal(layer.masking.mask, before)
        seen.append((epoch, best, run.val_score.accuracy))

    config = config_of("edge-popup", training={"epochs": 6, "lr": 0.5})
    run = Trainer(task_of(config), ListSink(), hooks(on_epoch=on_epoch))
    with run.task.numerics.active():
        run.train()
    assert [epoch for epoch, _, _ in seen] == [1, 2, 3, 4, 5, 6]
    highest = -1.0
    for _, best, accuracy in seen:
        assert best == (accuracy > highest)
        highest = max(highest, accuracy)


# files written beside the training


def test_that_jobs_are_done_in_order_and_an_error_is_handed_back_once() -> None:
    done: list[int] = []
    writer = BackgroundWriter()

    def fails() -> None:
        raise OSError("disk full")

    for number in range(4):
        writer.submit(lambda number=number: done.append(number))  # type: ignore[misc]
    writer.wait()
    assert done == [0, 1, 2, 3]
    writer.submit(fails)
    with pytest.raises(OSError, match="disk full"):
        writer.wait()
    writer.submit(lambda: done.append(9))
    writer.close()
    assert done[-1] == 9


def test_that_a_job_after_a_failed_one_is_not_done_and_close_tells() -> None:
    done: list[str] = []
    hold, writer = threading.Event(), BackgroundWriter()

    def fails() -> None:
        hold.wait(PATIENCE_S)
        raise ValueError("first")

    writer.submit(fails)
    writer.submit(lambda: done.append("second"))
    hold.set()
    with pytest.raises(ValueError, match="first"):
        writer.close()
    assert done == []


def test_that_two_jobs_wait_at_most() -> None:
    hold, writer, waited = threading.Event(), BackgroundWriter(), list[bool]()
    jobs: list[Callable[[], None]] = [
        lambda: waited.append(hold.wait(PATIENCE_S)),
        lambda: None,
        lambda: None,
    ]
    for job in jobs:
        writer.submit(job)
    more = threading.Thread(target=writer.submit, args=(lambda: None,))
    more.start()
    more.join(0.2)
    assert more.is_alive(), "a fourth job must wait, or a slow disk would fill the memory"
    hold.set()
    more.join(10)
    writer.close()
    assert not more.is_alive()


# the final network


@pytest.fixture(scope="module")
def finished() -> Trainer:
    return train(config_of("iterand", training={"lr": 1.0}))[0]


def snapshot(run: Trainer) -> final_state.FinalState:
    return final_state.snapshot(run.task.module, run.task.method.layers, {"epoch": "2", "step": "10"})


def test_that_the_final_file_holds_everything_learned(finished: Trainer, tmp_path: Path) -> None:
    state = snapshot(finished)
    path = tmp_path / "final.safetensors"
    path.write_bytes(final_state.to_bytes(state))
    found = final_state.read(path)
    assert found.facts == state.facts
    assert found.tensors.keys() == state.tensors.keys()
    assert all(torch.equal(found.tensors[name], tensor) for name, tensor in state.tensors.items())
    assert final_state.digest(found) == final_state.digest(state)
    for layer in finished.task.method.layers:
        assert torch.equal(found.tensors[f"weight/{layer.name}"], layer.weight)
        assert torch.equal(found.tensors[f"score/{layer.name}"], layer.masking.scores)
        assert torch.equal(found.tensors[f"last_redraw/{layer.name}"], layer.masking.last_redraw)
        mask = found.masks[layer.name].kept
        assert torch.equal(torch.from_numpy(mask), layer.masking.mask)
    with pytest.raises(UserError, match="has not got that far"):
        final_state.read(tmp_path / "absent.safetensors")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(UserError, match="the file is damaged"):
        final_state.read(path)


def test_that_the_digest_sees_every_kind_of_tensor_but_the_last_redraws(finished: Trainer) -> None:
    state = snapshot(finished)
    digest = final_state.digest(state)
    kinds = set()
    for name, tensor in state.tensors.items():
        flat = tensor.clone().reshape(-1)
        flat[-1] = flat[-1] ^ 1 if flat.dtype in (torch.uint8, torch.int16) else flat[-1] + 1
        other = final_state.FinalState({**state.tensors, name: flat.reshape(tensor.shape)}, state.facts)
        kind = name.partition("/")[0]
        kinds.add(kind)
        assert (final_state.digest(other) == digest) == (kind == "last_redraw"), name
    assert kinds == {"weight", "mask", "score", "last_redraw"}
    assert final_state.digest(final_state.FinalState(state.tensors, {"epoch": "7"})) == digest


def test_that_the_digest_covers_batch_norms_statistics() -> None:
    data, training = {"train_limit": 16, "val_fraction": 0.02}, {"batch_size": 8, "epochs": 1}
    run, _ = train(config_of("edge-popup", data=data, training=training, model={"name": "resnet18"}))
    state = snapshot(run)
    name = "buffer/bn1.running_mean"
    other = final_state.FinalState({**state.tensors, name: state.tensors[name] + 1}, state.facts)
    assert final_state.digest(other) != final_state.digest(state)
    assert any(key.endswith("num_batches_tracked") for key in state.tensors)


def test_that_checkpoints_and_results_do_not_share_memory_with_the_network(finished: Trainer) -> None:
    state = checkpoint.take(finished.task.module, finished.optimizer, finished.position, finished.counters)
    held = {tensor.data_ptr() for tensor in finished.task.module.state_dict().values()}
    for tensor in (*state.model.values(), *snapshot(finished).tensors.values()):
        assert tensor.data_ptr() not in held

"""What a run records means what the documentation says: checked against masks kept step by step."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from iterand_engine.config.run_config import RunConfig
from iterand_engine.data.dataset import Split
from iterand_engine.rng import RandomKey, Stream, bernoulli
from iterand_engine.training import journal, trainer
from iterand_engine.training.trainer import Trainer
from tests.training_tasks import ListSink, config_of, task_of, train

RATE, EVERY, LOOK = 0.4, 4, 3
ITERAND = {
    "name": "iterand",
    "sparsity": 0.6,
    "weight_init": "kaiming-normal",
    "randomize_every": EVERY,
    "randomize_rate": RATE,
    "layers": [{"match": "fc3", "sparsity": 0.25}, {"match": "fc1", "mask": False}],
}


def config() -> RunConfig:
    """Four epochs of five steps whose masks change much."""
    return config_of(ITERAND, training={"epochs": 4, "lr": 3.0}, recording={"mask_every": LOOK})


@dataclass
class Watched:
    """A finished small run with the masks that each of its steps used."""

    trainer: Trainer
    sink: ListSink = field(default_factory=ListSink)
    initial: list[Tensor] = field(default_factory=list)
    masks: list[list[Tensor]] = field(default_factory=list)

    def keep(self, step: int) -> None:
        assert step == len(self.masks)
        self.masks.append([layer.masking.mask.clone() for layer in self.trainer.task.method.layers])

    def share(self, step: int, earlier: list[Tensor]) -> tuple[float, list[float]]:
        """Share of positions at which a step's masks differ from earlier ones, in all and by layer."""
        different = [(a != b).sum().item() for a, b in zip(self.masks[step], earlier, strict=True)]
        sizes = [mask.numel() for mask in earlier]
        return sum(different) / sum(sizes), [d / n for d, n in zip(different, sizes, strict=True)]


@pytest.fixture(scope="module")
def watched() -> Watched:
    sink = ListSink()
    run = Watched(Trainer(task_of(config()), sink), sink)
    method = run.trainer.task.method
    run.initial = [layer.masking.mask.clone() for layer in method.layers]
    method.after_step = run.keep  # type: ignore[method-assign]
    with run.trainer.task.numerics.active():
        run.trainer.train()
    return run


def equal(found: NDArray[np.float32], expected: object) -> None:
    np.testing.assert_array_equal(found, np.array(expected, dtype=np.float32))


def test_that_names_axes_and_layers_are_those_documented(watched: Watched) -> None:
    axes = watched.sink.axes
    assert {name for name in axes if axes[name] == "step"} == {
        *("loss", "accuracy", "lr", "mask_flips", "mask_distance", "mask_distance_chance"),
        *("mask_flips.layers", "mask_distance.layers", "mask_distance_chance.layers"),
    }
    assert {name for name in axes if axes[name] == "event"} == {
        *("redrawn", "redrawn.layers", "revived", "revived.layers")
    }
    assert {name for name in axes if axes[name] == "epoch"} == {
        *("train_loss", "train_accuracy", "val_loss", "val_accuracy", "epoch_s")
    }
    assert {"images_per_s", "memory_bytes", "gpu_share"} <= {name for name in axes if axes[name] == "clock"}
    names = ("conv1.weight", "conv2.weight", "fc2.weight", "fc3.weight")
    for name, layers in watched.sink.layers.items():
        assert layers == (names if name.endswith(".layers") else None)


def test_that_dense_training_declares_no_masks() -> None:
    sink = ListSink()
    Trainer(task_of(config_of("dense")), sink)
    assert not [name for name in sink.axes if "mask" in name or "re" in name[:2]]


def test_that_distance_is_from_the_initial_masks_at_every_look(watched: Watched) -> None:
    steps = watched.sink.steps("mask_distance")
    assert steps == list(range(0, 20, LOOK)) == watched.sink.steps("mask_distance.layers")
    shares = [watched.share(step, watched.initial) for step in steps]
    equal(watched.sink.values("mask_distance"), [total for total, _ in shares])
    equal(watched.sink.values("mask_distance.layers"), [layers for _, layers in shares])
    assert shares[0][0] == 0
    assert shares[-1][0] > 0.02


def test_that_flips_are_since_the_look_before_from_the_second_on(watched: Watched) -> None:
    steps = watched.sink.steps("mask_flips")
    assert steps == list(range(LOOK, 20, LOOK)) == watched.sink.steps("mask_flips.layers")
    shares = [watched.share(step, watched.masks[step - LOOK]) for step in steps]
    equal(watched.sink.values("mask_flips"), [total for total, _ in shares])
    equal(watched.sink.values("mask_flips.layers"), [layers for _, layers in shares])
    assert min(total for total, _ in shares) > 0


def test_that_the_chance_level_of_the_distance_is_recorded_once(watched: Watched) -> None:
    assert watched.sink.steps("mask_distance_chance") == [0]
    layers = watched.trainer.task.method.layers
    levels = [2 * layer.sparsity * (1 - layer.sparsity) for layer in layers]
    assert levels == pytest.approx([0.48, 0.48, 0.48, 0.375])
    equal(watched.sink.values("mask_distance_chance.layers")[0], levels)
    sizes = [layer.count for layer in layers]
    mean = sum(a * b for a, b in zip(levels, sizes, strict=True)) / sum(sizes)
    assert watched.sink.values("mask_distance_chance")[0] == pytest.approx(mean)


def redrawn(watched: Watched, event: int) -> list[Tensor]:
    """Which weights an event redraws: the removed ones that the rule's draw hits."""
    where = []
    for layer, mask in zip(watched.trainer.task.method.layers, watched.masks[event * EVERY - 1], strict=True):
        key = RandomKey(1, Stream.REDRAW, layer.name, event)
        where.append(bernoulli(key, RATE, mask.shape, "cpu") & ~mask)
    return where


def test_that_every_event_counts_what_it_redrew(watched: Watched) -> None:
    steps = [EVERY * event - 1 for event in range(1, 6)]
    assert watched.sink.steps("redrawn") == steps == watched.sink.steps("redrawn.layers")
    counts = [[int(where.sum()) for where in redrawn(watched, event)] for event in range(1, 6)]
    equal(watched.sink.values("redrawn.layers"), counts)
    equal(watched.sink.values("redrawn"), [sum(one) for one in counts])


def test_that_revived_at_an_event_is_about_the_event_before(watched: Watched) -> None:
    steps = [EVERY * event - 1 for event in range(2, 6)]
    assert watched.sink.steps("revived") == steps == watched.sink.steps("revived.layers")
    for index, step in enumerate(steps):
        before = redrawn(watched, index + 1)
        revived = [int((w & m).sum()) for w, m in zip(before, watched.masks[step], strict=True)]
        counts = [int(where.sum()) for where in before]
        equal(watched.sink.values("revived.layers")[index], np.array(revived) / np.array(counts))
        equal(watched.sink.values("revived")[index], sum(revived) / sum(counts))
    assert watched.sink.values("revived").max() > 0


def test_that_nothing_redrawn_gives_no_revived_share() -> None:
    never = {**ITERAND, "randomize_rate": 0.0}
    _, sink = train(config_of(never))
    assert sink.steps("revived") == [7]
    assert np.isnan(sink.values("revived")).all()
    assert np.isnan(sink.values("revived.layers")).all()


def test_that_step_values_belong_to_steps(watched: Watched) -> None:
    for name in ("loss", "accuracy", "lr"):
        assert watched.sink.steps(name) == list(range(20))
    rates = [3.0 * (1 + math.cos(math.pi * epoch / 4)) / 2 for epoch in range(4)]
    np.testing.assert_allclose(watched.sink.values("lr"), np.repeat(rates, 5), rtol=1e-6)
    sizes = np.array([64, 64, 64, 64, 44] * 4)
    hits = watched.sink.values("accuracy") * sizes
    np.testing.assert_allclose(hits, hits.round(), atol=1e-4)


def test_that_epoch_values_are_means_over_the_steps_at_the_last_step(watched: Watched) -> None:
    for of_epoch, of_step in (("train_loss", "loss"), ("train_accuracy", "accuracy")):
        assert watched.sink.steps(of_epoch) == [4, 9, 14, 19]
        values = watched.sink.values(of_step).astype(np.float64).reshape(4, 5)
        np.testing.assert_allclose(watched.sink.values(of_epoch), values.mean(1), rtol=1e-6)
    assert watched.sink.steps("val_accuracy") == watched.sink.steps("epoch_s") == [4, 9, 14, 19]
    assert (watched.sink.values("epoch_s") > 0).all()


def test_that_validation_is_of_the_masks_of_the_newest_scores(watched: Watched) -> None:
    task = watched.trainer.task
    module = task.module.eval()
    losses, hits, count = 0.0, 0, task.dataset.count(Split.VAL)
    with torch.no_grad():
        for batch in task.dataset.batches(Split.VAL, 10):
            logits = module(task.dataset.prepare(batch, 0))
            losses += functional.cross_entropy(logits, batch.labels, reduction="sum").item()
            hits += int((logits.argmax(1) == batch.labels).sum())
    assert watched.sink.values("val_loss")[-1] == pytest.approx(losses / count, rel=1e-5)
    assert watched.sink.values("val_accuracy")[-1] == pytest.approx(hits / count)
    assert watched.trainer.val_score.accuracy == hits / count


def test_that_a_run_without_validation_images_says_nan() -> None:
    run, sink = train(config_of("edge-popup", data={"val_fraction": 0.0}, training={"epochs": 1}))
    assert np.isnan(sink.values("val_accuracy")).all()
    assert math.isnan(run.val_score.accuracy)
    assert run.test().accuracy >= 0


@pytest.mark.parametrize(("flush_s", "capacity"), [(0.0, 1024), (3600.0, 3), (3600.0, 1024)])
def test_that_recorded_values_do_not_depend_on_when_they_are_fetched(
    watched: Watched, monkeypatch: pytest.MonkeyPatch, flush_s: float, capacity: int
) -> None:
    monkeypatch.setattr(trainer, "FLUSH_S", flush_s)
    monkeypatch.setattr(journal, "_CAPACITY", capacity)
    _, sink = train(config())
    for name, axis in watched.sink.axes.items():
        if axis != "clock" and name != "epoch_s":
            assert sink.steps(name) == watched.sink.steps(name), name
            np.testing.assert_array_equal(sink.values(name), watched.sink.values(name), err_msg=name)


def test_that_progress_is_reported_in_updates_done(watched: Watched) -> None:
    assert watched.sink.reported[-1] == (20, 4, 20)
    steps = [step for step, _, _ in watched.sink.reported]
    assert steps == sorted(steps)
    assert min(steps) >= 1


def test_that_the_clock_is_sampled(watched: Watched) -> None:
    for name in ("images_per_s", "memory_bytes", "elapsed_s"):
        assert (watched.sink.values(name) > 0).all()
        assert len(watched.sink.values(name)) > 0
    assert watched.sink.steps("gpu_share") == []

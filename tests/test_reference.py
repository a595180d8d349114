"""Forty steps of every method equal a plain reference, bit for bit in fp32 on one thread."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from iterand_engine.config.catalog import MODELS
from tests import reference
from tests.training_tasks import config_of, train

STEPS = 40
KU, KN, SC = "kaiming-uniform", "kaiming-normal", "signed-constant"
EDGE_POPUP = {"name": "edge-popup", "sparsity": 0.6}
ITERAND = {"name": "iterand", "sparsity": 0.5, "randomize_every": 7, "randomize_rate": 0.1}

CASES: list[tuple[str, dict[str, Any]]] = [
    ("conv2", {"name": "dense", "weight_init": KU}),
    ("conv2", {"name": "dense", "weight_init": KN}),
    ("conv2", {"name": "dense", "weight_init": SC}),
    ("resnet18", {"name": "dense", "weight_init": KU}),
    ("conv2", {**EDGE_POPUP, "weight_init": KU}),
    ("conv2", {**EDGE_POPUP, "weight_init": KN, "ranking": "magnitude"}),
    ("conv2", {**EDGE_POPUP, "weight_init": SC, "sparsity": 0.0}),
    ("resnet18", {**EDGE_POPUP, "weight_init": SC}),
    ("conv2", {**ITERAND, "weight_init": KU}),
    ("conv2", {**ITERAND, "weight_init": KN, "ranking": "magnitude", "randomize_rate": 1.0}),
    ("conv2", {**ITERAND, "weight_init": SC, "randomize_every": 1}),
    ("resnet18", {**ITERAND, "weight_init": KN, "ranking": "magnitude"}),
]


def test_that_the_reference_stays_short() -> None:
    with open(reference.__file__, encoding="utf-8") as file:
        code = file.read().partition("def draw")[2]
    assert len(code.splitlines()) <= 60


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize(("model", "method"), CASES)
def test_that_forty_steps_equal_the_reference_bit_for_bit(model: str, method: dict[str, Any]) -> None:
    images = 8 if model == "resnet18" else 24
    config = config_of(
        method,
        data={"train_limit": 4 * images + 3, "val_fraction": 0.01},  # five steps an epoch, the last short
        model={"name": model},
        training={
            "epochs": 8,
            "batch_size": images,
            "lr": 0.05 if method["name"] == "dense" else 1.0,
            "weight_decay": 5e-3,
        },
    )
    trainer, sink = train(config)
    module = MODELS[model].load()(config.model.width_factor, trainer.task.dataset.spec)
    losses, weights, scores = reference.train(module.train(), trainer.task.dataset, config)

    assert len(losses) == STEPS
    np.testing.assert_array_equal(sink.values("loss"), np.array(losses, dtype=np.float32))
    if method["name"] == "dense":
        expected = dict(module.named_parameters())
        for name, parameter in trainer.task.module.named_parameters():
            assert torch.equal(parameter, expected[name]), name
        return
    assert [layer.name for layer in trainer.task.method.layers] == list(weights)
    for layer in trainer.task.method.layers:
        assert torch.equal(layer.masking.scores, scores[layer.name]), layer.name
        assert torch.equal(layer.weight, weights[layer.name]), layer.name
        assert torch.equal(layer.masking.mask, reference.keep(scores[layer.name], config.method)), layer.name
    if method["sparsity"]:
        assert sink.values("mask_distance")[-1] > 0.01, "the masks must change for this to mean anything"
    for name, buffer in module.named_buffers():
        assert torch.equal(trainer.task.module.get_buffer(name), buffer), name

"""Learning rates against values worked out by hand, and the optimisers' settings."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from iterand_engine.config.presets import preset
from iterand_engine.config.run_config import RunConfig, TrainingConfig
from iterand_engine.training.optimizer import learning_rate, make_optimizer, set_learning_rate


def rates(**options: Any) -> list[float]:
    config = TrainingConfig(**options)
    return [learning_rate(config, epoch) for epoch in range(config.epochs)]


def test_that_cosine_falls_from_lr_towards_zero_once_an_epoch() -> None:
    half = math.sqrt(0.5)
    assert rates(epochs=4, lr=0.1) == pytest.approx([0.1, 0.05 * (1 + half), 0.05, 0.05 * (1 - half)])
    hundred = rates(epochs=100, lr=0.1)
    assert hundred[0] == 0.1
    assert hundred[50] == pytest.approx(0.05)
    assert hundred[99] == pytest.approx(0.1 * math.sin(math.pi / 200) ** 2)


def test_that_imagenets_schedule_is_the_papers() -> None:
    config = RunConfig.from_mapping(preset("imagenet-resnet50-iterand").mapping).training
    assert config.epochs == 105
    found = [learning_rate(config, epoch) for epoch in range(105)]
    assert found[:6] == pytest.approx([0.02, 0.04, 0.06, 0.08, 0.1, 0.1])
    for epoch in range(5, 100):
        assert found[epoch] == pytest.approx(0.05 * (1 + math.cos(math.pi * (epoch - 5) / 95)))
    assert found[100:] == [1e-5] * 5


def test_that_constant_stays_and_multistep_falls_at_its_milestones() -> None:
    assert rates(epochs=3, lr=0.2, schedule="constant") == [0.2, 0.2, 0.2]
    found = rates(epochs=6, lr=1.0, schedule="multistep", milestones=(2, 4), gamma=0.1)
    assert found == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


def test_that_warm_up_and_final_epochs_frame_every_schedule() -> None:
    frame = {"epochs": 7, "lr": 0.6, "warmup_epochs": 3, "final_epochs": 2, "final_lr": 0.01}
    assert rates(schedule="constant", **frame) == pytest.approx([0.2, 0.4, 0.6, 0.6, 0.6, 0.01, 0.01])
    assert rates(schedule="cosine", **frame) == pytest.approx([0.2, 0.4, 0.6, 0.6, 0.3, 0.01, 0.01])
    stepped = rates(schedule="multistep", milestones=(4,), gamma=0.5, **frame)
    assert stepped == pytest.approx([0.2, 0.4, 0.6, 0.6, 0.3, 0.01, 0.01])


def test_that_warm_up_and_final_epochs_may_be_all() -> None:
    assert rates(epochs=3, lr=1.0, warmup_epochs=2, final_epochs=1, final_lr=0.1) == [0.5, 1.0, 0.1]
    assert rates(epochs=1, lr=1.0, warmup_epochs=1) == [1.0]


def test_that_the_optimisers_take_the_configured_numbers() -> None:
    parameters = [nn.Parameter(torch.ones(2))]
    sgd = make_optimizer(parameters, TrainingConfig(lr=0.3, momentum=0.8, weight_decay=1e-4))
    assert isinstance(sgd, torch.optim.SGD)
    group = sgd.param_groups[0]
    assert (group["lr"], group["momentum"], group["weight_decay"]) == (0.3, 0.8, 1e-4)
    assert (group["nesterov"], group["dampening"]) == (False, 0)
    adamw = make_optimizer(parameters, TrainingConfig(optimizer="adamw", momentum=0.8, weight_decay=0.1))
    assert isinstance(adamw, torch.optim.AdamW)
    assert tuple(adamw.param_groups[0]["betas"]) == (0.8, 0.999)
    set_learning_rate(adamw, 0.02)
    assert adamw.param_groups[0]["lr"] == 0.02

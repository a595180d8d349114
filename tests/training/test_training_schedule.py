"""Learning rates against values worked out by hand, and the optimisers' settings."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import Optimizer

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


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_that_the_optimisers_compute_what_torchs_do(name: str) -> None:
    config = TrainingConfig.model_validate(
        {"optimizer": name, "lr": 0.1, "momentum": 0.9, "weight_decay": 1e-3}
    )

    def stepped(make: Callable[[list[nn.Parameter]], Optimizer]) -> list[torch.Tensor]:
        """Parameters and state after some steps, half of them after a state was stored and loaded."""
        generator = torch.Generator().manual_seed(1)
        parameters = [nn.Parameter(torch.randn(shape, generator=generator)) for shape in ((7, 3), (5,))]
        first, second = make(parameters), make(parameters)
        for step in range(10):
            optimizer = first if step < 5 else second
            if step == 5:
                second.load_state_dict(first.state_dict())
            sum((parameter.sin() ** 2).sum() for parameter in parameters).backward()  # type: ignore[union-attr]
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        state = second.state_dict()["state"]
        return [*parameters, *(state[number][key] for number in state for key in sorted(state[number]))]

    def torchs(parameters: list[nn.Parameter]) -> Optimizer:
        if name == "sgd":
            return torch.optim.SGD(parameters, lr=0.1, momentum=0.9, weight_decay=1e-3)
        return torch.optim.AdamW(parameters, lr=0.1, betas=(0.9, 0.999), weight_decay=1e-3)

    ours, theirs = stepped(partial(make_optimizer, config=config)), stepped(torchs)
    assert len(ours) == len(theirs) > 2
    assert all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True))


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

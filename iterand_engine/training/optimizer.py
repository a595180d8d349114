"""Optimisers and the learning-rate schedule. Sources: arXiv 2106.09269, appendix; docs/configuration.md."""

from __future__ import annotations

import math
from collections.abc import Sequence
from inspect import unwrap
from typing import Any

import torch
from torch import nn
from torch.optim import SGD, AdamW, Optimizer

from iterand_engine.config.run_config import TrainingConfig


class _Uncompiled(Optimizer):
    """An optimiser that does without torch._dynamo.

    torch wraps these methods for programs that compile, and the wrappers import torch._dynamo: over a second
    of CPU in each process that trains. What they wrap is the same arithmetic.
    """

    add_param_group = unwrap(Optimizer.add_param_group)
    zero_grad = unwrap(Optimizer.zero_grad)
    state_dict = unwrap(Optimizer.state_dict)
    load_state_dict = unwrap(Optimizer.load_state_dict)


class _Sgd(_Uncompiled, SGD):
    step: Any = torch.no_grad()(unwrap(SGD.step))


class _AdamW(_Uncompiled, AdamW):
    step: Any = torch.no_grad()(unwrap(AdamW.step))


def make_optimizer(parameters: Sequence[nn.Parameter], config: TrainingConfig) -> Optimizer:
    """Make the optimiser of a method's trained parameters; the trainer sets its learning rate each epoch."""
    match config.optimizer:
        case "sgd":
            return _Sgd(parameters, lr=config.lr, momentum=config.momentum, weight_decay=config.weight_decay)
        case "adamw":
            betas = (config.momentum, 0.999)
            return _AdamW(parameters, lr=config.lr, betas=betas, weight_decay=config.weight_decay)


def learning_rate(config: TrainingConfig, epoch: int) -> float:
    """Compute the learning rate of an epoch.

    Warm-up: lr * (epoch + 1) / warmup_epochs. Then the schedule, over the epochs between the warm-up and the
    final epochs, which have final_lr. Cosine falls to 0, in one step per epoch.

    Args:
        config: schedule, lengths and rates.
        epoch: counted from 0.
    """
    if epoch < config.warmup_epochs:
        return config.lr * (epoch + 1) / config.warmup_epochs
    if epoch >= config.epochs - config.final_epochs:
        return config.final_lr
    match config.schedule:
        case "constant":
            return config.lr
        case "multistep":
            return config.lr * config.gamma ** sum(epoch >= milestone for milestone in config.milestones)
        case "cosine":
            length = config.epochs - config.warmup_epochs - config.final_epochs
            return config.lr * 0.5 * (1 + math.cos(math.pi * (epoch - config.warmup_epochs) / length))


def set_learning_rate(optimizer: Optimizer, rate: float) -> None:
    """Set the learning rate of every parameter group."""
    for group in optimizer.param_groups:
        group["lr"] = rate

"""Loss and accuracy of a network on a split, in the order of the split."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrize

from iterand_engine.data.dataset import Dataset, Split
from iterand_engine.training.numerics import Numerics


@dataclass(frozen=True)
class Evaluation:
    """Mean loss and accuracy (0-1) over a split; NaN for an empty split."""

    loss: float
    accuracy: float


@torch.no_grad()
def evaluate(
    module: nn.Module,
    dataset: Dataset,
    split: Split,
    batch_size: int,
    numerics: Numerics,
    step: int,
    alive: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Evaluate a network with its present masks; the caller selects them before.

    Args:
        module: the network; it is left in training mode.
        dataset: loads and prepares the batches.
        split: the images to evaluate on.
        batch_size: images at a time; except for rounding, the result does not depend on it.
        numerics: the run's arithmetic.
        step: updates done so far.
        alive: called at each batch, so that a long evaluation does not look like a stall.
    """
    count = dataset.count(split)
    if not count:
        return Evaluation(math.nan, math.nan)
    module.eval()
    losses, hits = [], []
    with parametrize.cached():  # computes each masked weight once, not once per batch
        for batch in dataset.batches(split, batch_size):
            alive()
            images = dataset.prepare(batch, step)
            with numerics.autocast():
                logits = module(images)
            losses.append(functional.cross_entropy(logits.float(), batch.labels, reduction="sum").double())
            hits.append((logits.argmax(1) == batch.labels).sum())
    module.train()
    return Evaluation(torch.stack(losses).sum().item() / count, torch.stack(hits).sum().item() / count)

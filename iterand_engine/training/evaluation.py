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
    """Mean loss and share of hits over a split; NaN where the split is empty."""

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
    """Evaluate a network as it is; the caller selects its masks before.

    Args:
        module: left in training mode.
        dataset: brings and prepares the batches.
        split: which images.
        batch_size: images at a time; the mean does not depend on it but for rounding.
        numerics: how to compute.
        step: updates done so far.
        alive: called at each batch, so that a long evaluation does not look like a stall.
    """
    count = dataset.count(split)
    if not count:
        return Evaluation(math.nan, math.nan)
    module.eval()
    losses, hits = [], []
    with parametrize.cached():  # each masked weight is made once, not once a batch
        for batch in dataset.batches(split, batch_size):
            alive()
            images = dataset.prepare(batch, step)
            with numerics.autocast():
                logits = module(images)
            losses.append(functional.cross_entropy(logits.float(), batch.labels, reduction="sum").double())
            hits.append((logits.argmax(1) == batch.labels).sum())
    module.train()
    return Evaluation(torch.stack(losses).sum().item() / count, torch.stack(hits).sum().item() / count)

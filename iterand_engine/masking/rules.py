"""Redraw rules: which removed weights get new values at a redraw, and which values.

A rule is given one layer and returns a `Redraw`; kept weights are never touched, whatever it asks for.
Source of `uniform`: IteRand, arXiv 2106.09269, section 4.1.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from iterand_engine.random_source import RandomKey, Stream, bernoulli


@dataclass(frozen=True)
class RedrawSite:
    """What a rule knows of the layer whose removed weights are to be redrawn.

    weight, score and mask have one shape; mask is True where the weight is kept. `event` counts redraws from
    1; `progress` is the share of the run's steps that lie behind; `rate` is method.randomize_rate.
    """

    layer: str
    weight: Tensor
    score: Tensor
    mask: Tensor
    event: int
    progress: float
    rate: float
    seed: int

    def chance(self, probability: float) -> Tensor:
        """Bool like the weight: each True with this probability, from the run's own random stream."""
        key = RandomKey(self.seed, Stream.REDRAW, self.layer, self.event)
        return bernoulli(key, probability, self.weight.shape, self.weight.device)


@dataclass(frozen=True)
class Redraw:
    """Which weights get new values (bool), and the values; None draws from the initial distribution."""

    where: Tensor
    values: Tensor | None = None


def uniform(layer: RedrawSite) -> Redraw:
    """The paper's rule: each removed weight is redrawn with probability `rate`."""
    return Redraw(torch.logical_not(layer.mask) & layer.chance(layer.rate))

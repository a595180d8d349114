"""Draws weights and scores: fan-in distributions with the ReLU gain.

(seed, layer name, event) determine a draw: event 0 is the initial draw, event e the e-th redraw. So the
number of its last redraw determines a weight. Source: arXiv 2106.09269, section 4, and arXiv 1911.13299.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from iterand_engine.config.method_options import ScoreInit, WeightInit
from iterand_engine.rng import RandomKey, Stream, normal, signs, uniform


def fan_in(shape: Sequence[int]) -> int:
    """Compute the inputs of one output unit from a weight's shape (out, in/groups, *kernel)."""
    return math.prod(shape[1:])


def draw_weights(
    init: WeightInit, shape: Sequence[int], *, seed: int, layer: str, event: int, device: torch.device
) -> Tensor:
    """Draw one layer's weights.

    Args:
        init: the distribution; see the module docstring.
        shape: the weight's, output units first.
        seed: the run's.
        layer: qualified parameter name, e.g. layer1.0.conv1.weight.
        event: 0 for the initial draw, e for the e-th redraw.
        device: the one to compute on; the values are the same on every device.
    Returns:
        float32 of this shape, values in row-major order of position.
    """
    key = RandomKey(seed, Stream.WEIGHTS, layer, event)
    std = math.sqrt(2 / fan_in(shape))
    match init:
        case "kaiming-uniform":
            return uniform(key, math.sqrt(6 / fan_in(shape)), shape, device)
        case "kaiming-normal":
            return normal(key, std, shape, device)
        case "signed-constant":
            return signs(key, shape, device) * std


def draw_scores(
    init: ScoreInit, shape: Sequence[int], *, seed: int, layer: str, device: torch.device
) -> Tensor:
    """Draw one layer's initial scores, float32; arguments as for `draw_weights`."""
    numerator = 6 if init == "kaiming-uniform" else 1
    bound = math.sqrt(numerator / fan_in(shape))
    return uniform(RandomKey(seed, Stream.SCORES, layer), bound, shape, device)

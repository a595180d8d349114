"""The mask as a parametrization of one weight: frozen values, trained scores, straight-through gradient.

The forward pass computes mask * weight; the mask was selected before. The backward pass gives every score,
also those of removed weights, weight * gradient (times sign(score) if scores are ranked by magnitude).
Sources: arXiv 1911.13299, equation 5; arXiv 2106.09269, section 2.

Beside the bool mask there are two bytes per weight: `record` says, in its two low bits, whether the weight
was kept at the last look and at the start, and holds above them the number of the weight's last redraw.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

PREVIOUS_BIT = 1
INITIAL_BIT = 2
EVENT_SHIFT = 2


class _KeepMasked(torch.autograd.Function):
    """mask * weight, whose gradient goes to the scores."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, scores: Tensor, mask: Tensor, by_magnitude: bool) -> Tensor:
        ctx.by_magnitude = by_magnitude
        ctx.save_for_backward(weight, *([scores] if by_magnitude else []))
        return weight * mask

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[None, Tensor, None, None]:
        weight, *scores = ctx.saved_tensors
        # Except in fp32 the conversion makes a copy, which the product can overwrite.
        score_grad = grad * weight if grad.dtype == torch.float32 else grad.float().mul_(weight)
        if ctx.by_magnitude:
            score_grad *= scores[0].sign()
        return None, score_grad, None, None


class MaskedWeight(nn.Module):
    """Holds the scores, mask and record of one weight, and applies the mask.

    Args:
        scores: float32, shape of the weight; become a parameter.
        mask: bool, the initial mask.
        by_magnitude: whether scores are ranked by magnitude.
        events: how many redraws are planned; decides the width of `record`.
    """

    scores: nn.Parameter
    mask: Tensor
    record: Tensor

    def __init__(self, scores: Tensor, mask: Tensor, *, by_magnitude: bool, events: int) -> None:
        super().__init__()
        self.by_magnitude = by_magnitude
        self.scores = nn.Parameter(scores)
        self.register_buffer("mask", mask)
        self.register_buffer("record", mask.to(record_type(events)) * (PREVIOUS_BIT | INITIAL_BIT))

    def forward(self, weight: Tensor) -> Tensor:
        """Return the weight times the mask, with the weight's dtype and shape."""
        return _KeepMasked.apply(weight, self.scores, self.mask, self.by_magnitude)  # type: ignore[no-any-return,no-untyped-call]

    @property
    def last_redraw(self) -> Tensor:
        """The number of each weight's last redraw, 0 for the initial draw; shape and dtype of `record`."""
        return self.record >> EVENT_SHIFT


def record_type(events: int) -> torch.dtype:
    """Choose the type of `record` that can hold the numbers of `events` redraws."""
    return torch.int16 if events < 2 ** (15 - EVENT_SHIFT) else torch.int32

"""What a training method is: which parameters it trains, and what it does before and after a step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from iterand_engine.pruning import MaskedLayer


@dataclass(frozen=True)
class RunPlan:
    """What a method knows of the run it serves.

    total_steps: optimiser updates of the whole run; seed: of the run; weight_dtype: of frozen weights.
    """

    total_steps: int
    seed: int
    weight_dtype: torch.dtype = torch.float32


@dataclass(frozen=True)
class RedrawEvent:
    """One redraw, counted from 1. Per layer, int64 on the device: how many weights were redrawn; of those
    redrawn at the event before, how many there are and how many the mask keeps now (None at the first)."""

    number: int
    redrawn: Tensor
    before: Tensor | None
    revived: Tensor | None


class Method(ABC):
    """One way to train a network; made for one run, and owns nothing that a checkpoint would miss."""

    has_masks: ClassVar[bool | None] = None  # whether `layers` will have any; None where a class does not say
    layers: tuple[MaskedLayer, ...] = ()

    @property
    @abstractmethod
    def trained(self) -> list[nn.Parameter]:
        """The parameters that the optimiser holds."""

    def before_step(self, step: int) -> RedrawEvent | None:
        """Select once for all layers, and redraw where it is time; never waits for the device."""
        return None

    def after_step(self, step: int) -> None:
        """Called when the optimiser has updated."""
        return

    def before_evaluation(self) -> None:
        """Select once, so that the evaluation sees the masks of the scores as they are."""
        return

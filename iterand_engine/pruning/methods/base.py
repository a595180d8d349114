"""The interface of a training method: the parameters it trains, and its work before and after a step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from iterand_engine.pruning import MaskedLayer


@dataclass(frozen=True)
class RunPlan:
    """The facts of a run that its method needs.

    total_steps: optimiser updates of the whole run; seed: the run's; weight_dtype: that of frozen weights.
    """

    total_steps: int
    seed: int
    weight_dtype: torch.dtype = torch.float32


@dataclass(frozen=True)
class RedrawEvent:
    """One redraw, counted from 1. Per layer, int64 on the device: how many weights were redrawn; how many
    were redrawn at the event before, and how many of those the mask keeps now (None at the first event)."""

    number: int
    redrawn: Tensor
    before: Tensor | None
    revived: Tensor | None


class Method(ABC):
    """One way to train a network; made for one run, without state that a checkpoint would miss."""

    has_masks: ClassVar[bool | None] = None  # whether `layers` will have any; None where a class does not say
    layers: tuple[MaskedLayer, ...] = ()

    @property
    @abstractmethod
    def trained(self) -> list[nn.Parameter]:
        """The parameters that the optimiser holds."""

    def before_step(self, step: int) -> RedrawEvent | None:
        """Select all masks, and redraw if a redraw is due; must never wait for the device."""
        return None

    def after_step(self, step: int) -> None:
        """Called after each optimiser update."""
        return

    def before_evaluation(self) -> None:
        """Select all masks, so that the evaluation uses those of the present scores."""
        return

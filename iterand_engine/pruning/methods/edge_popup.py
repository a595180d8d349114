"""Edge-popup: scores are trained, weights stay as drawn. Source: arXiv 1911.13299."""

from __future__ import annotations

import torch
from torch import nn

from iterand_engine.config.method_options import ScoreOptions
from iterand_engine.pruning import MaskReport, mask_model
from iterand_engine.pruning.methods.base import Method, RunPlan
from iterand_engine.pruning.selection import kept_mask


class EdgePopup(Method):
    """Keeps, in each layer, the weights with the highest scores."""

    has_masks = True

    def __init__(self, module: nn.Module, options: ScoreOptions, plan: RunPlan) -> None:
        network = mask_model(
            module,
            options,
            seed=plan.seed,
            events=self.planned_events(options, plan),
            weight_dtype=plan.weight_dtype,
        )
        self.layers = network.layers
        self.report: MaskReport = network.report
        self._ranking = options.ranking

    @staticmethod
    def planned_events(options: ScoreOptions, plan: RunPlan) -> int:
        """Compute the number of redraws of the whole run."""
        return 0

    @property
    def trained(self) -> list[nn.Parameter]:
        return [layer.masking.scores for layer in self.layers]

    def select(self) -> None:
        """Select every layer's mask from its scores."""
        with torch.no_grad():
            for layer in self.layers:
                masking = layer.masking
                kept_mask(masking.scores, layer.sparsity, self._ranking, out=masking.mask)

    def before_step(self, step: int) -> None:
        self.select()

    def before_evaluation(self) -> None:
        self.select()

"""Dense training: every weight is trained; the baseline that subnetworks are compared with."""

from __future__ import annotations

from torch import nn

from iterand_engine.config.method_options import DenseOptions
from iterand_engine.pruning import draw_network
from iterand_engine.pruning.methods.base import Method, RunPlan


class Dense(Method):
    """Trains all parameters of a network, drawn from the same source as the other methods'."""

    has_masks = False

    def __init__(self, module: nn.Module, options: DenseOptions, plan: RunPlan) -> None:
        draw_network(module, options.weight_init, seed=plan.seed)
        self._module = module

    @property
    def trained(self) -> list[nn.Parameter]:
        return list(self._module.parameters())

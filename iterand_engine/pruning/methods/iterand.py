"""IteRand: edge-popup whose removed weights are redrawn every K_per steps. Source: arXiv 2106.09269."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from iterand_engine.config.method_options import IteRandOptions, ScoreOptions
from iterand_engine.pruning import MaskedLayer
from iterand_engine.pruning.draws import draw_weights
from iterand_engine.pruning.mask_change import note_redraw, redrawn_and_revived
from iterand_engine.pruning.methods.base import RedrawEvent, RunPlan
from iterand_engine.pruning.methods.edge_popup import EdgePopup
from iterand_engine.pruning.redraw_rules import RedrawSite, chosen_rule


class IteRand(EdgePopup):
    """Redraws before the forward pass of step t when (t + 1) is a multiple of `randomize_every`."""

    def __init__(self, module: nn.Module, options: IteRandOptions, plan: RunPlan) -> None:
        super().__init__(module, options, plan)
        self._options, self._plan = options, plan
        self._rule = chosen_rule(options.rule)

    @staticmethod
    def planned_events(options: ScoreOptions, plan: RunPlan) -> int:
        """How many redraws the run will see."""
        assert isinstance(options, IteRandOptions)
        return plan.total_steps // options.randomize_every

    def before_step(self, step: int) -> RedrawEvent | None:  # type: ignore[override]
        """Select, and redraw removed weights where it is time."""
        self.select()
        event, remainder = divmod(step + 1, self._options.randomize_every)
        return self.redraw(event, step) if remainder == 0 else None

    @torch.no_grad()
    def redraw(self, event: int, step: int) -> RedrawEvent:
        """Redraw removed weights under the present masks; kept weights, scores and momentum stay."""
        before = revived = None
        if event > 1:
            before, revived = redrawn_and_revived(self.layers, event - 1)
        redrawn = [self._redraw_layer(layer, event, step) for layer in self.layers]
        return RedrawEvent(event, torch.stack(redrawn), before, revived)

    def _redraw_layer(self, layer: MaskedLayer, event: int, step: int) -> Tensor:
        masking, weight = layer.masking, layer.weight
        site = RedrawSite(
            layer=layer.name,
            weight=weight,
            score=masking.scores,
            mask=masking.mask,
            event=event,
            progress=step / self._plan.total_steps,
            rate=self._options.randomize_rate,
            seed=self._plan.seed,
        )
        redraw = self._rule(site)
        where = redraw.where & ~masking.mask
        values = redraw.values
        if values is None:
            values = draw_weights(
                self._options.weight_init,
                weight.shape,
                seed=self._plan.seed,
                layer=layer.name,
                event=event,
                device=weight.device,
            )
        weight.copy_(torch.where(where, values.to(weight.dtype), weight))
        note_redraw(masking.record, where, event)
        return where.count_nonzero()

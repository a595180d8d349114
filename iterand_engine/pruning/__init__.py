"""Masks over frozen random weights: drawing, selection, the weight parametrization and redraw rules."""

from iterand_engine.pruning.masked_network import (
    MaskedLayer,
    MaskedNetwork,
    MaskReport,
    draw_network,
    mask_model,
)

__all__ = ["MaskReport", "MaskedLayer", "MaskedNetwork", "draw_network", "mask_model"]

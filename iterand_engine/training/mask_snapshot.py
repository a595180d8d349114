"""Copies the masks of masked layers to the host, packed as in files, with score histograms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from iterand_engine.pruning import MaskedLayer
from iterand_engine.pruning.selection import selection_threshold
from iterand_engine.results.epoch_masks import EpochMasks, Histogram
from iterand_engine.results.stored_mask import LayerMask, pack_kept

BINS = 64


def snapshot_masks(layers: Sequence[MaskedLayer], epoch: int) -> EpochMasks:
    """Copy every layer's present mask to the host, with a histogram of its ranked scores.

    Args:
        layers: the masked layers; their masks must have been selected from the present scores.
        epoch: how many epochs have been trained.
    """
    return EpochMasks(
        epoch,
        layers={layer.name: stored(layer) for layer in layers},
        histograms={layer.name: _histogram(layer) for layer in layers},
    )


def stored(layer: MaskedLayer) -> LayerMask:
    """Copy one layer's mask to the host, packed as in files."""
    return pack_kept(layer.masking.mask.cpu().contiguous().numpy())


@torch.no_grad()
def _histogram(layer: MaskedLayer) -> Histogram:
    scores = layer.masking.scores.detach()
    ranked = (scores.abs() if layer.masking.by_magnitude else scores).cpu()
    low, high = (float(value) for value in ranked.aminmax())
    top = high if high > low else low + 1.0  # histc needs a width; all scores are then in the first bin
    counts = torch.histc(ranked, BINS, low, top).numpy().astype(np.int64)
    return Histogram(counts, low, top, float(selection_threshold(ranked, layer.sparsity)))

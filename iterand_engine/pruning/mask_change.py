"""Counts changes of masks: flips since the last look, distance from the start, and revived redrawn weights.

All counts stay on the device; the recording code divides and copies them later. The chance level of the
distance is 2p(1 - p): two independent masks of sparsity p differ in this share of positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from iterand_engine.pruning.masked_network import MaskedLayer
from iterand_engine.pruning.masked_weight import EVENT_SHIFT, INITIAL_BIT, PREVIOUS_BIT


@dataclass(frozen=True)
class MaskChange:
    """Per layer, int64 on the device: positions changed since the last look, and since the start."""

    flips: Tensor
    distance: Tensor


def observe(layers: Sequence[MaskedLayer]) -> MaskChange:
    """Count the changes of every layer's mask, and keep the masks for the next call."""
    flips, distance = [], []
    for layer in layers:
        mask, record = layer.masking.mask, layer.masking.record
        changed = torch.bitwise_xor(record, mask)
        flips.append((changed & PREVIOUS_BIT).count_nonzero())
        # bit 1 of the record against the mask: shift the mask's bit to it
        distance.append(torch.ne((record & INITIAL_BIT).bool(), mask).count_nonzero())
        record.bitwise_and_(~PREVIOUS_BIT).bitwise_or_(mask)
    return MaskChange(torch.stack(flips), torch.stack(distance))


def redrawn_and_revived(layers: Sequence[MaskedLayer], event: int) -> tuple[Tensor, Tensor]:
    """Count, per layer, the weights last redrawn at `event`, and those of them that the mask keeps now."""
    redrawn, revived = [], []
    for layer in layers:
        fresh = layer.masking.last_redraw == event
        redrawn.append(fresh.count_nonzero())
        revived.append((fresh & layer.masking.mask).count_nonzero())
    return torch.stack(redrawn), torch.stack(revived)


def note_redraw(record: Tensor, where: Tensor, event: int) -> None:
    """Write the event's number into the record of the weights that were redrawn, in place."""
    low_bits = record & (PREVIOUS_BIT | INITIAL_BIT)
    record.copy_(torch.where(where, low_bits | (event << EVENT_SHIFT), record))

"""Which weights of a layer are kept: those whose scores reach a threshold.

The threshold is the score of ascending rank 1 + round(sparsity * (n - 1)), round half to even; ties are kept.
Neither path waits for the device: on a CPU the scores are read in place by numpy (many times faster
than kthvalue there), elsewhere topk is used; both give the same threshold.
Source: edge-popup, arXiv:1911.13299 (its k is the share kept, 1 - sparsity).
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from iterand_engine.config.method_options import Ranking

_BLOCK = 65_536  # so many scores fit in the cache with the results of their comparison
_SAMPLED_FROM = 16_384  # below this a plain partition is as fast


def threshold_rank(sparsity: float, count: int) -> int:
    """Compute the ascending rank, from 0, of the threshold among `count` scores."""
    if not 0 <= sparsity < 1:
        raise ValueError(f"sparsity is {sparsity}; it must be in [0, 1)")
    return round(sparsity * (count - 1))


def kept_mask(
    scores: Tensor, sparsity: float, ranking: Ranking = "signed", *, out: Tensor | None = None
) -> Tensor:
    """Mark the weights of one layer whose scores are among the highest.

    Args:
        scores: float32, any shape and dense memory format.
        sparsity: share removed, 0 <= sparsity < 1.
        ranking: compare signed numbers, or magnitudes.
        out: bool tensor like `scores` to write to.
    Returns:
        Bool, like `scores`: True where the weight is kept.
    Raises:
        ValueError: `sparsity` is outside [0, 1).
    Source: edge-popup, arXiv:1911.13299.
    """
    ranked = scores.detach()
    if ranking == "magnitude":
        ranked = ranked.abs()
    threshold = selection_threshold(ranked, sparsity)
    return torch.ge(ranked, threshold, out=out) if out is not None else ranked >= threshold


def selection_threshold(ranked: Tensor, sparsity: float) -> Tensor:
    """Find the lowest value that is kept, as a tensor of one element on the device of `ranked`."""
    flat = in_memory_order(ranked)
    rank = threshold_rank(sparsity, flat.numel())
    if flat.device.type == "cpu":
        return threshold_by_partition(flat, rank)
    return threshold_by_topk(flat, rank)


def threshold_by_partition(flat: Tensor, rank: int) -> Tensor:
    """Find the value of an ascending rank (from 0) of a flat CPU tensor, shape (1,).

    For large layers, a strided sample brackets the rank first, and only the values within the bracket are
    partitioned. The result is exact for every sample, and comes up to eight times faster where numpy's
    partition is slow (AVX-512 on AMD). Source: Floyd and Rivest, "Expected time bounds for selection", 1975.
    """
    values = flat.numpy()
    if len(values) >= _SAMPLED_FROM:
        within, below = _between(values, *_bracket(values, rank))
        if below <= rank < below + len(within):
            values, rank = within, rank - below
    return torch.from_numpy(np.partition(values, rank)[rank : rank + 1])


def _between(
    values: NDArray[np.float32], low: np.float32, high: np.float32
) -> tuple[NDArray[np.float32], int]:
    """Find the values within a bracket and count those below; block by block, so that memory is read once."""
    parts, below = [], 0
    for start in range(0, len(values), _BLOCK):
        block = values[start : start + _BLOCK]
        inside = block >= low
        below += len(block) - int(np.count_nonzero(inside))
        inside &= block <= high
        parts.append(block[inside])
    return np.concatenate(parts), below


def _bracket(values: NDArray[np.float32], rank: int) -> tuple[np.float32, np.float32]:
    """Find two values that very likely enclose that of a rank, from a sample of about n^(2/3) values."""
    sample = values[:: round(len(values) ** (1 / 3)) | 1]  # an odd stride meets every channel
    middle = rank * len(sample) // len(values)
    margin = 2 * math.isqrt(len(sample)) + 8
    first, last = max(0, middle - margin), min(len(sample) - 1, middle + margin)
    ordered = np.partition(sample, (first, last))
    low = ordered[first] if first else np.float32(-np.inf)
    high = ordered[last] if last < len(sample) - 1 else np.float32(np.inf)
    return low, high


def threshold_by_topk(flat: Tensor, rank: int) -> Tensor:
    """Find the value of an ascending rank (from 0) of a flat tensor on any device, shape (1,)."""
    above, below = flat.numel() - rank, rank + 1
    if above <= below:
        return flat.topk(above, sorted=False).values.min().reshape(1)
    return flat.topk(below, largest=False, sorted=False).values.max().reshape(1)


def in_memory_order(tensor: Tensor) -> Tensor:
    """View all elements as a flat tensor in their order in memory, for every memory format."""
    if tensor.is_contiguous():
        return tensor.view(-1)
    if tensor.dim() == 4 and tensor.is_contiguous(memory_format=torch.channels_last):
        return tensor.permute(0, 2, 3, 1).reshape(-1)
    return tensor.reshape(-1)

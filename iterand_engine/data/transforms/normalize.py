"""Turn grey levels 0-255 into normalised floats: one affine map per channel.

Source: the ImageNet mean and deviation that torchvision's recipes use.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from iterand_engine.errors import UserError


@dataclass(frozen=True)
class Statistics:
    """Mean and deviation of each of the three channels, with grey levels scaled to 0-1."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


IMAGENET = Statistics((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def measured(chunks: Iterable[Tensor]) -> Statistics:
    """Mean and deviation of images, from exact counts of grey levels, so that no order of sums matters.

    Args:
        chunks: uint8, (N, C, H, W) each, on the CPU, C = 1 (then all channels are alike) or 3.
    Raises:
        UserError: a channel has the same value everywhere.
    """
    counts = torch.zeros(3, 256, dtype=torch.int64)
    for images in chunks:
        for channel in range(3):
            levels = images[:, channel if images.shape[1] == 3 else 0].reshape(-1)
            counts[channel] += torch.bincount(levels, minlength=256)
    levels = torch.arange(256, dtype=torch.float64) / 255
    shares = counts.double() / counts.sum(1, keepdim=True)
    mean = (shares * levels).sum(1)
    std = (shares * (levels - mean.unsqueeze(1)).square()).sum(1).sqrt()
    if bool((std == 0).any()):
        raise UserError(
            "data.normalization is 'dataset', but a colour channel of the training images is the same "
            "everywhere; use normalization: imagenet."
        )
    return Statistics(_triple(mean), _triple(std))


def _triple(values: Tensor) -> tuple[float, float, float]:
    first, second, third = values.tolist()
    return first, second, third


class Normalizer:
    """The affine map of one dataset on one device, in the memory format the network wants.

    Args:
        statistics: (x/255 - mean) / std is applied.
        channels_last: memory format of the results.
    """

    def __init__(self, statistics: Statistics, device: torch.device, *, channels_last: bool) -> None:
        scale = [1 / (255 * std) for std in statistics.std]
        shift = [-mean / std for mean, std in zip(statistics.mean, statistics.std, strict=True)]
        self._scale = torch.tensor(scale, dtype=torch.float32, device=device).view(1, 3, 1, 1)
        self._shift = torch.tensor(shift, dtype=torch.float32, device=device).view(1, 3, 1, 1)
        self._channels_last = channels_last
        self._format = torch.channels_last if channels_last else torch.contiguous_format

    def normalized(self, images: Tensor) -> Tensor:
        """Normalise images.

        Args:
            images: (N, C, H, W), uint8 or float, in grey levels 0-255; C = 1 is repeated to 3. Dense float32
                images in the right memory format are overwritten.
        Returns:
            float32, (N, 3, H, W).
        """
        repeated = images.expand(-1, 3, -1, -1).to(torch.float32, memory_format=self._format)
        dense = repeated.contiguous(memory_format=self._format)  # a copy only where one channel was repeated
        if not self._channels_last:
            return dense.mul_(self._scale).add_(self._shift)
        # One long inner dimension: a broadcast over three channels innermost is seven times slower.
        rows = dense.permute(0, 2, 3, 1).flatten(2)
        width = dense.shape[3]
        rows.mul_(self._scale.view(3).repeat(width)).add_(self._shift.view(3).repeat(width))
        return dense

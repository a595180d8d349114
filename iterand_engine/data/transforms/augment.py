"""Augment batches of images on their device: crop, resize and flip, drawn for each (seed, epoch, sample).

`none` changes nothing. `crop` pads by 4 and takes a random window of the image's size; `crop-flip` also
mirrors half of them. `paper` is, up to 64 px, pad 4, RandomResizedCrop to the image's size and flip; above,
RandomResizedCrop(224) and flip, without padding. Padding is zeros, before normalising.

Limits: no colour changes, one window per image and epoch.
Source: Chijiwa et al., arXiv:2106.09269, and torchvision's RandomCrop and RandomResizedCrop.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from iterand_engine.data.transforms.crops import (
    Crops,
    random_crops,
    random_resized_crops,
    range_words,
    sample_words,
)
from iterand_engine.data.transforms.resize import FilterTable, resample, triangle_filters

Augmentation = Literal["none", "crop", "crop-flip", "paper"]

PADDING_PX = 4
_PLAN_SAMPLES = 1 << 16  # samples planned at once: bounds the memory of the words


def padding_of(augmentation: Augmentation, *, small: bool) -> int:
    """Zeros around the images before cropping, in pixels."""
    return 0 if augmentation == "none" or (augmentation == "paper" and not small) else PADDING_PX


def draw_crops(
    augmentation: Augmentation, drawn: Tensor, height: Tensor, width: Tensor, target: int
) -> Crops:
    """Draw the windows of one augmentation.

    Args:
        augmentation: not "none".
        drawn: (N, 16) words.
        height, width: int64, (N,) or (1,): padded sizes; for `crop` and `crop-flip` they are target + 8.
        target: side of the result.
    """
    if augmentation == "paper":
        return random_resized_crops(drawn, height, width)
    return random_crops(drawn, target + 2 * PADDING_PX, target, flip=augmentation == "crop-flip")


class Cropper(ABC):
    """Crops batches of training images; `SmallCropper` up to 64 px, `LargeCropper` above."""

    @abstractmethod
    def __call__(self, images: Tensor, samples: Tensor, epoch: int) -> Tensor:
        """Crop, resize and flip.

        Args:
            images: uint8, (N, C, S, S).
            samples: int64, (N,): their numbers within the training split.
            epoch: 0-based.
        Returns:
            float32, (N, C, T, T), in grey levels 0-255, not rounded.
        """


class SmallCropper(Cropper):
    """For images up to 64 px: windows of an epoch are drawn at once, and matrices looked up in a table.

    Args:
        augmentation: not "none".
        size: side of the images and of the results.
        count: images of the training split.
    """

    def __init__(
        self,
        augmentation: Augmentation,
        size: int,
        count: int,
        *,
        seed: int,
        device: torch.device,
        channels_last: bool,
    ) -> None:
        self._augmentation: Augmentation = augmentation
        self._size, self._count, self._seed = size, count, seed
        self._device, self._channels_last = device, channels_last
        self._table = FilterTable(size, size, PADDING_PX, device)
        self._padded = torch.full((1,), size + 2 * PADDING_PX, dtype=torch.int64, device=device)
        self._planned_epoch = -1
        self._rows = self._columns = torch.empty(0, dtype=torch.int64)

    def __call__(self, images: Tensor, samples: Tensor, epoch: int) -> Tensor:
        if epoch != self._planned_epoch:
            self._plan(epoch)
        rows = self._table.rows.index_select(0, self._rows.index_select(0, samples))
        columns = self._table.columns.index_select(0, self._columns.index_select(0, samples))
        return resample(images, rows, columns, channels_last=self._channels_last)

    def _plan(self, epoch: int) -> None:
        rows, columns = [], []
        for first in range(0, self._count, _PLAN_SAMPLES):
            number = min(_PLAN_SAMPLES, self._count - first)
            drawn = range_words(self._seed, epoch, first, number, self._device)
            crops = draw_crops(self._augmentation, drawn, self._padded, self._padded, self._size)
            rows.append(self._table.row_index(crops.top, crops.height))
            columns.append(self._table.column_index(crops.left, crops.width, crops.flip))
        self._rows, self._columns = torch.cat(rows), torch.cat(columns)
        self._planned_epoch = epoch


class LargeCropper(Cropper):
    """For images above 64 px: matrices are made for each batch.

    Args:
        augmentation: not "none".
        size: side of the stored images.
        target: side of the results.
        sizes: int64, (count, 2): height and width of each original, where the stored images are originals
            squeezed into a square; windows are drawn on the original and moved to the nearest stored pixels.
    """

    def __init__(
        self,
        augmentation: Augmentation,
        size: int,
        target: int,
        *,
        seed: int,
        device: torch.device,
        channels_last: bool,
        sizes: Tensor | None = None,
    ) -> None:
        self._augmentation: Augmentation = augmentation
        self._size, self._target, self._seed = size, target, seed
        self._sizes, self._channels_last = sizes, channels_last
        self._padding = padding_of(augmentation, small=False)
        self._padded = torch.full((1,), size + 2 * self._padding, dtype=torch.int64, device=device)

    def __call__(self, images: Tensor, samples: Tensor, epoch: int) -> Tensor:
        crops = self._crops(samples, epoch)
        line = partial(triangle_filters, source=self._size, target=self._target, padding=self._padding)
        rows = line(crops.top, crops.height)
        columns = line(crops.left, crops.width, reverse=crops.flip)
        return resample(images, rows, columns, channels_last=self._channels_last)

    def _crops(self, samples: Tensor, epoch: int) -> Crops:
        drawn = sample_words(self._seed, epoch, samples)
        if self._sizes is None:
            return draw_crops(self._augmentation, drawn, self._padded, self._padded, self._target)
        height, width = self._sizes.index_select(0, samples).unbind(1)
        crops = draw_crops(self._augmentation, drawn, height, width, self._target)
        top, crop_height = self._moved(crops.top, crops.height, height)
        left, crop_width = self._moved(crops.left, crops.width, width)
        return Crops(top, left, crop_height, crop_width, crops.flip)

    def _moved(self, start: Tensor, length: Tensor, original: Tensor) -> tuple[Tensor, Tensor]:
        """Map windows of the original line to the nearest ones, at least a pixel long, of the stored line."""
        scale = self._size / original.double()
        first = torch.round(start * scale).long().clamp(max=self._size - 1)
        end = torch.maximum(torch.round((start + length) * scale).long(), first + 1)
        return first, end - first

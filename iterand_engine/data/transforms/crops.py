"""Draw crop windows and flips, for many samples at once, from counter-based words.

A sample has 16 words an epoch: words 0-9 are the ten attempts of RandomResizedCrop (the upper 16 bits draw
the area, the lower 16 the aspect ratio), word 10 places the window vertically, word 11 horizontally, and the
top bit of word 12 flips. Words 13-15 are unused. Nothing here reads a device value on the host.

Limits: areas and ratios have 65,536 values each. The meaning of a word must never change: a change would
change every recorded run.

Source: torchvision `RandomResizedCrop.get_params` and `RandomCrop.get_params`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from iterand_engine.rng import RandomKey, Stream, words, words_at

WORDS_PER_SAMPLE = 16
_ATTEMPTS = 10
_ROW_WORD, _COLUMN_WORD, _FLIP_WORD = 10, 11, 12

AREA = (0.08, 1.0)
RATIO = (3 / 4, 4 / 3)


@dataclass(frozen=True)
class Crops:
    """Windows of N samples in pixels of their (padded) source images; `flip` mirrors the result.

    Args:
        top, left, height, width: int64, (N,).
        flip: bool, (N,).
    """

    top: Tensor
    left: Tensor
    height: Tensor
    width: Tensor
    flip: Tensor


def augment_key(seed: int, epoch: int) -> RandomKey:
    """The key of one epoch's augmentation; a sample's words are at positions sample*16 ... sample*16 + 15."""
    return RandomKey(seed, Stream.AUGMENT, event=epoch)


def sample_words(seed: int, epoch: int, samples: Tensor) -> Tensor:
    """The words of some samples.

    Args:
        samples: int64, (N,): numbers within the training split.
    Returns:
        int64, (N, 16).
    """
    positions = samples.unsqueeze(1) * WORDS_PER_SAMPLE + torch.arange(
        WORDS_PER_SAMPLE, device=samples.device
    )
    return words_at(augment_key(seed, epoch), positions)


def range_words(seed: int, epoch: int, first: int, count: int, device: torch.device) -> Tensor:
    """The words of `count` samples from number `first` on; equals `sample_words`, in a quarter of the work.

    Returns:
        int64, (count, 16).
    """
    key = augment_key(seed, epoch)
    flat = words(key, count * WORDS_PER_SAMPLE, start=first * WORDS_PER_SAMPLE, device=device)
    return flat.view(count, WORDS_PER_SAMPLE)


def random_resized_crops(drawn: Tensor, height: Tensor, width: Tensor) -> Crops:
    """Choose windows as RandomResizedCrop does: ten attempts, then the largest allowed centre window.

    Args:
        drawn: (N, 16) words.
        height, width: int64, (N,) or (1,): sizes of the (padded) sources.
    Returns:
        N windows and flips; area 0.08-1 of the source, aspect ratio 3/4-4/3.
    """
    tall, wide = _attempted_sizes(drawn, height, width)
    fits = (wide > 0) & (wide <= width.unsqueeze(1)) & (tall > 0) & (tall <= height.unsqueeze(1))
    first = fits.to(torch.uint8).argmax(1, keepdim=True)  # of several maxima the first
    found = fits.gather(1, first).squeeze(1)
    fallback_height, fallback_width = _largest_centre(height, width)
    crop_height = torch.where(found, tall.gather(1, first).squeeze(1), fallback_height)
    crop_width = torch.where(found, wide.gather(1, first).squeeze(1), fallback_width)
    room_y, room_x = height - crop_height, width - crop_width
    top = torch.where(found, _below(drawn[:, _ROW_WORD], room_y + 1), room_y // 2)
    left = torch.where(found, _below(drawn[:, _COLUMN_WORD], room_x + 1), room_x // 2)
    return Crops(top, left, crop_height, crop_width, _flips(drawn))


def random_crops(drawn: Tensor, source: int, size: int, *, flip: bool) -> Crops:
    """Choose windows of one size uniformly among all positions, as RandomCrop does.

    Args:
        drawn: (N, 16) words.
        source: height and width of the (padded) sources.
        size: height and width of the windows.
        flip: whether half of the results are mirrored.
    """
    room = source - size + 1
    top, left = (_below(drawn[:, word], room) for word in (_ROW_WORD, _COLUMN_WORD))
    sizes = torch.full_like(top, size)
    flips = _flips(drawn) if flip else torch.zeros_like(top, dtype=torch.bool)
    return Crops(top, left, sizes, sizes, flips)


def _attempted_sizes(drawn: Tensor, height: Tensor, width: Tensor) -> tuple[Tensor, Tensor]:
    """Heights and widths of the ten attempts, int64 (N, 10)."""
    attempts = drawn[:, :_ATTEMPTS]
    shares, turns = (
        ((half + 0.5) / 65536.0) for half in ((attempts >> 16).double(), (attempts & 0xFFFF).double())
    )
    area = (height * width).unsqueeze(1) * (AREA[0] + (AREA[1] - AREA[0]) * shares)
    low, high = math.log(RATIO[0]), math.log(RATIO[1])
    root_ratio = torch.exp(0.5 * (low + (high - low) * turns))
    side = torch.sqrt(area)
    return torch.round(side / root_ratio).long(), torch.round(side * root_ratio).long()


def _largest_centre(height: Tensor, width: Tensor) -> tuple[Tensor, Tensor]:
    """Height and width of the whole image, cut to the nearest allowed aspect ratio."""
    ratio = width.double() / height.double()
    too_narrow, too_wide = ratio < RATIO[0], ratio > RATIO[1]
    cut_height = torch.where(too_narrow, torch.round(width.double() / RATIO[0]).long(), height)
    cut_width = torch.where(too_wide, torch.round(height.double() * RATIO[1]).long(), width)
    return cut_height, cut_width


def _below(word: Tensor, bound: Tensor | int) -> Tensor:
    """A whole number in [0, bound) from a word."""
    return (word * bound) >> 32


def _flips(drawn: Tensor) -> Tensor:
    return drawn[:, _FLIP_WORD] >= 1 << 31

"""Random numbers that are a pure function of (seed, stream, layer, event, position).

Philox4x32-10 in integer tensor arithmetic. No generator state exists: a value depends on its key and its
row-major position alone, so draws are equal on every device, in any order and on any rank, and a resumed
run draws what the uninterrupted one would have drawn. Words become numbers by exact operations only. Nothing
here reads a device value on the host.

Limits: 2**63 positions per key. The numbers of `Stream`, the byte layout of `RandomKey.words`, the order of
the lanes and the quantile table are for ever: changing one changes every recorded run.

Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011 (and its library, Random123).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from hashlib import blake2b

import numpy as np
import torch
from torch import Tensor

from iterand_engine.machine.resources import resource

WORD_BITS = 32
LANES = 4
ROUNDS = 10
MASK = 0xFFFFFFFF
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
KEY_STEPS = (0x9E3779B9, 0xBB67AE85)

UNIFORM_BITS = 24  # what a float32 holds exactly
NORMAL_BITS = 16  # log2 of the length of the quantile table

Lane = int | Tensor
Lanes = tuple[Lane, Lane, Lane, Lane]
Write = Callable[
    [Tensor, Tensor], object
]  # puts words (the first) into a strided view of the result (the second)


class Stream(IntEnum):
    """What the numbers are for; streams never share a value's key."""

    WEIGHTS = 0
    SCORES = 1
    REDRAW = 2
    SHUFFLE = 3
    AUGMENT = 4
    SPLIT = 5
    LIMIT = 6


@dataclass(frozen=True)
class RandomKey:
    """Names one endless sequence of 32-bit words.

    Args:
        seed: 0 <= seed < 2**64.
        stream: what the numbers are for.
        layer: qualified parameter name, or empty where there is no layer.
        event: redraw event, epoch or the like, 0 <= event < 2**64.
    """

    seed: int
    stream: Stream
    layer: str = ""
    event: int = 0

    def __post_init__(self) -> None:
        for name, value in (("seed", self.seed), ("event", self.event)):
            if not 0 <= value < 1 << 64:
                raise ValueError(f"{name} of a random key is {value}; it must be at least 0 and below 2**64")

    def words(self) -> tuple[int, int]:
        """Hash seed, stream and layer to the two 32-bit key words of Philox.

        The bytes hashed are seed (8, little-endian), stream (4, little-endian), layer (UTF-8).
        """
        text = self.seed.to_bytes(8, "little") + int(self.stream).to_bytes(4, "little") + self.layer.encode()
        number = int.from_bytes(blake2b(text, digest_size=8).digest(), "little")
        return number & MASK, number >> WORD_BITS


def philox(counter: Lanes, key: tuple[int, int]) -> Lanes:
    """Apply the ten rounds of Philox4x32 to each counter.

    Args:
        counter: four lanes of words in [0, 2**32); a lane is an int64 tensor, or an int that all counters
            share (its share of the first rounds then costs nothing). Tensors have one shape.
        key: two words in [0, 2**32).
    Returns:
        Four lanes of words in [0, 2**32).
    """
    c0, c1, c2, c3 = counter
    for turn in range(ROUNDS):
        k0, k1 = ((k + turn * step) & MASK for k, step in zip(key, KEY_STEPS, strict=True))
        p0, p1 = _product(c0, MULTIPLIERS[0]), _product(c2, MULTIPLIERS[1])
        c0, c2 = _mixed(p1, c1, k0), _mixed(p0, c3, k1)
        c1, c3 = _low(p1), _low(p0)
    return c0, c1 & MASK, c2, c3 & MASK


def _product(lane: Lane, multiplier: int) -> Lane:
    """The 64-bit product; as int64 it wraps, which leaves all 64 bits right."""
    return lane * multiplier


def _low(product: Lane) -> Lane:
    """The product as a lane of the next round; a tensor keeps its high half, which `_mixed` cuts off."""
    return product & MASK if isinstance(product, int) else product


def _mixed(product: Lane, lane: Lane, key: int) -> Lane:
    """High half of the product, xor lane, xor key."""
    if isinstance(lane, int):
        lane ^= key
        key = 0
    mixed = product >> WORD_BITS
    mixed ^= lane
    if key:
        mixed ^= key
    mixed &= MASK
    return mixed


def words(key: RandomKey, count: int, *, start: int = 0, device: torch.device | str = "cpu") -> Tensor:
    """Draw the words at positions start, start + 1, ..., start + count - 1.

    Returns:
        int64 (count,), each in [0, 2**32).
    """
    return _fill(key, start, count, torch.int64, torch.device(device), _write_top(WORD_BITS))


def words_at(key: RandomKey, positions: Tensor) -> Tensor:
    """Draw the words at any positions.

    Args:
        positions: int64, any shape, each at least 0 (not checked: that would read the device).
    Returns:
        int64, like ``positions``, on its device; each in [0, 2**32).
    """
    block = positions >> 2
    lanes = philox((block & MASK, block >> WORD_BITS, *_event_lanes(key)), key.words())
    lane = (positions & 3).unsqueeze(0)
    return torch.stack([torch.as_tensor(one) for one in lanes]).gather(0, lane).squeeze(0)


def bernoulli(key: RandomKey, rate: float, shape: Sequence[int], device: torch.device | str) -> Tensor:
    """Draw True with probability floor(rate * 2**32) / 2**32.

    Args:
        rate: 0 (never) to 1 (always).
        shape: of the result; row-major positions.
    Returns:
        Bool, ``shape``.
    Raises:
        ValueError: ``rate`` is outside [0, 1].
    """
    if not 0 <= rate <= 1:
        raise ValueError(f"a rate must be between 0 and 1, not {rate}")
    threshold = math.floor(rate * 2**WORD_BITS)

    def write(lane: Tensor, target: Tensor) -> None:
        torch.lt(lane, threshold, out=target)

    return _shaped(key, shape, torch.bool, device, write)


def signs(key: RandomKey, shape: Sequence[int], device: torch.device | str) -> Tensor:
    """Draw +1 or -1, each with probability 1/2: -1 where the word's top bit is set.

    Returns:
        float32, ``shape``.
    """
    return _shaped(key, shape, torch.float32, device, _write_top(1)).mul_(-2).add_(1)


def uniform(key: RandomKey, bound: float, shape: Sequence[int], device: torch.device | str) -> Tensor:
    """Draw from U[-bound, bound) on a grid of 2**24 values.

    Returns:
        float32, ``shape``: (the word's top 24 bits - 2**23) times float32(bound / 2**23).
    """
    half = 1 << (UNIFORM_BITS - 1)
    values = _shaped(key, shape, torch.float32, device, _write_top(UNIFORM_BITS))
    return values.sub_(half).mul_(_float32(bound / half))  # the difference is exact, the product rounds once


def normal(key: RandomKey, std: float, shape: Sequence[int], device: torch.device | str) -> Tensor:
    """Draw from N(0, std**2), as one of 65,536 equally likely quantiles (so at most 4.32 deviations away).

    Returns:
        float32, ``shape``: the quantile at the word's top 16 bits, times float32(std).
    """
    table = _normal_quantiles(torch.device(device))

    def write(lane: Tensor, target: Tensor) -> None:
        target.copy_(table.take(lane >> (WORD_BITS - NORMAL_BITS)))

    return _shaped(key, shape, torch.float32, device, write).mul_(_float32(std))


def permutation(key: RandomKey, count: int, device: torch.device | str) -> Tensor:
    """Order 0, ..., count - 1 at random: the stable argsort of the first ``count`` words.

    Returns:
        int64 (count,).
    """
    return torch.argsort(words(key, count, device=device), stable=True)


def _write_top(bits: int) -> Write:
    """Write each word's top ``bits`` bits as a number."""

    def write(lane: Tensor, target: Tensor) -> None:
        target.copy_(lane >> (WORD_BITS - bits) if bits < WORD_BITS else lane)

    return write


def _float32(value: float) -> float:
    return float(np.float32(value))


@cache
def _normal_quantiles(device: torch.device) -> Tensor:
    return torch.from_numpy(np.load(resource("normal_quantiles.npy"), allow_pickle=False)).to(device)


def _event_lanes(key: RandomKey) -> tuple[int, int]:
    return key.event & MASK, key.event >> WORD_BITS


def _shaped(
    key: RandomKey, shape: Sequence[int], dtype: torch.dtype, device: torch.device | str, write: Write
) -> Tensor:
    return _fill(key, 0, math.prod(shape), dtype, torch.device(device), write).view(tuple(shape))


def _fill(
    key: RandomKey, start: int, count: int, dtype: torch.dtype, device: torch.device, write: Write
) -> Tensor:
    """Draw ``count`` words from position ``start`` on and write them, block by block.

    Returns:
        ``dtype`` (count,), with memory of its own and no more than it needs.
    """
    first, last = start // LANES, -(-(start + count) // LANES)
    out = torch.empty((last - first, LANES), dtype=dtype, device=device)
    drawn = first if device.type == "meta" else last  # a meta tensor has a shape and no values
    for begin, end in _blocks(first, drawn, _block_size(device)):
        low = begin & MASK
        counter = torch.arange(low, low + end - begin, device=device)
        lanes = philox((counter, begin >> WORD_BITS, *_event_lanes(key)), key.words())
        target = out[begin - first : end - first]
        for index, lane in enumerate(lanes):
            write(torch.as_tensor(lane), target[:, index])
    offset = start - first * LANES
    flat = out.view(-1)
    return flat if flat.numel() == count else flat[offset : offset + count].clone()


def _blocks(first: int, last: int, size: int) -> Iterator[tuple[int, int]]:
    """Cut first ... last into blocks that share their counter's high word."""
    begin = first
    while begin < last:
        end = min(begin + size, last, ((begin >> WORD_BITS) + 1) << WORD_BITS)
        yield begin, end
        begin = end


def _block_size(device: torch.device) -> int:
    """Counters per block: few enough for each core's second-level cache, and on a GPU enough to fill it.

    Measured on two cores with 1 MiB each: 2**16 is fastest on one thread and on two (PyTorch gives a
    thread at least 2**15 elements); without blocks a value takes more than twice as long.
    """
    if device.type != "cpu":
        return 1 << 20
    return max(2, torch.get_num_threads()) << 15

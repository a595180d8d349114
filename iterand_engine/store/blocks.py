"""Recorded points packed into blocks: little-endian int64 steps beside float32 values, one or one per layer.

A block holds up to 64 KB; the last one of a series is rewritten as it grows, full ones never change. Pure
functions on bytes, no database. numpy is imported by what handles arrays; last points need none.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

BLOCK_BYTES = 64 * 1024
_STEP, _STEP_BYTES = "<i8", 8
_VALUE, _VALUE_BYTES = "<f4", 4


@dataclass(frozen=True)
class Block:
    """A piece of a series: its place, the index of its first point within the series, packed points."""

    ordinal: int
    first_index: int
    steps: bytes
    values: bytes

    @property
    def count(self) -> int:
        """Points held."""
        return len(self.steps) // _STEP_BYTES

    @property
    def first_step(self) -> int:
        """Step of the first point; the block is not empty."""
        return int.from_bytes(self.steps[:_STEP_BYTES], "little", signed=True)

    @property
    def last_step(self) -> int:
        """Step of the last point; the block is not empty."""
        return int.from_bytes(self.steps[-_STEP_BYTES:], "little", signed=True)

    def last_values(self) -> tuple[float, ...]:
        """Values of the last point, `width` of them; the block is not empty."""
        width = len(self.values) // self.count // _VALUE_BYTES
        return struct.unpack(f"<{width}f", self.values[-width * _VALUE_BYTES :])


EMPTY = Block(ordinal=0, first_index=0, steps=b"", values=b"")


def pack_steps(steps: NDArray[np.int64]) -> bytes:
    """Steps as stored, 8 bytes each."""
    return steps.astype(_STEP, copy=False).tobytes()


def pack_values(values: ArrayLike) -> bytes:
    """Values as stored, 4 bytes each, row after row."""
    import numpy as np

    return np.asarray(values, dtype=_VALUE).tobytes()


def capacity(width: int) -> int:
    """Points that a block holds, at `width` values a point; at least one."""
    return max(1, BLOCK_BYTES // _point_bytes(width))


def extend(tail: Block, width: int, steps: bytes, values: bytes) -> list[Block]:
    """Add packed points behind a series.

    Args:
        tail: the last block so far, or EMPTY.
        width: values a point.
        steps, values: the new points, packed.
    Returns:
        The blocks to be written, the last of which is the new tail; none where there are no new points.
    """
    written: list[Block] = []
    room, offset, count = capacity(width), 0, len(steps) // _STEP_BYTES
    while offset < count:
        if tail.count >= room:
            tail = Block(tail.ordinal + 1, tail.first_index + tail.count, b"", b"")
        end = min(count, offset + room - tail.count)
        tail = replace(
            tail,
            steps=tail.steps + steps[offset * _STEP_BYTES : end * _STEP_BYTES],
            values=tail.values + values[offset * width * _VALUE_BYTES : end * width * _VALUE_BYTES],
        )
        written.append(tail)
        offset = end
    return written


def cut(block: Block, step: int) -> Block:
    """The block without its points from `step` on; steps do not fall within it."""
    import numpy as np

    kept = int(np.searchsorted(np.frombuffer(block.steps, _STEP), step, side="left"))
    if kept == block.count:
        return block
    point_values = len(block.values) // block.count
    return replace(block, steps=block.steps[: kept * _STEP_BYTES], values=block.values[: kept * point_values])


class Room:
    """Memory for the points of several series, taken from the system in one piece.

    A piece of some hundred KB for each is new memory each time, page by page, which takes longer than all
    copying. Price: what is kept of one series keeps the memory of those that were read with it.

    Args:
        points: in all of them.
        values: in all of them.
    """

    def __init__(self, points: int, values: int) -> None:
        import numpy as np

        self._steps, self._values = np.empty(points, _STEP), np.empty(values, _VALUE)

    def take(self, points: int, values: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Memory that nobody else has, (points,) and (values,)."""
        steps, self._steps = self._steps[:points], self._steps[points:]
        numbers, self._values = self._values[:values], self._values[values:]
        return steps, numbers


def unpack(
    packed: Iterable[tuple[bytes, bytes]], count: int, width: int | None, room: Room | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Blocks in order as two arrays.

    Each block is copied into its place as it comes: holding all of them to join them later takes three times
    as long, because the memory for it is new each time.

    Args:
        packed: steps and values of the blocks.
        count: points in all of them.
        width: values a point, or None for one value a point.
        room: that has memory for them; None for memory of their own.
    Returns:
        int64 (count,) and float32 (count,), or (count, width) where a width is given.
    Raises:
        ValueError: the blocks do not hold `count` points.
    """
    size = count if width is None else count * width
    steps, values = (room or Room(count, size)).take(count, size)
    step_bytes, value_bytes = (a.view("u1").data for a in (steps, values))
    at, value_at = 0, 0
    for more_steps, more_values in packed:
        if at + len(more_steps) > len(step_bytes) or value_at + len(more_values) > len(value_bytes):
            raise ValueError(f"the blocks hold more than {count} points")
        step_bytes[at : at + len(more_steps)] = more_steps
        value_bytes[value_at : value_at + len(more_values)] = more_values
        at += len(more_steps)
        value_at += len(more_values)
    if (at, value_at) != (len(step_bytes), len(value_bytes)):
        raise ValueError(f"the blocks hold {at // _STEP_BYTES} points instead of {count}")
    shaped = values if width is None else values.reshape(count, width)
    return steps.astype("int64", copy=False), shaped.astype("float32", copy=False)


def _point_bytes(width: int) -> int:
    return _STEP_BYTES + width * _VALUE_BYTES

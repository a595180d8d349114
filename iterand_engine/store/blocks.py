"""Recorded points packed into blocks: little-endian int64 steps beside float32 values, one or one per layer.

A block holds up to 64 KB; the last one of a series is rewritten as it grows, full ones never change. Pure
functions on bytes, no database. Only the functions that handle arrays import numpy.
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
    """A piece of a series: its place, the index of its first point within the series, and packed points."""

    ordinal: int
    first_index: int
    steps: bytes
    values: bytes

    @property
    def count(self) -> int:
        """Number of points in the block."""
        return len(self.steps) // _STEP_BYTES

    @property
    def first_step(self) -> int:
        """Step of the first point; the block must not be empty."""
        return int.from_bytes(self.steps[:_STEP_BYTES], "little", signed=True)

    @property
    def last_step(self) -> int:
        """Step of the last point; the block must not be empty."""
        return int.from_bytes(self.steps[-_STEP_BYTES:], "little", signed=True)

    def last_values(self) -> tuple[float, ...]:
        """The `width` values of the last point; the block must not be empty."""
        width = len(self.values) // self.count // _VALUE_BYTES
        return struct.unpack(f"<{width}f", self.values[-width * _VALUE_BYTES :])


EMPTY = Block(ordinal=0, first_index=0, steps=b"", values=b"")


def pack_steps(steps: NDArray[np.int64]) -> bytes:
    """Pack steps as they are stored, 8 bytes each."""
    return steps.astype(_STEP, copy=False).tobytes()


def pack_values(values: ArrayLike) -> bytes:
    """Pack values as they are stored, 4 bytes each, row after row."""
    import numpy as np

    return np.asarray(values, dtype=_VALUE).tobytes()


def capacity(width: int) -> int:
    """How many points a block holds with `width` values per point; at least one."""
    return max(1, BLOCK_BYTES // _point_bytes(width))


def extend(tail: Block, width: int, steps: bytes, values: bytes) -> list[Block]:
    """Append packed points to a series.

    Args:
        tail: the last block so far, or EMPTY.
        width: values per point.
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
    """Return the block without its points from `step` on; its steps must be ascending."""
    import numpy as np

    kept = int(np.searchsorted(np.frombuffer(block.steps, _STEP), step, side="left"))
    if kept == block.count:
        return block
    point_values = len(block.values) // block.count
    return replace(block, steps=block.steps[: kept * _STEP_BYTES], values=block.values[: kept * point_values])


class Room:
    """Memory for the points of several series, allocated in one piece.

    A separate allocation of some hundred KB for each series is new memory each time: the page faults take
    longer than all the copying. The price: an array of one series keeps the memory of all of them alive.

    Args:
        points: number of points of all series together.
        values: number of values of all series together.
    """

    def __init__(self, points: int, values: int) -> None:
        import numpy as np

        self._steps, self._values = np.empty(points, _STEP), np.empty(values, _VALUE)

    def take(self, points: int, values: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Give unused memory as two arrays, (points,) and (values,)."""
        steps, self._steps = self._steps[:points], self._steps[points:]
        numbers, self._values = self._values[:values], self._values[values:]
        return steps, numbers


def unpack(
    packed: Iterable[tuple[bytes, bytes]], count: int, width: int | None, room: Room | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Join blocks, given in order, to two arrays.

    Each block is copied into its place as it comes. Collecting them first and joining them later takes three
    times as long, because the memory for that is new each time.

    Args:
        packed: steps and values of the blocks.
        count: number of points in all blocks together.
        width: values per point, or None for a series without layers.
        room: provides the memory; None allocates new memory.
    Returns:
        Steps int64 (count,) and values float32 (count,), or (count, width) where a width is given.
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

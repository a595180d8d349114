"""Recorded points packed into blocks: float32 values, one or one per layer, beside the steps' differences.

In memory steps are int64, little-endian. Stored they are packed (`pack_deltas`): one byte for the form and
the item size, then the differences of neighbours, or pairs of (how often, difference) where those are
shorter, as they are for every constant stride. `Packing` says which form a row has: older rows hold plain
int64. Pure functions on bytes, no database. Only the functions that handle arrays import numpy.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

BLOCK_BYTES = 64 * 1024  # of values
_STEP, _STEP_BYTES = "<i8", 8
_VALUE, _VALUE_BYTES = "<f4", 4
_ITEM_BYTES = (1, 2, 4, 8)
_IN_PAIRS = 0x10


class Packing(IntEnum):
    """How a stored row holds its steps."""

    PLAIN = 1
    DELTAS = 2


class Packed(NamedTuple):
    """A piece of a series as a row stores it; `size` is its number of points."""

    packing: int
    size: int
    first_step: int
    steps: bytes
    values: bytes


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
    def width(self) -> int:
        """Values per point; the block must not be empty."""
        return len(self.values) // self.count // _VALUE_BYTES

    @property
    def first_step(self) -> int:
        """Step of the first point; the block must not be empty."""
        return int.from_bytes(self.steps[:_STEP_BYTES], "little", signed=True)

    @property
    def last_step(self) -> int:
        """Step of the last point; the block must not be empty."""
        return int.from_bytes(self.steps[-_STEP_BYTES:], "little", signed=True)


def pack_steps(steps: NDArray[np.int64]) -> bytes:
    """Pack steps as they wait in memory, 8 bytes each."""
    return steps.astype(_STEP, copy=False).tobytes()


def pack_values(values: ArrayLike) -> bytes:
    """Pack values as they are stored, 4 bytes each, row after row."""
    import numpy as np

    return np.asarray(values, dtype=_VALUE).tobytes()


def pack_deltas(steps: bytes) -> bytes:
    """Pack the steps of at least one point for a row that has the first of them in a column."""
    import numpy as np

    # Differences that do not fit wrap around, and so do their sums: any steps come back.
    deltas = np.diff(np.frombuffer(steps, _STEP)).astype(_STEP, copy=False).view("<u8")
    if not deltas.size:
        return b"\x01"
    starts = np.concatenate(([0], np.flatnonzero(deltas[1:] != deltas[:-1]) + 1))
    repeats = np.diff(starts, append=deltas.size).astype("<u8")
    pairs = np.stack((repeats, deltas[starts]), axis=1).ravel()
    return min(_sized(pairs, _IN_PAIRS), _sized(deltas, 0), key=len)


def plain_steps(piece: Packed) -> bytes:
    """Return the steps of a stored piece as they are in memory.

    Raises:
        ValueError: the piece does not hold `size` steps.
    """
    import numpy as np

    steps = np.empty(piece.size, _STEP)
    _fill_steps(steps, piece)
    return steps.tobytes()


def capacity(width: int) -> int:
    """How many points a block holds with `width` values per point; at least one."""
    return max(1, BLOCK_BYTES // (width * _VALUE_BYTES))


def is_joined(before: int, count: int, width: int) -> bool:
    """Whether new points are written anew together with the block before them.

    They are while that block has fewer than twice as many, and both fit into one. So each block of a growing
    series has at least twice as many points as the next: there are few of them, and a point is written again
    only a few times, however small the portions are.

    Args:
        before: points of the block before.
        count: the new points.
        width: values per point.
    """
    return before < 2 * count and before + count <= capacity(width)


def split(block: Block) -> list[Block]:
    """Split points, given as one block that is not empty, into blocks that are full but for the last."""
    width = block.width
    room, step_room = capacity(width), capacity(width) * _STEP_BYTES
    value_room = room * width * _VALUE_BYTES
    return [
        Block(
            block.ordinal + number,
            block.first_index + number * room,
            block.steps[number * step_room : (number + 1) * step_room],
            block.values[number * value_room : (number + 1) * value_room],
        )
        for number in range(-(-block.count // room))
    ]


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
    packed: Iterable[Packed], count: int, width: int | None, room: Room | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Join stored pieces, given in order, to two arrays.

    Each is copied into its place as it comes. Collecting them first and joining them later takes three times
    as long, because the memory for that is new each time.

    Args:
        packed: the pieces.
        count: number of points in all of them together.
        width: values per point, or None for a series without layers.
        room: provides the memory; None allocates new memory.
    Returns:
        Steps int64 (count,) and values float32 (count,), or (count, width) where a width is given.
    Raises:
        ValueError: the pieces do not hold `count` points.
    """
    size = count if width is None else count * width
    steps, values = (room or Room(count, size)).take(count, size)
    value_bytes = values.view("u1").data
    at, point_bytes = 0, (width or 1) * _VALUE_BYTES
    for piece in packed:
        end = at + piece.size
        if end > count:
            raise ValueError(f"the blocks hold more than {count} points")
        if len(piece.values) != piece.size * point_bytes:
            raise ValueError(f"a block holds {len(piece.values)} bytes for {piece.size} points")
        _fill_steps(steps[at:end], piece)
        value_bytes[at * point_bytes : end * point_bytes] = piece.values
        at = end
    if at != count:
        raise ValueError(f"the blocks hold {at} points instead of {count}")
    shaped = values if width is None else values.reshape(count, width)
    return steps.astype("int64", copy=False), shaped.astype("float32", copy=False)


def _fill_steps(into: NDArray[np.int64], piece: Packed) -> None:
    import numpy as np

    if piece.packing == Packing.PLAIN:
        if len(piece.steps) != into.nbytes:
            raise ValueError(f"a block holds {len(piece.steps)} bytes for {piece.size} steps")
        into.view("u1").data[:] = piece.steps
        return
    if piece.packing != Packing.DELTAS or not piece.steps or piece.steps[0] & 0xF not in _ITEM_BYTES:
        raise ValueError(f"a block's steps are packed in an unknown way ({piece.packing})")
    deltas = np.frombuffer(piece.steps, f"<u{piece.steps[0] & 0xF}", offset=1).astype("<u8").view(_STEP)
    if piece.steps[0] & _IN_PAIRS:
        if len(deltas) == 2 and deltas[0] == len(into) - 1 and deltas[1] == 1:
            into[:] = np.arange(piece.first_step, piece.first_step + len(into))
            return
        if int(deltas[::2].sum()) != len(into) - 1:
            raise ValueError(f"a block does not hold {piece.size} steps")
        deltas = np.repeat(deltas[1::2], deltas[::2])
    if len(deltas) != len(into) - 1:
        raise ValueError(f"a block holds {len(deltas) + 1} steps instead of {piece.size}")
    into[0], into[1:] = piece.first_step, deltas
    np.cumsum(into, out=into)


def _sized(items: NDArray[np.uint64], form: int) -> bytes:
    """The items in the fewest bytes that hold the greatest, behind the byte for the form."""
    greatest = int(items.max())
    size = next(size for size in _ITEM_BYTES if greatest < 1 << 8 * size)
    return bytes((form | size,)) + items.astype(f"<u{size}").tobytes()

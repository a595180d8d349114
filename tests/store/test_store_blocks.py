"""Points packed into blocks come back unchanged, however they were handed over and cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterand_engine.store import blocks
from iterand_engine.store.blocks import BLOCK_BYTES, EMPTY, Block


def packed(first: int, count: int, width: int) -> tuple[bytes, bytes]:
    steps = np.arange(first, first + count)
    return blocks.pack_steps(steps), blocks.pack_values(np.repeat(steps, width).astype(np.float32))


def written(pieces: list[int], width: int) -> list[Block]:
    """The blocks of a series handed over in pieces, each as last written."""
    tail, found, first = EMPTY, {}, 0
    for count in pieces:
        for block in blocks.extend(tail, width, *packed(first, count, width)):
            tail = found[block.ordinal] = block
        first += count
    return [found[ordinal] for ordinal in sorted(found)]


@given(
    pieces=st.lists(st.integers(0, 4000), max_size=8),
    width=st.sampled_from([1, 3, 40, 20_000]),
)
def test_that_blocks_hold_every_point_once_in_order(pieces: list[int], width: int) -> None:
    if width == 20_000:
        pieces = [count % 3 for count in pieces]
    series, count = written(pieces, width), sum(pieces)
    steps, values = blocks.unpack(((b.steps, b.values) for b in series), count, width)
    assert np.array_equal(steps, np.arange(count))
    assert np.array_equal(values, np.repeat(np.arange(count), width).reshape(count, width))
    assert [b.ordinal for b in series] == list(range(len(series)))
    assert [b.first_index for b in series] == [b.first_step for b in series]
    for block in series:
        assert len(block.steps) + len(block.values) <= max(BLOCK_BYTES, 8 + 4 * width)


def test_that_a_block_is_full_before_the_next_begins() -> None:
    room = blocks.capacity(1)
    assert room == BLOCK_BYTES // 12
    assert [b.count for b in written([room], 1)] == [room]
    assert [b.count for b in written([room, 1], 1)] == [room, 1]
    assert [b.count for b in written([room - 1, room + 2], 1)] == [room, room, 1]


@given(count=st.integers(1, 50), step=st.integers(-5, 60), width=st.sampled_from([1, 3]))
def test_that_a_cut_keeps_what_lies_before_the_step(count: int, step: int, width: int) -> None:
    block = blocks.cut(written([count], width)[0], step)
    steps, values = blocks.unpack([(block.steps, block.values)], block.count, width)
    assert np.array_equal(steps, np.arange(count)[np.arange(count) < step])
    assert np.array_equal(values[:, 0], steps)


def test_that_the_ends_of_a_block_can_be_read_alone() -> None:
    block = Block(
        0, 0, blocks.pack_steps(np.array([3, 2**40])), blocks.pack_values(np.array([[1, 2], [3, np.nan]]))
    )
    assert (block.first_step, block.last_step, block.count) == (3, 2**40, 2)
    assert np.array_equal(block.last_values(), np.array([3, np.nan], np.float32), equal_nan=True)


def test_that_packed_points_are_little_endian_everywhere() -> None:
    assert blocks.pack_steps(np.array([1], dtype=np.int64)) == b"\x01" + bytes(7)
    assert blocks.pack_values(np.array([1.0], dtype=">f4")) == b"\x00\x00\x80\x3f"


def test_that_missing_or_surplus_blocks_are_noticed() -> None:
    block = written([5], 1)[0]
    with pytest.raises(ValueError, match="hold 5 points instead of 6"):
        blocks.unpack([(block.steps, block.values)], 6, None)
    with pytest.raises(ValueError, match="more than 4 points"):
        blocks.unpack([(block.steps, block.values)], 4, None)

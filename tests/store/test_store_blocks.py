"""Points packed into blocks come back unchanged, however they were handed over and cut."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterand_engine.store import blocks
from iterand_engine.store.blocks import BLOCK_BYTES, Block, Packed, Packing

WIDTHS = st.sampled_from([1, 3, 40, 20_000])
INT64 = st.integers(-(2**63), 2**63 - 1)


def block(count: int, width: int) -> Block:
    steps = np.arange(count)
    values = np.repeat(steps, width).astype(np.float32)
    return Block(0, 0, blocks.pack_steps(steps), blocks.pack_values(values))


def stored(block: Block, packing: Packing = Packing.DELTAS) -> Packed:
    steps = block.steps if packing is Packing.PLAIN else blocks.pack_deltas(block.steps)
    return Packed(packing, block.count, block.first_step, steps, block.values)


def of_steps(steps: list[int]) -> Block:
    return Block(0, 0, blocks.pack_steps(np.array(steps, np.int64)), bytes(4 * len(steps)))


@given(count=st.integers(1, 40_000), width=WIDTHS, packings=st.lists(st.sampled_from(Packing), min_size=1))
def test_that_split_points_come_back_once_and_in_order(
    count: int, width: int, packings: list[Packing]
) -> None:
    count = count % 5 + 1 if width > 3 else count
    pieces = blocks.split(block(count, width))
    assert [piece.ordinal for piece in pieces] == list(range(len(pieces)))
    assert [piece.first_index for piece in pieces] == [piece.first_step for piece in pieces]
    assert {piece.count for piece in pieces[:-1]} <= {blocks.capacity(width)}
    assert all(len(piece.values) <= max(BLOCK_BYTES, 4 * width) for piece in pieces)
    rows = [stored(piece, packings[i % len(packings)]) for i, piece in enumerate(pieces)]
    steps, values = blocks.unpack(rows, count, width)
    assert np.array_equal(steps, np.arange(count))
    assert np.array_equal(values, np.repeat(np.arange(count), width).reshape(count, width))


@given(portions=st.lists(st.integers(1, 500), min_size=1, max_size=200), width=st.sampled_from([1, 3]))
def test_that_a_series_that_grows_in_portions_has_few_blocks(portions: list[int], width: int) -> None:
    sizes: list[int] = []
    for portion in portions:
        count = portion
        while sizes and blocks.is_joined(sizes[-1], count, width):
            count += sizes.pop()
        sizes.append(count)
    assert sum(sizes) == sum(portions)
    full = blocks.capacity(width)
    for before, after in pairwise(sizes):
        assert before >= 2 * after or before + after > full


@given(st.lists(INT64, min_size=1, max_size=40))
def test_that_any_steps_come_back(steps: list[int]) -> None:
    assert blocks.plain_steps(stored(of_steps(steps))) == of_steps(steps).steps


@given(
    first=st.integers(0, 2**40),
    strides=st.lists(st.tuples(st.integers(1, 400), st.integers(0, 70_000)), max_size=6),
)
def test_that_steps_of_changing_strides_come_back(first: int, strides: list[tuple[int, int]]) -> None:
    deltas = [stride for times, stride in strides for _ in range(times)]
    steps = np.cumsum([first, *deltas]).tolist()
    assert blocks.plain_steps(stored(of_steps(steps))) == of_steps(steps).steps


@pytest.mark.parametrize(
    ("steps", "size"),
    [
        ([7], 1),
        ([*range(16_384)], 5),
        ([*range(0, 16_384 * 352, 352)], 5),
        ([0, 1, 2, 5, 6, 9], 6),  # one byte for each difference
        ([0, 300, 500], 5),
    ],
)
def test_that_steps_take_little_room(steps: list[int], size: int) -> None:
    assert len(blocks.pack_deltas(of_steps(steps).steps)) == size


def test_that_values_keep_every_bit() -> None:
    bits = np.array([0x7FC00001, 0x7F800001, 0xFFC12345, 0x80000000, 0x7F800000, 1], "<u4")
    piece = stored(Block(0, 0, blocks.pack_steps(np.arange(6)), bits.tobytes()))
    assert blocks.unpack([piece], 6, None)[1].view("<u4").tolist() == bits.tolist()


@given(count=st.integers(1, 50), step=st.integers(-5, 60), width=st.sampled_from([1, 3]))
def test_that_a_cut_keeps_what_lies_before_the_step(count: int, step: int, width: int) -> None:
    left = blocks.cut(block(count, width), step)
    steps = np.frombuffer(left.steps, "<i8")
    assert np.array_equal(steps, np.arange(count)[np.arange(count) < step])
    values = np.frombuffer(left.values, "<f4").reshape(-1, width)
    assert np.array_equal(values[:, 0], steps)


def test_that_the_ends_of_a_block_can_be_read_alone() -> None:
    ends = Block(0, 0, blocks.pack_steps(np.array([3, 2**40])), blocks.pack_values(np.zeros((2, 2))))
    assert (ends.first_step, ends.last_step, ends.count, ends.width) == (3, 2**40, 2, 2)


def test_that_packed_points_are_little_endian_everywhere() -> None:
    assert blocks.pack_steps(np.array([1], dtype=np.int64)) == b"\x01" + bytes(7)
    assert blocks.pack_values(np.array([1.0], dtype=">f4")) == b"\x00\x00\x80\x3f"


@pytest.mark.parametrize("packing", list(Packing))
def test_that_missing_or_surplus_points_are_noticed(packing: Packing) -> None:
    piece = stored(block(5, 1), packing)
    with pytest.raises(ValueError, match="hold 5 points instead of 6"):
        blocks.unpack([piece], 6, None)
    with pytest.raises(ValueError, match="more than 4 points"):
        blocks.unpack([piece], 4, None)


@pytest.mark.parametrize(
    "damaged",
    [
        {"packing": 3},
        {"steps": b""},
        {"steps": b"\x03abc"},
        {"steps": b"\x11\x03\x01"},
        {"steps": b"\x11\x05\x01"},
        {"steps": b"\x01abc"},
        {"steps": b"\x18" + b"\xff" * 8 + b"\x01" + bytes(7) + b"\x05" + bytes(7) + b"\x01" + bytes(7)},
        {"values": b"1234"},
        {"packing": Packing.PLAIN},
    ],
)
def test_that_a_damaged_block_is_noticed(damaged: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"a block|negative"):
        blocks.unpack([stored(block(5, 1))._replace(**damaged)], 5, None)

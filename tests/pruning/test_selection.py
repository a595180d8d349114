"""Which weights are kept: the rank rule, ties, and both ways of finding the threshold."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from iterand_engine.config.method_options import Ranking
from iterand_engine.pruning.selection import (
    in_memory_order,
    kept_mask,
    selection_threshold,
    threshold_by_partition,
    threshold_by_topk,
    threshold_rank,
)

SPARSITIES = st.one_of(st.sampled_from([0.0, 0.5, 0.6, 0.999]), st.floats(0, 1, exclude_max=True))
RANKINGS = st.sampled_from(["signed", "magnitude"])
# Few values make ties, which is where selections go wrong; -0.0 and denormals are numbers too.
TIED = st.sampled_from([-2.0, -1.0, -0.0, 0.0, 1e-40, 1.0, 2.0])
SCORES = st.one_of(
    st.lists(TIED, min_size=1, max_size=60),
    st.lists(st.floats(-(2.0**100), 2.0**100, width=32), min_size=1, max_size=60),
)


def large(kind: str, count: int) -> Tensor:
    """Scores of a layer large enough for the narrowed selection, of a kind that may mislead its sample."""
    generator = torch.Generator().manual_seed(count)
    noise = torch.randn(count, generator=generator)
    period = torch.arange(count) % 27
    match kind:
        case "random":
            return noise
        case "constant":
            return torch.full((count,), 0.25)
        case "ties":
            return noise.mul(3).round()
        case "sorted":
            return noise.sort().values
        case "periodic":
            return period.float()
        case _:
            return torch.where(period == 0, noise * 1e6, noise * 1e-6)


KINDS = ("random", "constant", "ties", "sorted", "periodic", "spiky")


def half_even(value: float) -> int:
    return int(Decimal(value).quantize(Decimal(1), rounding=ROUND_HALF_EVEN))


def kept_by_sorting(scores: Tensor, sparsity: float, ranking: Ranking) -> Tensor:
    """Plainly what the paper says: s < threshold is removed, the threshold found by sorting."""
    ranked = (scores.abs() if ranking == "magnitude" else scores).double()
    rank = 1 + half_even(sparsity * (ranked.numel() - 1))
    return ~(ranked < ranked.flatten().sort().values[rank - 1])


@given(SPARSITIES, st.integers(1, 10**8))
def test_that_the_rank_is_rounded_half_to_even(sparsity: float, count: int) -> None:
    assert threshold_rank(sparsity, count) == half_even(sparsity * (count - 1))
    assert 0 <= threshold_rank(sparsity, count) <= count - 1


def test_that_halves_go_to_the_even_rank() -> None:
    assert [threshold_rank(0.5, n) for n in (1, 2, 3, 4, 5, 6, 8)] == [0, 0, 1, 2, 2, 2, 4]
    assert threshold_rank(0.25, 11) == 2  # 2.5
    assert threshold_rank(0.75, 11) == 8  # 7.5


@pytest.mark.parametrize("sparsity", [1.0, -0.1, float("nan")])
def test_that_a_sparsity_out_of_bounds_is_an_error(sparsity: float) -> None:
    with pytest.raises(ValueError, match="sparsity is"):
        threshold_rank(sparsity, 10)


@given(SCORES, st.data())
def test_that_both_ways_give_the_value_of_the_rank(values: list[float], data: st.DataObject) -> None:
    flat = torch.tensor(values, dtype=torch.float32)
    rank = data.draw(st.integers(0, len(values) - 1))
    expected = np.sort(flat.numpy())[rank]
    for found in (threshold_by_partition(flat, rank), threshold_by_topk(flat, rank)):
        assert found.shape == (1,)
        assert found.dtype == torch.float32
        assert found.item() == expected


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [16_383, 16_384, 50_000])
@pytest.mark.parametrize("sparsity", [0.0, 0.001, 0.5, 0.6, 0.9999])
def test_that_both_ways_agree_in_large_layers(kind: str, count: int, sparsity: float) -> None:
    flat = large(kind, count)
    rank = threshold_rank(sparsity, count)
    partition, topk = threshold_by_partition(flat, rank), threshold_by_topk(flat, rank)
    assert partition.item() == topk.item()  # the zeros of both signs are one value
    assert partition.item() == np.sort(flat.numpy())[rank]


@given(SCORES, SPARSITIES, RANKINGS)
def test_that_the_mask_is_what_sorting_gives(values: list[float], sparsity: float, ranking: Ranking) -> None:
    scores = torch.tensor(values, dtype=torch.float32)
    mask = kept_mask(scores, sparsity, ranking)
    ranked = scores.abs() if ranking == "magnitude" else scores
    by_topk = ranked >= threshold_by_topk(ranked, threshold_rank(sparsity, len(values)))
    assert torch.equal(mask, kept_by_sorting(scores, sparsity, ranking))
    assert torch.equal(mask, by_topk)
    assert mask.dtype == torch.bool
    assert mask.any(), "the highest score is always kept"


@given(st.integers(1, 400), SPARSITIES)
def test_that_without_ties_the_share_removed_is_the_sparsity(count: int, sparsity: float) -> None:
    scores = torch.randperm(count, generator=torch.Generator().manual_seed(count)).float()
    assert int((~kept_mask(scores, sparsity)).sum()) == half_even(sparsity * (count - 1))


def test_that_ties_are_kept_and_no_sparsity_keeps_all() -> None:
    tied = torch.tensor([3.0, 1.0, 1.0, 1.0, 2.0])
    assert kept_mask(tied, 0.5).tolist() == [True, True, True, True, True]
    assert kept_mask(tied, 0.75).tolist() == [True, False, False, False, True]
    assert kept_mask(torch.tensor([0.0, -0.0, 0.0]), 0.9).all()
    assert kept_mask(torch.tensor([-5.0, 3.0, 7.0]), 0.0).all()
    assert kept_mask(torch.tensor([-5.0]), 0.99).tolist() == [True]


def test_that_rankings_differ_where_signs_do() -> None:
    scores = torch.tensor([-3.0, -1.0, 0.5, 2.0])
    assert kept_mask(scores, 0.5).tolist() == [False, False, True, True]
    assert kept_mask(scores, 0.5, "magnitude").tolist() == [True, False, False, True]


@pytest.mark.parametrize("ranking", ["signed", "magnitude"])
@pytest.mark.parametrize("shape", [(5, 3, 3, 3), (64, 32, 3, 3), (7, 6, 1, 1), (1, 1, 3, 3)])
def test_that_the_memory_format_changes_no_mask(shape: tuple[int, ...], ranking: Ranking) -> None:
    scores = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    lying = scores.to(memory_format=torch.channels_last)
    for sparsity in (0.0, 0.3, 0.6):
        mask = kept_mask(scores, sparsity, ranking)
        assert torch.equal(kept_mask(lying, sparsity, ranking), mask)
        out = torch.empty_like(lying, dtype=torch.bool)
        assert kept_mask(lying, sparsity, ranking, out=out) is out
        assert torch.equal(out, mask)
        assert out.stride() == lying.stride()


def test_that_reading_in_memory_order_copies_nothing() -> None:
    scores = torch.randn(4, 3, 5, 5)
    for tensor in (scores, scores.to(memory_format=torch.channels_last), scores.flatten(), scores[0, 0]):
        assert in_memory_order(tensor).data_ptr() == tensor.data_ptr()
        assert in_memory_order(tensor).shape == (tensor.numel(),)


def test_that_odd_strides_are_read_all_the_same() -> None:
    base = torch.randn(6, 10, generator=torch.Generator().manual_seed(2))
    for view in (base.t(), base[:, ::2], base.t()[::3]):
        assert torch.equal(kept_mask(view, 0.6), kept_by_sorting(view, 0.6, "signed"))
        assert selection_threshold(view, 0.6).item() == selection_threshold(view.clone(), 0.6).item()


@pytest.mark.gpu
def test_that_the_gpu_selects_what_the_cpu_selects() -> None:
    for kind in KINDS:
        scores = large(kind, 300_000).reshape(100, -1, 5, 5)
        for sparsity in (0.0, 0.3, 0.6, 0.99):
            mask = kept_mask(scores.cuda(), sparsity).cpu()
            assert torch.equal(mask, kept_mask(scores, sparsity))

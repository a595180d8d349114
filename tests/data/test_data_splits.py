"""The split is fixed for ever, complete and without overlap."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from iterand_engine.data.splits import class_shares, split_train
from iterand_engine.errors import UserError


@given(count=st.integers(1, 2000), fraction=st.floats(0, 0.99))
def test_that_every_image_is_in_one_split(count: int, fraction: float) -> None:
    held_out = round(fraction * count)
    if held_out >= count:
        with pytest.raises(UserError, match="holds out all"):
            split_train(count, fraction, None)
        return
    train, val = split_train(count, fraction, None)
    assert len(val) == held_out
    assert sorted([*train.tolist(), *val.tolist()]) == list(range(count))


@given(count=st.integers(2, 500), limit=st.integers(1, 500))
def test_that_a_limit_takes_the_head_of_one_shuffle_and_leaves_validation_alone(
    count: int, limit: int
) -> None:
    train, val = split_train(count, 0.1, None)
    if limit > len(train):
        with pytest.raises(UserError, match=f"train_limit is {limit}.*only {len(train)}"):
            split_train(count, 0.1, limit)
        return
    limited, val_of_limited = split_train(count, 0.1, limit)
    everything, _ = split_train(count, 0.1, len(train))
    assert torch.equal(val, val_of_limited)
    assert torch.equal(limited, everything[:limit])
    assert sorted(everything.tolist()) == sorted(train.tolist())


@given(sizes=st.lists(st.integers(0, 60), min_size=1, max_size=12), fraction=st.floats(0, 0.99))
def test_that_a_stratified_split_holds_out_the_same_share_of_each_class(
    sizes: list[int], fraction: float
) -> None:
    labels = np.repeat(np.arange(len(sizes)), sizes)
    count, held_out = len(labels), round(fraction * len(labels))
    if held_out >= count:
        return
    train, val = split_train(count, fraction, None, labels)
    assert len(val) == held_out
    assert sorted([*train.tolist(), *val.tolist()]) == list(range(count))
    held = np.bincount(labels[val.numpy()], minlength=len(sizes))
    for size, share in zip(sizes, held.tolist(), strict=True):
        if size > 1 and held_out >= len(sizes) and count - held_out >= len(sizes):
            assert 1 <= share <= size - 1
    if min(sizes) * min(fraction, 1 - fraction) > 2:
        assert np.abs(held - np.array(sizes) * held_out / count).max() <= 1


def test_that_a_rare_class_is_on_both_sides_of_a_stratified_split() -> None:
    labels = np.isin(np.arange(406), (72, 135, 185)).astype(np.int64)
    _, val = split_train(406, 0.1, None)
    assert labels[val.numpy()].sum() == 0
    train, val = split_train(406, 0.1, None, labels)
    assert len(val) == 41
    assert labels[val.numpy()].sum() == 1
    limited, same = split_train(406, 0.1, 50, labels)
    assert torch.equal(val, same)
    assert set(limited.tolist()) < set(train.tolist())


def test_that_the_stratified_split_never_changes() -> None:
    train, val = split_train(20, 0.25, None, np.array([0] * 12 + [1] * 5 + [2] * 3))
    assert class_shares(np.array([12, 5, 3]), 5).tolist() == [3, 1, 1]
    assert val.tolist() == [16, 19, 7, 6, 2]
    assert train.tolist()[:6] == [18, 15, 4, 11, 12, 3]


def test_that_the_split_never_changes() -> None:
    train, val = split_train(20, 0.25, None)
    limited, _ = split_train(20, 0.25, 5)
    assert val.tolist() == [17, 19, 7, 6, 2]
    assert train.tolist()[:6] == [18, 15, 4, 11, 12, 3]
    assert limited.tolist() == [4, 5, 0, 14, 15]

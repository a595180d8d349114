"""The split is fixed for ever, complete and without overlap."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from iterand_engine.data.splits import split_train
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


def test_that_the_split_never_changes() -> None:
    train, val = split_train(20, 0.25, None)
    limited, _ = split_train(20, 0.25, 5)
    assert val.tolist() == [17, 19, 7, 6, 2]
    assert train.tolist()[:6] == [18, 15, 4, 11, 12, 3]
    assert limited.tolist() == [4, 5, 0, 14, 15]

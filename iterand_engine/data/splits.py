"""Split training images into training and validation, the same way for every seed.

The permutation of `RandomKey(0, SPLIT)` orders the training images; its last part is held out. A limit then
takes the first images of the permutation of `RandomKey(0, LIMIT)` over what remains. Both must never change:
a change would make every recorded accuracy refer to other images.
"""

from __future__ import annotations

import torch
from torch import Tensor

from iterand_engine.errors import UserError
from iterand_engine.rng import RandomKey, Stream, permutation


def split_counts(count: int, val_fraction: float, train_limit: int | None) -> tuple[int, int]:
    """The numbers of images to train on and to hold out; arguments and errors as `split_train`."""
    held_out = round(val_fraction * count)
    if held_out >= count:
        raise UserError(
            f"data.val_fraction {val_fraction:g} holds out all {count} training images; use a smaller share."
        )
    left = count - held_out
    if train_limit is not None and train_limit > left:
        raise UserError(
            f"data.train_limit is {train_limit}, but only {left} training images are left after the "
            f"split; use at most {left}, or null for all."
        )
    return left if train_limit is None else train_limit, held_out


def split_train(count: int, val_fraction: float, train_limit: int | None) -> tuple[Tensor, Tensor]:
    """Choose the training and the validation images.

    Args:
        count: training images there are.
        val_fraction: share held out; 0 <= val_fraction < 1.
        train_limit: training images to use after the split; None uses all.
    Returns:
        Numbers of the training and of the validation images, int64, on the CPU; the k-th of them is sample k
        of its split.
    Raises:
        UserError: nothing is left to train on, or the limit is above what is left.
    """
    trained, held_out = split_counts(count, val_fraction, train_limit)
    order = permutation(RandomKey(0, Stream.SPLIT), count, torch.device("cpu"))
    train, val = order[: count - held_out], order[count - held_out :]
    if train_limit is None:
        return train, val
    chosen = permutation(RandomKey(0, Stream.LIMIT), len(train), torch.device("cpu"))[:trained]
    return train[chosen], val

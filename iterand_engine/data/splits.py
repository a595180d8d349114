"""Split training images into training and validation, the same way for every seed.

The permutation of `RandomKey(0, SPLIT)` orders the training images; its last part is held out. A limit then
takes the first images of the permutation of `RandomKey(0, LIMIT)` over what remains. A stratified split holds
out the last of each class, by the same permutation. None of this must ever change: recorded accuracies would
refer to other images.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
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


def split_train(
    count: int, val_fraction: float, train_limit: int | None, strata: NDArray[np.int64] | None = None
) -> tuple[Tensor, Tensor]:
    """Choose the training and the validation images.

    Args:
        count: training images there are.
        val_fraction: share held out; 0 <= val_fraction < 1.
        train_limit: training images to use after the split; None uses all.
        strata: the labels, (count,), from 0, to hold out the same share of each; None holds out of all alike.
    Returns:
        Numbers of the training and of the validation images, int64, on the CPU; the k-th of them is sample k
        of its split.
    Raises:
        UserError: nothing is left to train on, or the limit is above what is left.
    """
    trained, held_out = split_counts(count, val_fraction, train_limit)
    order = permutation(RandomKey(0, Stream.SPLIT), count, torch.device("cpu"))
    if strata is None:
        train, val = order[: count - held_out], order[count - held_out :]
    else:
        held = torch.from_numpy(_held_of_classes(strata[order.numpy()], held_out))
        train, val = order[~held], order[held]
    if train_limit is None:
        return train, val
    chosen = permutation(RandomKey(0, Stream.LIMIT), len(train), torch.device("cpu"))[:trained]
    return train[chosen], val


def _held_of_classes(labels: NDArray[np.int64], held_out: int) -> NDArray[np.bool_]:
    """Mark the last images of each class, as many as its share, (N,)."""
    sizes = np.bincount(labels)
    ends = np.cumsum(sizes)
    by_class = np.argsort(labels, kind="stable")
    marked = np.zeros(len(labels), np.bool_)
    for end, share in zip(ends, class_shares(sizes, held_out), strict=True):
        marked[by_class[end - share : end]] = True
    return marked


def class_shares(sizes: NDArray[np.int64], held_out: int) -> NDArray[np.int64]:
    """Share out what is held out among classes in proportion to their sizes, by the largest remainder.

    Where `held_out` allows it, a class of two images or more holds out at least one and keeps at least one.

    Args:
        sizes: images of each class, (classes,).
        held_out: how many to hold out of all; less than there are.
    Returns:
        How many to hold out of each class, int64, (classes,); they add up to `held_out`.
    """
    sizes, count = sizes.astype(np.int64), int(sizes.sum())
    wanted = sizes * held_out  # in units of 1 / count images, so that no rounding decides
    shares = np.maximum(wanted // count, (sizes > 1).astype(np.int64))
    while (missing := held_out - int(shares.sum())) != 0:
        step = 1 if missing > 0 else -1
        good = shares < sizes - 1 if step > 0 else shares > 1
        able = shares < sizes if step > 0 else shares > 0
        gain = step * (wanted - shares * count)
        shares[np.argmax(np.where(good if good.any() else able, gain, np.iinfo(np.int64).min))] += step
    return shares

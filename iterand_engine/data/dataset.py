"""The interface through which training uses a dataset: fixed splits, keyed batches, and their preparation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor

from iterand_engine.models.spec import InputSpec
from iterand_engine.rng import RandomKey, Stream, permutation


class Split(StrEnum):
    """Parts of a dataset; the test part is used once, after the last epoch."""

    TRAIN = "train"
    VAL = "val"
    TEST = "test"


@dataclass(frozen=True)
class Batch:
    """Images of one step, on the training device, before `Dataset.prepare`.

    Args:
        images: uint8, (N, C, H, W) with C = 1 or 3, in any strides.
        labels: int64, (N,).
        samples: int64, (N,): their numbers within the split.
        epoch: 0-based; keys the augmentation.
        split: where they are from.
    """

    images: Tensor
    labels: Tensor
    samples: Tensor
    epoch: int
    split: Split


class Dataset(ABC):
    """A dataset ready for training.

    Args:
        spec: what `prepare` returns: channels, size and classes.
        class_names: in the order of the labels.
        fingerprint: equal for equal content, wherever it lies.
        notes: sentences to show the user, e.g. that an option has no effect on this dataset.
    """

    def __init__(
        self, spec: InputSpec, class_names: tuple[str, ...], fingerprint: str, notes: tuple[str, ...]
    ) -> None:
        self.spec = spec
        self.class_names = class_names
        self.fingerprint = fingerprint
        self.notes = notes

    @abstractmethod
    def count(self, split: Split) -> int:
        """The number of images of a split; 0 where the dataset lacks the split."""

    @abstractmethod
    def batches(
        self, split: Split, batch_size: int, *, seed: int = 0, epoch: int = 0, first: int = 0
    ) -> Iterator[Batch]:
        """Go through a split once; the last batch may be short.

        Args:
            split: training images come in an order drawn from (seed, epoch), others in their fixed order.
            batch_size: images per batch, at least 1.
            first: index of the first batch to give, to resume within an epoch.
        """

    @abstractmethod
    def prepare(self, batch: Batch, step: int) -> Tensor:
        """Augment (training only) and normalise.

        Args:
            batch: one of this dataset's.
            step: the global step; augmentation here depends on seed, epoch and sample only.
        Returns:
            float32, (N, spec.channels, spec.height, spec.width), on the training device.
        """

    @abstractmethod
    def close(self) -> None:
        """Free memory and end loading processes; the dataset must not be used afterwards."""


def sample_order(split: Split, count: int, seed: int, epoch: int, device: torch.device) -> Tensor:
    """The order in which a split is gone through, int64 (count,)."""
    if split is Split.TRAIN:
        return permutation(RandomKey(seed, Stream.SHUFFLE, event=epoch), count, device)
    return torch.arange(count, device=device)

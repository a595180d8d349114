"""A dataset whose images are all on the training device, as uint8."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from iterand_engine.data.dataset import Batch, Dataset, Split, sample_order
from iterand_engine.data.transforms.augment import Cropper
from iterand_engine.data.transforms.normalize import Normalizer
from iterand_engine.models.spec import InputSpec


@dataclass(frozen=True)
class StoredImages:
    """One split on the device.

    Args:
        data: uint8, (N, C, S, S), or (N, S, S, C) if `channels_innermost`; contiguous.
        labels: int64, (N,).
        channels_innermost: which of the two; the caller chooses the one from which `prepare` is fastest.
    """

    data: Tensor
    labels: Tensor
    channels_innermost: bool

    def images(self, data: Tensor) -> Tensor:
        """A view of a part of `data` as (n, C, S, S), whatever the layout."""
        return data.permute(0, 3, 1, 2) if self.channels_innermost else data


class InMemoryDataset(Dataset):
    """Batches are gathered, augmented and normalised on the device; nothing is read on the host.

    Args:
        splits: the stored images; a split without images is left out.
        cropper: of training images; None where they are only normalised.
        normalizer: of all images.
    """

    def __init__(
        self,
        spec: InputSpec,
        class_names: tuple[str, ...],
        fingerprint: str,
        notes: tuple[str, ...],
        *,
        splits: Mapping[Split, StoredImages],
        cropper: Cropper | None,
        normalizer: Normalizer,
    ) -> None:
        super().__init__(spec, class_names, fingerprint, notes)
        self._splits = dict(splits)
        self._cropper = cropper
        self._normalizer = normalizer

    def count(self, split: Split) -> int:
        return len(self._splits[split].labels) if split in self._splits else 0

    def batches(
        self, split: Split, batch_size: int, *, seed: int = 0, epoch: int = 0, first: int = 0
    ) -> Iterator[Batch]:
        if split not in self._splits:
            return
        stored = self._splits[split]
        order = sample_order(split, len(stored.labels), seed, epoch, stored.labels.device)
        for begin in range(first * batch_size, len(stored.labels), batch_size):
            samples = order[begin : begin + batch_size]
            if split is Split.TRAIN:
                data, labels = stored.data.index_select(0, samples), stored.labels.index_select(0, samples)
            else:
                data, labels = (one[begin : begin + batch_size] for one in (stored.data, stored.labels))
            yield Batch(stored.images(data), labels, samples, epoch, split)

    def prepare(self, batch: Batch, step: int) -> Tensor:
        # The filters' matrix products must stay in float32 whatever precision the network trains in.
        with torch.no_grad(), torch.autocast(batch.images.device.type, enabled=False):
            if batch.split is Split.TRAIN and self._cropper is not None:
                return self._normalizer.normalized(self._cropper(batch.images, batch.samples, batch.epoch))
            return self._normalizer.normalized(batch.images)

    def close(self) -> None:
        self._splits.clear()

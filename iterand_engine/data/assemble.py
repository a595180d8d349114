"""Put together a dataset from split images or split files: statistics, layout on the device, cropping."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from iterand_engine.data.content import ImageFiles
from iterand_engine.data.dataset import Dataset, Split
from iterand_engine.data.in_memory import InMemoryDataset, StoredImages
from iterand_engine.data.streamed import StreamedDataset
from iterand_engine.data.transforms.augment import Cropper, LargeCropper, SmallCropper
from iterand_engine.data.transforms.decode import ImageForm, Pixels, decode_all, evaluation_view
from iterand_engine.data.transforms.normalize import IMAGENET, Normalizer, Statistics, measured
from iterand_engine.models.spec import InputSpec

if TYPE_CHECKING:
    from iterand_engine.config.run_config import DataConfig

_MEASURED_IMAGES = 2048  # of a streamed dataset, for its mean and deviation
_CHUNK_IMAGES = 4096


@dataclass(frozen=True)
class Opening:
    """The arguments that both ways of opening a dataset share; `open.open_dataset` makes it."""

    config: DataConfig
    device: torch.device
    workers: int
    seed: int
    channels_last: bool
    class_names: tuple[str, ...]
    fingerprint: str
    notes: tuple[str, ...]

    def spec(self, form: ImageForm) -> InputSpec:
        """The images of this form as the network gets them, and the number of classes."""
        return InputSpec(3, form.size, form.size, len(self.class_names))

    def normalizer(self, statistics: Statistics) -> Normalizer:
        """The normaliser with this opening's device and memory format."""
        return Normalizer(statistics, self.device, channels_last=self.channels_last)


@dataclass(frozen=True)
class Part:
    """One split in host memory.

    Args:
        images: (N, S, S, C).
        labels: (N,).
        sizes: originals' heights and widths, (N, 2), where images are originals squeezed into squares.
    """

    images: Pixels
    labels: NDArray[np.int64]
    sizes: NDArray[np.int64] | None = None


def in_memory(opening: Opening, form: ImageForm, parts: Mapping[Split, Part]) -> Dataset:
    """Move split images to the device.

    Args:
        form: of the images; all but squeezed or large training images have its size already.
        parts: the splits there are; training always.
    Raises:
        UserError: `normalization: dataset` is set, and a channel has the same value everywhere.
    """
    config, train = opening.config, parts[Split.TRAIN]
    statistics = IMAGENET
    if config.normalization == "dataset":
        chunks = np.array_split(train.images, -(-len(train.images) // _CHUNK_IMAGES))
        statistics = measured(_tensor(chunk).permute(0, 3, 1, 2) for chunk in chunks)
    cropped = config.augmentation != "none"
    stored = {
        split: _stored(part, opening, opening.channels_last != (cropped and split is Split.TRAIN))
        for split, part in parts.items()
    }
    return InMemoryDataset(
        opening.spec(form),
        opening.class_names,
        opening.fingerprint,
        opening.notes,
        splits=stored,
        cropper=_cropper(opening, form, train) if cropped else None,
        normalizer=opening.normalizer(statistics),
    )


def streamed(opening: Opening, form: ImageForm, files: Mapping[Split, ImageFiles]) -> Dataset:
    """Leave split files on disk; with `normalization: dataset`, measure some of them.

    Raises:
        UserError: as `in_memory`, or a measured image is damaged.
    """
    statistics = IMAGENET
    notes = opening.notes
    if opening.config.normalization == "dataset":
        train = files[Split.TRAIN]  # in the order of a fixed shuffle, so its head is a fair sample
        sample = train.chosen(slice(_MEASURED_IMAGES))
        view = partial(evaluation_view, form=form)
        images = decode_all(sample, view, form.size, torch.get_num_threads()).images
        statistics = measured([_tensor(images).permute(0, 3, 1, 2)])
        notes = (*notes, f"Mean and deviation are measured on {len(images)} training images.")
    return StreamedDataset(
        opening.spec(form),
        opening.class_names,
        opening.fingerprint,
        notes,
        files=files,
        form=form,
        augmentation=opening.config.augmentation,
        normalizer=opening.normalizer(statistics),
        seed=opening.seed,
        device=opening.device,
        workers=opening.workers,
    )


def _stored(part: Part, opening: Opening, channels_innermost: bool) -> StoredImages:
    """Move a split to the device, in the layout from which its preparation is fastest."""
    images = part.images if channels_innermost else part.images.transpose(0, 3, 1, 2)
    data, labels = _tensor(images).to(opening.device), _tensor(part.labels).to(opening.device)
    return StoredImages(data, labels, channels_innermost)


def _cropper(opening: Opening, form: ImageForm, train: Part) -> Cropper:
    augmentation, size = opening.config.augmentation, train.images.shape[1]
    if form.small:
        return SmallCropper(
            augmentation,
            size,
            len(train.labels),
            seed=opening.seed,
            device=opening.device,
            channels_last=opening.channels_last,
        )
    return LargeCropper(
        augmentation,
        size,
        form.size,
        seed=opening.seed,
        device=opening.device,
        channels_last=opening.channels_last,
        sizes=None if train.sizes is None else _tensor(train.sizes).to(opening.device),
    )


def _tensor(array: NDArray[Any]) -> Tensor:
    """The array as a tensor: contiguous, and copied where it is read-only, which torch cannot express."""
    return torch.from_numpy(np.require(array, requirements=["C", "W"]))

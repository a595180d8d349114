"""What a dataset's reader returns, before anything is split, resized or moved: arrays, or lists of files.

Every reader named in the catalog is a function of one located path that returns one of the two contents.
Torch-free, so that fingerprints can be made without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from iterand_engine.errors import UserError

MIN_SIZE_PX = 32  # smaller images are padded to this


@dataclass(frozen=True)
class ImageArrays:
    """Images of one part in memory.

    Args:
        images: uint8, (N, size, size) or (N, size, size, channels) with 1 or 3 channels.
        labels: int64, (N,), from 0.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class ImageFiles:
    """Image files of one part.

    Args:
        root: a folder, or a zip file.
        names: file-system bytes, (N,): paths below the root, with forward slashes.
        labels: int64, (N,), from 0.
    """

    root: Path
    names: NDArray[np.bytes_]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class ArrayContent:
    """A dataset whose images are all in memory; `val` only where the set brings validation images."""

    train: ImageArrays
    test: ImageArrays
    class_names: tuple[str, ...]
    val: ImageArrays | None = None
    notes: tuple[str, ...] = ()

    def parts(self) -> dict[str, ImageArrays]:
        """The parts there are, by name."""
        parts = {"train": self.train, "val": self.val, "test": self.test}
        return {name: part for name, part in parts.items() if part is not None}


@dataclass(frozen=True)
class FolderContent:
    """A dataset of image files; `val` only where the set brings validation images."""

    train: ImageFiles
    test: ImageFiles
    class_names: tuple[str, ...]
    val: ImageFiles | None = None
    notes: tuple[str, ...] = ()

    def parts(self) -> dict[str, ImageFiles]:
        """The parts there are, by name."""
        parts = {"train": self.train, "val": self.val, "test": self.test}
        return {name: part for name, part in parts.items() if part is not None}


Content = ArrayContent | FolderContent


@dataclass(frozen=True)
class Contents:
    """A dataset before it is split: side and channels as stored, classes, and images of each part."""

    side_px: int
    channels: int
    classes: int
    train_count: int
    test_count: int
    val_count: int | None  # None: it brings no validation images of its own
    in_files: bool


def image_files(root: Path, names: Sequence[str], labels: Sequence[int]) -> ImageFiles:
    """Make a list of files; a million names take one block of memory, cheap to send to a worker process."""
    packed = np.array([name.encode("utf-8", "surrogateescape") for name in names], dtype=np.bytes_)
    return ImageFiles(root, packed, np.asarray(labels, dtype=np.int64))


def check_arrays(content: ArrayContent, source: str) -> None:
    """Refuse arrays that are not a classification set of square images.

    Args:
        content: as a reader made it.
        source: how the user knows the data, e.g. "data.path '/x/a.npz'".
    Raises:
        UserError: says which array is wrong, what it is and what it must be.
    """
    sizes: dict[str, tuple[int, int]] = {}
    for name, part in content.parts().items():
        _check_images(part.images, f"{name}_images", source)
        _check_labels(part, name, len(content.class_names), source)
        channels = part.images.shape[3] if part.images.ndim == 4 else 1
        sizes[name] = (part.images.shape[1], channels)
    if len(set(sizes.values())) > 1:
        found = ", ".join(f"{name} {size} px x {channels}" for name, (size, channels) in sizes.items())
        raise UserError(
            f"Cannot use {source}: its parts differ in image size or channels ({found}); they must agree."
        )


def _check_images(images: NDArray[np.uint8], name: str, source: str) -> None:
    shape = images.shape
    wanted = "it must be uint8 of shape (N, size, size) or (N, size, size, 1 or 3)"
    if images.dtype != np.uint8:
        raise UserError(f"Cannot use {source}: {name} has dtype {images.dtype}; {wanted}.")
    if images.ndim not in (3, 4) or (images.ndim == 4 and shape[3] not in (1, 3)):
        raise UserError(f"Cannot use {source}: {name} has shape {shape}; {wanted}.")
    if 0 in shape:
        raise UserError(
            f"Cannot use {source}: {name} has shape {shape}, so no images; {wanted}, with N >= 1."
        )
    if shape[1] != shape[2]:
        raise UserError(f"Cannot use {source}: {name} has images of {shape[1]}x{shape[2]} px; {wanted}.")


def _check_labels(part: ImageArrays, name: str, classes: int, source: str) -> None:
    labels = part.labels
    if labels.shape != (len(part.images),):
        raise UserError(
            f"Cannot use {source}: {name}_labels has shape {labels.shape} but {name}_images has "
            f"{len(part.images)} images; each image needs exactly one label, as (N) or (N, 1)."
        )
    if labels.min() < 0 or labels.max() >= classes:
        raise UserError(
            f"Cannot use {source}: {name}_labels goes from {labels.min()} to {labels.max()}; labels must be "
            f"whole numbers from 0 to {classes - 1}."
        )

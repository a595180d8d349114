"""What a dataset's reader returns, before anything is split, resized or moved: arrays, or lists of files.

Every reader named in the catalog is a function of one located path that returns one of the two contents.
Torch-free, so that fingerprints can be made without it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iterand_engine.errors import UserError

MIN_SIZE_PX = 32  # smaller images are padded to this
_AS_UINT8 = {  # how to make it of another kind of dtype
    "f": "; where its values go from 0 to 1, save (255 * values).round().astype('uint8')",
    "u": "; where its values go from 0 to 65535, save (values / 257).round().astype('uint8')",
    "b": "; save 255 * values.astype('uint8')",
}


@dataclass(frozen=True)
class ArrayForm:
    """Shape and dtype of an array, known before it is read."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


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
        published: of a benchmark: read as its published figures were, without the EXIF orientation.
    """

    root: Path
    names: NDArray[np.bytes_]
    labels: NDArray[np.int64]
    published: bool = False

    def chosen(self, numbers: NDArray[np.int64] | slice) -> ImageFiles:
        """Some of the files, in the order of their numbers."""
        return replace(self, names=self.names[numbers], labels=self.labels[numbers])


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
    """A dataset before it is split: side and channels as stored, classes, and images of each part.

    Args:
        val_count: None where it brings no validation images of its own.
        labels: of each part, int64, (N,); empty where only the catalog was looked at.
        class_names: in the order of the labels, where there are labels.
        notes: sentences on what was found, e.g. files that are left out.
    """

    side_px: int
    channels: int
    classes: int
    train_count: int
    test_count: int
    val_count: int | None
    in_files: bool
    labels: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    class_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


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
    parts = content.parts()
    check_forms(
        {name: ArrayForm(part.images.shape, part.images.dtype) for name, part in parts.items()}, source
    )
    for name, part in parts.items():
        _check_labels(part, name, len(content.class_names), source)


def check_forms(forms: Mapping[str, ArrayForm], source: str) -> None:
    """Refuse images of parts that are not square, uint8 and of one form; errors as `check_arrays`."""
    sizes: dict[str, tuple[int, int]] = {}
    for name, form in forms.items():
        _check_images(form, f"{name}_images", source)
        sizes[name] = (form.shape[1], form.shape[3] if len(form.shape) == 4 else 1)
    if len(set(sizes.values())) > 1:
        found = ", ".join(f"{name} {size} px x {channels}" for name, (size, channels) in sizes.items())
        raise UserError(
            f"Cannot use {source}: its parts differ in image size or channels ({found}); they must agree."
        )


def _check_images(form: ArrayForm, name: str, source: str) -> None:
    shape, dtype = form.shape, form.dtype
    wanted = "it must be uint8 of shape (N, size, size) or (N, size, size, 1 or 3)"
    if dtype != np.uint8:
        raise UserError(
            f"Cannot use {source}: {name} has dtype {dtype}; {wanted}{_AS_UINT8.get(dtype.kind, '')}."
        )
    if len(shape) not in (3, 4) or (len(shape) == 4 and shape[3] not in (1, 3)):
        second = len(shape) == 4 and shape[1] in (1, 3)
        hint = f"; its channels come second: save {name}.transpose(0, 2, 3, 1)" if second else ""
        raise UserError(f"Cannot use {source}: {name} has shape {shape}; {wanted}{hint}.")
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

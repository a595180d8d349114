"""Read an npz file in the MedMNIST layout: train_images, train_labels, test_images, test_labels, maybe val_*.

Nothing in the file is executed: arrays of Python objects are refused.

Source: the layout of MedMNIST, arXiv:2110.14795.
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from iterand_engine.data.content import ArrayContent, Contents, ImageArrays, check_arrays
from iterand_engine.errors import UserError

REQUIRED = ("train_images", "train_labels", "test_images", "test_labels")
OPTIONAL = ("val_images", "val_labels")
_NEEDS = f"An npz dataset needs {', '.join(REQUIRED[:-1])} and {REQUIRED[-1]}; see docs/datasets.md."
_MAX_CLASSES = 100_000


def npz(path: Path) -> ArrayContent:
    """Read and check an npz dataset.

    Args:
        path: the file.
    Returns:
        Its content; classes are 0 to the highest label, named by their numbers.
    Raises:
        UserError: the file is missing, is no npz, lacks an array, or an array is not what it must be.
    """
    source = f"data.path {str(path)!r}"
    arrays = read_arrays(path, source)
    parts = {
        part: ImageArrays(
            arrays[f"{part}_images"], _labels(arrays[f"{part}_labels"], f"{part}_labels", source)
        )
        for part in ("train", "val", "test")
        if f"{part}_images" in arrays
    }
    highest = max(int(part.labels.max(initial=0)) for part in parts.values())
    if highest >= _MAX_CLASSES:
        raise UserError(
            f"Cannot use {source}: its highest label is {highest}; labels must be classes counted from 0."
        )
    names = tuple(str(number) for number in range(highest + 1))
    content = ArrayContent(parts["train"], parts["test"], names, parts.get("val"))
    check_arrays(content, source)
    return content


def counted(path: Path) -> Contents | None:
    """What a file holds, by its headers and labels; None where they cannot be read: `npz` says why."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            parts = [
                part for part in ("train", "test", "val") if part != "val" or "val_images" in archive.files
            ]
            shapes = {part: _shape(archive, f"{part}_images") for part in parts}
            highest = max(int(archive[f"{part}_labels"].max()) for part in parts)
        side, channels = shapes["train"][1], shapes["train"][3] if len(shapes["train"]) == 4 else 1
    except (OSError, EOFError, KeyError, ValueError, IndexError, zipfile.BadZipFile):
        return None
    counts = {part: shape[0] for part, shape in shapes.items()}
    return Contents(side, channels, highest + 1, counts["train"], counts["test"], counts.get("val"), False)


def _shape(archive: NpzFile, name: str) -> tuple[int, ...]:
    """Shape of an array from its header."""
    assert archive.zip is not None
    with archive.zip.open(f"{name}.npy") as stream:
        read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
        return read[npy.read_magic(stream)](stream)[0]


def read_arrays(path: Path, source: str) -> dict[str, NDArray[Any]]:
    """Read the arrays of the layout from an npz file, and no others.

    Args:
        path: the file.
        source: how the user knows it, for the error.
    Raises:
        UserError: the file is missing or damaged, is no npz, lacks an array or holds Python objects.
    """
    if not path.is_file():
        raise UserError(f"Cannot read {source}: there is no such file.")
    try:
        stream = path.open("rb")
    except OSError as error:
        raise UserError(f"Cannot read {source}: {error.strerror}.") from None
    with stream, _archive(stream, source) as archive:
        names = _wanted(archive.files, source)
        return {name: _array(archive, name, source) for name in names}


def _archive(stream: BinaryIO, source: str) -> NpzFile:
    try:
        archive = np.load(stream, allow_pickle=False)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"Cannot read {source}: it is not an npz file ({_brief(error)}). {_NEEDS}") from None
    if not isinstance(archive, NpzFile):
        raise UserError(f"Cannot read {source}: it holds a single array, not an npz archive. {_NEEDS}")
    return archive


def _wanted(found: list[str], source: str) -> list[str]:
    present = [name for name in OPTIONAL if name in found]
    if len(present) == 1:
        missing = next(name for name in OPTIONAL if name not in found)
        raise UserError(
            f"Cannot read {source}: it has {present[0]!r} but no {missing!r}; give both or neither."
        )
    for name in REQUIRED:
        if name not in found:
            listed = ", ".join(found) or "nothing"
            raise UserError(f"Cannot read {source}: it has no array {name!r} (found: {listed}). {_NEEDS}")
    return [*REQUIRED, *present]


def _array(archive: NpzFile, name: str, source: str) -> NDArray[Any]:
    try:
        array = archive[name]
    except ValueError as error:
        if "allow_pickle" in str(error):
            raise UserError(
                f"Cannot read {source}: {name} holds Python objects, which are never loaded; "
                "save plain arrays."
            ) from None
        raise UserError(f"Cannot read {source}: {name} is damaged ({_brief(error)}).") from None
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"Cannot read {source}: {name} is damaged ({_brief(error)}).") from None
    if not isinstance(array, np.ndarray):
        raise UserError(f"Cannot read {source}: {name} is not an array in npy format. {_NEEDS}")
    return array


def _labels(labels: NDArray[Any], name: str, source: str) -> NDArray[np.int64]:
    if labels.dtype.kind not in "iu":
        raise UserError(
            f"Cannot use {source}: {name} has dtype {labels.dtype}; labels must be whole numbers from 0."
        )
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    return labels.astype(np.int64)


def _brief(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__

"""Masks of every epoch on disk: packed bits, as differences to the epoch before, compressed. numpy only.

One file an epoch, `epoch-00007.npz`: for each layer the packed bits (row-major, big-endian within a byte),
exclusive-or'ed with those of the epoch before except in a key frame (epoch 0 and every 10th), and a histogram
of the scores with the threshold. Epoch 0 is the state before training, epoch n the state after n epochs.
"""

from __future__ import annotations

import io
import json
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from iterand_engine.errors import UserError
from iterand_engine.machine.workspace import write_atomic

KEY_EVERY = 10
_NAME = re.compile(r"epoch-(\d{5,})\.npz")
_SHAPES = "shapes"
# What reading a zip file of damaged bytes can raise.
_BROKEN = (
    *(ValueError, LookupError, TypeError, AttributeError, RuntimeError, OverflowError, OSError, EOFError),
    *(zipfile.BadZipFile, zlib.error, struct.error),
)


@dataclass(frozen=True)
class Histogram:
    """Counts (int64) of a layer's ranked scores in equal bins from `low` to `high`, and the threshold."""

    counts: NDArray[np.int64]
    low: float
    high: float
    threshold: float


@dataclass(frozen=True)
class EpochMasks:
    """The masks of one epoch: packed bits (uint8) and shape by qualified parameter name."""

    epoch: int
    packed: dict[str, NDArray[np.uint8]]
    shapes: dict[str, tuple[int, ...]]
    histograms: dict[str, Histogram]

    def mask(self, name: str) -> NDArray[np.bool_]:
        """One layer's mask, True where the weight is kept, in the weight's shape."""
        shape = self.shapes[name]
        return np.unpackbits(self.packed[name], count=math.prod(shape)).astype(bool).reshape(shape)


def pack(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Pack a mask to bits in row-major order."""
    return np.packbits(mask.reshape(-1))


def epoch_path(folder: Path, epoch: int) -> Path:
    """The file of an epoch."""
    return folder / f"epoch-{epoch:05d}.npz"


def stored_epochs(folder: Path) -> list[int]:
    """Epochs whose masks are on disk, ascending."""
    if not folder.is_dir():
        return []
    found = (_NAME.fullmatch(path.name) for path in folder.iterdir())
    return sorted(int(match[1]) for match in found if match)


def write_epoch(folder: Path, masks: EpochMasks, previous: EpochMasks | None) -> None:
    """Write the masks of an epoch.

    Args:
        folder: the run's masks folder.
        masks: of this epoch.
        previous: of the epoch before; anything else, None too, writes a key frame, as every 10th epoch does.
    """
    follows = previous is not None and previous.epoch == masks.epoch - 1
    key = not follows or masks.epoch % KEY_EVERY == 0
    arrays: dict[str, NDArray[np.generic]] = {}
    for index, (name, packed) in enumerate(masks.packed.items()):
        arrays[f"mask{index}"] = packed if key or previous is None else packed ^ previous.packed[name]
        histogram = masks.histograms.get(name)
        if histogram is not None:
            arrays[f"counts{index}"] = histogram.counts
            arrays[f"range{index}"] = np.array([histogram.low, histogram.high, histogram.threshold])
    header = {"epoch": masks.epoch, "key": key, _SHAPES: {name: list(s) for name, s in masks.shapes.items()}}
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    write_atomic(epoch_path(folder, masks.epoch), buffer.getvalue())


def read_epoch(folder: Path, epoch: int) -> EpochMasks:
    """Read the masks of an epoch, from the key frame before it on.

    Raises:
        UserError: the epoch, or one it builds on, is not there or not readable.
    """
    chain: list[_Frame] = []
    while not chain or not chain[-1].key:
        chain.append(_read_frame(folder, epoch - len(chain), asked=epoch))
    packed = dict(chain[-1].masks.packed)
    for frame in reversed(chain[:-1]):
        if frame.masks.shapes != chain[-1].masks.shapes:
            raise _damaged(epoch_path(folder, frame.masks.epoch), "its layers are not those of its key frame")
        packed = {name: packed[name] ^ bits for name, bits in frame.masks.packed.items()}
    asked = chain[0].masks
    return EpochMasks(epoch, packed, asked.shapes, asked.histograms)


@dataclass(frozen=True)
class _Frame:
    """One file: whole masks (`key`), or their differences to those of the epoch before."""

    key: bool
    masks: EpochMasks


def _read_frame(folder: Path, epoch: int, *, asked: int) -> _Frame:
    path = epoch_path(folder, epoch)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        known = stored_epochs(folder)
        said = f"{known[0]} to {known[-1]}" if known else "none"
        needed = "" if epoch == asked else f", which need those of epoch {epoch}"
        raise UserError(
            f"There are no masks of epoch {asked}{needed} (epochs with masks: {said}); 0 is before training."
        ) from None
    except OSError as error:
        raise UserError(f"Cannot read the masks in {path}: {error.strerror}.") from None
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            return _parse(file, epoch)
    except _BROKEN as error:
        raise _damaged(path, str(error)) from None


def _damaged(path: Path, problem: str) -> UserError:
    return UserError(f"Cannot read the masks in {path}: {problem}; the file is damaged.")


def _parse(file: Mapping[str, NDArray[np.generic]], epoch: int) -> _Frame:
    header = json.loads(bytes(file["header"].tolist()))
    if header["epoch"] != epoch:
        raise ValueError(f"it is of epoch {header['epoch']}")
    if epoch == 0 and not header["key"]:
        raise ValueError("epoch 0 has none before it")
    shapes = {name: tuple(shape) for name, shape in header[_SHAPES].items()}
    packed, histograms = {}, {}
    for index, (name, shape) in enumerate(shapes.items()):
        packed[name] = file[f"mask{index}"].astype(np.uint8)
        if packed[name].shape != (-(-math.prod(shape) // 8),):
            raise ValueError(f"the masks of {name!r} are not of the shape {shape}")
        if f"counts{index}" in file:
            low, high, threshold = (float(value) for value in file[f"range{index}"].tolist())
            histograms[name] = Histogram(file[f"counts{index}"].astype(np.int64), low, high, threshold)
    return _Frame(bool(header["key"]), EpochMasks(epoch, packed, shapes, histograms))

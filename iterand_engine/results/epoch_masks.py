"""Masks of every epoch on disk, as differences to the epoch before, compressed. numpy only.

Each epoch has a file, `epoch-00007.npz`: the masks in the layout of `stored_mask`, and for each layer a
histogram of the scores with the threshold. Except in a key frame (epoch 0 and every 10th), the packed codes
are exclusive-or'ed with those of the epoch before. Epoch 0 is the state before training, epoch n that after
n epochs.
"""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from iterand_engine.config.catalog import METHODS
from iterand_engine.errors import UserError
from iterand_engine.machine import own_files
from iterand_engine.machine.workspace import Workspace
from iterand_engine.results import stored_mask
from iterand_engine.results.stored_mask import Arrays, LayerMask, UnknownMaskError
from iterand_engine.store import RunRow

KEY_EVERY = 10
_NAME = re.compile(r"epoch-(\d{5,})\.npz")
# The errors of reading a zip file with damaged bytes.
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
    """The masks of one epoch by qualified parameter name, with histograms of the ranked scores."""

    epoch: int
    layers: dict[str, LayerMask]
    histograms: dict[str, Histogram]


def has_masks(workspace: Workspace, run: RunRow) -> bool | None:
    """Return whether a run has masks, and so a sparsity: from its method's entry, or else from its files.

    None means unknown: the run has no step yet, and its method does not say it or no longer exists.
    """
    entry = METHODS.get(run.method)
    if entry is not None and entry.has_masks is not None:
        return entry.has_masks
    try:
        if stored_epochs(workspace.run_dir(run.id) / "masks"):
            return True
    except UserError:  # the folder is a link; who reads the masks is told so
        return None
    return False if run.step else None


def epoch_path(folder: Path, epoch: int) -> Path:
    return folder / f"epoch-{epoch:05d}.npz"


def stored_epochs(folder: Path) -> list[int]:
    """List the epochs whose masks are on disk, ascending; raises UserError if the folder is a link."""
    found = (_NAME.fullmatch(name) for name in own_files.names(folder))
    return sorted(int(match[1]) for match in found if match)


def write_epoch(folder: Path, masks: EpochMasks, previous: EpochMasks | None) -> None:
    """Write the masks of an epoch.

    Args:
        folder: the run's masks folder.
        masks: the epoch's.
        previous: those of the epoch before; with any other epoch or None, a key frame is written.
    """
    before = None if masks.epoch % KEY_EVERY == 0 else _followed(previous, masks)
    changed = masks.layers if before is None else _difference(masks.layers, before)
    arrays = stored_mask.to_arrays(changed, epoch=masks.epoch, key=before is None)
    for index, name in enumerate(masks.layers):
        histogram = masks.histograms.get(name)
        if histogram is not None:
            arrays[f"counts{index}"] = histogram.counts
            arrays[f"range{index}"] = np.array([histogram.low, histogram.high, histogram.threshold])
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    own_files.write(epoch_path(folder, masks.epoch), buffer.getvalue())


def _followed(previous: EpochMasks | None, masks: EpochMasks) -> dict[str, LayerMask] | None:
    """Give the layers of `previous` if it is the epoch before and alike, else None."""
    if previous is None or previous.epoch != masks.epoch - 1:
        return None
    return previous.layers if _are_alike(previous.layers, masks.layers) else None


def _are_alike(one: dict[str, LayerMask], other: dict[str, LayerMask]) -> bool:
    """Whether everything but the codes is equal, so that codes can be compared."""
    return {name: mask.meaning for name, mask in one.items()} == {
        name: mask.meaning for name, mask in other.items()
    }


def _difference(one: dict[str, LayerMask], other: dict[str, LayerMask]) -> dict[str, LayerMask]:
    return {name: replace(mask, packed=mask.packed ^ other[name].packed) for name, mask in one.items()}


def read_epoch(folder: Path, epoch: int) -> EpochMasks:
    """Read the masks of an epoch, by way of the key frame before it.

    Raises:
        UserError: the file of the epoch, or one that it builds on, is missing or damaged.
    """
    chain: list[_Frame] = []
    while not chain or not chain[-1].key:
        chain.append(_read_frame(folder, epoch - len(chain), asked=epoch))
    layers = chain[-1].masks.layers
    for frame in reversed(chain[:-1]):
        if not _are_alike(frame.masks.layers, layers):
            raise _damaged(epoch_path(folder, frame.masks.epoch), "its layers are not those of its key frame")
        layers = _difference(frame.masks.layers, layers)
    return EpochMasks(epoch, layers, chain[0].masks.histograms)


@dataclass(frozen=True)
class _Frame:
    """One file: whole masks (`key`), or their differences to those of the epoch before."""

    key: bool
    masks: EpochMasks


def _read_frame(folder: Path, epoch: int, *, asked: int) -> _Frame:
    path = epoch_path(folder, epoch)
    try:
        content = own_files.read(path)
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
    except UnknownMaskError as error:
        raise UserError(f"Cannot read the masks in {path}: {error}.") from None
    except _BROKEN as error:
        raise _damaged(path, str(error)) from None


def _damaged(path: Path, problem: str) -> UserError:
    return UserError(f"Cannot read the masks in {path}: {problem}; the file is damaged.")


def _parse(file: Arrays, epoch: int) -> _Frame:
    layers, header = stored_mask.from_arrays(file)
    if header["epoch"] != epoch:
        raise ValueError(f"it is of epoch {header['epoch']}")
    if epoch == 0 and not header["key"]:
        raise ValueError("epoch 0 has none before it")
    histograms = {}
    for index, name in enumerate(layers):
        if f"counts{index}" in file:
            low, high, threshold = (float(value) for value in file[f"range{index}"].tolist())
            histograms[name] = Histogram(file[f"counts{index}"].astype(np.int64), low, high, threshold)
    return _Frame(bool(header["key"]), EpochMasks(epoch, layers, histograms))

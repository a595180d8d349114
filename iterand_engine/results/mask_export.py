"""Exports masks to files that numpy alone can read; `training.network_export` exports networks, for torch.

docs/exports.md describes the formats. Files are written under another name and renamed. A run keeps the masks
of every epoch. Torch-free.
"""

from __future__ import annotations

import io
from contextlib import suppress
from enum import StrEnum
from pathlib import Path

import numpy as np

from iterand_engine.config.metrics import VAL_ACCURACY, metric_of
from iterand_engine.errors import Advice, UserError, suggestion
from iterand_engine.machine import own_files
from iterand_engine.machine.workspace import Workspace
from iterand_engine.results import stored_mask
from iterand_engine.results.epoch_masks import EpochMasks, has_masks, read_epoch, stored_epochs
from iterand_engine.store import RunDetail, Store

BEST, LAST = "best", "last"


class ExportFormat(StrEnum):
    """The formats of `iterand export`."""

    MASKS = "masks"
    SAFETENSORS = "safetensors"


def export_masks(
    workspace: Workspace, store: Store, run_id: str, out: Path, *, epoch: str = LAST, replace: bool = False
) -> int:
    """Write a run's masks.

    Args:
        workspace, store: the run's.
        run_id: the run's id.
        out: the file to write.
        epoch: a number of epochs trained (0 is before training), best (highest validation accuracy, the first
            of equals) or last.
        replace: overwrite the file if it exists.
    Returns:
        The epoch that was written.
    Raises:
        UserError: the run has no such masks, or the file cannot be written.
    """
    detail = store.reader.run(run_id)
    check_target(workspace, out, replace=replace)
    number = masks_epoch(workspace, store, detail, epoch)
    write_export(out, masks_bytes(read_epoch(workspace.run_dir(run_id) / "masks", number)))
    return number


def write_export(out: Path, content: bytes) -> None:
    """Write a file under another name and rename it; raises UserError if that fails."""
    try:
        own_files.write_atomic(out, content)
    except OSError as error:
        said = f"Cannot write {str(out)!r}: {error.strerror}; name another file."
        raise UserError(said, Advice.OTHER_FILE) from None


def known_format(text: str) -> ExportFormat:
    """Find a format by its name; raises UserError if there is none."""
    try:
        return ExportFormat(text)
    except ValueError:
        allowed = [known.value for known in ExportFormat]
        near = suggestion(text, allowed)
        raise UserError(f"The format {text!r} is not known{near} (allowed: {', '.join(allowed)}).") from None


def check_target(workspace: Workspace, out: Path, *, replace: bool) -> None:
    """Check that a file may be written.

    Raises:
        UserError: it is a folder, its folder is missing, it exists and `replace` is not set, or it lies in
            the workspace and a link is on the way to it.
    """
    with suppress(ValueError):  # outside the workspace: there, links are the user's
        own_files.refuse_link(workspace.absolute(workspace.relative(out)))
    if out.is_dir():
        raise UserError(f"{str(out)!r} is a folder; name a file in it.")
    if not out.absolute().parent.is_dir():
        raise UserError(f"{str(out)!r} cannot be written: the folder {out.parent} does not exist.")
    if out.exists() and not replace:
        raise UserError(f"{str(out)!r} exists; name another file, or replace it.", Advice.REPLACE_FILE)


def masks_epoch(workspace: Workspace, store: Store, detail: RunDetail, epoch: str) -> int:
    """Find the stored epoch that `best`, `last` or a number means.

    Raises:
        UserError: the run has no masks, or none of that epoch.
    """
    if has_masks(workspace, detail) is False:
        said = f"Run {detail.id} is {detail.method}: it has no masks; its network can be exported instead."
        raise UserError(said, Advice.EXPORT_NETWORK)
    stored = stored_epochs(workspace.run_dir(detail.id) / "masks")
    if not stored:
        raise UserError(f"Run {detail.id} has no masks yet: it has not begun to train.")
    if epoch == LAST:
        return stored[-1]
    number = best_epoch(store, detail.id) if epoch == BEST else epoch_number(epoch)
    if number not in stored:
        raise UserError(
            f"Epoch {number} has no masks; run {detail.id} has those of {stored[0]} to {stored[-1]} epochs."
        )
    return number


def best_epoch(store: Store, run_id: str) -> int:
    """Find the number of epochs trained at the highest validation accuracy, the first of equals.

    Raises:
        UserError: no epoch was evaluated on validation images.
    """
    known = {info.name: info.points for info in store.reader.series_list(run_id)}
    if known.get(VAL_ACCURACY):
        best = metric_of(VAL_ACCURACY).best(store.reader.series(run_id, VAL_ACCURACY).values.tolist())
        if best is not None:
            return best + 1
    raise UserError(
        f"Run {run_id} has no best epoch: none was evaluated on validation images; take the last one, "
        "or a number.",
        Advice.LAST_EPOCH,
    )


def masks_bytes(masks: EpochMasks) -> bytes:
    """Pack masks as an npz in the layout that docs/exports.md describes, with `epoch`.

    If a bit is the mask itself, `names` and `shape_i` are added for scripts written for version 1.
    """
    arrays = stored_mask.to_arrays(masks.layers, epoch=masks.epoch, key=True)
    arrays["epoch"] = np.array(masks.epoch, dtype=np.int64)
    if all(one.is_plain for one in masks.layers.values()):
        arrays["names"] = np.array(list(masks.layers))
        for index, one in enumerate(masks.layers.values()):
            arrays[f"shape_{index}"] = np.array(one.shape, dtype=np.int64)
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def epoch_number(epoch: str) -> int:
    """Read a number of epochs trained from an option; raises UserError if it is no number."""
    if not epoch.isdecimal():
        raise UserError(
            f"The epoch {epoch!r} is not known; allowed: a number of epochs trained, best or last."
        )
    return int(epoch)

"""Open the dataset that a configuration names: find, verify, read, split, and put it where training needs it.

Arrays go to the device as uint8. Folders whose decoded images fit in a quarter of memory are decoded once and
then treated like arrays; larger ones are streamed by loading processes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil
import torch
from numpy.typing import NDArray

from iterand_engine.config.catalog import DATASETS, find
from iterand_engine.data.assemble import Opening, Part, in_memory, streamed
from iterand_engine.data.content import ArrayContent, Content, FolderContent, ImageFiles, check_arrays
from iterand_engine.data.dataset import Dataset, Split
from iterand_engine.data.downloads import verify
from iterand_engine.data.duplicates import shared_images
from iterand_engine.data.file_cache import FileFacts
from iterand_engine.data.fingerprint import remembered_fingerprint
from iterand_engine.data.labels import label_notes
from iterand_engine.data.locate import located
from iterand_engine.data.readers.extension import extension_fingerprint, read_content
from iterand_engine.data.splits import split_train
from iterand_engine.data.transforms.decode import (
    RESIZED_PX,
    ImageForm,
    Pixels,
    decode_all,
    evaluation_view,
    look_at,
    views_of,
    whole_view,
)
from iterand_engine.data.transforms.rgb import Change, notes_of

if TYPE_CHECKING:
    from iterand_engine.config.run_config import DataConfig

_PROBED_IMAGES = 64
MEMORY_SHARE = 4  # a decoded folder may take this part of memory: a quarter


def open_dataset(
    config: DataConfig,
    *,
    roots: Sequence[Path],
    device: torch.device,
    workers: int,
    seed: int,
    channels_last: bool = False,
    memory_bytes: int | None = None,
) -> Dataset:
    """Open a dataset for training.

    Args:
        config: the run's data options.
        roots: data roots, searched in order; the workspace's data folder last.
        device: where images live and are prepared.
        workers: loading processes, for datasets too large for memory.
        seed: of the run; keys the augmentation.
        channels_last: memory format of prepared images.
        memory_bytes: to plan with; None takes what the machine (and the GPU) has.
    Raises:
        UserError: the dataset is missing, damaged or invalid, or the options do not fit it.
    """
    entry = find("dataset", DATASETS, config.dataset)
    path = located(entry.name, roots, config.path)
    facts = FileFacts.beside_data(roots)
    verify(entry.name, path, facts)
    content = read_content(entry, path, config)
    if entry.origin is not None:
        fingerprint = extension_fingerprint(entry, config, facts)
    else:
        fingerprint = entry.fingerprint or remembered_fingerprint(path, lambda: content, facts)
    notes = (*content.notes, *_split_notes(config, content))
    if isinstance(content, ArrayContent):
        check_arrays(content, f"dataset {entry.name!r}" + (f" ({entry.origin})" if entry.origin else ""))
    if entry.fingerprint is None:
        labels = {name: part.labels for name, part in content.parts().items()}
        notes = (*notes, *label_notes(config, labels, content.class_names))
        if isinstance(content, ArrayContent):
            notes = (*notes, *shared_images(content))
    opening = Opening(config, device, workers, seed, channels_last, content.class_names, fingerprint, notes)
    if isinstance(content, ArrayContent):
        return _from_arrays(opening, content)
    return _from_files(opening, content, entry.size_px, memory_bytes or _memory_bytes(device))


def _split_notes(config: DataConfig, content: Content) -> list[str]:
    if content.val is not None:
        return [
            f"The dataset brings its own {len(content.val.labels)} validation images; "
            f"data.val_fraction {config.val_fraction:g}"
            + (" and data.split are ignored." if config.split == "stratified" else " is ignored.")
        ]
    if round(config.val_fraction * len(content.train.labels)) == 0:
        return [
            f"data.val_fraction {config.val_fraction:g} holds out no images: there is no validation accuracy."
        ]
    return []


def _split_numbers(config: DataConfig, content: Content) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Numbers of the images to train on and to validate on, among all of the training part."""
    fraction = 0.0 if content.val is not None else config.val_fraction
    labels = content.train.labels
    strata = labels if config.split == "stratified" else None
    train, held_out = split_train(len(labels), fraction, config.train_limit, strata)
    return train.numpy(), held_out.numpy()


def _from_arrays(opening: Opening, content: ArrayContent) -> Dataset:
    numbers, held_out = _split_numbers(opening.config, content)
    train_images, train_labels = _with_channels(content.train.images), content.train.labels
    form = ImageForm.of(train_images.shape[1])
    view = partial(views_of, form=form, threads=torch.get_num_threads())
    train = train_images[numbers]
    cropped_from_all = not form.small and opening.config.augmentation == "paper"
    parts = {
        Split.TRAIN: Part(train if cropped_from_all else view(train), train_labels[numbers]),
        Split.TEST: Part(view(_with_channels(content.test.images)), content.test.labels),
    }
    if content.val is not None:
        parts[Split.VAL] = Part(view(_with_channels(content.val.images)), content.val.labels)
    elif len(held_out):
        parts[Split.VAL] = Part(view(train_images[held_out]), train_labels[held_out])
    return in_memory(opening, form, parts)


def _from_files(opening: Opening, content: FolderContent, size_px: int | None, memory_bytes: int) -> Dataset:
    found = form_of_files(size_px, content.train)
    form, files = found.form, _split_files(opening.config, content)
    squeezed = {Split.TRAIN} if not form.small and opening.config.augmentation == "paper" else set()
    sides = {split: RESIZED_PX if split in squeezed else form.size for split in files}
    decoded_bytes = sum(3 * sides[split] ** 2 * len(part.names) for split, part in files.items())
    if decoded_bytes * MEMORY_SHARE > memory_bytes:
        return streamed(_noted(opening, *found.notes, *found.changes), form, files)
    parts, changes = {}, Counter[Change]()
    for split, part in files.items():
        view = whole_view if split in squeezed else partial(evaluation_view, form=form)
        decoded = decode_all(part, view, sides[split], torch.get_num_threads())
        parts[split] = Part(decoded.images, part.labels, decoded.sizes if split in squeezed else None)
        changes += decoded.changes
    of_all = notes_of(changes, sum(len(part.labels) for part in parts.values()), all_of_them=True)
    shared = shared_images(content) if size_px is None else ()
    return in_memory(_noted(opening, *found.notes, *of_all, *shared), form, parts)


def _noted(opening: Opening, *notes: str) -> Opening:
    return replace(opening, notes=(*opening.notes, *notes))


def _split_files(config: DataConfig, content: FolderContent) -> dict[Split, ImageFiles]:
    numbers, held_out = _split_numbers(config, content)
    files = {Split.TRAIN: content.train.chosen(numbers), Split.TEST: content.test}
    if content.val is not None:
        files[Split.VAL] = content.val
    elif len(held_out):
        files[Split.VAL] = content.train.chosen(held_out)
    return files


@dataclass(frozen=True)
class FormOfFiles:
    """The form of image files, what is done to fit them into it, and the changes to those looked at."""

    form: ImageForm
    notes: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()


def form_of_files(size_px: int | None, train: ImageFiles) -> FormOfFiles:
    """Find the form of image files: its size is the catalog's, or the largest side of some images."""
    if size_px is not None:
        return FormOfFiles(ImageForm.of(size_px))
    looked = look_at(train, _PROBED_IMAGES)
    form = ImageForm.of(looked.side)
    fitted = f"Images differ in size or are not square; all are resized to {looked.side}x{looked.side} px."
    changes = notes_of(looked.changes, looked.count, all_of_them=False)
    return FormOfFiles(form, (fitted,) if form.small and not looked.uniform else (), changes)


def _with_channels(images: NDArray[np.uint8]) -> Pixels:
    return images if images.ndim == 4 else images[:, :, :, None]


def _memory_bytes(device: torch.device) -> int:
    """Memory of the machine, or of the GPU where that is less."""
    host_bytes = psutil.virtual_memory().total
    return min(host_bytes, torch.cuda.mem_get_info(device)[1]) if device.type == "cuda" else host_bytes

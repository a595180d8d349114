"""What a run finds in its data, without reading the images: their form, the classes, and the counts.

Named datasets are known from the catalog. Of an npz file the headers and the labels are read, of a folder the
file names and the size of some images; the result is cached while the files stay unchanged. Whether the
content of a file is valid shows only when it is opened.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from iterand_engine.config.catalog import DATASETS, DatasetEntry, find, load_target
from iterand_engine.data.content import ArrayContent, Content, Contents, check_arrays
from iterand_engine.data.labels import label_notes
from iterand_engine.data.locate import located
from iterand_engine.data.open import MEMORY_SHARE, form_of_files
from iterand_engine.data.readers.extension import read_content
from iterand_engine.data.readers.listing import entries_of, is_folder
from iterand_engine.data.splits import split_counts
from iterand_engine.data.transforms.augment import PADDING_PX
from iterand_engine.data.transforms.decode import RESIZED_PX, ImageForm
from iterand_engine.models.spec import InputSpec

if TYPE_CHECKING:
    from iterand_engine.config.run_config import DataConfig

_LABEL_BYTES = 8
_CROP_BYTES = 16  # of a training image: its crop of the epoch, or the size of its original


@dataclass(frozen=True)
class DataFacts:
    """A dataset as one run uses it.

    Args:
        spec: what the network gets.
        train_count, val_count, test_count: images of each split.
        stored_bytes: of images, labels and crop filters that stay on the device; without images if streamed.
        streamed: whether images are read from disk as they are needed.
        notes: sentences on what was found and how it is used.
    """

    spec: InputSpec
    train_count: int
    val_count: int
    test_count: int
    stored_bytes: int
    streamed: bool
    notes: tuple[str, ...] = ()


def data_facts(config: DataConfig, roots: Sequence[Path], memory_bytes: int) -> DataFacts:
    """Find out what data a run with these options uses.

    Args:
        config: the run's data options.
        roots: data roots, the workspace's data folder last.
        memory_bytes: of the machine, or of the GPU where that is less.
    Raises:
        UserError: the data is missing, cannot be read, or leaves nothing to train on.
        ExtensionError: an extension returned something other than a dataset.
    """
    found = contents(config, roots)
    form = ImageForm.of(found.side_px)
    fraction = config.val_fraction if found.val_count is None else 0.0
    train, held_out = split_counts(found.train_count, fraction, config.train_limit)
    val = held_out if found.val_count is None else found.val_count
    train_px = train_side_px(found, form, config)
    pixels = found.channels * (train * train_px**2 + (val + found.test_count) * form.size**2)
    streamed = found.in_files and pixels * MEMORY_SHARE > memory_bytes
    label_bytes = (train + val + found.test_count) * _LABEL_BYTES
    image_bytes = 0 if streamed else pixels + train * _CROP_BYTES
    cropped = config.augmentation != "none" and form.small and not streamed
    said = label_notes(config, found.labels, found.class_names) if found.labels else ()
    return DataFacts(
        InputSpec(3, form.size, form.size, found.classes),
        *(train, val, found.test_count),
        stored_bytes=image_bytes + label_bytes + (_filter_bytes(form.size) if cropped else 0),
        streamed=streamed,
        notes=(*found.notes, *said),
    )


def train_side_px(found: Contents, form: ImageForm, config: DataConfig) -> int:
    """Side of the training images as stored: large ones whole where crops are cut from all of them."""
    if form.small or config.augmentation != "paper":
        return form.size
    return RESIZED_PX if found.in_files else found.side_px


def _filter_bytes(size: int) -> int:
    """The table of all crop filters of small images: rows, columns and mirrored columns, float32."""
    extent = size + 2 * PADDING_PX
    return extent * (extent + 1) // 2 * size * size * 4 * 3


@dataclass(frozen=True)
class _Source:
    """The key of cached facts; `arguments` are data.path and an extension's arguments, as text."""

    entry: DatasetEntry
    path: Path
    stamp: tuple[int, ...]
    arguments: str
    config: DataConfig = field(compare=False)


def contents(config: DataConfig, roots: Sequence[Path]) -> Contents:
    """The content of a dataset before it is split; arguments and errors as `data_facts`."""
    entry = find("dataset", DATASETS, config.dataset)
    known = _of_catalog(entry)
    if known is not None:
        return known
    path = located(entry.name, roots, config.path)
    arguments = json.dumps([config.path, entry.arguments_in(config)])
    return _of_source(_Source(entry, path, _stamp(path), arguments, config))


def _of_catalog(entry: DatasetEntry) -> Contents | None:
    facts = (entry.size_px, entry.channels, entry.classes, entry.train_count, entry.test_count)
    size, channels, classes, train, test = facts
    if size is None or channels is None or classes is None or train is None or test is None:
        return None
    return Contents(size, channels, classes, train, test, None, entry.kind == "folder")


@lru_cache(maxsize=64)
def _of_source(source: _Source) -> Contents:
    if source.entry.peek:
        found: Contents = load_target(source.entry.peek)(source.path)
        return found
    content = read_content(source.entry, source.path, source.config)
    if isinstance(content, ArrayContent):
        check_arrays(content, f"dataset {source.entry.name!r}")
    return _of_content(content)


def _of_content(content: Content) -> Contents:
    labels = {name: part.labels for name, part in content.parts().items()}
    counts = {name: len(part) for name, part in labels.items()}
    notes = content.notes
    if isinstance(content, ArrayContent):
        shape = content.train.images.shape
        side, channels = shape[1], shape[3] if len(shape) == 4 else 1
    else:
        found = form_of_files(None, content.train)
        side, channels, notes = found.form.native, 3, (*notes, *found.notes, *found.changes)
    return Contents(
        *(side, channels, len(content.class_names), counts["train"], counts["test"], counts.get("val")),
        in_files=not isinstance(content, ArrayContent),
        labels=labels,
        class_names=content.class_names,
        notes=notes,
    )


def _stamp(path: Path) -> tuple[int, ...]:
    """Changes when a file changes, or when an entry is added to a folder, its parts or their classes."""
    stat = path.stat()
    return (stat.st_size, stat.st_mtime_ns, *(_changes(path, 2) if path.is_dir() else ()))


def _changes(folder: Path, depth: int) -> Iterator[int]:
    for entry in entries_of(folder):
        if is_folder(entry):
            yield entry.stat().st_mtime_ns
            if depth > 1:
                yield from _changes(Path(entry.path), depth - 1)

"""Datasets of extensions: read one, check what it returned, and fingerprint it without running it.

Torch-free. The fingerprint is made from the hash of the code, its arguments and the content of data.path, so
that a process that never runs an extension can make a run.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from iterand_engine.config.catalog import DatasetEntry
from iterand_engine.config.extension_code import ExtensionError, kind_of
from iterand_engine.data.content import ArrayContent, Content, FolderContent, ImageArrays, ImageFiles
from iterand_engine.data.file_cache import FileFacts
from iterand_engine.errors import UserError
from iterand_engine.machine.plain_text import unfit_in

if TYPE_CHECKING:
    from iterand_engine.config.run_config import DataConfig


def read_content(entry: DatasetEntry, path: Path, config: DataConfig) -> Content:
    """Read a dataset by its entry, which is built in or an extension's.

    Args:
        entry: of the catalog.
        path: where it was located.
        config: the run's data options; an extension gets its arguments and data.path from them.
    Raises:
        UserError: the files cannot be read, or a class has a name that is not plain text.
        ExtensionError: an extension returned something other than a dataset's content.
    """
    if entry.origin is None:
        content: Content = entry.load()(path)
    else:
        given = None if config.path is None else Path(config.path)
        content = _checked(entry, entry.load()(given, **entry.arguments_in(config)))
    _check_class_names(content.class_names, path)
    return content


def _check_class_names(names: tuple[str, ...], path: Path) -> None:
    for name in names:
        if (character := unfit_in(name)) is not None:
            raise UserError(
                f"Cannot use {str(path)!r}: the name of its class {name!r} has the character {character}; "
                "rename the class, in plain text on one line."
            )


def extension_fingerprint(entry: DatasetEntry, config: DataConfig, facts: FileFacts) -> str:
    """The fingerprint of an extension's dataset, from its code, its arguments, and the content of data.path.

    Args:
        entry: of an extension.
        config: the run's data options.
        facts: caches hashes of large files.
    Returns:
        "sha256:" and 64 hex digits.
    Raises:
        UserError: data.path cannot be read.
    """
    assert entry.origin is not None
    try:
        at = None if config.path is None else _content_at(Path(config.path), facts)
    except OSError as error:
        raise UserError(f"Cannot read data.path {config.path!r}: {error.strerror}.") from None
    parts = [entry.origin.source.sha256, entry.name, entry.arguments_in(config), at]
    return f"sha256:{hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()}"


def _content_at(path: Path, facts: FileFacts) -> str:
    """Hash of a file's content, or of the names and sizes of all files below a folder."""
    if path.is_dir():
        digest = hashlib.sha256()
        for name, size_bytes in sorted(_files_below(path)):
            digest.update(f"{name}|{size_bytes}\n".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()
    if path.exists() and not path.is_file():
        raise UserError(f"Cannot read data.path {str(path)!r}: it is neither a file nor a folder.")
    known = facts.get(path, "sha256")
    if known is None:
        with path.open("rb") as stream:
            known = hashlib.file_digest(stream, "sha256").hexdigest()
        facts.put(path, "sha256", known)
    return known


def _files_below(root: Path) -> Iterator[tuple[str, int]]:
    for folder, _, names in os.walk(root):
        for name in names:
            file = Path(folder, name)
            if not file.is_file():
                continue  # a pipe, or a link that leads nowhere: it has no content
            yield file.relative_to(root).as_posix(), file.stat().st_size


def _checked(entry: DatasetEntry, content: Any) -> Content:
    """Raise where an extension returned no content of arrays or files; others check the arrays' shapes."""
    if not isinstance(content, (ArrayContent, FolderContent)):
        raise _wrong(entry, f"returned {kind_of(content)}; it must return ArrayContent or FolderContent")
    wanted: type = ImageArrays if isinstance(content, ArrayContent) else ImageFiles
    for name, part in content.parts().items():
        if not isinstance(part, wanted):
            raise _wrong(
                entry, f"returned a content whose {name} is {kind_of(part)} and not {wanted.__name__}"
            )
        arrays = {"images": part.images} if isinstance(part, ImageArrays) else {"names": part.names}
        for field, array in {**arrays, "labels": part.labels}.items():
            if not isinstance(array, np.ndarray):
                raise _wrong(entry, f"returned {name} {field} that are {kind_of(array)} and no numpy array")
        if part.labels.dtype.kind not in "iu":
            raise _wrong(
                entry, f"returned {name} labels of dtype {part.labels.dtype}; they must be whole numbers"
            )
    names = content.class_names
    if not isinstance(names, tuple) or not names or not all(isinstance(one, str) for one in names):
        raise _wrong(entry, f"returned class_names {names!r:.60}; they must be a tuple of names, one a class")
    if isinstance(content, FolderContent):
        _check_files(entry, content)
    return content


def _check_files(entry: DatasetEntry, content: FolderContent) -> None:
    """Check labels as `check_arrays` does; on a GPU one outside the classes would end the process."""
    for name, part in content.parts().items():
        if part.labels.shape != (len(part.names),):
            raise _wrong(
                entry, f"returned {len(part.names)} {name} names and labels of shape {part.labels.shape}"
            )
        if not len(part.labels):
            raise _wrong(entry, f"returned no {name} images")
        low, high = part.labels.min(), part.labels.max()
        if low < 0 or high >= len(content.class_names):
            raise _wrong(
                entry,
                f"returned {name} labels from {low} to {high}; they must be whole numbers from 0 to "
                f"{len(content.class_names) - 1}",
            )


def _wrong(entry: DatasetEntry, what: str) -> ExtensionError:
    return ExtensionError(f"{entry.origin}: the dataset {entry.name!r} {what}.")

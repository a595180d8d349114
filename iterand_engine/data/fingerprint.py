"""Content fingerprints: two copies of a dataset have the same one, whatever their path.

Named datasets have a constant in the catalog. Arrays are hashed whole; folders by the sorted names and sizes
of their files; datasets of extensions in readers/extension.py. Torch-free: a run's fingerprint is made before
it trains.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from iterand_engine.config.catalog import DATASETS, find
from iterand_engine.data.content import ArrayContent, Content, ImageFiles
from iterand_engine.data.file_cache import FileFacts
from iterand_engine.data.locate import located
from iterand_engine.data.readers.extension import extension_fingerprint, read_content

if TYPE_CHECKING:
    from iterand_engine.config.run_config import DataConfig


def dataset_fingerprint(config: DataConfig, roots: Sequence[Path]) -> str:
    """The fingerprint of a configured dataset.

    Args:
        config: the run's data options.
        roots: data roots, the workspace's data folder last.
    Returns:
        The catalog's constant, or "sha256:" and 64 hex digits.
    Raises:
        UserError: a dataset without a constant is missing or cannot be read.
    """
    entry = find("dataset", DATASETS, config.dataset)
    if entry.fingerprint is not None:
        return entry.fingerprint
    path, facts = located(entry.name, roots, config.path), FileFacts.beside_data(roots)
    if entry.origin is not None:
        return extension_fingerprint(entry, config, facts)
    return remembered_fingerprint(path, lambda: read_content(entry, path, config), facts)


def remembered_fingerprint(path: Path, read: Callable[[], Content], facts: FileFacts) -> str:
    """The fingerprint of a file's or folder's content; a file is read only if it changed since the last time.

    Args:
        path: of the dataset.
        read: reads its content; called only where no fingerprint is cached.
        facts: caches fingerprints of files.
    """
    known = facts.get(path, "fingerprint") if path.is_file() else None
    if known is not None:
        return known
    fingerprint = content_fingerprint(read())
    if path.is_file():
        facts.put(path, "fingerprint", fingerprint)
    return fingerprint


def content_fingerprint(content: Content) -> str:
    """Hash the arrays of a dataset, or the names and sizes of its files.

    Returns:
        "sha256:" and 64 hex digits.
    """
    digest = hashlib.sha256()
    if isinstance(content, ArrayContent):
        for name, arrays in content.parts().items():
            digest.update(f"{name}|{arrays.images.shape}\n".encode())
            digest.update(np.ascontiguousarray(arrays.images).data)
            digest.update(np.ascontiguousarray(arrays.labels, dtype="<i8").data)
    else:
        for name, files in content.parts().items():
            digest.update(f"{name}|{len(files.names)}\n".encode())
            for file, size_bytes in sorted(_sizes(files)):
                digest.update(file + f"|{size_bytes}\n".encode())
    return f"sha256:{digest.hexdigest()}"


def _sizes(files: ImageFiles) -> list[tuple[bytes, int]]:
    names = [bytes(name) for name in files.names]
    if files.root.is_dir():
        return [
            (name, (files.root / name.decode("utf-8", "surrogateescape")).stat().st_size) for name in names
        ]
    with zipfile.ZipFile(files.root) as archive:
        return [(name, archive.getinfo(name.decode()).file_size) for name in names]

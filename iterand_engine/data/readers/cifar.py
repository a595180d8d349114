"""Read CIFAR-10 and CIFAR-100 from the published archive or the folder it unpacks to.

Nothing is unpacked to disk; the pickles inside are rebuilt as arrays only.

Source: https://www.cs.toronto.edu/~kriz/cifar.html (the python version).
"""

from __future__ import annotations

import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iterand_engine.data.content import ArrayContent, ImageArrays, check_arrays
from iterand_engine.data.readers.array_pickle import load_arrays
from iterand_engine.errors import UserError


@dataclass(frozen=True)
class _Format:
    folder: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    meta: str
    labels_key: str
    names_key: str


_CIFAR10 = _Format(
    "cifar-10-batches-py",
    tuple(f"data_batch_{number}" for number in range(1, 6)),
    ("test_batch",),
    "batches.meta",
    "labels",
    "label_names",
)
_CIFAR100 = _Format("cifar-100-python", ("train",), ("test",), "meta", "fine_labels", "fine_label_names")


def cifar10(path: Path) -> ArrayContent:
    """Read CIFAR-10.

    Args:
        path: cifar-10-python.tar.gz, or the folder cifar-10-batches-py.
    Raises:
        UserError: a file is missing, damaged, or not what CIFAR's files are.
    """
    return _read(path, _CIFAR10)


def cifar100(path: Path) -> ArrayContent:
    """Read CIFAR-100 with its 100 fine labels.

    Args:
        path: cifar-100-python.tar.gz, or the folder cifar-100-python.
    Raises:
        UserError: a file is missing, damaged, or not what CIFAR's files are.
    """
    return _read(path, _CIFAR100)


def _read(path: Path, layout: _Format) -> ArrayContent:
    names = (*layout.train, *layout.test, layout.meta)
    files = _folder_files(path, names) if path.is_dir() else _archive_files(path, layout.folder, names)
    parsed = {name: _parsed(path, name, data) for name, data in files.items()}
    class_names = parsed[layout.meta].get(layout.names_key)
    if not isinstance(class_names, list) or not class_names:
        raise UserError(f"Cannot read {str(path)!r}: {layout.meta} has no list {layout.names_key!r}.")
    train = _joined(path, [parsed[name] for name in layout.train], layout.labels_key)
    test = _joined(path, [parsed[name] for name in layout.test], layout.labels_key)
    content = ArrayContent(train, test, tuple(_text(name) for name in class_names))
    check_arrays(content, repr(str(path)))
    return content


def _folder_files(folder: Path, names: tuple[str, ...]) -> dict[str, bytes]:
    try:
        return {name: (folder / name).read_bytes() for name in names}
    except OSError as error:
        raise UserError(
            f"Cannot read {str(folder)!r}: {error.strerror} ({error.filename}); it needs {', '.join(names)}."
        ) from None


def _archive_files(path: Path, folder: str, names: tuple[str, ...]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                name = member.name.removeprefix("./").removeprefix(f"{folder}/")
                stream = archive.extractfile(member) if name in names else None
                if stream is not None:
                    found[name] = stream.read()
    except FileNotFoundError:
        raise UserError(f"Cannot read {str(path)!r}: there is no such file.") from None
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise UserError(
            f"Cannot read {str(path)!r}: it is not a complete tar.gz archive ({error})."
        ) from None
    missing = [f"{folder}/{name}" for name in names if name not in found]
    if missing:
        raise UserError(f"Cannot read {str(path)!r}: the archive lacks {', '.join(missing)}.")
    return found


def _parsed(path: Path, name: str, data: bytes) -> dict[str, Any]:
    try:
        return load_arrays(data)
    except ValueError as error:
        raise UserError(
            f"Cannot read {name} of {str(path)!r}: it is not a file of CIFAR ({error})."
        ) from None


def _joined(path: Path, batches: list[dict[str, Any]], labels_key: str) -> ImageArrays:
    images, labels = [], []
    for batch in batches:
        data, batch_labels = batch.get("data"), batch.get(labels_key)
        if not (isinstance(data, np.ndarray) and data.dtype == np.uint8 and data.shape[1:] == (3 * 32 * 32,)):
            raise UserError(
                f"Cannot read {str(path)!r}: a batch has no 'data' of uint8 rows of 3,072 values."
            )
        if not (isinstance(batch_labels, list) and all(isinstance(label, int) for label in batch_labels)):
            raise UserError(
                f"Cannot read {str(path)!r}: a batch has no list {labels_key!r} of whole numbers."
            )
        images.append(_rows_to_images(data))
        labels.append(np.asarray(batch_labels, dtype=np.int64))
    return ImageArrays(np.concatenate(images), np.concatenate(labels))


def _rows_to_images(rows: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(N, 3072), channel by channel, to (N, 32, 32, 3)."""
    return rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)


def _text(name: object) -> str:
    return name.decode("latin1") if isinstance(name, bytes) else str(name)

"""Count images of a user's dataset that two of its parts share: accuracy on them says little.

Arrays are compared by their pixels, files by their bytes; a file is read only where another part has one of
its size.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from iterand_engine.data.content import ArrayContent, Content, ImageArrays, ImageFiles

_PAIRS = (("test", "train"), ("val", "train"), ("test", "val"))
_WORDS = {"train": "training", "val": "validation", "test": "test"}
_DIGEST_BYTES = 16


def shared_images(content: Content) -> tuple[str, ...]:
    """Say how many images of one part are also in another, a sentence for each pair that shares some."""
    pieces = _pieces(content)
    known = {name: set(digests) for name, digests in pieces.items()}
    notes = []
    for part, other in _PAIRS:
        if part in pieces and other in pieces:
            count = sum(digest in known[other] for digest in pieces[part])
            total = len(content.parts()[part].labels)
            if count:
                notes.append(
                    f"{count:,} of {total:,} {_WORDS[part]} images are also among the {_WORDS[other]} "
                    "images: accuracy on them says little."
                )
    return tuple(notes)


def _pieces(content: Content) -> dict[str, list[bytes]]:
    """Digests of the images of each part; of files, of those alone that another part may have, too."""
    if isinstance(content, ArrayContent):
        return _of_arrays(content.parts())
    return _of_files(content.parts())


def _of_arrays(parts: Mapping[str, ImageArrays]) -> dict[str, list[bytes]]:
    return {name: [_digest(image.tobytes()) for image in part.images] for name, part in parts.items()}


def _of_files(parts: Mapping[str, ImageFiles]) -> dict[str, list[bytes]]:
    sized = {name: list(_with_sizes(part)) for name, part in parts.items()}
    sizes = {name: {size for _, size in files} for name, files in sized.items()}
    return {
        name: list(
            _digests(
                path for path, size in files if any(size in sizes[other] for other in sizes if other != name)
            )
        )
        for name, files in sized.items()
    }


def _with_sizes(files: ImageFiles) -> Iterator[tuple[Path, int]]:
    for name in files.names:
        path = files.root / bytes(name).decode("utf-8", "surrogateescape")
        if path.is_file():  # one that is missing is named when it is decoded
            yield path, path.stat().st_size


def _digests(paths: Iterable[Path]) -> Iterator[bytes]:
    for path in paths:
        try:
            yield _digest(path.read_bytes())
        except OSError:  # named when it is decoded
            continue


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=_DIGEST_BYTES).digest()

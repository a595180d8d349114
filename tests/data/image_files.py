"""Pictures on disk, for tests of datasets that read them."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from iterand_engine.data.content import ImageFiles


def names_of(files: ImageFiles) -> list[str]:
    """The files of a split, in its order."""
    return [bytes(name).decode() for name in files.names]


def save(image: Image.Image, path: Path) -> None:
    """Write a picture, and the folders it is in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)

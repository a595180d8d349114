"""List a folder of images: train/ with one folder per class, and test/ or val/ in the same form.

Where train/, val/ and test/ exist, val/ holds the validation images. Where only train/ and val/ exist, val/
is the test set, as with ImageNet.

Source: torchvision's `ImageFolder` (classes are the sorted folder names; files are found at any depth).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from iterand_engine.data.content import FolderContent, ImageFiles, image_files
from iterand_engine.errors import UserError

EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
_LAYOUT = "it needs train/CLASS/*.png and test/CLASS/*.png (or val/); see docs/datasets.md"


def image_folder(path: Path) -> FolderContent:
    """List the images of a class-per-folder dataset.

    Args:
        path: the folder that holds train/ and test/ or val/.
    Raises:
        UserError: a part or a class is missing or empty, or a test class is no training class.
    """
    if not path.is_dir():
        raise UserError(f"Cannot read data.path {str(path)!r}: there is no such folder; {_LAYOUT}.")
    parts = [part for part in ("train", "val", "test") if (path / part).is_dir()]
    if "train" not in parts or len(parts) < 2:
        found = ", ".join(f"{part}/" for part in parts) or "none of these"
        raise UserError(f"Cannot read data.path {str(path)!r}: {_LAYOUT} (found: {found}).")
    class_names = class_folders(path / "train")
    train = listed(path, "train", class_names)
    val = listed(path, "val", class_names) if "val" in parts else None
    if "test" in parts:
        return FolderContent(train, listed(path, "test", class_names), class_names, val)
    assert val is not None
    note = "There is no test/ folder: val/ is the test set, and validation images are held out of train/."
    return FolderContent(train, val, class_names, notes=(note,))


def class_folders(folder: Path) -> tuple[str, ...]:
    """The names of the class folders, sorted.

    Raises:
        UserError: the folder has no class folders.
    """
    names = sorted(
        entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")
    )
    if not names:
        raise UserError(f"Cannot use {str(folder)!r}: it has no class folders; {_LAYOUT}.")
    return tuple(names)


def listed(root: Path, part: str, class_names: tuple[str, ...]) -> ImageFiles:
    """List one part's images, class by class, by name within a class.

    Args:
        root: the dataset's folder; names are relative to it.
        part: e.g. "train".
        class_names: the classes, in the order of their labels.
    Raises:
        UserError: the part has a class that train/ lacks, no images, or (training) a class without images.
    """
    own = class_folders(root / part)
    unknown = sorted(set(own) - set(class_names))
    if unknown:
        raise UserError(
            f"Cannot use {str(root / part)!r}: its class {unknown[0]!r} is not a class of train/ "
            f"({len(class_names)} classes); rename or remove it."
        )
    names: list[str] = []
    labels: list[int] = []
    for label, class_name in enumerate(class_names):
        found = sorted(_images_below(root, f"{part}/{class_name}"))
        if not found and part == "train":
            raise UserError(
                f"Cannot use {str(root / part / class_name)!r}: it holds no images ({' '.join(EXTENSIONS)})."
            )
        names += found
        labels += [label] * len(found)
    if not names:
        raise UserError(f"Cannot use {str(root / part)!r}: it holds no images ({' '.join(EXTENSIONS)}).")
    return image_files(root, names, labels)


def _images_below(root: Path, relative: str) -> Iterator[str]:
    """Names of the image files below a folder, relative to the root; nothing where there is no folder."""
    for folder, _, files in os.walk(root / relative):
        below = Path(folder).relative_to(root).as_posix()
        for name in files:
            if name.lower().endswith(EXTENSIONS) and not name.startswith("."):
                yield f"{below}/{name}"

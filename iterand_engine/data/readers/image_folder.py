"""List a folder of images: train/ with one folder per class, and test/ or val/ in the same form.

Where train/, val/ and test/ exist, val/ holds the validation images. Where only train/ and val/ exist, val/
is the test set, as with ImageNet. Validation folders of other common names are the same. Which files count is
`listing`'s rule.

Source: torchvision's `ImageFolder` (classes are the sorted folder names; files are found at any depth).
"""

from __future__ import annotations

from pathlib import Path

from iterand_engine.data.content import FolderContent, ImageFiles, image_files
from iterand_engine.data.readers.listing import (
    EXTENSIONS,
    LeftOut,
    Stray,
    class_folders,
    entries_of,
    images_below,
    is_folder,
    is_hidden,
)
from iterand_engine.errors import UserError

VALIDATION = ("val", "valid", "validation", "dev")  # names of the folder of validation images
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
    left_out = LeftOut()
    parts = _parts(path, left_out)
    train_name, val_name, test_name = parts["train"], parts.get("val"), parts.get("test")
    class_names = classes_of(path, train_name, left_out)
    train = listed(path, train_name, class_names, left_out)
    val = listed(path, val_name, class_names, left_out) if val_name else None
    if test_name is not None:
        test = listed(path, test_name, class_names, left_out)
        return FolderContent(train, test, class_names, val, left_out.notes())
    assert val is not None
    note = f"There is no test/ folder: {val_name}/ is the test set; validation is held out of train/."
    return FolderContent(train, val, class_names, notes=(note, *left_out.notes()))


def _parts(path: Path, left_out: LeftOut) -> dict[str, str]:
    """The folder of each part that there is."""
    entries = entries_of(path)
    names = [entry.name for entry in entries]
    folders = [entry.name for entry in entries if is_folder(entry) and not is_hidden(entry.name)]
    of_val = [name for name in VALIDATION if name in folders]
    if len(of_val) > 1:
        raise UserError(
            f"Cannot use data.path {str(path)!r}: {of_val[0]}/ and {of_val[1]}/ both mean the validation "
            "images; keep one of them."
        )
    found = {"train": ["train"], "val": of_val, "test": ["test"]}
    parts = {part: one for part, names in found.items() for one in names if one in folders}
    if "train" not in parts or len(parts) < 2:
        shown = ", ".join(f"{name}/" for name in folders[:8]) or "none"
        raise UserError(f"Cannot read data.path {str(path)!r}: {_LAYOUT} (found: {shown}).")
    for name in names:
        if name not in parts.values():
            left_out.add(Stray.HIDDEN if is_hidden(name) else Stray.OUTSIDE, name)
    return parts


def classes_of(root: Path, part: str, left_out: LeftOut) -> tuple[str, ...]:
    """The names of a part's class folders, sorted.

    Raises:
        UserError: the part has no class folders, or cannot be read.
    """
    names = class_folders(root, part, left_out)
    if not names:
        raise UserError(f"Cannot use {str(root / part)!r}: it has no class folders; {_LAYOUT}.")
    return names


def listed(root: Path, part: str, class_names: tuple[str, ...], left_out: LeftOut) -> ImageFiles:
    """List one part's images, class by class, by name within a class.

    Args:
        root: the dataset's folder; names are relative to it.
        part: e.g. "train".
        class_names: the classes, in the order of their labels.
        left_out: counts what is no image in the class folders, and beside them except in train/.
    Raises:
        UserError: the part has a class that train/ lacks, no images, or (training) a class without images.
    """
    own = class_names if part == "train" else classes_of(root, part, left_out)
    unknown = sorted(set(own) - set(class_names))
    if unknown:
        raise UserError(
            f"Cannot use {str(root / part)!r}: its class {unknown[0]!r} is not a class of train/ "
            f"({len(class_names)} classes); rename or remove it."
        )
    names: list[str] = []
    labels: list[int] = []
    for label, class_name in enumerate(class_names):
        found = images_below(root, f"{part}/{class_name}", left_out)
        if not found and part == "train":
            raise UserError(
                f"Cannot use {str(root / part / class_name)!r}: it holds no images ({' '.join(EXTENSIONS)})."
            )
        names += found
        labels += [label] * len(found)
    if not names:
        raise UserError(f"Cannot use {str(root / part)!r}: it holds no images ({' '.join(EXTENSIONS)}).")
    return image_files(root, names, labels)

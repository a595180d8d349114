"""List Tiny-ImageNet from the published zip file or the folder it unpacks to.

Its own test images have no labels, so its val part is the test set here; validation images are held out of
the training images.

Source: http://cs231n.stanford.edu/tiny-imagenet-200.zip.
"""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from iterand_engine.data.content import FolderContent, ImageFiles, image_files
from iterand_engine.errors import UserError

_TOP = "tiny-imagenet-200"
_TRAIN = re.compile(r"train/(n\d+)/images/[^/.][^/]*\.JPEG")


def tiny_imagenet(path: Path) -> FolderContent:
    """List Tiny-ImageNet's images.

    Args:
        path: tiny-imagenet-200.zip, or the folder tiny-imagenet-200.
    Raises:
        UserError: the file or folder is missing, damaged or incomplete.
    """
    if path.is_dir():
        return _content(path, "", _folder_names(path), _folder_texts(path))
    try:
        with zipfile.ZipFile(path) as archive:
            texts = {name: archive.read(f"{_TOP}/{name}").decode() for name in _TEXTS}
            names = [name.removeprefix(f"{_TOP}/") for name in archive.namelist()]
    except FileNotFoundError:
        raise UserError(f"Cannot read {str(path)!r}: there is no such file.") from None
    except KeyError as error:
        raise UserError(f"Cannot read {str(path)!r}: {error.args[0]}") from None
    except (OSError, UnicodeDecodeError, zipfile.BadZipFile) as error:
        raise UserError(f"Cannot read {str(path)!r}: it is not a complete zip file ({error}).") from None
    return _content(path, f"{_TOP}/", names, texts)


_TEXTS = ("wnids.txt", "words.txt", "val/val_annotations.txt")


def _folder_texts(folder: Path) -> dict[str, str]:
    try:
        return {name: (folder / name).read_text(encoding="utf-8") for name in _TEXTS}
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"Cannot read {str(folder)!r}: {error}; it needs train/, val/ and {', '.join(_TEXTS)}."
        ) from None


def _folder_names(folder: Path) -> Iterable[str]:
    for below, _, files in os.walk(folder / "train"):
        relative = Path(below).relative_to(folder).as_posix()
        yield from (f"{relative}/{name}" for name in files)


def _content(root: Path, prefix: str, names: Iterable[str], texts: dict[str, str]) -> FolderContent:
    wnids = sorted(texts["wnids.txt"].split())
    label_of = {wnid: label for label, wnid in enumerate(wnids)}
    words = dict(line.split("\t", 1) for line in texts["words.txt"].splitlines() if "\t" in line)
    train = sorted(
        (match[1], name) for name in names if (match := _TRAIN.fullmatch(name)) and match[1] in label_of
    )
    rows = [line.split("\t") for line in texts["val/val_annotations.txt"].splitlines() if line.strip()]
    test = sorted((row[1], f"val/images/{row[0]}") for row in rows if len(row) > 1 and row[1] in label_of)
    if not train or not test:
        raise UserError(f"Cannot read {str(root)!r}: it lists no {'train' if not train else 'val'} images.")
    return FolderContent(
        _files(root, prefix, train, label_of),
        _files(root, prefix, test, label_of),
        tuple(words.get(wnid, wnid).split(",")[0].strip() for wnid in wnids),
    )


def _files(root: Path, prefix: str, found: list[tuple[str, str]], label_of: dict[str, int]) -> ImageFiles:
    names, labels = [prefix + name for _, name in found], [label_of[wnid] for wnid, _ in found]
    return replace(image_files(root, names, labels), published=True)

"""List ImageNet (ILSVRC2012) as torchvision's `ImageNet` lays it out: train/WNID/*.JPEG and val/WNID/*.JPEG.

Its val part is the test set here (the challenge's test labels are not public); validation images are held
out of the training images. A flat val/ folder, as the published archive unpacks to, is read with the labels
of the development kit, which also gives the classes their names. ImageNet is never downloaded.

Source: https://image-net.org/challenges/LSVRC/2012; torchvision 0.28 `datasets/imagenet.py`.
"""

from __future__ import annotations

import io
import tarfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from iterand_engine.data.content import FolderContent, ImageFiles, image_files
from iterand_engine.data.readers.image_folder import classes_of, listed
from iterand_engine.data.readers.listing import LeftOut, entries_of, images_below, is_folder, is_hidden
from iterand_engine.errors import UserError

_KIT = "ILSVRC2012_devkit_t12"
_META = f"{_KIT}/data/meta.mat"
_TRUTH = f"{_KIT}/data/ILSVRC2012_validation_ground_truth.txt"


@dataclass(frozen=True)
class DevelopmentKit:
    """The WordNet id of each class number, the words of each id, and the class numbers of val's images."""

    wnids: dict[int, str]
    words: dict[str, str]
    val_classes: tuple[int, ...]


def imagenet(path: Path) -> FolderContent:
    """List ImageNet's images; classes are numbered in the order of their WordNet ids.

    Args:
        path: the folder that holds train/ and val/, and perhaps the development kit or its archive.
    Raises:
        UserError: a part is missing, or val/ is flat and there is no development kit.
    """
    left_out = LeftOut()
    wnids = classes_of(path, "train", left_out)
    kit = development_kit(path)
    train = listed(path, "train", wnids, left_out)
    flat = not any(is_folder(one) and not is_hidden(one.name) for one in entries_of(path / "val"))
    test = _flat_val(path, wnids, kit, left_out) if flat else listed(path, "val", wnids, left_out)
    words = kit.words if kit else {}
    class_names = tuple(words.get(wnid, wnid) for wnid in wnids)
    train, test = (replace(part, published=True) for part in (train, test))
    return FolderContent(train, test, class_names, notes=left_out.notes())


def _flat_val(
    path: Path, wnids: tuple[str, ...], kit: DevelopmentKit | None, left_out: LeftOut
) -> ImageFiles:
    if kit is None:
        raise UserError(
            f"Cannot use {str(path / 'val')!r}: it has no class folders; put the images into "
            f"val/WNID/ folders, or {_KIT}.tar.gz into {str(path)!r}."
        )
    names = images_below(path, "val", left_out, deep=False)
    if len(names) != len(kit.val_classes):
        raise UserError(
            f"Cannot use {str(path / 'val')!r}: it holds {len(names)} images, but the development kit labels "
            f"{len(kit.val_classes)}."
        )
    label_of = {wnid: label for label, wnid in enumerate(wnids)}
    try:
        labels = [label_of[kit.wnids[number]] for number in kit.val_classes]
    except KeyError as error:
        raise UserError(
            f"Cannot use {str(path)!r}: val/ has images of the class {error.args[0]!r}, which train/ lacks."
        ) from None
    return image_files(path, names, labels)


def development_kit(path: Path) -> DevelopmentKit | None:
    """Read the development kit beside the images, from its folder or its archive; None where there is none.

    Raises:
        UserError: it is damaged.
    """
    archive, folder = path / f"{_KIT}.tar.gz", path / _KIT
    try:
        if folder.is_dir():
            meta, truth = (path / _META).read_bytes(), (path / _TRUTH).read_bytes()
        elif archive.is_file():
            meta, truth = _archive_members(archive, _META, _TRUTH)
        else:
            return None
        numbers = tuple(int(line) for line in truth.split())
        wnids, words = _leaf_classes(meta)
    except (
        OSError,
        EOFError,
        KeyError,
        ValueError,
        TypeError,
        zlib.error,
        tarfile.TarError,
        MatReadError,
    ) as error:
        raise UserError(
            f"Cannot read the development kit in {str(path)!r}: {error}; put a complete {_KIT}.tar.gz there."
        ) from None
    return DevelopmentKit(wnids, words, numbers)


def _archive_members(path: Path, *names: str) -> list[bytes]:
    with tarfile.open(path, "r:gz") as archive:
        streams = [archive.extractfile(name) for name in names]
        return [stream.read() if stream else b"" for stream in streams]


def _leaf_classes(meta: bytes) -> tuple[dict[int, str], dict[str, str]]:
    """Class number to WordNet id, and id to words, of the synsets without children (the 1,000 classes)."""
    file: Any = io.BytesIO(meta)  # the stubs know paths only
    synsets = loadmat(file, squeeze_me=True)["synsets"]
    leaves = [synset for synset in synsets if int(synset["num_children"]) == 0]
    wnids = {int(synset["ILSVRC2012_ID"]): str(synset["WNID"]) for synset in leaves}
    return wnids, {str(synset["WNID"]): str(synset["words"]).split(",")[0].strip() for synset in leaves}

"""Addresses and checksums of the datasets that can be downloaded.

They are torchvision's, read from its dataset classes when they are needed; Tiny-ImageNet, which torchvision
does not have, is the exception.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iterand_engine.data.file_cache import FileFacts, md5_of
from iterand_engine.data.locate import layout_of
from iterand_engine.errors import UserError


@dataclass(frozen=True)
class Source:
    """One file to download.

    Args:
        filename: in the dataset's folder.
        urls: addresses to try, in order.
        md5: its checksum, 32 hex digits.
    """

    filename: str
    urls: tuple[str, ...]
    md5: str


TINY_IMAGENET = Source(
    "tiny-imagenet-200.zip",
    ("http://cs231n.stanford.edu/tiny-imagenet-200.zip",),
    "90528d7ca1a48142e341f4ef8d21d0de",
)


def sources(name: str) -> tuple[Source, ...]:
    """The files to download for a dataset; none for one that cannot be downloaded."""
    return _SOURCES[name]() if name in _SOURCES else ()


def checksums(name: str) -> dict[str, str]:
    """MD5 checksums by file name: of the files to download and of those they unpack to, where published."""
    published = {source.filename: source.md5 for source in sources(name)}
    if name in _CIFAR_CLASSES:
        cifar = _torchvision_class(_CIFAR_CLASSES[name])
        published |= dict([*cifar.train_list, *cifar.test_list])
        published[cifar.meta["filename"]] = cifar.meta["md5"]
    return published


def verify(name: str, path: Path, facts: FileFacts) -> None:
    """Check the files of a named dataset against the published checksums; once per file and state.

    Args:
        name: of the dataset; one without published checksums passes.
        path: its located file or folder.
        facts: remembers what was checked.
    Raises:
        UserError: a file is not the published one.
    """
    if name not in _SOURCES:
        return
    wanted = {need for place in layout_of(name).places for need in place.needs}
    files = [path] if path.is_file() else [path / need for need in sorted(wanted) if (path / need).is_file()]
    unchecked = [file for file in files if facts.get(file, f"verified {name}") is None]
    if not unchecked:
        return
    # A single file is the archive, whatever it was renamed to.
    published = {path.name: sources(name)[0].md5} if path.is_file() else checksums(name)
    for file in unchecked:
        if file.name in published and md5_of(file) != published[file.name]:
            raise UserError(
                f"{str(file)!r} is not the published file of {name!r} (its MD5 checksum is not "
                f"{published[file.name]}); delete it and run `iterand data fetch {name}`."
            )
        facts.put(file, f"verified {name}", "yes")


def _torchvision_class(name: str) -> Any:
    # Imported here because it brings torch: commands that only look around must not wait for that.
    from iterand_engine.data.torchvision_import import import_torchvision

    return getattr(import_torchvision().datasets, name)


def _idx(class_name: str) -> tuple[Source, ...]:
    dataset = _torchvision_class(class_name)
    return tuple(
        Source(file, tuple(f"{mirror}{file}" for mirror in dataset.mirrors), md5)
        for file, md5 in dataset.resources
    )


def _cifar(class_name: str) -> tuple[Source, ...]:
    dataset = _torchvision_class(class_name)
    return (Source(dataset.filename, (dataset.url,), dataset.tgz_md5),)


def _svhn() -> tuple[Source, ...]:
    parts = _torchvision_class("SVHN").split_list
    return tuple(Source(parts[part][1], (parts[part][0],), parts[part][2]) for part in ("train", "test"))


_CIFAR_CLASSES = {"cifar10": "CIFAR10", "cifar100": "CIFAR100"}
_SOURCES: dict[str, Callable[[], tuple[Source, ...]]] = {
    "mnist": lambda: _idx("MNIST"),
    "fashion-mnist": lambda: _idx("FashionMNIST"),
    "cifar10": lambda: _cifar("CIFAR10"),
    "cifar100": lambda: _cifar("CIFAR100"),
    "svhn": _svhn,
    "tiny-imagenet": lambda: (TINY_IMAGENET,),
}

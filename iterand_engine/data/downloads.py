"""Addresses and checksums of the datasets that can be downloaded.

Catalog entries name the files themselves, or a dataset class of torchvision, which is read when it is needed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from iterand_engine.config.catalog import DATASETS, find
from iterand_engine.config.dataset_files import Download
from iterand_engine.data.file_cache import FileFacts, md5_of
from iterand_engine.errors import UserError


def sources(name: str) -> tuple[Download, ...]:
    """The files to download for a dataset; none for one that cannot be downloaded."""
    named = find("dataset", DATASETS, name).downloads
    return _of_torchvision(torchvision_class(named)) if isinstance(named, str) else named


def checksums(name: str) -> dict[str, str]:
    """MD5 checksums by file name: of the files to download and of those they unpack to, where published."""
    published = {source.filename: source.md5 for source in sources(name)}
    named = find("dataset", DATASETS, name).downloads
    unpacked: Any = torchvision_class(named) if isinstance(named, str) else None
    if hasattr(unpacked, "train_list"):
        published |= dict([*unpacked.train_list, *unpacked.test_list])
        published[unpacked.meta["filename"]] = unpacked.meta["md5"]
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
    entry = find("dataset", DATASETS, name)
    if not entry.downloads:
        return
    wanted = {need for place in entry.layout.places for need in place.needs}
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


def torchvision_class(name: str) -> Any:
    """One of torchvision's dataset classes; UserError where torchvision is not installed."""
    # Imported here because it brings torch: commands that only look around must not wait for that.
    from iterand_engine.data.torchvision_import import import_torchvision

    return getattr(import_torchvision().datasets, name)


def _of_torchvision(dataset: Any) -> tuple[Download, ...]:
    """The files that a class of torchvision downloads; its classes list them in three different forms."""
    if hasattr(dataset, "resources"):
        return tuple(
            Download(file, tuple(f"{mirror}{file}" for mirror in dataset.mirrors), md5)
            for file, md5 in dataset.resources
        )
    if hasattr(dataset, "split_list"):
        parts = (dataset.split_list[part] for part in ("train", "test"))
        return tuple(Download(file, (url,), md5) for url, file, md5 in parts)
    return (Download(dataset.filename, (dataset.url,), dataset.tgz_md5),)

"""Measure what a workspace takes on the disk: by kind, by run, by dataset, and its largest items. Torch-free.

A measurement is a walk over the folders, some microseconds a file, without the database; nothing is cached
between two. Bytes are the lengths of the files, as file managers show them. Limits: links count as 0 and are
never followed, except that `runs`, `data` and `trash` themselves may be links, as the program works in them
wherever they are. The caller passes which runs are deleted: the store knows.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Literal

from iterand_engine.machine import own_files
from iterand_engine.machine.filesystems import free_bytes
from iterand_engine.machine.workspace import Workspace

_MOUNT_POINT = 0xA0000003  # a folder that Windows shows here and keeps elsewhere (a junction)


PART_AGE_S = 3600.0  # a file that is still being written changes sooner


class DiskKind(StrEnum):
    """The purpose of a file in a workspace, by which its bytes are summed."""

    CHECKPOINTS = "checkpoints"
    MASKS = "masks"
    NETWORKS = "networks"
    EXPORTS = "exports"
    LOGS = "logs"
    DATA = "data"
    DATABASE = "database"
    TRASH = "trash"
    OTHER = "other"


Sizes = Mapping[DiskKind, int]

_RUN_FOLDERS = {kind.value: kind for kind in (DiskKind.CHECKPOINTS, DiskKind.MASKS, DiskKind.EXPORTS)}
_SUFFIXES = {".safetensors": DiskKind.NETWORKS, ".log": DiskKind.LOGS}


@dataclass(frozen=True)
class DiskUse:
    """Bytes of a workspace's files.

    All by name: `runs` has the bytes of each folder below `runs/` by kind, without deleted runs; `trash`
    those of each deleted run and each entry of `trash/`; `data` those of each entry of `data/`; `backups`
    those of each copy of the database that an upgrade left; `parts`, by path, those of files that were not
    written to their end and have not changed for an hour, as their writer was killed. `unreadable` lists what
    could not be read, which counts as 0. `free_bytes` may still be written.
    """

    by_kind: Sizes
    runs: Mapping[str, Sizes]
    trash: Mapping[str, int]
    data: Mapping[str, int]
    backups: Mapping[str, int]
    parts: Mapping[Path, int]
    unreadable: tuple[str, ...]
    free_bytes: int

    @property
    def total_bytes(self) -> int:
        """Bytes of all files of the workspace, the trash included."""
        return sum(self.by_kind.values())


def measure(
    workspace: Workspace,
    before_folder: Callable[[], None] = lambda: None,
    *,
    deleted: Collection[str] = (),
) -> DiskUse:
    """Measure a workspace.

    Args:
        workspace: the one to measure; folders that do not exist count as 0.
        before_folder: called before each folder is read; what it raises ends the measurement.
        deleted: the runs in the trash, whose files count as trash.
    """
    walk = _Walk(before_folder)
    runs = {entry.name: walk.run(entry) for entry in walk.entries(workspace.runs_dir)}
    trash = Counter({name: sum(runs.pop(name).values()) for name in deleted if name in runs})
    trash.update({entry.name: walk.size(entry) for entry in walk.entries(workspace.trash_dir)})
    data = {entry.name: walk.size(entry) for entry in walk.entries(workspace.data_dir)}
    by_kind = Counter({DiskKind.TRASH: sum(trash.values()), DiskKind.DATA: sum(data.values())})
    for sizes in runs.values():
        by_kind.update(sizes)
    backups: dict[str, int] = {}
    measured = {workspace.runs_dir.name, workspace.trash_dir.name, workspace.data_dir.name}
    for entry in walk.entries(workspace.root):
        if entry.name in measured:
            continue
        if entry.name.startswith(workspace.db_path.name):
            by_kind[DiskKind.DATABASE] += walk.size(entry)
            if entry.name.endswith(".bak"):
                backups[entry.name] = walk.size(entry)
        else:
            by_kind.update(walk.by_suffix(entry))
    sizes = {kind: by_kind[kind] for kind in DiskKind}
    free, unreadable = free_bytes(workspace.root), tuple(walk.unreadable)
    return DiskUse(sizes, runs, trash, data, backups, walk.parts, unreadable, free)


def measure_run(workspace: Workspace, run_id: str) -> Sizes:
    """Bytes of one run's files by kind, without the kinds it has none of.

    Args:
        workspace: the run's.
        run_id: which run.
    """
    folder = workspace.run_dir(run_id)
    return {} if folder.is_symlink() else _Walk(lambda: None).run_folder(folder)


@dataclass(frozen=True)
class LargeThing:
    """Something that the user could remove: `name` is a run's id, or the name of a file or folder."""

    what: Literal["run", "data", "backup"]
    name: str
    size_bytes: int


def largest(use: DiskUse, count: int, at_least_bytes: int = 1) -> list[LargeThing]:
    """The largest removable things outside the trash, the largest first.

    Args:
        use: as measured.
        count: how many at most.
        at_least_bytes: smaller ones are left out.
    """
    things = [LargeThing("run", name, sum(sizes.values())) for name, sizes in use.runs.items()]
    things += [LargeThing("data", name, size) for name, size in use.data.items()]
    things += [LargeThing("backup", name, size) for name, size in use.backups.items()]
    large = (thing for thing in things if thing.size_bytes >= at_least_bytes)
    return sorted(large, key=lambda thing: (-thing.size_bytes, thing.name))[:count]


class _Walk:
    """Looks through folders and remembers those that it could not read."""

    def __init__(self, before_folder: Callable[[], None]) -> None:
        self._before_folder = before_folder
        self.unreadable: list[str] = []
        self.parts: dict[Path, int] = {}
        self._part_before_s = time.time() - PART_AGE_S

    def entries(self, folder: Path | str) -> list[os.DirEntry[str]]:
        """The entries of a folder; none where it does not exist, or vanishes meanwhile."""
        self._before_folder()
        try:
            with os.scandir(folder) as found:
                return list(found)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError:
            self.unreadable.append(str(folder))
            return []

    def size(self, entry: os.DirEntry[str]) -> int:
        """Bytes of a file, or of all files of a folder."""
        return sum(size for _, size in self._files(entry))

    def by_suffix(self, entry: os.DirEntry[str]) -> Counter[DiskKind]:
        """Bytes of a file, or of all files of a folder, by what the names of the files end with."""
        sizes: Counter[DiskKind] = Counter()
        for name, size in self._files(entry):
            sizes[_kind(name)] += size
        return sizes

    def run(self, entry: os.DirEntry[str]) -> Sizes:
        """Bytes by kind of an entry below `runs/`, which should be a run's folder."""
        size = self._length(entry)
        return self.run_folder(entry.path) if size is None else {_kind(entry.name): size}

    def run_folder(self, folder: Path | str) -> Sizes:
        """Bytes of a run's folder by kind."""
        sizes: Counter[DiskKind] = Counter()
        for entry in self.entries(folder):
            kind = _RUN_FOLDERS.get(entry.name)
            sizes.update(self.by_suffix(entry) if kind is None else {kind: self.size(entry)})
        return {kind: size for kind, size in sizes.items() if size}

    def _files(self, entry: os.DirEntry[str]) -> Iterator[tuple[str, int]]:
        """Name and bytes of the files below an entry, or of itself."""
        waiting = [entry]
        while waiting:
            entry = waiting.pop()
            size = self._length(entry)
            if size is None:
                waiting += self.entries(entry.path)
            else:
                yield entry.name, size

    def _length(self, entry: os.DirEntry[str]) -> int | None:
        """Bytes of a file, 0 of a link, None of a folder."""
        try:
            if _is_folder(entry):
                return None
            if entry.is_symlink():
                return 0
            status = entry.stat(follow_symlinks=False)
            if own_files.is_part(entry.name) and status.st_mtime < self._part_before_s:
                self.parts[Path(entry.path)] = status.st_size
            return status.st_size
        except FileNotFoundError:
            return 0  # deleted while we look
        except OSError:
            self.unreadable.append(entry.path)
            return 0


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder itself, and not a link or junction to one."""
    if not entry.is_dir(follow_symlinks=False):
        return False
    return getattr(entry.stat(follow_symlinks=False), "st_reparse_tag", 0) != _MOUNT_POINT


def _kind(name: str) -> DiskKind:
    return _SUFFIXES.get(os.path.splitext(name)[1], DiskKind.OTHER)

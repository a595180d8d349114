"""What the Configuration tab reads in the background: environments of the starts, and files. No Qt."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from iterand_engine.machine import own_files, texts
from iterand_engine.machine.workspace import Workspace
from iterand_engine.results.differences import value_text
from iterand_engine.store import RunDetail, Store
from iterand_engine.store.records import Environment


@dataclass(frozen=True)
class FileEntry:
    """A file of a run, or a folder with all that is in it."""

    name: str
    count: int
    size_bytes: int

    @property
    def text(self) -> str:
        """Its name; of a folder with the number of its files."""
        return self.name if self.count < 0 else f"{self.name} ({texts.counted(self.count, 'file')})"


@dataclass(frozen=True)
class RunFacts:
    """What was read of one run."""

    detail: RunDetail
    files: tuple[FileEntry, ...]

    @property
    def size_bytes(self) -> int:
        return sum(entry.size_bytes for entry in self.files)


@dataclass(frozen=True)
class EnvironmentRow:
    """One fact about the starts of a run: its name and one text a start."""

    name: str
    values: tuple[str, ...]

    def differs(self, start: int) -> bool:
        """Whether a start was not as the first one."""
        return self.values[start] != self.values[0]


def read_facts(workspace: Workspace, store: Store, run_id: str) -> RunFacts:
    """Read what is stored of a run and list its files.

    Raises:
        UserError: there is no such run, or its folder is a link.
    """
    return RunFacts(store.reader.run(run_id), tuple(_entries(workspace.run_dir(run_id))))


def environment_rows(environments: tuple[Environment, ...]) -> tuple[EnvironmentRow, ...]:
    """The environments of all starts beside each other, in the order in which they were stored."""
    flat = [dict(_flat(environment.snapshot)) for environment in environments]
    names = dict.fromkeys(name for each in flat for name in each)
    when = EnvironmentRow("started", tuple(texts.moment(environment.at) for environment in environments))
    rows = (
        EnvironmentRow(name.replace("_", " "), tuple(each.get(name, texts.MISSING) for each in flat))
        for name in names
    )
    return (when, *rows)


def _flat(snapshot: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for name, value in snapshot.items():
        if isinstance(value, Mapping):
            yield from _flat(value)
        else:
            yield name, value_text(value)


def _entries(folder: Path) -> Iterator[FileEntry]:
    """Files first, then folders, each by name; what vanishes as we look is left out."""
    own_files.refuse_link(folder)
    try:
        found = sorted(os.scandir(folder), key=lambda one: (one.is_dir(follow_symlinks=False), one.name))
    except OSError:
        return
    for entry in found:
        if entry.is_dir(follow_symlinks=False):
            below = (Path(place) / name for place, _, names in os.walk(entry.path) for name in names)
            sizes = [_size(path) for path in below]
            if sizes:
                yield FileEntry(f"{entry.name}/", len(sizes), sum(sizes))
        else:
            yield FileEntry(entry.name, -1, _size(Path(entry.path)))


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0

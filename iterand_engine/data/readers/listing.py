"""The one rule that says which files of a folder are images of a dataset, and the record of what is left out.

An image is a regular file, or a link to one, whose name has a known ending and which lies at any depth below
a class folder. Hidden entries (.x), those of operating systems, other kinds of files, linked folders below a
class, and whatever is neither file nor folder are left out and counted. Nothing is opened.
"""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path

from iterand_engine.errors import UserError
from iterand_engine.machine.texts import counted

EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
_SYSTEM = {
    *("thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "system volume information"),
    *("__macosx", "@eadir", "#recycle", "lost+found"),
}
_NAMED = 3  # of each kind that is left out


class Stray(StrEnum):
    """Why an entry of a folder is no image of the dataset."""

    HIDDEN = "hidden or of the system"
    FOREIGN = "no image by its name"
    OUTSIDE = "outside the class folders"
    SPECIAL = "a pipe, socket or device"
    BROKEN = "a link that leads nowhere"
    LINKED = "a linked folder"


class LeftOut:
    """What is left out of a dataset, by kind: how much, and the first names, relative to its folder."""

    def __init__(self) -> None:
        self._names: dict[Stray, list[str]] = {}
        self._counts: dict[Stray, int] = {}

    def add(self, stray: Stray, name: str) -> None:
        """Count one entry."""
        self._counts[stray] = self._counts.get(stray, 0) + 1
        names = self._names.setdefault(stray, [])
        if len(names) < _NAMED:
            names.append(name)

    def notes(self) -> tuple[str, ...]:
        """One sentence for each kind that was met."""
        return tuple(
            f"{counted(count, 'entry', 'entries')} left out as {stray}: {self._shown(stray)}."
            for stray, count in sorted(self._counts.items())
        )

    def _shown(self, stray: Stray) -> str:
        names = self._names[stray]
        more = self._counts[stray] - len(names)
        return ", ".join(map(repr, names)) + (f" and {more:,} more" if more else "")


def is_hidden(name: str) -> bool:
    """Whether an entry of this name is hidden, or is one that operating systems leave in folders."""
    return name.startswith(".") or name.lower() in _SYSTEM


def is_image(name: str) -> bool:
    """Whether a file of this name is an image."""
    return name.lower().endswith(EXTENSIONS)


def entries_of(folder: Path) -> list[os.DirEntry[str]]:
    """The entries of a folder, by name.

    Raises:
        UserError: it cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise UserError(f"Cannot read the folder {str(folder)!r}: {error.strerror}.") from None


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder or a link to one."""
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def class_folders(root: Path, part: str, left_out: LeftOut) -> tuple[str, ...]:
    """The names of the class folders of a part, sorted; links to folders outside it count.

    Raises:
        UserError: the part cannot be read.
    """
    names = []
    here = (root / part).resolve()
    for entry in entries_of(root / part):
        name = f"{part}/{entry.name}"
        if is_hidden(entry.name):
            left_out.add(Stray.HIDDEN, name)
        elif not is_folder(entry):
            left_out.add(_stray(entry) or Stray.OUTSIDE, name)
        elif entry.is_symlink() and Path(entry.path).resolve() in (here, *here.parents):
            left_out.add(Stray.LINKED, name)  # it leads back to where it lies
        else:
            names.append(entry.name)
    return tuple(sorted(names))


def images_below(root: Path, relative: str, left_out: LeftOut, *, deep: bool = True) -> list[str]:
    """The images in a folder, sorted.

    Args:
        root: the dataset's folder.
        relative: the folder, below the root; it may be a link.
        left_out: counts what is no image.
        deep: whether folders in it are searched, too.
    Returns:
        Names relative to the root, with forward slashes; nothing where there is no such folder.
    Raises:
        UserError: a folder cannot be read.
    """
    found: list[str] = []
    waiting = [relative] if (root / relative).is_dir() else []
    while waiting:
        folder = waiting.pop()
        for entry in entries_of(root / folder):
            name = f"{folder}/{entry.name}"
            if is_hidden(entry.name):
                left_out.add(Stray.HIDDEN, name)
            elif is_folder(entry):
                if entry.is_symlink() or not deep:
                    left_out.add(Stray.LINKED if entry.is_symlink() else Stray.OUTSIDE, name)
                else:
                    waiting.append(name)
            elif (stray := _stray(entry)) is not None:
                left_out.add(stray, name)
            elif not is_image(entry.name):
                left_out.add(Stray.FOREIGN, name)
            else:
                found.append(name)
    return sorted(found)


def _stray(entry: os.DirEntry[str]) -> Stray | None:
    """What an entry is that is neither a folder nor a regular file; None for a file."""
    if _is_file(entry):
        return None
    return Stray.BROKEN if entry.is_symlink() and not Path(entry.path).exists() else Stray.SPECIAL


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link to itself
        return False

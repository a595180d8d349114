"""The program's own files in a workspace, reached without following a link.

A workspace may come from anybody, and a link in it could lead a program that writes or deletes to any file
of the user. Paths here are absolute and have no link: opening a workspace resolves its root, and those of its
folders that may be links (`Workspace.links`). Each folder on the way is opened through the one before it, so
that nothing can be swapped between a look and its use. Whatever is a link, or no regular file where a file
belongs, is refused in one sentence. `write_atomic` alone is for paths that the user gave: it follows links.
Limits: on Windows, which has no such calls, links are looked for before each use.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from iterand_engine.errors import UserError

Content = bytes | Callable[[BinaryIO], None]

_HAS_FOLDERS = os.open in os.supports_dir_fd  # not on Windows
_FOLDER = getattr(os, "O_DIRECTORY", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_THROUGH = getattr(os, "O_PATH", os.O_RDONLY) | _FOLDER | _NO_LINK
_FILE = _NO_LINK | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)
_PART = re.compile(r"\..+\.[0-9a-f]{16}\.part")


def open_to_read(path: Path) -> BinaryIO:
    """Open a file to be read.

    Raises:
        UserError: it is no regular file, or a link is on the way to it.
        OSError: as opening does.
    """
    return _opened_file(path, os.O_RDONLY, "rb")


def open_to_append(path: Path) -> BinaryIO:
    """Open a file, made if it does not exist, so that what is written is added; raises as `open_to_read`."""
    return _opened_file(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, "ab")


def read(path: Path) -> bytes:
    """The content of a file; raises as `open_to_read`."""
    with open_to_read(path) as file:
        return file.read()


def write(path: Path, content: Content) -> None:
    """As `write_atomic`, and raises UserError where a link is on the way to the file's folder."""
    with _opened(path.parent) as folder:
        _write(folder, path.name, content)


def write_atomic(path: Path, content: Content, *, mode: int = 0o666) -> None:
    """Write a file atomically where the user said: a reader, even after a power cut, sees the old or the new.

    Args:
        path: the file; its folder exists.
        content: the bytes, or a function that writes them to the open file it is given.
        mode: the file's permissions, from its first moment on, before the umask.
    Raises:
        OSError: as writing does (disk full, no permission); `path` is then as it was.
    """
    with _opened(Path(os.path.realpath(path.parent))) as folder:
        _write(folder, path.name, content, mode)


def remove(path: Path) -> None:
    """Remove a file if it exists; of a link, the link itself.

    Raises:
        UserError: a link is on the way to its folder.
        OSError: as removing does.
    """
    with suppress(FileNotFoundError), _opened(path.parent) as folder:
        os.unlink(folder.at(path.name), dir_fd=folder.number)


def remove_tree(path: Path) -> None:
    """Remove a folder and all that is in it, or a file; of links, the links alone. Raises as `remove`."""
    with suppress(FileNotFoundError), _opened(path.parent) as folder:
        if folder.is_folder(path.name):
            shutil.rmtree(folder.at(path.name), dir_fd=folder.number)
        else:
            os.unlink(folder.at(path.name), dir_fd=folder.number)


def make_folder(path: Path) -> None:
    """Make a folder and those above it, where they do not exist.

    Raises:
        UserError: a link, or a file, is in its place or on the way.
        OSError: as making does.
    """
    with _opened(path, make=True):
        pass


def names(folder: Path) -> list[str]:
    """What is in a folder, sorted; nothing where it does not exist.

    Raises:
        UserError: it is a link, or a link is on the way to it.
    """
    with suppress(FileNotFoundError, NotADirectoryError), _opened(folder) as opened:
        return sorted(opened.names())
    return []


def refuse_link(path: Path) -> None:
    """Raise UserError if a path is a link, or a link is on the way to it; it need not exist."""
    with suppress(OSError), _opened(path.parent) as folder:
        if folder.is_link(path.name):
            raise _link_refused(path)


def is_link(path: Path) -> bool:
    """Whether a path is a link, or a junction of Windows; False where it does not exist."""
    try:
        status = path.lstat()
    except OSError:
        return False
    return _is_link(status)


def is_part(name: str) -> bool:
    """Whether a name is one under which a file is written; if its writer was killed, it stays."""
    return _PART.fullmatch(name) is not None


@dataclass(frozen=True)
class _Folder:
    """An open folder: its descriptor, or None where the system has no calls that take one."""

    path: Path
    number: int | None

    def at(self, name: str) -> str:
        """What calls take that are given `number` as well."""
        return name if self.number is not None else str(self.path / name)

    def open(self, name: str, flags: int, mode: int = 0o666) -> int:
        return os.open(self.at(name), flags, mode, dir_fd=self.number)

    def names(self) -> list[str]:
        if self.number is None:
            return os.listdir(self.path)
        listed = self.open(".", os.O_RDONLY | _FOLDER)  # the first was perhaps opened as a place alone
        try:
            return os.listdir(listed)
        finally:
            os.close(listed)

    def has(self, name: str) -> bool:
        try:
            self._status(name)
        except FileNotFoundError:
            return False
        return True

    def is_folder(self, name: str) -> bool:
        return stat.S_ISDIR(self._status(name).st_mode) and not self.is_link(name)

    def is_link(self, name: str) -> bool:
        try:
            return _is_link(self._status(name))
        except FileNotFoundError:
            return False

    def sync(self) -> None:
        if self.number is None:
            return  # Windows: a rename needs no sync of its folder
        opened = self.open(".", os.O_RDONLY | _FOLDER)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)

    def _status(self, name: str) -> os.stat_result:
        return os.stat(self.at(name), dir_fd=self.number, follow_symlinks=False)


@contextmanager
def _opened(path: Path, *, make: bool = False) -> Iterator[_Folder]:
    """Open a folder for the context, from the root of the file system down."""
    path = Path(os.path.abspath(path))
    folder = _Folder(Path(path.anchor), os.open(path.anchor, _THROUGH) if _HAS_FOLDERS else None)
    try:
        for name in path.parts[1:]:
            inner = _step(folder, name, make)
            if folder.number is not None:
                os.close(folder.number)
            folder = inner
        yield folder
    finally:
        if folder.number is not None:
            os.close(folder.number)


def _step(folder: _Folder, name: str, make: bool) -> _Folder:
    path = folder.path / name
    if make and not folder.has(name):
        with suppress(FileExistsError):
            os.mkdir(folder.at(name), dir_fd=folder.number)
    if folder.number is None:
        if folder.is_link(name):
            raise _link_refused(path)
        return _Folder(path, None)
    try:
        return _Folder(path, folder.open(name, _THROUGH))
    except OSError as error:
        if folder.is_link(name):
            raise _link_refused(path) from None
        if make and isinstance(error, NotADirectoryError):
            said = f"{str(path)!r} is no folder, and the program keeps files in it: move it away."
            raise UserError(said) from None
        error.filename = str(path)
        raise


def _opened_file(path: Path, flags: int, mode: str) -> BinaryIO:
    with _opened(path.parent) as folder:
        try:
            number = folder.open(path.name, flags | _FILE)
        except OSError as error:
            if folder.is_link(path.name):
                raise _link_refused(path) from None
            if error.errno == errno.ENXIO:  # a pipe that nobody reads, or a socket
                raise _kind_refused(path) from None
            error.filename = str(path)
            raise
        if not stat.S_ISREG(os.fstat(number).st_mode):
            os.close(number)
            raise _kind_refused(path)
        if folder.number is None and folder.is_link(path.name):
            os.close(number)
            raise _link_refused(path)
        return cast(BinaryIO, os.fdopen(number, mode))


def _write(folder: _Folder, name: str, content: Content, mode: int = 0o666) -> None:
    beside = f".{name}.{secrets.token_hex(8)}.part"
    number = folder.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FILE, mode)
    try:
        with os.fdopen(number, "wb") as file:
            if isinstance(content, bytes):
                file.write(content)
            else:
                content(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(folder.at(beside), folder.at(name), src_dir_fd=folder.number, dst_dir_fd=folder.number)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(folder.at(beside), dir_fd=folder.number)
        raise
    folder.sync()


def _is_link(status: os.stat_result) -> bool:
    return stat.S_ISLNK(status.st_mode) or bool(getattr(status, "st_reparse_tag", 0))


def _link_refused(path: Path) -> UserError:
    try:
        leads = f" to {os.readlink(path)!r}"
    except OSError:
        leads = ""
    return UserError(
        f"{str(path)!r} is a link{leads}, which is not followed inside a workspace: remove the link, or put "
        "what it leads to in its place."
    )


def _kind_refused(path: Path) -> UserError:
    return UserError(f"{str(path)!r} is no regular file, so it is not used: move it away.")

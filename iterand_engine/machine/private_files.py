"""The user's own files: what may run in a workspace, and the window's arrangement.

Whoever can write the record of what may run can run code as this user, and the window's file names folders.
So these files and their folders are made for their owner alone, whatever the umask, and a record that
somebody else could have written is refused.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import stat
from pathlib import Path

import platformdirs

from iterand_engine.errors import UserError
from iterand_engine.machine.own_files import write_atomic

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def user_file(*parts: str) -> Path:
    """The path of a file among the user's settings; neither it nor its folder need exist."""
    return platformdirs.user_config_path("iterand", appauthor=False).joinpath(*parts)


def record_file(kind: str, root: Path) -> Path:
    """The path of the record of one kind for a workspace, which is known by its absolute path."""
    name = os.path.normcase(root).encode("utf-8", "surrogateescape")
    return user_file(kind, f"{hashlib.sha256(name).hexdigest()[:32]}.json")


def read_record(path: Path) -> bytes:
    """Read a record of what may run.

    Args:
        path: from `user_file`.
    Raises:
        FileNotFoundError: there is none.
        OSError: it cannot be read.
        UserError: another user owns or can write the file, or a folder of the program above it.
    """
    content = path.read_bytes()
    ours = [one for one in (*reversed(path.parents), path) if one.is_relative_to(user_file())]
    open_to_others = [str(one) for one in ours if _is_open_to_others(one)]
    if open_to_others:
        raise UserError(
            f"{str(path)!r} says what may run here and is not used, because other users can change it: look "
            f"at it and run `chmod go-w {shlex.join(open_to_others)}`, or delete it."
        )
    return content


def write_record(path: Path, content: str, says: str) -> None:
    """Write a record of what may run.

    Args:
        path: from `record_file`.
        content: the whole of it.
        says: what it is a record of, for the sentence: `which extensions are enabled`.
    Raises:
        UserError: it cannot be written.
    """
    try:
        write_private(path, content.encode())
    except OSError as error:
        raise UserError(f"Cannot write {str(path)!r}, which says {says}: {error.strerror}.") from None


def write_private(path: Path, content: bytes) -> None:
    """Write a file atomically that only its owner can read; folders that are missing are made likewise.

    Raises:
        OSError: it cannot be written.
    """
    for folder in reversed(path.parents):
        if not folder.exists():
            folder.mkdir(mode=0o700, exist_ok=True)
    write_atomic(path, content, mode=0o600)


def _is_open_to_others(path: Path) -> bool:
    if os.name != "posix":
        return False  # there, the user's profile is private
    found = path.stat()
    return found.st_uid not in (os.geteuid(), 0) or bool(found.st_mode & _OTHERS_WRITE)

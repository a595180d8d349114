"""Notices when a database's files are no longer those that were opened."""

from __future__ import annotations

from pathlib import Path

from iterand_engine.errors import UserError


class OpenFiles:
    """The files of a database that this process has open, to notice when others are in their place.

    A process that goes on with a file that was removed or replaced writes into nothing. SQLite itself removes
    the write-ahead log only when the last connection closes, which is not while this process has one.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found: tuple[tuple[int, int] | None, ...] | None = None

    def check(self) -> None:
        """Compare the files with those of the first call; a connection must be open.

        Raises:
            UserError: the database or its write-ahead log is gone, or another file is in its place.
        """
        log = self._path.with_name(f"{self._path.name}-wal")
        now = (_identity(self._path), _identity(log))
        if self._found is None and now[0] is not None:
            self._found = now
        for file, before, after in zip((self._path, log), self._found or now, now, strict=True):
            if after is None and (before is not None or file == self._path):
                raise UserError(
                    f"{file} is gone while it was open: bring the workspace's files back from a copy, or open"
                    " another workspace."
                )
            if before is not None and after != before:
                raise UserError(
                    f"{file} was replaced by another file while it was open: open the workspace again."
                )


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_dev, stat.st_ino

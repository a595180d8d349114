"""Opens a workspace's database and gives connections to it; `reader` has the queries, functions change it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from iterand_engine.errors import UserError
from iterand_engine.machine.texts import counted
from iterand_engine.machine.workspace import Workspace, is_run_id
from iterand_engine.store import dialect
from iterand_engine.store.migrate import check_database, has_tables, no_runs, prepare_database
from iterand_engine.store.open_files import OpenFiles
from iterand_engine.store.queries import SqliteReader
from iterand_engine.store.reading import Reader


class Store:
    """A workspace's database; a context manager, usable from several threads.

    `was_upgraded` says whether opening it upgraded an older database to the present schema. Then
    `fingerprints.fill_fingerprints` must add the fingerprints, which the upgrade cannot know.
    """

    was_upgraded = False

    def __init__(self, workspace: Workspace) -> None:
        """Connect to a database of the present schema; use `open`."""
        self.workspace = workspace
        self._reader = dialect.read_engine(workspace.db_path)
        self._writer = dialect.write_engine(workspace.db_path)
        self._files = OpenFiles(workspace.db_path)
        self.reader: Reader = SqliteReader(workspace.db_path, self.reading)

    @classmethod
    def open(cls, workspace: Workspace, *, makes: bool = True) -> Store:
        """Open the database, and upgrade it where needed (a backup of an older one is kept).

        Where the user may not write into the workspace, it can be looked at: `writing` raises then.

        Args:
            workspace: the database's.
            makes: whether a database is made where there is none.
        Raises:
            UserError: there is no database and none is to be made, or it is missing beside the files of runs;
                the file is no such database, is newer than this program, damaged or locked; or it must be
                upgraded while runs are being trained.
        """
        if not workspace.is_writable:
            return cls.open_to_read(workspace)

        def before_making() -> None:
            _refuse_orphans(workspace)
            if not makes:
                raise no_runs(workspace.db_path)

        backup = prepare_database(workspace.db_path, before_making=before_making)
        store = cls(workspace)
        store.was_upgraded = backup is not None
        return store

    @classmethod
    def open_to_read(cls, workspace: Workspace) -> Store:
        """Open a database of the present schema for queries; it is not created, upgraded or repaired.

        Raises:
            UserError: there is no database yet, or it must be upgraded first; otherwise as `open`.
        """
        check_database(workspace.db_path, before_refusing=lambda: _refuse_orphans(workspace))
        return cls(workspace)

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections, and empty the write-ahead log if nobody else uses the database."""
        self._reader.dispose()
        self._writer.dispose()
        self.tidy()

    def tidy(self) -> bool:
        """Empty the write-ahead log into the database, in an idle moment; False while others use it."""
        return dialect.checkpoint_log(self.workspace.db_path)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a connection that sees one state of the database; a long one keeps the log from shrinking.

        Raises:
            UserError: the database cannot be read.
        """
        try:
            with self._reader.begin() as connection:
                yield connection
        except DBAPIError as error:
            if dialect.is_ours(error):
                raise
            raise dialect.in_words(self.workspace.db_path, error) from error

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open a transaction that holds the write lock; an error rolls it back.

        Raises:
            UserError: the database cannot be written: another program holds it for longer than half a minute,
                its disk is full, or its file is no longer the one that was opened.
        """
        if not self.workspace.is_writable:
            raise UserError(
                f"The workspace {self.workspace.root} can only be looked at, because you may not write there:"
                " correct its permissions, or copy it."
            )
        try:
            with self._writer.begin() as connection:
                self._files.check()
                yield connection
        except DBAPIError as error:
            if dialect.is_ours(error):
                raise
            if not dialect.is_locked(error):
                raise dialect.in_words(self.workspace.db_path, error) from error
            raise UserError(
                f"The database {self.workspace.db_path} has been locked by another program for"
                f" {dialect.BUSY_TIMEOUT_S:.0f} s: close that and try again."
            ) from error


def has_database(workspace: Workspace) -> bool:
    """Whether a workspace has a database with something in it.

    Raises:
        UserError: it cannot be read; or it is missing or empty beside the files of runs, which would belong
            to no run if it were begun anew.
    """
    if has_tables(workspace.db_path):
        return True
    _refuse_orphans(workspace)
    return False


def _refuse_orphans(workspace: Workspace) -> None:
    try:
        orphans = [name for name in os.listdir(workspace.runs_dir) if is_run_id(name)]
    except OSError:
        return
    if orphans:
        copies = sorted(path.name for path in workspace.root.glob(f"{workspace.db_path.name}.*.bak"))
        known = f" (there is {copies[-1]})" if copies else ""
        raise UserError(
            f"{workspace.db_path} is missing or empty, but {workspace.runs_dir} has the files of"
            f" {counted(len(orphans), 'run')}: put a copy of the database in its place{known}, or move these"
            " files away to begin anew."
        )

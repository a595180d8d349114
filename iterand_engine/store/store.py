"""Opens a workspace's database and gives connections to it; `reader` has the queries, functions change it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from iterand_engine.errors import UserError
from iterand_engine.machine.workspace import Workspace
from iterand_engine.store import dialect
from iterand_engine.store.migrate import check_database, prepare_database
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
        self.reader: Reader = SqliteReader(workspace.db_path, self.reading)

    @classmethod
    def open(cls, workspace: Workspace) -> Store:
        """Open the database, and create or upgrade it where needed (a backup of an older one is kept).

        Raises:
            UserError: the file is no such database, is newer than this program, damaged or locked; or it must
                be upgraded while runs are being trained.
        """
        backup = prepare_database(workspace.db_path)
        store = cls(workspace)
        store.was_upgraded = backup is not None
        return store

    @classmethod
    def open_to_read(cls, workspace: Workspace) -> Store:
        """Open a database of the present schema for queries; it is not created, upgraded or repaired.

        Raises:
            UserError: there is no database yet, or it must be upgraded first; otherwise as `open`.
        """
        check_database(workspace.db_path)
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
        """Open a connection that sees one state of the database; a long one keeps the log from shrinking."""
        with self._reader.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open a transaction that holds the write lock; an error rolls it back.

        Raises:
            UserError: another program holds the database for longer than half a minute.
        """
        try:
            with self._writer.begin() as connection:
                yield connection
        except DBAPIError as error:
            if not dialect.is_locked(error):
                raise
            raise UserError(
                f"The database {self.workspace.db_path} has been locked by another program for"
                f" {dialect.BUSY_TIMEOUT_S:.0f} s: close that and try again."
            ) from error

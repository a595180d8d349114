"""Everything particular to SQLite: connections, clock, upsert, change detection, backup, errors.

Rules, measured on SQLite: the database has a write-ahead log with synchronous NORMAL. Every write transaction
begins IMMEDIATE, because a deferred one that reads before it writes fails at once when another commits in
between. Readers are `query_only` and hold no transaction for long, so that the log can be recycled.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from pydantic_core import from_json
from sqlalchemy import URL, ColumnElement, Connection, Engine, Float, Table, create_engine, event, func
from sqlalchemy.dialects.sqlite import Insert, insert
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, ProgrammingError

from iterand_engine.errors import UserError
from iterand_engine.store.records import Changes

BUSY_TIMEOUT_S = 30.0
# The errors of a query besides UserError: the file is locked for long, damaged or gone.
READ_ERRORS = (DBAPIError, sqlite3.Error, OSError)
_PAGE_BYTES = 8192  # a block spans fewer pages than with the default; larger pages cost more per small row
_LOG_LIMIT_BYTES = 64 * 2**20
_JULIAN_DAY_OF_1970 = 2440587.5
_REVISIONS = "SELECT id, revision FROM run WHERE deleted_at IS NULL"
_LOCKED = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
# Errors of a disk that may pass: once it has room or is mounted again, the same write succeeds.
_ADVICE = dict.fromkeys(_LOCKED, "another program holds it, so try again when that has ended")
_ADVICE[sqlite3.SQLITE_FULL] = "make room on its disk and try again"
_ADVICE |= dict.fromkeys(
    (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR),
    "it is damaged, so put back a copy of it (an upgrade leaves one beside it, which ends with .bak)",
)
_TRANSIENT = _LOCKED | {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}


def write_engine(path: Path, *, busy_timeout_s: float = BUSY_TIMEOUT_S, foreign_keys: bool = True) -> Engine:
    """Connections whose transactions begin IMMEDIATE; a new database becomes one with a write-ahead log."""
    pragmas = (
        f"PRAGMA busy_timeout = {round(busy_timeout_s * 1000)}",
        "PRAGMA synchronous = NORMAL",
        f"PRAGMA journal_size_limit = {_LOG_LIMIT_BYTES}",
        f"PRAGMA foreign_keys = {'ON' if foreign_keys else 'OFF'}",
    )
    return _engine(path, pragmas, "BEGIN IMMEDIATE")


def read_engine(path: Path) -> Engine:
    """Connections that cannot write; each transaction sees one state of the database.

    Args:
        path: the database; where this user may not write it, it is opened for reading alone.
    """
    pragmas = (
        f"PRAGMA busy_timeout = {round(BUSY_TIMEOUT_S * 1000)}",
        "PRAGMA query_only = ON",
    )
    return _engine(path, pragmas, "BEGIN DEFERRED")


def _engine(path: Path, pragmas: Sequence[str], begin: str) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=_address(path, "rwc"), query={"uri": "true"}),
        json_serializer=_to_json,
        json_deserializer=_from_json,
        connect_args={"timeout": 0},
    )

    def on_connect(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # the driver would begin deferred transactions on its own
        for pragma in pragmas:
            connection.execute(pragma)

    def on_begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", on_connect)
    event.listen(engine, "begin", on_begin)
    return engine


def use_write_ahead_log(path: Path) -> str:
    """Switch a database to the write-ahead log, a property of the file; return the mode it has then.

    While another process makes the database, SQLite fails this switch at once and ignores the busy timeout,
    so this function retries until that timeout.
    """
    deadline_s = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            return _switch_to_log(path)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in _LOCKED or time.monotonic() > deadline_s:
                raise
            time.sleep(0.01)


def _switch_to_log(path: Path) -> str:
    with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)) as connection:
        mode = str(connection.execute("PRAGMA journal_mode").fetchone()[0])
        if mode == "wal":
            return mode
        connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")  # counts only while the file is empty
        return str(connection.execute("PRAGMA journal_mode = WAL").fetchone()[0])


def now() -> ColumnElement[float]:
    """Seconds since 1970 by the database's clock, to the millisecond."""
    return (func.julianday("now", type_=Float) - _JULIAN_DAY_OF_1970) * 86400.0


def upsert(table: Table, keys: Sequence[str]) -> Insert:
    """An insert that, where a row with the same keys exists, replaces its other columns."""
    statement = insert(table)
    others = {
        column.name: statement.excluded[column.name]
        for column in table.columns
        if column.name not in keys and not (column.primary_key and column.autoincrement is True)
    }
    return statement.on_conflict_do_update(index_elements=list(keys), set_=others)


def table_names(connection: Connection) -> set[str]:
    """Return the names of the database's tables."""
    rows = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'")
    return {str(row[0]) for row in rows}


def is_locked(error: DBAPIError) -> bool:
    """Whether a write failed only because another connection holds the database."""
    return _primary_code(error) in _LOCKED


def is_ours(error: DBAPIError) -> bool:
    """Whether a statement was wrong, or broke a constraint: a defect of the program, and not of the file."""
    return isinstance(error, IntegrityError | InterfaceError | ProgrammingError)


def is_transient(error: DBAPIError) -> bool:
    """Whether the same write may succeed later: locked, disk full, disk out of reach."""
    return _primary_code(error) in _TRANSIENT


def _primary_code(error: DBAPIError) -> int:
    code = getattr(error.orig, "sqlite_errorcode", 0)
    return int(code) & 0xFF  # extended codes carry the primary one in the low byte


def backup(source: Path, target: Path) -> None:
    """Copy a database that others may be using, as of one moment.

    Raises:
        FileExistsError: `target` exists.
    """
    target.touch(exist_ok=False)
    with closing(connect(source)) as from_db, closing(connect(target)) as to_db:
        from_db.backup(to_db)


def damage(path: Path) -> str | None:
    """Read a whole database, which takes a while, and say what is damaged; None for a sound one."""
    with closing(connect(path)) as connection:
        try:
            first = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
        except sqlite3.DatabaseError as error:
            first = str(error)
    return None if first == "ok" else first


def checkpoint_log(path: Path) -> bool:
    """Move the write-ahead log into the database and empty it, without waiting for anybody.

    Returns:
        False where another connection reads or writes (a later call succeeds), or there is no database.
    """
    try:
        with closing(connect(path, busy_timeout_s=0)) as connection:
            return not connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    except sqlite3.OperationalError:
        return False


def in_words(path: Path, error: DBAPIError | sqlite3.Error) -> UserError:
    """Say in one sentence why a database cannot be used, and what helps.

    Args:
        path: of the database.
        error: what it raised.
    """
    cause = error.orig if isinstance(error, DBAPIError) else error
    code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
    advice = _ADVICE.get(code, "check the disk and its permissions, or choose another workspace")
    return UserError(f"Cannot use the database {path} ({cause}): {advice}.")


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


class ChangeWatcher:
    """Reports which runs changed since the last `poll`; a poll without news costs microseconds.

    `PRAGMA data_version` counts the commits of other connections, so the watcher keeps one connection open,
    without a transaction on it. Only one thread at a time may poll.
    """

    def __init__(self, db_path: Path) -> None:
        self._connection = connect(db_path)
        self._connection.execute("PRAGMA query_only = ON")
        self._files = OpenFiles(db_path)
        self._files.check()
        self._version: int | None = None
        self._revisions: dict[str, int] = {}
        self._before: dict[str, int] = {}

    def poll(self) -> Changes | None:
        """Report what changed since the last poll (the first: everything); None where nothing was committed.

        Raises:
            UserError: the database's file is gone, or another file is in its place.
        """
        self._files.check()
        # The version first: a commit between the two statements is then reported twice rather than never.
        version = int(self._connection.execute("PRAGMA data_version").fetchone()[0])
        if version == self._version:
            return None
        revisions: dict[str, int] = dict(self._connection.execute(_REVISIONS).fetchall())
        changed = {id_: number for id_, number in revisions.items() if self._revisions.get(id_) != number}
        removed = frozenset(self._revisions.keys() - revisions.keys())
        self._before, self._version, self._revisions = self._revisions, version, revisions
        return Changes(changed, removed)

    def forget(self) -> None:
        """Make the next poll report the last changes again; for a caller that could not read them."""
        self._version, self._revisions = None, self._before

    def close(self) -> None:
        self._connection.close()


def _address(path: Path, mode: str) -> str:
    """The URI of a database, with `mode` where this user may write it.

    Otherwise SQLite reads it with the write-ahead log and its index of those who have it open. Where nobody
    has, the file is read as one that does not change.

    Raises:
        UserError: the log has changes but no index, which SQLite cannot make where it may not write.
    """
    if not path.exists() or (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
        return f"{path.absolute().as_uri()}?mode={mode}"
    log, index = (path.with_name(f"{path.name}-{part}") for part in ("wal", "shm"))
    if index.exists():
        return f"{path.absolute().as_uri()}?mode=ro"
    if log.exists() and log.stat().st_size:
        raise UserError(
            f"The last changes of the database are in {log}, which can only be read where you may write:"
            f" copy {path.parent} and look at the copy."
        )
    return f"{path.absolute().as_uri()}?mode=ro&immutable=1"


def connect(path: Path, busy_timeout_s: float = BUSY_TIMEOUT_S) -> sqlite3.Connection:
    """A bare connection to a database that exists, without transactions of its own."""
    return sqlite3.connect(
        _address(path, "rw"),
        uri=True,
        timeout=busy_timeout_s,
        isolation_level=None,
        check_same_thread=False,
    )


def _from_json(text: str | bytes) -> Any:
    try:
        return from_json(text)  # gives what Python's gives, in half the time
    except ValueError as error:
        raise UserError(
            f"The workspace's database holds {text[:40]!r} where there must be JSON ({error}):"
            " it is damaged, so put back a copy of it."
        ) from None


def _to_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)

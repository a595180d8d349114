"""Everything particular to SQLite: connections, clock, upsert, change detection, backup, errors.

Rules, measured on SQLite: the database has a write-ahead log with synchronous NORMAL. Every write transaction
begins IMMEDIATE, because a deferred one that reads before it writes fails at once when another commits in
between. Readers are `query_only` and hold no transaction for long, so that the log can be recycled.
"""

from __future__ import annotations

import json
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
from iterand_engine.machine.workspace import may_write

BUSY_TIMEOUT_S = 30.0
# The errors of a query besides UserError: the file is locked for long, damaged or gone.
READ_ERRORS = (DBAPIError, sqlite3.Error, OSError)
_PAGE_BYTES = 4096  # a commit writes whole pages: that of the run's row, and one of its chunks
_LOG_LIMIT_BYTES = 16 * 2**20
_JULIAN_DAY_OF_1970 = 2440587.5
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
    with closing(open_connection(source)) as from_db, closing(open_connection(target)) as to_db:
        from_db.backup(to_db)


def damage(path: Path) -> str | None:
    """Read a whole database, which takes a while, and say what is damaged; None for a sound one."""
    with closing(open_connection(path)) as connection:
        try:
            first = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
        except sqlite3.DatabaseError as error:
            first = str(error)
    return None if first == "ok" else first


def free_share(path: Path) -> float:
    """The share of a database's file that nothing uses, 0-1."""
    with closing(open_connection(path)) as connection:
        free, pages = (
            int(connection.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("freelist_count", "page_count")
        )
    return free / max(1, pages)


def vacuum(path: Path) -> bool:
    """Write a database anew without its free room; False where another connection writes just now."""
    with closing(open_connection(path, busy_timeout_s=1)) as connection:
        try:
            connection.execute("VACUUM")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in _LOCKED:
                raise
            return False
    return True


def checkpoint_log(path: Path) -> bool:
    """Move the write-ahead log into the database and empty it, without waiting for anybody.

    Returns:
        False where another connection reads or writes (a later call succeeds), or there is no database.
    """
    try:
        with closing(open_connection(path, busy_timeout_s=0)) as connection:
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


def _address(path: Path, mode: str) -> str:
    """The URI of a database, with `mode` where this user may write it.

    Otherwise SQLite reads it with the write-ahead log and its index of those who have it open. Where nobody
    has, the file is read as one that does not change.

    Raises:
        UserError: the log has changes but no index, which SQLite cannot make where it may not write.
    """
    if not path.exists() or (may_write(path) and may_write(path.parent)):
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


def open_connection(path: Path, busy_timeout_s: float = BUSY_TIMEOUT_S) -> sqlite3.Connection:
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

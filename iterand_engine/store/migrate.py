"""Upgrades a workspace's database to the schema of this program, or refuses with one sentence.

A backup is made first. A database with live runs is refused. All steps run in one transaction, so a failure
or a power cut leaves the old schema. Limits: forward only.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError

from iterand_engine.errors import UserError
from iterand_engine.machine import own_files
from iterand_engine.store import dialect
from iterand_engine.store.schema import SCHEMA_REVISION
from iterand_engine.store.states import live_ids

MIGRATIONS = Path(__file__).parent / "migrations"


def prepare_database(
    path: Path,
    *,
    migrations: Path = MIGRATIONS,
    head: str = SCHEMA_REVISION,
    before_making: Callable[[], None] = lambda: None,
) -> Path | None:
    """Create the database, upgrade it, or leave a current one unchanged.

    Args:
        path: the database file; its folder exists.
        migrations: folder of the Alembic steps (tests put their own).
        head: the newest step there.
        before_making: called where there is no database yet; what it raises keeps it from being made.
    Returns:
        The path of the backup where an older database was upgraded, else None.
    Raises:
        UserError: the file is no such database, is newer than this program, has live runs to be upgraded, or
            its disk refuses a write-ahead log; or one of its files is a link.
    """
    with _troubles_said(path):
        found = _revision_of(path)
        if found == head:
            return None
        _refuse_unknown(path, found, head)
        if found is None:
            before_making()
        return _upgrade(path, migrations, head)


def check_database(
    path: Path, *, head: str = SCHEMA_REVISION, before_refusing: Callable[[], None] = lambda: None
) -> None:
    """Check that a database can be read as it is, for readers that change nothing.

    Args:
        path: the database file.
        head: the schema that this program reads.
        before_refusing: called where there is no database; it may raise a better reason.
    Raises:
        UserError: there is no database yet, its schema is older or newer, one of its files is a link, or the
            file is no such database.
    """
    with _troubles_said(path):
        found = _revision_of(path)
        if found == head:
            return
        _refuse_unknown(path, found, head)
    if found is None:
        before_refusing()
        raise no_runs(path)
    raise UserError(
        f"The workspace's database {path} has the older schema {int(found)} and is only read here:"
        " `iterand runs` upgrades it, and keeps a copy."
    )


def _refuse_links(path: Path) -> None:
    """SQLite would write through a link to whatever it leads to, also in place of the files beside."""
    for end in ("", "-wal", "-shm", "-journal"):
        own_files.refuse_link(path.with_name(path.name + end))


def no_runs(path: Path) -> UserError:
    """What to say where there is no database yet."""
    return UserError(f"There are no runs in {path.parent} yet: nothing was trained in this workspace.")


def has_tables(path: Path) -> bool:
    """Whether there is a database, and something in it.

    Raises:
        UserError: it cannot be read.
    """
    with _troubles_said(path):
        return _revision_of(path) is not None


@contextmanager
def _troubles_said(path: Path) -> Iterator[None]:
    """Turn errors of the database into a UserError that says why it cannot be used."""
    try:
        yield
    except (sqlite3.DatabaseError, DatabaseError) as error:
        raise dialect.in_words(path, error) from error


def _revision_of(path: Path) -> str | None:
    """Read the schema's number from a database; None for one without tables."""
    _refuse_links(path)
    if not path.exists() or path.stat().st_size == 0:
        return None
    with closing(dialect.open_connection(path)) as connection:
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not tables:
            return None
        if "alembic_version" not in tables or "run" not in tables:
            return "foreign"
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(row[0]) if row else "foreign"


def _refuse_unknown(path: Path, found: str | None, head: str) -> None:
    if found is None or (found.isdigit() and int(found) < int(head)):
        return
    if found.isdigit():
        raise UserError(
            f"The workspace's database {path} has schema {int(found)}, but this program knows only up to"
            f" {int(head)}: it was written by a newer version, so install that or choose another workspace."
        )
    raise UserError(f"{path} is a database of another program: choose another workspace.")


def _upgrade(path: Path, migrations: Path, head: str) -> Path | None:
    mode = dialect.use_write_ahead_log(path)
    if mode != "wal":
        raise UserError(
            f"The database {path} cannot keep a write-ahead log here (mode {mode!r}): put the workspace on a"
            " local disk."
        )
    # Foreign keys off: a step that rebuilds a table drops the old one, which would cascade to its rows.
    engine = dialect.write_engine(path, foreign_keys=False)
    try:
        with engine.begin() as connection:
            # This transaction holds the write lock; a process that waited for it finds the upgrade done.
            found = _revision_in(connection)
            if found == head:
                return None
            copy = _back_up(path, connection, found) if found is not None else None
            _run_steps(connection, migrations)
            return copy
    finally:
        engine.dispose()


def _back_up(path: Path, connection: Connection, found: str) -> Path:
    live = live_ids(connection)
    if live:
        raise UserError(
            f"The workspace's database must be upgraded, but {len(live)} of its runs are being trained"
            f" ({', '.join(live[:3])}): stop them or wait for their end, then try again."
        )
    stamp = time.strftime("%Y%m%d-%H%M%S")
    copy = path.with_name(f"{path.name}.schema-{found}.{stamp}.bak")
    dialect.backup(path, copy)
    return copy


def _revision_in(connection: Connection) -> str | None:
    if "alembic_version" not in dialect.table_names(connection):
        return None
    value = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return None if value is None else str(value)


def _run_steps(connection: Connection, migrations: Path) -> None:
    # Imported here: opening an up-to-date database, as nearly every command does, needs no Alembic.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")

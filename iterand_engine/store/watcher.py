"""Finds out which runs of a database changed, at the price of what changed."""

from __future__ import annotations

from collections.abc import Collection
from itertools import islice
from pathlib import Path

from iterand_engine.store import dialect
from iterand_engine.store.open_files import OpenFiles
from iterand_engine.store.reading import ChangeFeed
from iterand_engine.store.records import Changes

_SHOWN = "SELECT id, revision FROM run WHERE deleted_at IS NULL"
_LIVE = f"{_SHOWN} AND state IN ('starting', 'running')"
_NOTED = "SELECT serial, run_id FROM run_change WHERE serial > ?"
_LAST = "SELECT coalesce(max(serial), 0) FROM run_change"
_IDS_AT_ONCE = 500


class ChangeWatcher(ChangeFeed):
    """The feed of changes of a database; a poll without news costs microseconds.

    `PRAGMA data_version` counts the commits of other connections, so the watcher keeps one connection open,
    without a transaction on it. Live runs are read by their state, all others as `run_change` notes them.
    """

    def __init__(self, db_path: Path) -> None:
        self._connection = dialect.open_connection(db_path)
        self._connection.execute("PRAGMA query_only = ON")
        self._files = OpenFiles(db_path)
        self._files.check()
        self._version: int | None = None
        self._serial: int | None = None
        self._live: dict[str, int] = {}
        self._known: set[str] = set()
        self._owed: set[str] = set()  # ids to report again, whether they changed or not
        self._last: set[str] = set()

    def poll(self) -> Changes | None:
        """Report what changed since the last poll (the first: everything); None where nothing was committed.

        Raises:
            UserError: the database's file is gone, or another file is in its place.
        """
        self._files.check()
        # The version first: a commit between the statements is then reported twice rather than never.
        version = int(self._connection.execute("PRAGMA data_version").fetchone()[0])
        if version == self._version:
            return None
        serial, found, moved = self._noted()
        live: dict[str, int] = dict(self._connection.execute(_LIVE).fetchall())
        changed = found | {id_: number for id_, number in live.items() if self._live.get(id_) != number}
        removed = frozenset((moved - changed.keys()) & self._known)
        self._version, self._serial, self._live = version, serial, live
        self._known.difference_update(removed)  # `-=` and `|=` with keys would copy the whole set
        self._known.update(changed)
        self._owed, self._last = set(), {*changed, *removed}
        return Changes(changed, removed)

    def forget(self) -> None:
        """Make the next poll report the last changes again; for a caller that could not read them."""
        self._version, self._owed = None, self._last
        self._known |= self._last

    def close(self) -> None:
        """Release the connection."""
        self._connection.close()

    def _noted(self) -> tuple[int, dict[str, int], set[str]]:
        """The newest serial, the revisions of noted runs that are there, and the ids of all noted runs."""
        if self._serial is None:
            serial = int(self._connection.execute(_LAST).fetchone()[0])
            return serial, dict(self._connection.execute(_SHOWN).fetchall()), set()
        rows = self._connection.execute(_NOTED, (self._serial,)).fetchall()
        moved = {run_id for _, run_id in rows} | self._owed
        return max((serial for serial, _ in rows), default=self._serial), self._revisions(moved), moved

    def _revisions(self, ids: Collection[str]) -> dict[str, int]:
        found: dict[str, int] = {}
        rest = iter(ids)
        while some := list(islice(rest, _IDS_AT_ONCE)):
            marks = ", ".join("?" * len(some))
            found |= dict(self._connection.execute(f"{_SHOWN} AND id IN ({marks})", some).fetchall())
        return found

"""All that is particular to SQLite (being filled in)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Changes:
    """What moved since the last look: new revision by run id, and the ids that are gone."""

    revisions: Mapping[str, int]
    removed: frozenset[str]


class ChangeWatcher:
    """Tells which runs changed since the last `poll`, cheaply; one thread at a time."""

    def __init__(self, db_path: Path) -> None:
        raise NotImplementedError

    def poll(self) -> Changes | None:
        """What changed since the last poll (first: everything), or None where nothing was committed."""
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

"""Cache facts about large files, so that they are not hashed at every start.

A fact holds while path, size and modification time of its file stay the same. The file of facts is a cache: a
missing, damaged or unwritable one only costs time.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

_CHUNK_BYTES = 1 << 20


class FileFacts:
    """Facts about files, kept in one JSON file.

    Args:
        store: the JSON file; None keeps nothing.
    """

    def __init__(self, store: Path | None) -> None:
        self._store = store

    @classmethod
    def beside_data(cls, roots: Sequence[Path]) -> FileFacts:
        """Keep facts in the last root, which is the workspace's own data folder (others are only read)."""
        return cls(roots[-1] / "file-facts.json" if roots else None)

    def get(self, file: Path, fact: str) -> str | None:
        """The value of a fact that was put for the file in its present state, else None."""
        return self._read().get(_key(file, fact))

    def put(self, file: Path, fact: str, value: str) -> None:
        """Keep a fact about a file in its present state; a disk that cannot be written is no error."""
        if self._store is None:
            return
        facts = self._read() | {_key(file, fact): value}
        try:
            self._store.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=self._store.parent, prefix=self._store.name)
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                json.dump(facts, stream, indent=1)
            os.replace(temporary, self._store)
        except OSError:
            return  # a read-only or full disk only costs the next start some seconds

    def _read(self) -> dict[str, str]:
        try:
            facts = json.loads(self._store.read_text(encoding="utf-8")) if self._store else {}
        except (OSError, ValueError):
            return {}
        return facts if isinstance(facts, dict) else {}


def md5_of(file: Path) -> str:
    """The MD5 checksum of a file, as the datasets' publishers give it (it guards against damage only)."""
    digest = hashlib.md5(usedforsecurity=False)
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _key(file: Path, fact: str) -> str:
    stat = file.stat()
    return f"{fact}|{file.absolute()}|{stat.st_size}|{stat.st_mtime_ns}"

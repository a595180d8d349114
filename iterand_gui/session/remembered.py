"""The arrangement of the window that is kept between starts, in one JSON file of the user's.

Limits: layout only (sizes, columns, filters, theme, last page, recent workspaces); a file that cannot be read
or written costs the arrangement and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from iterand_engine.machine.private_files import user_file, write_private

RECENT = 8


def default_path() -> Path:
    """Where the arrangement is kept."""
    return user_file("window.json")


class Remembered:
    """The remembered values, by name."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._values: dict[str, Any] = {}
        try:
            read = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return
        if isinstance(read, dict):
            self._values = read

    def text(self, name: str, default: str = "") -> str:
        value = self._values.get(name)
        return value if isinstance(value, str) else default

    def mapping(self, name: str) -> Mapping[str, Any]:
        """Remembered values by name; empty where there are none."""
        value = self._values.get(name)
        return value if isinstance(value, dict) else {}

    def texts(self, name: str) -> tuple[str, ...]:
        """A remembered list of texts."""
        value = self._values.get(name)
        return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()

    def put(self, name: str, value: str | Mapping[str, Any] | tuple[str, ...]) -> None:
        """Remember a value from now on."""
        self._values[name] = list(value) if isinstance(value, tuple) else value

    def forget(self, name: str) -> None:
        """Remember nothing under this name."""
        self._values.pop(name, None)

    def note_workspace(self, folder: Path) -> None:
        """Put a workspace first among the recent ones."""
        recent = (str(folder), *(one for one in self.texts("workspaces") if one != str(folder)))
        self.put("workspaces", recent[:RECENT])

    def save(self) -> None:
        """Write the file; an error is ignored, because it must not keep the window from closing."""
        try:
            write_private(self._path, json.dumps(self._values, indent=1).encode())
        except OSError:
            return

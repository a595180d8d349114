"""Cuts the bytes of a child process into lines, folds carriage returns, and separates progress from text.

A progress line is a JSON object `{"progress": {"done": 3, "total": 10, "text": "epoch 3"}}`, on either
stream; `total` may be null or absent. Pure functions, no Qt.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Stream = Literal["stdout", "stderr"]
_LONGEST_BYTES = 1 << 20


@dataclass(frozen=True)
class Progress:
    """How far something is; `total` is None where that is not known."""

    done: float
    total: float | None = None
    text: str = ""

    @property
    def share(self) -> float | None:
        """0-1, or None where the total is not known."""
        return min(1.0, self.done / self.total) if self.total else None


@dataclass(frozen=True)
class TextLine:
    """A line without its end."""

    stream: Stream
    text: str


class LineReader:
    """Joins the pieces that a pipe delivers into whole lines."""

    def __init__(self, stream: Stream) -> None:
        self._stream: Stream = stream
        self._waiting = b""

    def feed(self, data: bytes) -> Iterator[TextLine]:
        """Take bytes and return the complete lines; of one with carriage returns, its last part."""
        *whole, self._waiting = (self._waiting + data).split(b"\n")
        if len(self._waiting) > _LONGEST_BYTES:  # no line, and it must not fill the memory
            whole.append(self._waiting)
            self._waiting = b""
        for line in whole:
            yield self._line(line)

    def rest(self) -> Iterator[TextLine]:
        """What came after the last line's end."""
        waiting, self._waiting = self._waiting, b""
        if waiting:
            yield self._line(waiting)

    def _line(self, data: bytes) -> TextLine:
        text = data.decode("utf-8", errors="replace").rstrip("\r")
        return TextLine(self._stream, text.rpartition("\r")[2])


def read_progress(text: str) -> Progress | None:
    """The progress that a line reports; None where the line is other text."""
    if not text.startswith('{"progress"'):
        return None
    try:
        said = json.loads(text)["progress"]
        total = said.get("total")
        return Progress(
            float(said["done"]), None if total is None else float(total), str(said.get("text", ""))
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None

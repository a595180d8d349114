"""Reads a run's log while it grows: only what is new. No Qt.

Carriage returns are folded: of a line that was written over and over, as progress bars do, the last state
is kept. Of a very long log the end is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from iterand_engine.machine import own_files

MOST_BYTES: Final = 4_000_000  # of a log that is opened: more than the view keeps
_CHUNK_BYTES: Final = 1_000_000  # a look; the rest comes with the next


@dataclass(frozen=True)
class LogNews:
    """What is new: whole lines, one that is being written, and the position in bytes to go on from.

    `is_anew` says that the lines replace what was read before; `is_cut` that older ones were left out;
    `has_more` that the next look will find more at once.
    """

    run_id: str
    lines: tuple[str, ...]
    unfinished: str
    position: int
    is_anew: bool
    is_cut: bool
    has_more: bool


def read_news(path: Path, run_id: str, position: int) -> LogNews:
    """Look once.

    Args:
        path: of the log; it may not be there yet.
        run_id: of the run.
        position: that of the look before; 0 at first.
    Raises:
        OSError: the log cannot be read.
        UserError: it is a link or no file.
    """
    try:
        with own_files.open_to_read(path) as file:
            end = file.seek(0, 2)
            anew = position == 0 or end < position
            begin = max(0, end - MOST_BYTES) if anew else position
            file.seek(begin)
            data = file.read(_CHUNK_BYTES)
    except FileNotFoundError:
        return LogNews(run_id, (), "", 0, position > 0, False, False)
    whole_end = data.rfind(b"\n") + 1
    has_more = begin + len(data) < end
    if has_more and not whole_end:
        whole_end = len(data)  # a line longer than a look: shown in pieces
    lines = data[:whole_end].split(b"\n")[:-1] if data[:whole_end].endswith(b"\n") else [data[:whole_end]]
    is_cut = anew and begin > 0
    if is_cut:
        lines = lines[1:]  # the first is only the end of one
    unfinished = b"" if has_more else data[whole_end:]
    return LogNews(
        run_id,
        tuple(folded(line) for line in lines if whole_end),
        folded(unfinished),
        begin + whole_end,
        anew and begin + whole_end > 0,
        is_cut,
        has_more,
    )


def folded(line: bytes) -> str:
    """A line without its end as a terminal would leave it: what stands behind its last carriage return."""
    text = line.decode("utf-8", errors="replace").rstrip("\r")
    return text.rpartition("\r")[2]

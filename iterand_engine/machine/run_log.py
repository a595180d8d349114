"""A run's `worker.log`: the worker's messages as text with the local time, for `iterand log` and the window.

It never holds a test accuracy, so that the test lock does not concern it. Limits: a log that cannot be
written ends no run; one sentence reports it.
"""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TextIO

from iterand_engine.errors import UserError
from iterand_engine.machine import own_files
from iterand_engine.machine.workspace import Workspace

POLL_S = 0.2
_TAIL_BYTES = 16384
_TAIL_CHARACTERS = 4000


def log_path(workspace: Workspace, run_id: str) -> Path:
    """The path of a run's log, which exists once its worker has started."""
    return workspace.run_dir(run_id) / "worker.log"


def check_files(workspace: Workspace, run_id: str) -> None:
    """Make a run's folder if need be, and check before a start that its files can be written there.

    Raises:
        UserError: a folder of the run or its log is a link, or of another kind.
    """
    workspace.make_run_dir(run_id)
    path = log_path(workspace, run_id)
    own_files.refuse_link(path)
    with suppress(OSError), own_files.open_to_read(path):
        pass


class RunLog:
    """Adds lines to a log, at once visible to readers; a context manager.

    Args:
        path: of the log; its folder exists.
        on_failure: gets one sentence if the log cannot be written.
    Raises:
        UserError: on entering, the log is a link or no file.
    """

    def __init__(self, path: Path, on_failure: Callable[[str], None]) -> None:
        self._path, self._on_failure = path, on_failure
        self._file: TextIO | None = None

    def __enter__(self) -> RunLog:
        try:
            file = own_files.open_to_append(self._path)
            self._file = io.TextIOWrapper(
                file, encoding="utf-8", errors="backslashreplace", line_buffering=True
            )
        except OSError as error:
            self._give_up(error)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            try:
                self._file.close()
            except OSError as problem:
                self._give_up(problem)

    def line(self, text: str) -> None:
        """Add a line with the time before it; further lines of the text follow as they are."""
        if self._file is None:
            return
        try:
            self._file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text.rstrip()}\n")
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self._file = None
        self._on_failure(f"The log {self._path} cannot be written ({error.strerror}); the run goes on.")


def follow(path: Path, ended: Callable[[], bool]) -> Iterator[str]:
    """Read a log piece by piece while it grows.

    Args:
        path: of the log; it may come later.
        ended: whether nothing more will be written; called before each read, so that the last lines are read.
    """
    position = 0
    while True:
        is_last = ended()
        text, position = read_from(path, position)
        if text:
            yield text
        if is_last:
            return
        if not text:
            time.sleep(POLL_S)


def read_from(path: Path, position: int) -> tuple[str, int]:
    """Read whole lines of a log from a byte position on; a line that is being written is left for later.

    Returns:
        The text, empty where there is none, and the position after it.
    Raises:
        UserError: the log is a link or no file.
    """
    try:
        with own_files.open_to_read(path) as file:
            file.seek(position)
            content = file.read()
    except FileNotFoundError:
        return "", position
    whole = content[: content.rfind(b"\n") + 1]
    return whole.decode("utf-8", errors="replace"), position + len(whole)


def last_lines(path: Path, *, since: int = 0, count: int = 12) -> str:
    """The last lines of a log, at most 4,000 characters.

    Args:
        path: of the log.
        since: position in bytes; only lines behind it count.
        count: how many lines at most.
    Returns:
        The lines without a final line end; empty where there are none, or the log cannot be read. Where it is
        a link or no file, the sentence that says so.
    """
    try:
        with own_files.open_to_read(path) as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(since, end - _TAIL_BYTES))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    except UserError as error:
        return str(error)
    return "\n".join(text.rstrip().splitlines()[-count:])[-_TAIL_CHARACTERS:]

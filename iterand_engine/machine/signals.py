"""Ctrl+C and SIGTERM while something trains: the first asks to save and stop, a second Ctrl+C leaves."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType, TracebackType

from iterand_engine.errors import ExitCode

_SHOW_CURSOR = b"\x1b[?25h\n"


class StopSignals:
    """Takes SIGINT and SIGTERM over for as long as it is entered; only in the main thread.

    `requested` is set by the first of either; training reads it between two steps. The handler prints
    nothing, because it may interrupt a write.
    """

    def __init__(self) -> None:
        self.requested = False
        self._interrupted = False
        self._before = {
            number: signal.getsignal(number) or signal.SIG_DFL for number in (signal.SIGINT, signal.SIGTERM)
        }

    def __enter__(self) -> StopSignals:
        for number in self._before:
            signal.signal(number, self._receive)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and self._interrupted:
            if sys.stderr.isatty():
                os.write(2, _SHOW_CURSOR)
            os._exit(ExitCode.STOPPED)
        self._interrupted = self._interrupted or number == signal.SIGINT
        self.requested = True

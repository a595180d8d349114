"""A virtual screen: Xvfb for as long as it is needed, or Qt's own drawing into memory."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

_PATIENCE_S = 20


@contextmanager
def xvfb(width_px: int, height_px: int) -> Iterator[Mapping[str, str]]:
    """Start a server with a free number; gives the environment variables that lead Qt to it."""
    reading, writing = os.pipe()
    size = f"{width_px}x{height_px}x24"
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), "-screen", "0", size, "-nolisten", "tcp"],
        pass_fds=[writing],
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    try:
        with os.fdopen(reading) as said:
            number = said.readline().strip()  # empty where the server ended at once
        if not number:
            raise SystemExit("Xvfb does not start; run it by hand to see why.")
        yield {"DISPLAY": f":{number}", "QT_QPA_PLATFORM": "xcb"}
    finally:
        server.terminate()
        server.wait(_PATIENCE_S)


@contextmanager
def memory(_width_px: int, _height_px: int) -> Iterator[Mapping[str, str]]:
    """No server at all."""
    yield {"QT_QPA_PLATFORM": "offscreen"}

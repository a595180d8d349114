"""Finds out whether a window can be shown; if not, the process says why and becomes the headless demo.

Qt does not raise where a display cannot be reached or a library of its platform is missing: it ends the
process with `abort`. Its last message comes before that, and there the process becomes the demo instead.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from iterand_engine.machine.launch import python_environment

if TYPE_CHECKING:
    from PySide6.QtCore import QMessageLogContext, QtMsgType

# What Qt loads at start, for X11 too, as Debian's packages; .ci/run installs those that tests need.
QT_PACKAGES = (
    "libegl1 libgl1 libxkbcommon-x11-0 libdbus-1-3 libfontconfig1 libglib2.0-0 libxcb-cursor0 libxcb-icccm4 "
    "libxcb-keysyms1 libxcb-shape0"
)
_UNREACHED = ("could not connect to display", "Failed to create wl_display")


def no_display(environ: Mapping[str, str], platform: str) -> str | None:
    """Why no window can be shown, or None where one may be.

    Args:
        environ: of the process.
        platform: as `sys.platform`.
    """
    if platform in ("win32", "darwin") or environ.get("QT_QPA_PLATFORM"):
        return None
    if environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"):
        return None
    return "this session has no display (DISPLAY and WAYLAND_DISPLAY are not set)"


def become_demo(why: str, arguments: Sequence[str] = ()) -> NoReturn:
    """Say why there is no window, and go on as `iterand demo`: the same process, its exit code too."""
    print(f"There is no window: {why}. The demo runs without one.", file=sys.stderr, flush=True)
    sys.stdout.flush()
    words = [sys.executable, "-m", "iterand_engine.cli", "demo", *arguments]
    os.execve(sys.executable, words, python_environment())


@contextmanager
def demo_instead_of_abort(arguments: Sequence[str] = ()) -> Iterator[None]:
    """While Qt starts: where it would end the process, the process becomes the demo.

    Args:
        arguments: of `iterand demo`.
    """
    from PySide6.QtCore import QtMsgType, qInstallMessageHandler

    said: list[str] = []

    def hear(kind: QtMsgType, _: QMessageLogContext, text: str) -> None:
        if kind is QtMsgType.QtFatalMsg:
            become_demo(why_not(said or [text], os.environ), arguments)
        said.append(text)

    qInstallMessageHandler(hear)
    try:
        yield
    finally:
        qInstallMessageHandler(None)
        for text in said:
            print(text, file=sys.stderr)


def why_not(said: Sequence[str], environ: Mapping[str, str]) -> str:
    """Why Qt could not start, in a clause.

    Args:
        said: what it said before it gave up.
        environ: of the process.
    """
    for text in said:
        if any(words in text for words in _UNREACHED):
            display = environ.get("WAYLAND_DISPLAY") or environ.get("DISPLAY") or ""
            return f"the display {display!r} cannot be reached"
    trouble = said[-1].strip().rstrip(".")
    return f"Qt cannot start ({trouble}); on Debian or Ubuntu install {QT_PACKAGES}"

"""Starts slots from the window by Qt: what is started belongs to nobody and outlives the window.

Limits: as `iterand_engine.machine.launch.start_detached`, which one test holds to the same.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PySide6.QtCore import QIODevice, QProcess, QProcessEnvironment

from iterand_engine.errors import UserError
from iterand_engine.machine import own_files
from iterand_engine.machine.launch import SAFE_FOLDER, Launch


def start_detached(launch: Launch) -> None:
    """Start a program with its own session, environment and log; may be called from any thread.

    Raises:
        UserError: it cannot be started, or its log is a link or no file.
    """
    process = QProcess()
    process.setProgram(launch.program)
    process.setArguments(list(launch.arguments))
    process.setWorkingDirectory(str(SAFE_FOLDER))
    environment = QProcessEnvironment()
    for name, value in launch.environment.items():
        environment.insert(name, value)
    process.setProcessEnvironment(environment)
    append = QIODevice.OpenModeFlag.Append
    process.setStandardInputFile(QProcess.nullDevice())
    with _log(launch.log) as name:
        process.setStandardOutputFile(name, append)
        process.setStandardErrorFile(name, append)
        is_started = process.startDetached()
    if not is_started:
        raise UserError(f"Cannot start {launch.program}: {process.errorString()}.")


@contextmanager
def _log(path: Path) -> Iterator[str]:
    """A name for Qt, which opens files by name and follows links, of a log that was opened without."""
    try:
        with own_files.open_to_append(path) as file:
            yield f"/dev/fd/{file.fileno()}" if os.name == "posix" else str(path)
    except OSError as error:
        raise UserError(f"Cannot write the log {path}: {error.strerror}.") from None

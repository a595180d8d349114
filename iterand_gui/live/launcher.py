"""Starts slots from the window by Qt: what is started belongs to nobody and outlives the window.

Limits: as `iterand_engine.machine.launch.start_detached`, which one test holds to the same.
"""

from __future__ import annotations

from PySide6.QtCore import QIODevice, QProcess, QProcessEnvironment

from iterand_engine.errors import UserError
from iterand_engine.machine.launch import SAFE_FOLDER, Launch


def start_detached(launch: Launch) -> None:
    """Start a program with its own session, environment and log; may be called from any thread.

    Raises:
        UserError: it cannot be started.
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
    process.setStandardOutputFile(str(launch.log), append)
    process.setStandardErrorFile(str(launch.log), append)
    if not process.startDetached():
        raise UserError(f"Cannot start {launch.program}: {process.errorString()}.")

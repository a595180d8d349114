"""Start slots and workers: a plain value says what to start, and a launcher starts it.

A started program outlives its starter: it has its own session and no terminal, and it writes into a file and
never into a pipe, because a writer dies with the pipe's reader. Limits: a launcher reports only that the
program could be started; slots and workers register themselves in the store. The window has another launcher,
made of Qt's QProcess; one test holds both to the same behaviour.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from iterand_engine.errors import UserError
from iterand_engine.machine import own_files
from iterand_engine.machine.environment import CHECKOUT
from iterand_engine.machine.workspace import Workspace

# Starts its arguments with its own output, and ends at once, so that the child has no parent here and nobody
# must wait for it.
_STARTER = """
import os, subprocess, sys
detached = getattr(subprocess, "DETACHED_PROCESS", 0) | getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT, start_new_session=True,
                 creationflags=detached)
os._exit(0)
"""


@dataclass(frozen=True)
class Launch:
    """A program to start: its arguments, folder, whole environment, and the file its output is added to."""

    program: str
    arguments: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str]
    log: Path


Launcher = Callable[[Launch], None]


def start_detached(launch: Launch) -> None:
    """Start a program that is no child of this process and outlives it.

    Raises:
        UserError: the program cannot be started, or its log is a link or no file.
    """
    starter = (sys.executable, "-I", "-S", "-c", _STARTER)
    try:
        with own_files.open_to_append(launch.log) as log:
            done = subprocess.run(
                (*starter, launch.program, *launch.arguments),
                cwd=launch.folder,
                env=dict(launch.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )
    except OSError as error:
        raise _cannot_start(launch, str(error)) from error
    if done.returncode != 0:
        reason = done.stderr.strip().rpartition("\n")[2]
        raise _cannot_start(launch, reason or f"exit code {done.returncode}")


def start_child(launch: Launch) -> subprocess.Popen[bytes]:
    """Start a program whose end this process waits for, and which survives the death of this process.

    Raises:
        UserError: its log is a link or no file.
        OSError: the program cannot be started, or its log cannot be written.
    """
    with own_files.open_to_append(launch.log) as log:
        return subprocess.Popen(
            (launch.program, *launch.arguments),
            cwd=launch.folder,
            env=dict(launch.environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )


def _cannot_start(launch: Launch, reason: str) -> UserError:
    return UserError(f"Cannot start {launch.program} in {launch.folder}: {reason}.")


def python_launch(
    module: str,
    words: tuple[str, ...],
    workspace: Workspace,
    log: Path,
    more: Mapping[str, str] | None = None,
) -> Launch:
    """The launch of a module of this program in the workspace's folder, with `more` in its environment."""
    environment = {**python_environment(), "PYTHONUNBUFFERED": "1", **(more or {})}
    return Launch(sys.executable, ("-m", module, *words), workspace.root, environment, log)


def python_environment() -> dict[str, str]:
    """The environment in which Python finds this program, and imports nothing from the current folder."""
    environment = {**os.environ, "PYTHONSAFEPATH": "1"}
    if CHECKOUT.name not in (
        "site-packages",
        "dist-packages",
    ):  # a checkout, which Python finds by PYTHONPATH only
        earlier = os.environ.get("PYTHONPATH")
        environment["PYTHONPATH"] = os.pathsep.join([str(CHECKOUT), *([earlier] if earlier else [])])
    return environment

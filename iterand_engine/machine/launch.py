"""Start slots and workers: a plain value says what to start, and a launcher starts it.

A started program outlives its starter: it has its own session and no terminal, and it writes into a file and
never into a pipe, because a writer dies with the pipe's reader. Limits: a launcher reports only that the
program could be started; slots and workers register themselves in the store. The window has another launcher,
made of Qt's QProcess; one test holds both to the same behaviour.

A workspace may come from anybody, so no process may find code in one that the user did not enable. What is
started begins in `SAFE_FOLDER`, since Python, the shell and the loader of libraries read an empty part of a
search path as the current folder; and it imports nothing from a folder that is not named in full.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from iterand_engine.errors import UserError
from iterand_engine.machine import own_files
from iterand_engine.machine.environment import CHECKOUT

# The root of the file system, where only its administrator writes.
SAFE_FOLDER = Path(Path(sys.prefix).anchor)
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
    """A program to start in `SAFE_FOLDER`: its arguments, whole environment, and file for its output."""

    program: str
    arguments: tuple[str, ...]
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
                cwd=SAFE_FOLDER,
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
            cwd=SAFE_FOLDER,
            env=dict(launch.environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )


def _cannot_start(launch: Launch, reason: str) -> UserError:
    return UserError(f"Cannot start {launch.program}: {reason}.")


def python_launch(
    module: str, words: tuple[str, ...], log: Path, more: Mapping[str, str] | None = None
) -> Launch:
    """The launch of a module of this program, with `more` in its environment; `words` have absolute paths."""
    environment = {**python_environment(), "PYTHONUNBUFFERED": "1", **(more or {})}
    return Launch(sys.executable, ("-m", module, *words), environment, log)


def python_environment() -> dict[str, str]:
    """The environment in which Python finds this program, and imports nothing from the current folder.

    Of PYTHONPATH the entries stay that are absolute: an empty or a relative one means another folder in each
    process, perhaps a workspace.
    """
    environment = {**os.environ, "PYTHONSAFEPATH": "1"}
    given = environment.pop("PYTHONPATH", "").split(os.pathsep)
    folders = [folder for folder in given if os.path.isabs(folder)]
    if CHECKOUT.name not in ("site-packages", "dist-packages"):  # a checkout is found by PYTHONPATH only
        folders.insert(0, str(CHECKOUT))
    if folders:
        environment["PYTHONPATH"] = os.pathsep.join(folders)
    return environment


@contextmanager
def safe_imports() -> Iterator[None]:
    """Within it, what a library starts imports as in `python_environment`: the processes that load data."""
    names = ("PYTHONPATH", "PYTHONSAFEPATH")
    before = {name: os.environ[name] for name in names if name in os.environ}
    safe = python_environment()
    try:
        _put(names, safe)
        yield
    finally:
        _put(names, before)


def _put(names: Iterable[str], values: Mapping[str, str]) -> None:
    for name in names:
        os.environ.pop(name, None)
        if name in values:
            os.environ[name] = values[name]

"""Helpers of the tests of the command line: commands here or in a process of their own, and tiny runs."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from iterand_engine.cli import main
from iterand_engine.machine.workspace import Workspace, open_workspace_dir
from iterand_engine.store import RunDetail, RunRow, Store
from tests.paths import ROOT
from tests.patience import PATIENCE_S

STEPS_PER_EPOCH = 8
TINY: dict[str, dict[str, Any]] = {
    "data": {"dataset": "digits", "augmentation": "none", "train_limit": 256},
    "model": {"name": "conv2", "width_factor": 0.0625},
    "method": {"name": "iterand", "sparsity": 0.5, "randomize_every": 5},
    "training": {"epochs": 2, "batch_size": 32, "lr": 0.1},
    "compute": {"device": "cpu", "precision": "fp32", "threads": 1},
    "recording": {"mask_every": 3},
}


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def run_id(self) -> str:
        """The run of its result line."""
        match = re.match(r"run (\S+) ", self.out)
        assert match, (self.out, self.err)
        return match[1]


def iterand(*words: str | Path) -> Done:
    """Run a command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main([str(word) for word in words])
        except SystemExit as ending:
            return Done(int(ending.code or 0), out.getvalue(), err.getvalue())


def start(*words: str | Path) -> subprocess.Popen[str]:
    """Start a command in a process of its own, buffered as pipes are by default."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONUNBUFFERED", None)
    command = [sys.executable, "-m", "iterand_engine.cli", *(str(word) for word in words)]
    return subprocess.Popen(
        command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def typed(command: str, folder: Path) -> str:
    """A command as it is suggested by one that was given this workspace."""
    return f"`iterand {command} --workspace {shlex.quote(str(folder))}`"


@contextmanager
def on_a_terminal(*words: str | Path) -> Iterator[tuple[subprocess.Popen[bytes], Callable[[], str]]]:
    """A command on a terminal of 80 x 24, and a function that gives all it has shown so far."""
    import pty  # Windows has none

    ours, theirs = pty.openpty()
    sizes = {"TERM": "xterm", "COLUMNS": "80", "LINES": "24"}
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **sizes}
    command = [sys.executable, "-m", "iterand_engine.cli", *(str(word) for word in words)]
    process = subprocess.Popen(command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    os.set_blocking(ours, False)
    shown: list[str] = []

    def seen() -> str:
        with contextlib.suppress(OSError):  # nothing new, or the process has ended
            while new := os.read(ours, 65536):
                shown.append(new.decode(errors="replace"))
        return "".join(shown)

    try:
        yield process, seen
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def finished(process: subprocess.Popen[str]) -> Done:
    """Wait for a process to end."""
    try:
        out, err = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
    return Done(process.returncode, out, err)


def config_file(folder: Path, **changes: Mapping[str, Any] | str) -> Path:
    """Write a tiny run's configuration, with some sections or the name changed.

    Args:
        folder: where to.
        changes: options by section, laid over the tiny ones; a text replaces an option at the top.
    """
    mapping: dict[str, Any] = {section: dict(options) for section, options in TINY.items()}
    for section, change in changes.items():
        if isinstance(change, str):
            mapping[section] = change
        elif section == "method":
            mapping[section] = dict(change)
        else:
            mapping[section].update(change)
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(mapping))
    return path


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition; fail where it does not come."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


@contextmanager
def opened(folder: Path) -> Iterator[tuple[Workspace, Store]]:
    """A workspace and its store, closed again."""
    workspace = open_workspace_dir(folder)
    with Store.open(workspace) as store:
        yield workspace, store


def only_run(folder: Path) -> RunDetail | None:
    """The one run of a workspace, or None while there is none."""
    with opened(folder) as (_, store):
        rows = store.reader.runs()
        return store.reader.run(rows[0].id) if rows else None


def queued(folder: Path) -> list[RunRow]:
    """The queue of a workspace, in its order."""
    with opened(folder) as (_, store):
        return store.reader.queued()


def did(folder: Path, *words: str | Path) -> Done:
    """A command that succeeds, in this process."""
    done = iterand(*words, "--workspace", folder)
    assert done.code == 0, done.err
    return done

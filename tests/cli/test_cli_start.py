"""What a command imports before it says something: only what it needs, asked in a process of its own."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.core import TyperGroup

from iterand_engine.cli.app import COMMANDS, CommandEntry
from iterand_engine.cli.table import CliTable
from iterand_engine.machine.workspace import Workspace
from iterand_engine.store import NewRun, Store
from iterand_engine.store.runs import create_run
from tests.command_line import iterand
from tests.paths import ROOT

HEAVY = ("sqlalchemy", "alembic", "pydantic", "yaml", "numpy", "PIL", "psutil", "pynvml", "torch")


def modules_after(*words: str | Path) -> set[str]:
    """All modules that a process has imported when it has run a command."""
    script = """
import sys
from iterand_engine.cli import main
try:
    main()
finally:
    print("imported", *sys.modules, file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, *(str(word) for word in words)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("words", ["--help", "--version"])
def test_that_help_and_version_import_no_command_and_nothing_heavy(words: str) -> None:
    modules = modules_after(words)
    assert "iterand_engine.cli.app" in modules
    assert modules.isdisjoint(HEAVY)
    assert modules.isdisjoint(f"iterand_engine.cli.{command.module}" for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_that_the_table_says_of_a_command_what_the_command_says(command: CommandEntry) -> None:
    loaded = command.load()
    assert loaded.name == command.name
    assert isinstance(loaded, TyperGroup) == command.is_group
    assert loaded.help is not None
    assert loaded.help.partition("\n\n")[0] == command.help


def test_that_a_mistyped_command_is_told_the_nearest_ones() -> None:
    done = iterand("trian")
    assert done.code == 2
    assert "No such command 'trian'. Did you mean 'train'?" in done.err


def test_that_shells_complete_commands_and_the_options_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def completed(words: str) -> list[str]:
        monkeypatch.setenv("_ITERAND_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", words)
        monkeypatch.setenv("COMP_CWORD", str(words.count(" ")))
        return iterand().out.split()

    assert completed("iterand ") == [command.name for command in COMMANDS]
    assert completed("iterand settings ") == ["get", "set"]
    assert "--json" in completed("iterand runs --")


def test_that_the_list_of_runs_imports_nothing_that_trains_writes_or_migrates(
    workspace: Workspace, store: Store
) -> None:
    create_run(
        store,
        NewRun(
            "listed",
            {
                "data": {"dataset": "digits"},
                "model": {"name": "conv2", "width_factor": 0.5},
                "method": {"name": "iterand"},
            },
            "group",
            1,
            "cpu",
            "fp32",
            "0.1.0",
        ),
    )
    modules = modules_after("runs", "--workspace", workspace.root)
    needless = ("alembic", "numpy", "torch", "PIL", "pynvml", "sqlalchemy.orm", "rich")
    assert "iterand_engine.store.queries" in modules
    assert modules.isdisjoint(needless)
    assert modules.isdisjoint(f"iterand_engine.{name}" for name in ("config.catalog", "store.recorder"))


@pytest.mark.parametrize(
    "cells",
    [("a", "12"), ("", ""), (" x ", "7 "), ("[b]", "1.5"), ("gr\u00f6\u00dfer \u6f22", "1"), ("a\nb", "3")],
)
def test_that_a_piped_table_is_the_one_that_rich_lays_out(
    cells: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    table = CliTable(("name", "epoch", "val accuracy"), ("epoch",))
    for more in ("", "of 20", "longer than its heading"):
        table.add([*cells, more])
    shown = []
    for asks_for_rich in (False, True):
        with contextlib.redirect_stdout(io.StringIO()) as out:
            if asks_for_rich:
                monkeypatch.setenv("TTY_COMPATIBLE", "0")  # a pipe, as before, but for Rich to lay out
            table.show()
        shown.append(out.getvalue())
    assert shown[0] == shown[1]
    assert "val accuracy" in shown[0]

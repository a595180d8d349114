"""What a command suggests can be typed as it stands: with its options, on the workspace that was given."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest

from iterand_engine.cli.app import make_program
from iterand_engine.cli.words import as_typed, forget, help_by, note_workspace
from iterand_engine.errors import Advice
from iterand_engine.machine.workspace import open_workspace_dir
from tests.cli.test_cli_mistakes import refused
from tests.command_line import config_file, did, iterand, opened

COMMAND = re.compile(r"`iterand ([^`]+)`")
SAYS = {
    "presets": ["queue", "--preset", "quickstar"],
    "train": ["train"],
    "doctor": ["train", "--preset", "quickstart", "--set", "compute.device=gpu"],
    "data": ["train", "--preset", "cifar10-conv6-dense"],
    "move": ["move", "nobody"],
    "runs": ["runs"],
    "filter": ["runs", "state=finished"],
    "list": ["queue", "--preset", "quickstart", "--json"],
    "new": ["extensions", "list"],
    "enable": ["extensions", "enable", "none.py"],
    "empty": ["queue"],
}


def parsed(words: list[str]) -> None:
    """Let the program read a command without running it; fails where it would refuse it."""
    command: Any = make_program()
    context = click.Context(command, info_name="iterand")
    while isinstance(command, click.Group):
        name, found, words = command.resolve_command(context, words)
        assert found is not None
        context = found.make_context(name, list(words), parent=context)
        command = context.command
        words = [*context.protected_args, *context.args] if isinstance(command, click.Group) else []
    forget()


def suggested(text: str) -> list[list[str]]:
    return [shlex.split(found) for found in COMMAND.findall(text)]


@pytest.mark.parametrize("words", SAYS.values(), ids=SAYS)
def test_that_what_is_suggested_names_the_workspace_and_can_be_typed(
    tmp_path: Path, words: list[str]
) -> None:
    folder = open_workspace_dir(tmp_path / "my runs").root
    done = iterand(*words, "--workspace", folder)
    commands = suggested(done.out + done.err)
    assert commands, (done.out, done.err)
    for command in commands:
        assert command[-2:] == ["--workspace", str(folder)]
        parsed(command)


def test_that_a_run_that_can_go_on_says_how_with_the_workspace(workspace_dir: Path, tmp_path: Path) -> None:
    config = config_file(tmp_path, model={"width_factor": 0.001})
    run_id = iterand("train", config, "--workspace", workspace_dir).run_id
    for words in (["show", run_id], ["show", run_id, "--json"]):
        told = suggested(did(workspace_dir, *words).out)
        assert told or "--json" in words
        assert all(command[-2:] == ["--workspace", str(workspace_dir)] for command in told)


def test_that_nothing_is_added_where_no_workspace_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ITERAND_WORKSPACE", str(open_workspace_dir(tmp_path / "elsewhere").root))
    iterand("runs", "--workspace", tmp_path)
    assert "`iterand train --preset quickstart`" in iterand("runs").out


def test_that_a_group_hands_its_workspace_on(tmp_path: Path) -> None:
    for words in (["--workspace", str(tmp_path), "list"], ["list", "--workspace", str(tmp_path)]):
        assert f"--workspace {tmp_path}`" in iterand("extensions", *words).out


def test_that_a_text_gets_the_workspace_once_and_quoted() -> None:
    note_workspace(Path("/my runs"))
    try:
        once = as_typed("`iterand runs` or `iterand COMMAND --help`, not `training.lr`")
        assert once == "`iterand runs --workspace '/my runs'` or `iterand COMMAND --help`, not `training.lr`"
        assert as_typed(once) == once
    finally:
        forget()
    assert as_typed("`iterand runs`") == "`iterand runs`"


def test_that_the_command_line_says_which_option_helps(workspace_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = refused(iterand("runs", "--workspace", tmp_path / "file"))
    assert said.endswith("is a file: name a folder. --workspace or ITERAND_WORKSPACE names another one.")
    quick = ("queue", "--preset", "quickstart")
    said = refused(iterand(*quick, "--seeds", "5-1", "--workspace", workspace_dir))
    assert said == "--seeds is '5-1'; allowed: whole numbers like 1-5, 1,3,7 or 1-3,10."
    twice = ("--seeds", "1-2", "--set", "training.seed=3")
    said = refused(iterand(*quick, *twice, "--workspace", workspace_dir))
    assert said == "Seeds are given twice, by --seeds and by --set training.seed: keep one of them."
    for command in ("train", "queue"):
        words = (command, "--preset", "quickstart", "--set", "training.lr")
        said = refused(iterand(*words, "--workspace", workspace_dir))
        assert said == "--set 'training.lr' is not of the form option=value, e.g. training.lr=0.05."
    with opened(workspace_dir) as (_, store):
        assert store.reader.runs() == []


@pytest.mark.parametrize("advice", Advice)
def test_that_there_are_words_for_whatever_helps(advice: Advice) -> None:
    assert not help_by(advice, "cpu").endswith(".")

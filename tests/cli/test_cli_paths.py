"""A path that no file can have is refused with a sentence, wherever a path is given."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from iterand_engine.config.run_config import RunConfig
from iterand_engine.errors import UserError
from iterand_engine.machine.user_path import user_path
from tests.command_line import iterand

IMPOSSIBLE = {
    "~nobody-has-this-name/x": "no home folder is known for '~nobody-has-this-name'",
    "x" * 5000: "a path has at most 4,000 bytes",
    "a/" * 2500: "a path has at most 4,000 bytes",
    "a/" + "\u00fc" * 130 + "/b": "each name in it has at most 255 bytes",
    "a\0b": "it holds a NUL character",
    "a\ud800b": "it holds half of a character",
}
PLACES = [
    ("train", "{}"),
    ("queue", "{}"),
    ("train", "--preset", "quickstart", "--workspace", "{}"),
    ("train", "--preset", "quickstart", "--set", "data.path={}"),
    ("queue", "--preset", "quickstart", "--set", "data.path={}"),
    ("runs", "--workspace", "{}"),
    ("settings", "set", "data_roots", "{}"),
    ("data", "list", "--workspace", "{}"),
    ("extensions", "enable", "{}"),
    ("check", "{}"),
    ("check", "a.py", "--path", "{}"),
]


@pytest.mark.parametrize(("path", "said"), IMPOSSIBLE.items())
def test_that_an_impossible_path_is_refused(path: str, said: str) -> None:
    with pytest.raises(UserError) as refused:
        user_path(path, "data.path")
    assert str(refused.value).startswith("data.path '")
    assert str(refused.value).endswith(f" is not possible: {said}.")
    with pytest.raises(UserError, match=r"is not possible|which has no character"):
        RunConfig.from_mapping({"data": {"dataset": "npz", "path": path}})


@pytest.mark.parametrize(
    "path", ["a", "~", "~/a", "/a/b", ".", "a~b/..", "x" * 255, "Gr\u00fc\u00dfe \u732b"]
)
def test_that_other_paths_are_taken(path: str) -> None:
    assert user_path(path, "data.path") == Path(os.path.expanduser(path))


@pytest.mark.parametrize("path", ["~nobody-has-this-name/x", "x" * 5000])
@pytest.mark.parametrize("words", PLACES, ids=" ".join)
def test_that_every_command_refuses_an_impossible_path(
    words: tuple[str, ...], path: str, workspace_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ITERAND_WORKSPACE", str(workspace_dir))
    done = iterand(*(word.replace("{}", path) for word in words))
    assert (done.code, done.out) == (2, "")
    assert done.err.count("\n") <= 4  # one sentence, wrapped
    assert "Traceback" not in done.err


def test_that_a_folder_is_no_configuration_and_a_file_no_folder(workspace_dir: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    for words, said in (
        (("train", tmp_path, "--workspace", workspace_dir), "is a folder: name a YAML file"),
        (("runs", "--workspace", file), "is a file: name a folder"),
        (("settings", "set", "data_roots", file, "--workspace", workspace_dir), "there is no such folder"),
    ):
        done = iterand(*words)
        assert done.code == 2
        assert said in " ".join(done.err.split())

"""The page about extensions: its files are enabled, checked and trained as it says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from unittest.mock import patch

import pytest

from iterand_engine.config.catalog import extension_entries
from iterand_engine.machine.workspace import open_workspace_dir
from tests.command_line import iterand
from tests.extension_code import describe_here
from tests.paths import ROOT

PAGE = ROOT / "docs" / "extending.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def commands(block: str) -> list[list[str]]:
    return [shlex.split(line, comments=True) for line in block.splitlines()]


def test_that_the_page_does_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = tmp_path / "workspace"
    monkeypatch.setenv("ITERAND_WORKSPACE", str(workspace))
    monkeypatch.chdir(tmp_path)
    said: list[str] = []

    def run(block: str) -> None:
        for program, *words in commands(block):
            assert program == "iterand"
            done = iterand(*words)
            assert done.code == 0, (words, done.out, done.err)
            said.append(done.out)

    open_workspace_dir(workspace)
    enabling, training = blocks("sh")
    page = PAGE.read_text(encoding="utf-8")
    files = re.findall(r"`extensions/(\w+\.py)`:\n\n```python\n(.*?)```", page, re.DOTALL)
    assert [name for name, _ in files] == ["mlp.py", "fading.py", "stripes.py"]
    for name, text in files:
        (workspace / "extensions" / name).write_text(text, encoding="utf-8")
    (config,) = blocks("yaml")
    (tmp_path / "own.yaml").write_text(config)
    with patch("iterand_engine.extensions.files.describe", describe_here):
        run(enabling)
    run(training)
    assert extension_entries() == ()
    assert len([text for text in said if " finished val_acc=" in text]) == 3
    assert "bit-identical" in said[-1]
    assert [line.split()[1] for line in said[-2].splitlines()[1:]] == ["striped", "mlp-x0.5-iterand"]

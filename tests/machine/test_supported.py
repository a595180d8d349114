"""The program runs on Linux with CPython 3.11 to 3.13 and says so elsewhere, in one sentence everywhere."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from iterand_engine import cli
from iterand_engine.machine.supported import FIRST, LAST, unsupported
from iterand_gui.shell import app
from tests.paths import ROOT


@pytest.mark.parametrize("version", [(3, 11), (3, 12), (3, 13)])
def test_that_linux_and_these_versions_will_do(version: tuple[int, int]) -> None:
    assert unsupported("linux", "cpython", version) == ""


@pytest.mark.parametrize(
    ("system", "implementation", "version", "said"),
    [
        ("linux", "cpython", (3, 10), "this is CPython 3.10 on linux"),
        ("linux", "cpython", (3, 14), "this is CPython 3.14 on linux"),
        ("linux", "pypy", (3, 11), "this is pypy 3.11 on linux"),
        ("darwin", "cpython", (3, 12), "this is CPython 3.12 on darwin"),
        ("win32", "cpython", (3, 12), "this is CPython 3.12 on win32"),
    ],
)
def test_that_anything_else_is_named_with_what_is_wanted(
    system: str, implementation: str, version: tuple[int, int], said: str
) -> None:
    sentence = unsupported(system, implementation, version)
    assert "Linux with CPython 3.11 to 3.13" in sentence
    assert said in sentence


@pytest.mark.parametrize("main", [cli.main, app.main])
def test_that_both_programs_end_there(
    main: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert callable(main)
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [unsupported("darwin", sys.implementation.name, sys.version_info[:2])]


def test_that_the_package_and_the_installation_want_the_same() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == f">={FIRST[0]}.{FIRST[1]},<{LAST[0]}.{LAST[1] + 1}"


@pytest.mark.parametrize(("name", "answer"), [("uname", "echo Darwin"), ("python", "echo 3.14")])
def test_that_the_installation_refuses_elsewhere(tmp_path: Path, name: str, answer: str) -> None:
    """Both commands are replaced, each in turn by one that says that it is something else."""
    python = tmp_path / "python"
    python.symlink_to(sys.executable)
    fake = tmp_path / name
    fake.unlink(missing_ok=True)
    fake.write_text(f"#!/bin/sh\n{answer}\n{'exit 1' if name == 'python' else ''}\n")
    fake.chmod(0o755)
    done = subprocess.run(
        [ROOT / ".ci" / "install", str(python)],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "Linux with CPython 3.11 to 3.13" in done.stderr
    assert len(done.stderr.splitlines()) == 1

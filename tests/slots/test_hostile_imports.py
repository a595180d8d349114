"""No process that the program starts imports a module that lies in a workspace.

The exploit: a workspace has modules with the names of some that every Python imports, and the user, whose
PYTHONPATH has an empty and a relative entry, stands in it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from PySide6.QtCore import QProcess
from pytestqt.qtbot import QtBot

from iterand_engine.cli import doctor
from iterand_engine.config.extension_code import sha256_of
from iterand_engine.config.run_config import DataConfig, RunConfig
from iterand_engine.data.dataset import Split
from iterand_engine.data.open import open_dataset
from iterand_engine.errors import UserError
from iterand_engine.extensions import checks
from iterand_engine.extensions.checks import run_checks
from iterand_engine.extensions.files import describe
from iterand_engine.machine.allowed import allow_command
from iterand_engine.machine.environment import git_commit
from iterand_engine.machine.launch import SAFE_FOLDER, python_environment, safe_imports, start_detached
from iterand_engine.machine.processes import host_id
from iterand_engine.machine.settings import Settings
from iterand_engine.machine.workspace import Workspace
from iterand_engine.preflight import probe_client
from iterand_engine.preflight.probe_client import ProbeClient
from iterand_engine.slots.on_end import announce_closed
from iterand_engine.store import RunState
from iterand_engine.store.records import SlotKey
from iterand_gui.live.tasks import Jobs, make_process
from iterand_gui.shell import no_display
from tests.command_line import TINY
from tests.data.image_files import save
from tests.paths import ROOT
from tests.patience import PATIENCE_S, WAIT_MS
from tests.slot_processes import Queue

# Python imports the first two by itself, the others are imported by every child.
NAMES = ("sitecustomize", "usercustomize", "json", "multiprocessing", "numpy", "torch", "typer")

NET = """
from iterand_engine.extending import InputSpec, model

@model
def net(width_factor: float, spec: InputSpec):
    raise NotImplementedError
"""
# Stands for the process that checks an extension, which takes seconds to import torch.
CHECK = """
import json, os, sys
words = " ".join([os.getcwd(), *sys.argv[2:]])
print(json.dumps({"entry": "net", "passed": True, "detail": words}))
print("checked")
"""


@pytest.fixture
def executed(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], list[str]]:
    """The hostile modules that were executed, and where; the test stands in the workspace that has them."""
    seen = tmp_path / "executed"
    for folder in (workspace.root, workspace.root / "lib"):
        folder.mkdir(exist_ok=True)
        for name in NAMES:
            (folder / f"{name}.py").write_text(
                f"import os\nwith open({str(seen)!r}, 'a') as f: f.write(__file__ + '\\n')\nos._exit(77)\n"
            )
    monkeypatch.chdir(workspace.root)
    given = os.environ.get("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["", "lib", ".", given]))
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    return lambda: seen.read_text().splitlines() if seen.exists() else []


def test_that_the_exploit_works_on_an_unguarded_python(executed: Callable[[], list[str]]) -> None:
    done = subprocess.run([sys.executable, "-c", "pass"], check=False)
    assert done.returncode == 77
    assert executed()


def test_that_slots_and_workers_import_nothing_of_the_workspace(
    queue: Queue, executed: Callable[[], list[str]]
) -> None:
    (run_id,) = queue.add({})
    queue.start()
    queue.until_state(run_id, RunState.FINISHED)
    assert executed() == []


def test_that_the_probe_imports_nothing_of_the_workspace(
    workspace: Workspace, executed: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    where = [sys.executable, "-c", "import json, os, sys; sys.exit(os.getcwd())"]  # sooner than with torch
    monkeypatch.setattr(probe_client, "probe_command", lambda _: where)
    with (
        ProbeClient(workspace) as probe,
        pytest.raises(UserError, match=rf"\(exit code 1, '{SAFE_FOLDER}'\)"),
    ):
        probe.ask(RunConfig.from_mapping(TINY))
    assert executed() == []


def test_that_looking_at_an_extension_imports_nothing_of_the_workspace(
    workspace: Workspace, executed: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = workspace.extensions_dir / "net.py"
    path.write_text(NET)
    seen_from_here = path.relative_to(workspace.root)
    assert [one.name for one in describe(seen_from_here, sha256_of(NET.encode())).declarations] == ["net"]
    monkeypatch.setattr(checks, "child_command", lambda: [sys.executable, "-c", CHECK])
    (result,) = run_checks(seen_from_here, Path("data"))
    assert result.detail == f"{SAFE_FOLDER} {path} {workspace.root / 'data'}"
    assert executed() == []


def test_that_doctor_imports_nothing_of_the_workspace(
    executed: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_TRY_TORCH", "import json, os, sys; sys.exit(os.getcwd())")
    assert [finding.says for finding in doctor._torch()] == [str(SAFE_FOLDER)]
    assert executed() == []


def test_that_loading_processes_import_nothing_of_the_workspace(
    workspace: Workspace, tmp_path: Path, executed: Callable[[], list[str]]
) -> None:
    for place in ("train/ant", "train/bee", "test/ant", "test/bee"):
        for number in range(3):
            save(Image.new("RGB", (40, 40)), tmp_path / "images" / place / f"{number}.png")
    options = DataConfig(dataset="image-folder", path=str(tmp_path / "images"), augmentation="none")
    cpu, before = torch.device("cpu"), dict(os.environ)
    dataset = open_dataset(options, roots=[], device=cpu, workers=1, seed=1, memory_bytes=1)
    try:
        assert len(list(dataset.batches(Split.TRAIN, 2)))
    finally:
        dataset.close()
    assert executed() == []
    assert dict(os.environ) == before, "what is not ours to start stays as the user has it"


def test_that_commands_and_processes_of_the_window_import_nothing_of_the_workspace(
    qtbot: QtBot, workspace: Workspace, executed: Callable[[], list[str]]
) -> None:
    jobs = Jobs(workspace.root)
    try:
        job = jobs.command(["presets"], "Presets")
        with qtbot.waitSignal(job.succeeded, timeout=WAIT_MS):
            pass
        process = make_process(
            [sys.executable, "-c", "import os; print(os.getcwd())"], python_environment(), jobs
        )
        with qtbot.waitSignal(process.finished, timeout=WAIT_MS):
            process.start()
        assert process.exitStatus() is QProcess.ExitStatus.NormalExit
        assert bytes(process.readAllStandardOutput().data()).decode().strip() == str(SAFE_FOLDER)
    finally:
        jobs.close()
    assert executed() == []


def test_that_the_demo_instead_of_a_window_imports_nothing_of_the_workspace(
    workspace: Workspace, executed: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    became: list[tuple[list[str], dict[str, str]]] = []

    def become(_: str, words: list[str], environment: dict[str, str]) -> None:
        became.append((words, environment))

    monkeypatch.setattr(no_display.os, "execve", become)  # type: ignore[attr-defined]
    no_display.become_demo("no display", ["--help"])
    ((words, environment),) = became
    done = subprocess.run(
        words, env=environment, capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )
    assert done.returncode == 0, done.stderr
    assert executed() == []


def test_that_no_program_of_the_workspace_is_taken_for_another(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, checkout = tmp_path / "executed", tmp_path / "checkout"
    (checkout / ".git").mkdir(parents=True)
    for name in ("git", "tell-me"):
        (workspace.root / name).write_text(f"#!/bin/sh\necho $0 >> {seen}\n")
        (workspace.root / name).chmod(0o755)
    monkeypatch.chdir(workspace.root)
    monkeypatch.setenv("PATH", os.pathsep.join(["", os.environ["PATH"]]))
    assert subprocess.run(["tell-me"], check=False).returncode == 0, "the exploit works here"
    seen.unlink()
    assert git_commit(checkout) is None
    allow_command(workspace, "tell-me")
    Settings(on_end="tell-me").save(workspace)
    announce_closed(workspace, SlotKey(host_id(), "cpu", 0), "its device failed", start_detached)
    log = workspace.slots_dir / "on_end.log"
    deadline_s = time.monotonic() + PATIENCE_S
    while "tell-me: not found" not in (said := log.read_text() if log.exists() else ""):
        assert time.monotonic() < deadline_s, said
        assert not seen.exists()
        time.sleep(0.02)
    assert not seen.exists()


def test_that_of_a_search_path_what_is_named_in_full_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = str(tmp_path / "own")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["", own, "relative", ".", ""]))
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    path = python_environment()["PYTHONPATH"].split(os.pathsep)
    assert path[-1] == own
    assert all(Path(folder).is_absolute() for folder in path)
    before = dict(os.environ)
    with safe_imports():
        assert os.environ["PYTHONPATH"].split(os.pathsep) == path
        assert os.environ["PYTHONSAFEPATH"] == "1"
    assert dict(os.environ) == before

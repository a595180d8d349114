"""A built wheel, installed into another folder, works outside the checkout with its resources."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from importlib import import_module
from pathlib import Path

import pytest

from iterand_engine.version import __version__
from tests.paths import ROOT

# Run by a Python that sees the installed wheel first; prints what it found as JSON.
LOOK = """
import json, sys
from pathlib import Path
import numpy
import iterand_engine
from iterand_engine.config.run_config import RunConfig
from iterand_engine.config.presets import preset, presets
from iterand_engine.machine.resources import resource
from iterand_engine.store import Store
from iterand_engine.machine.workspace import open_workspace_dir

with numpy.load(resource("datasets", "digits.npz")) as digits:
    arrays = {name: list(digits[name].shape) for name in digits.files}
workspace = open_workspace_dir(sys.argv[1])
Store.open(workspace).close()
print(json.dumps({
    "package": str(Path(iterand_engine.__file__).parent),
    "version": iterand_engine.__version__,
    "resources": str(resource("datasets")),
    "presets": list(presets()),
    "quickstart": RunConfig.from_mapping(preset("quickstart").mapping).data.dataset,
    "arrays": arrays,
    "database": workspace.db_path.stat().st_size,
    "torch": "torch" in sys.modules,
}))
"""


def pip(*words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", *words],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's wheel, built with what is installed here."""
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", str(ROOT), "--no-build-isolation", "--no-deps", "--no-index", "--wheel-dir", str(folder))
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the wheel is installed in."""
    target = tmp_path_factory.mktemp("installed")
    pip("install", str(wheel), "--no-deps", "--no-index", "--target", str(target))
    return target


def test_that_the_installed_program_works_outside_the_checkout(installed: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-c", LOOK, str(tmp_path / "workspace")],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert Path(seen["package"]) == installed / "iterand_engine"
    assert Path(seen["resources"]) == installed / "iterand_engine" / "resources" / "datasets"
    assert seen["version"] == __version__
    assert {"quickstart", "cifar10-resnet18-iterand", "imagenet-resnet50-iterand"} <= set(seen["presets"])
    assert seen["quickstart"] == "digits"
    assert sorted(len(shape) for shape in seen["arrays"].values()) == [1, 1, 3, 3]
    assert {shape[0] for shape in seen["arrays"].values()} == {1437, 360}
    assert seen["database"] > 0
    assert not seen["torch"]


def test_that_the_wheel_holds_the_program_its_licence_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = archive.read(next(n for n in names if n.endswith("dist-info/METADATA"))).decode()
    assert {name.split("/")[0] for name in names} == {
        "iterand_engine",
        "iterand_gui",
        f"iterand_workbench-{__version__}.dist-info",
    }
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert "iterand_engine/resources/datasets/LICENSE-digits.md" in names
    assert any("store/migrations/versions/" in name for name in names)
    assert {"iterand_engine/py.typed", "iterand_gui/py.typed"} <= set(names)
    assert f"Version: {__version__}" in metadata
    assert "License-Expression: MIT" in metadata


@pytest.mark.parametrize("command", ["iterand", "iterand-gui"])
def test_that_the_command_leads_to_a_function(wheel: Path, command: str) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith("dist-info/entry_points.txt"))
        lines = archive.read(name).decode().splitlines()
    commands = dict(line.split(" = ") for line in lines if " = " in line)
    module, _, function = commands[command].partition(":")
    assert callable(getattr(import_module(module), function))

"""Files of extension code for tests, and what is done with them."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any
from unittest.mock import patch

from iterand_engine.config import extension_code
from iterand_engine.errors import UserError
from iterand_engine.extensions.files import Description, ExtensionFile, enable
from iterand_engine.machine.workspace import Workspace, open_workspace_dir
from iterand_engine.preflight.extension_process import described
from iterand_engine.store import RunState
from tests.command_line import Done, config_file, iterand, opened

NET = """
from typing import Annotated, Literal
from torch import nn
from iterand_engine.extending import Field, InputSpec, model

class Net(nn.Module):
    def __init__(self, width, spec, depth):
        super().__init__()
        inputs = [3 * 1024, *[width] * depth]
        self.layers = nn.ModuleList([nn.Linear(before, width) for before in inputs])
        self.head = nn.Linear(width, spec.classes)

    def forward(self, images):
        x = images.flatten(1)
        for layer in self.layers:
            x = layer(x).relu()
        return self.head(x)

@model
def tiny(
    width_factor: float,
    spec: InputSpec,
    depth: Annotated[int, Field(ge=1, le=4, description="hidden layers")] = 1,
    slope: float = 1,
    gate: bool = False,
    shape: Literal["flat", "round"] = "flat",
    note: str = "",
) -> nn.Module:
    return Net(max(4, int(32 * width_factor)), spec, depth)
"""
RULE = """
import torch
from iterand_engine.extending import Redraw, redraw_rule

@redraw_rule
def mine(layer, rate: float = 0.25) -> Redraw:
    return Redraw(layer.chance(rate))
"""
DATA = """
from pathlib import Path
import numpy as np
from iterand_engine.extending import ArrayContent, ImageArrays, dataset

@dataset
def noise(path: Path | None, classes: int = 3, count: int = 64) -> ArrayContent:
    rng = np.random.default_rng(0)
    def part(n):
        return ImageArrays(rng.integers(0, 256, (n, 16, 16), dtype=np.uint8), rng.integers(0, classes, n))
    return ArrayContent(part(count), part(20), tuple(str(i) for i in range(classes)))
"""
METHOD = """
from iterand_engine.extending import IteRand, method

@method
class Mine(IteRand):
    def __init__(self, module, options, plan, *, temperature: float = 1.0):
        super().__init__(module, options, plan)
        self.temperature = temperature
"""
HEAD = "import torch\nfrom torch import nn\nfrom iterand_engine.extending import *\n"
SIGNATURES = {
    "rule": "@redraw_rule\ndef mine(layer):",
    "model": "@model\ndef mine(width_factor, spec):",
    "dataset": "@dataset\ndef mine(path: 'str | None'):",
    "method": "@method\nclass Mine(IteRand):",
}
ALL = {"net.py": NET, "rule.py": RULE, "data.py": DATA, "method.py": METHOD}


def write(workspace: Workspace, name: str, text: str) -> Path:
    """Put a file into a workspace's extensions."""
    path = workspace.extensions_dir / name
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return path


def enable_here(workspace: Workspace, name: str) -> ExtensionFile:
    """Enable a file, describing it in this process: importing torch in another for each would take long."""
    with patch("iterand_engine.extensions.files.describe", describe_here):
        return enable(workspace, name)


def describe_here(path: Path, sha256: str) -> Description:
    """As `extension_files.describe`, in this process."""
    found = described(path, sha256)
    extension_code._State.loaded.clear()  # as if it had been run elsewhere
    if found.error is not None:
        raise UserError(found.error)
    return found


def trusted(workspace: Workspace, name: str, text: str) -> ExtensionFile:
    """Write a file and enable it, as `enable_here`."""
    write(workspace, name, text)
    return enable_here(workspace, name)


def workspace_with(folder: Path, **files: str) -> Workspace:
    """A workspace whose files (`name=text`, without .py) are enabled."""
    workspace = open_workspace_dir(folder)
    for name, text in files.items():
        trusted(workspace, f"{name}.py", text)
    return workspace


def refusal(folder: Path, text: str) -> str:
    """The sentence about a file that cannot be used."""
    path = folder / "mine.py"
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    error = described(path).error
    assert error is not None
    return error


def train(workspace: Workspace, **changes: Any) -> Done:
    """Train a tiny run in this process, for one epoch unless told otherwise."""
    changes = {"training": {"epochs": 1}, **changes}
    path = config_file(workspace.root.parent, **changes)
    return iterand("train", path, "--now", "--workspace", workspace.root)


def reason_of(workspace: Workspace, run_id: str) -> tuple[RunState, str | None]:
    """How a run stands, and why."""
    with opened(workspace.root) as (_, store):
        run = store.reader.run(run_id)
    return run.state, run.reason

"""Mistakes of an extension in training: one sentence with file and line, stored and shown."""

from __future__ import annotations

from typing import Any

import pytest

from iterand_engine.errors import ExitCode
from iterand_engine.machine.workspace import Workspace
from iterand_engine.store import RunState
from tests.extension_code import HEAD, SIGNATURES, reason_of, train, trusted

pytestmark = pytest.mark.usefixtures("no_entries_left")

MISTAKES: list[tuple[str, str, str]] = [
    # what it declares, the body, what is said
    (
        "rule",
        "pass",
        "extensions/mine.py, line 4: the redraw rule 'mine' returned nothing; it must return Redraw",
    ),
    (
        "rule",
        "return layer.mask",
        "line 4: the redraw rule 'mine' returned a Tensor; it must return Redraw(where)",
    ),
    (
        "rule",
        "return Redraw(layer.score)",
        "line 4: the redraw rule 'mine' returned where of torch.float32; it must",
    ),
    ("rule", "return Redraw([True])", "returned where that is a list and no tensor"),
    ("rule", "return Redraw(layer.mask[0])", "returned where of shape"),
    (
        "rule",
        "return Redraw(~layer.mask, torch.zeros(3))",
        "returned values of shape (3,) on cpu for the layer conv1",
    ),
    ("rule", "return 1 / 0", "extensions/mine.py, line 6, in mine: ZeroDivisionError: division by zero."),
    (
        "rule",
        "return torch.zeros(2, 3) @ torch.zeros(2)",
        "extensions/mine.py, line 6, in mine: RuntimeError: size",
    ),
    ("model", "return 3", "line 4: the model 'mine' returned an int; it must return a torch.nn.Module."),
    (
        "model",
        "return nn.Sequential(nn.Flatten(), nn.Linear(3072, 7))",
        "line 4: the model 'mine' gives shape (32, 7)",
    ),
    (
        "model",
        "return nn.Linear(7, 10)",
        "the model 'mine' fails for images of shape (32, 3, 32, 32): RuntimeError: mat1 and mat2 shapes",
    ),
    ("model", "return nn.Flatten()", "No layer of this network is masked"),
    ("model", "return open('/nonexistent')", "line 6, in mine: FileNotFoundError: [Errno 2] No such file"),
    (
        "dataset",
        "return {}",
        "line 4: the dataset 'mine' returned a dict; it must return ArrayContent or FolderContent.",
    ),
    (
        "dataset",
        "return ArrayContent(1, 2, ('a',))",
        "returned a content whose train is an int and not ImageArrays.",
    ),
    (
        "dataset",
        "part = ImageArrays([[1]], [1]); return ArrayContent(part, part, ('a',))",
        "line 4: the dataset 'mine' returned train images that are a list and no numpy array.",
    ),
    (
        "dataset",
        "part = ImageArrays(np.zeros((4, 8, 8)), np.zeros(4, int)); return ArrayContent(part, part, ('a',))",
        "dataset 'mine' (extensions/mine.py, line 4): train_images has dtype float64; it must be uint8",
    ),
    (
        "dataset",
        "part = ImageArrays(IMAGES, np.arange(4)); return ArrayContent(part, part, ('a', 'b'))",
        "train_labels goes from 0 to 3; labels must be whole numbers from 0 to 1.",
    ),
    (
        "dataset",
        "part = ImageArrays(IMAGES, np.zeros(4)); return ArrayContent(part, part, ('a',))",
        "returned train labels of dtype float64; they must be whole numbers.",
    ),
    (
        "dataset",
        "part = ImageArrays(IMAGES, np.zeros(4, int)); return ArrayContent(part, part, 'ab')",
        "returned class_names 'ab'; they must be a tuple of names",
    ),
    (
        "dataset",
        "part = image_files(Path('/x'), ['a', 'b'], [0, 2]); return FolderContent(part, part, ('a', 'b'))",
        "the dataset 'mine' returned train labels from 0 to 2; they must be whole numbers from 0 to 1.",
    ),
    (
        "dataset",
        "part = image_files(Path('/x'), ['a', 'b'], [0]); return FolderContent(part, part, ('a', 'b'))",
        "returned 2 train names and labels of shape (1,).",
    ),
    (
        "dataset",
        "part = image_files(Path('/x'), [], []); return FolderContent(part, part, ('a', 'b'))",
        "returned no train images.",
    ),
    (
        "method",
        "def before_step(self, step): return 3",
        "line 4: before_step of the method 'mine' returned an int; it must",
    ),
    ("method", "trained = []", "line 4: `trained` of the method 'mine' is empty: nothing would learn."),
    (
        "method",
        "trained = 3",
        "line 4: `trained` of the method 'mine' is an int; it must be a list of parameters.",
    ),
    (
        "method",
        "def after_step(self, step): self.x",
        "extensions/mine.py, line 6, in after_step: AttributeError: 'Mine'",
    ),
]
CHOSEN: dict[str, dict[str, Any]] = {
    "rule": {"method": {"name": "iterand", "randomize_every": 5, "rule": "mine"}},
    "model": {"model": {"name": "mine"}},
    "dataset": {"data": {"dataset": "mine", "train_limit": None}},
    "method": {"method": {"name": "mine", "randomize_every": 5}},
}


@pytest.mark.parametrize(
    ("kind", "body", "said"), MISTAKES, ids=[f"{kind}: {body}" for kind, body, _ in MISTAKES]
)
def test_that_a_mistake_while_training_is_told_with_its_place(
    kind: str, body: str, said: str, workspace: Workspace
) -> None:
    imports = HEAD.replace("import torch\n", "import torch, numpy as np\n")
    images = "from pathlib import Path\nIMAGES = np.zeros((4, 8, 8), np.uint8)"
    trusted(workspace, "mine.py", f"{imports}{SIGNATURES[kind]}\n    {body}\n{images}\n")
    done = train(workspace, **CHOSEN[kind])
    state, reason = reason_of(workspace, done.run_id)
    assert said in (reason or "")
    assert state is RunState.FAILED
    assert done.code in (ExitCode.FAILED, ExitCode.USER)
    assert said in done.err
    assert "defect of the program" not in done.err
    assert (workspace.run_dir(done.run_id) / "worker.log").read_text().count(said) >= 1

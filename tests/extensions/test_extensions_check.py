"""`iterand check` finds what breaks the contract, and the starts that `iterand new` writes keep it."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import get_args

import pytest

from iterand_engine.cli.extensions import TemplateKind, write_template
from iterand_engine.config.catalog import ExtensionEntries, use_extensions
from iterand_engine.config.extension_code import CodeKind
from iterand_engine.errors import UserError
from iterand_engine.extensions.active import entries_of_file
from iterand_engine.extensions.checks import CheckResult
from iterand_engine.machine.resources import resource
from iterand_engine.machine.workspace import Workspace
from iterand_engine.preflight.contract import CHECKS, check_all
from iterand_engine.preflight.extension_process import running_file
from tests.command_line import iterand, typed
from tests.extension_code import write

pytestmark = pytest.mark.usefixtures("no_entries_left")

HEAD = """import torch, numpy as np
from pathlib import Path
from torch import nn
from iterand_engine.extending import *
"""


def checked(path: Path, data: Path | None = None) -> list[CheckResult]:
    """Check a file in this process."""
    with running_file(path) as loaded:
        before = use_extensions(ExtensionEntries(entries_of_file(loaded.source, loaded.declarations)))
        try:
            return list(check_all(loaded, data))
        finally:
            use_extensions(before)


MODEL = """
@model
class Mine(nn.Module):
    def __init__(self, width_factor, spec):
        super().__init__()
        self.first, self.second = nn.Linear(3072, 8), nn.Linear(8, spec.classes)
        self.calls = 0
    def forward(self, images):
        {body}
"""
RULE_HEAD = "calls = []\n@redraw_rule\ndef mine(layer):\n    calls.append(1)\n    "
DATASET = """
@dataset
def mine(path: Path | None):
    rng = np.random.default_rng({seed})
    part = ImageArrays(rng.integers(0, 256, (40, 32, 32), dtype=np.uint8), rng.integers(0, 2, 40))
    return ArrayContent(part, part, ("a", "b"))
"""
METHOD = "@method\nclass Mine(IteRand):\n    "
BROKEN: list[tuple[str, str, str]] = [
    # what is wrong, the check that finds it, what it says
    (
        MODEL.format(body="return self.first(images.flatten(1))"),
        "output shape",
        "gives shape (16, 8) for 16 images",
    ),
    (
        MODEL.format(body="return self.second(self.first(images.flatten(1))).int()"),
        "output shape",
        "torch.int32",
    ),
    (MODEL.format(body="return 1 / 0"), "output shape", "mine.py, line 13, in forward: ZeroDivisionError"),
    (
        MODEL.format(body="return self.second(images.new_ones(len(images), 8))"),
        "gradients",
        "no gradient reaches first.weight: it does not take part in the outputs",
    ),
    (
        MODEL.format(body="return self.second(self.first(images.flatten(1)) + torch.rand(8))"),
        "the same again",
        "two equal runs differ, first in",
    ),
    (
        MODEL.format(
            body="self.calls += self.training; return self.second(self.first(images.flatten(1)) * self.calls)"
        ),
        "resume is exact",
        "a run stopped at step 4 and resumed differs from one that went through, first in",
    ),
    (
        RULE_HEAD + "layer.weight.zero_(); return Redraw(~layer.mask)",
        "redraws",
        "it changes layer.weight in place",
    ),
    (
        RULE_HEAD + "layer.mask.fill_(True); return Redraw(layer.mask)",
        "redraws",
        "it changes layer.mask in place",
    ),
    (RULE_HEAD + "return ~layer.mask", "redraws", "line 6: the redraw rule 'mine' returned a Tensor"),
    (RULE_HEAD + "return Redraw(~layer.mask, layer.weight / 0)", "redraws", "at event 1 are not finite"),
    (
        RULE_HEAD + "return Redraw(torch.rand(layer.weight.shape) < 0.5)",
        "the same draw",
        "it wants different weights; random numbers come from layer.chance(probability)",
    ),
    (
        RULE_HEAD + "return Redraw(~layer.mask, layer.weight + len(calls))",
        "the same draw",
        "asked twice about conv1.weight at event 1, it wants different weights",
    ),
    (DATASET.format(seed=""), "content", "read twice, it gives different images or labels"),
    (DATASET.format(seed="0").replace("(40, 32, 32)", "(40, 32, 30)"), "batches", "has images of 32x30 px"),
    (
        DATASET.format(seed="0").replace("path: Path | None", "path: Path"),
        "its options",
        "data.path is missing: the dataset 'mine' has no place of its own",
    ),
    (METHOD + "trained = []", "gradients", "is empty: nothing would learn"),
    (
        METHOD + "def before_step(self, step):\n        event = super().before_step(step)\n"
        "        with torch.no_grad(): self.layers[0].weight.neg_()\n        return event",
        "kept weights stay",
        "step 0 changed kept weights of conv1.weight",
    ),
    (
        METHOD + "steps = 0\n    def before_step(self, step):\n        self.steps += 1\n"
        "        return super().before_step(self.steps)",
        "resume is exact",
        "what lasts from step to step must be a parameter or buffer of the network",
    ),
]


@pytest.mark.parametrize(
    ("text", "check", "said"), BROKEN, ids=[f"{check}: {said}" for _, check, said in BROKEN]
)
def test_that_what_breaks_the_contract_is_found(text: str, check: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(HEAD + text)
    *before, last = checked(path)
    assert not last.passed
    assert (last.check, said in last.detail) == (check, True), last.detail
    assert all(result.passed for result in before)


def test_that_every_kind_is_checked() -> None:
    assert set(CHECKS) == set(get_args(CodeKind))


@pytest.mark.parametrize("kind", list(TemplateKind))
def test_that_a_start_works_as_it_is(kind: TemplateKind, workspace: Workspace) -> None:
    path = write_template(workspace, kind.value, "some-thing")
    assert path.name == "some_thing.py"
    text = path.read_text()
    assert "My" not in text.replace("My ", "")
    assert "FILE_NAME" not in text
    assert f"my-{kind}" not in text
    results = checked(path)
    assert {result.entry.rpartition(" ")[2] for result in results} == {"some-thing"}
    assert [result.check for result in results] == [check for check, _ in CHECKS[kind.value]]
    assert all(result.passed for result in results), results


def test_that_starts_say_what_each_line_is_for() -> None:
    for path in sorted(resource("templates").glob("*.py")):
        text = path.read_text()
        assert ast.get_docstring(ast.parse(text))
        assert sum(line.strip().startswith("#") for line in text.splitlines()) >= 8, path


def test_that_a_start_overwrites_nothing_and_takes_no_name(workspace: Workspace) -> None:
    write_template(workspace, "rule", "mine")
    for name, said in {
        "mine": "exists; choose another name",
        "Mine": "allowed: small letters, digits and -",
        "../mine": "allowed: small letters",
        "class": "allowed: small letters",
        "2nd": "allowed: small letters",
        "uniform": r"There is a redraw rule 'uniform' already \(built in\)",
    }.items():
        with pytest.raises(UserError, match=said):
            write_template(workspace, "rule", name)
    assert len(list(workspace.extensions_dir.iterdir())) == 1


def test_that_the_commands_write_and_check(workspace: Workspace) -> None:
    place = ("--workspace", workspace.root)
    done = iterand("new", "rule", "mine", *place)
    assert done.out == (
        f"Wrote {workspace.extensions_dir / 'mine.py'}; next: {typed('check mine.py', workspace.root)}, then "
        f"{typed('extensions enable mine.py', workspace.root)}.\n"
    )
    done = iterand("check", "mine", *place)
    assert (done.code, done.out.count("ok    redraw rule mine: "), done.err) == (0, 4, "")
    write(workspace, "bad.py", f"print('{{}}')\n{HEAD}{RULE_HEAD}return 3")
    done = iterand("check", "bad.py", *place)
    assert (done.code, done.out) == (
        1,
        "FAIL  redraw rule mine: redraws: extensions/bad.py, line 7: the redraw rule 'mine' returned an int; "
        "it must return Redraw(where) or Redraw(where, values).\n",
    )


@pytest.mark.parametrize("code", [0, 7])
def test_that_code_that_ends_the_checking_process_is_reported(workspace: Workspace, code: int) -> None:
    write(workspace, "bad.py", f"import os\n{HEAD}{RULE_HEAD}os._exit({code})")
    done = iterand("check", "bad.py", "--workspace", workspace.root)
    said = (
        f"extensions/bad.py ended the process that checked it (exit code {code}); an extension must not end "
        "it."
    )
    assert (done.code, done.err) == (2, f"{said}\n")


def test_that_code_that_leaves_does_not_pass(workspace: Workspace) -> None:
    write(workspace, "bad.py", f"import sys\n{HEAD}{RULE_HEAD}sys.exit(0)")
    done = iterand("check", "bad.py", "--workspace", workspace.root)
    assert done.code == 1
    assert "extensions/bad.py, line" in done.out
    assert "SystemExit: 0." in done.out

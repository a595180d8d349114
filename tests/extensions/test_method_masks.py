"""Whether runs of an extension's method have masks: its class says so, or the records of a run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from iterand_engine.config.catalog import METHODS, MethodEntry, extension_entries
from iterand_engine.config.extension_code import Declaration, Source
from iterand_engine.extensions.active import activated, entries_of_file
from iterand_engine.extensions.files import disable
from iterand_engine.machine.workspace import Workspace
from iterand_engine.results.epoch_masks import has_masks, stored_epochs
from tests.command_line import Done, iterand, opened
from tests.extension_code import HEAD, reason_of, train, trusted

WITHOUT = HEAD + "@method\nclass Mine(Dense):\n  ...\n"
WITH = HEAD + "@method\nclass Mine(EdgePopup):\n  ...\n"
SILENT = HEAD + (
    "@method\nclass Mine(Method):\n"
    "  def __init__(self, module, options, plan): self.trained_ones = list(module.parameters())\n"
    "  @property\n  def trained(self): return self.trained_ones\n"
)
WRONG = WITHOUT.replace("...", "has_masks = True")


@pytest.fixture(autouse=True)
def own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    yield
    assert not extension_entries()


def answer(workspace: Workspace, run_id: str) -> bool | None:
    """What readers hold of a run, as the workspace's extensions are now."""
    with opened(workspace.root) as (_, store), activated(workspace):
        return has_masks(workspace, store.reader.run(run_id))


def export(workspace: Workspace, run_id: str, out: Path) -> Done:
    return iterand(
        *("export", run_id, "--format", "masks", "--out", out, "--force", "--workspace", workspace.root)
    )


@pytest.mark.parametrize(
    ("text", "trait", "masks"), [(WITHOUT, False, False), (WITH, True, True), (SILENT, None, False)]
)
def test_that_a_run_has_the_masks_of_its_method_also_when_that_is_gone(
    text: str, trait: bool | None, masks: bool, workspace: Workspace, tmp_path: Path
) -> None:
    trusted(workspace, "mine.py", text)
    with activated(workspace):
        assert METHODS["mine"].has_masks is trait
    done = train(workspace, method={"name": "mine"})
    assert done.code == 0, done.err
    assert bool(stored_epochs(workspace.run_dir(done.run_id) / "masks")) is masks
    for is_there in (True, False):
        if not is_there:
            disable(workspace, "mine.py")
        assert answer(workspace, done.run_id) is masks
        exported = export(workspace, done.run_id, tmp_path / "masks.npz")
        if masks:
            assert exported.code == 0, exported.err
        else:
            assert exported.code == 2
            assert f"Run {done.run_id} is mine: it has no masks;" in exported.err


def test_that_a_run_without_a_step_of_a_method_that_is_gone_is_not_judged(workspace: Workspace) -> None:
    trusted(workspace, "mine.py", WITHOUT)
    run_id = train(workspace, method={"name": "mine"}).run_id
    with opened(workspace.root) as (_, store):
        row = store.reader.run(run_id)
    object.__setattr__(row, "step", 0)
    assert has_masks(workspace, row) is None


def test_that_a_method_that_says_what_is_not_so_is_refused(workspace: Workspace) -> None:
    trusted(workspace, "mine.py", WRONG)
    done = train(workspace, method={"name": "mine"})
    assert done.code != 0
    _, reason = reason_of(workspace, done.run_id)
    assert reason is not None
    assert "has 0 masked layers, and has_masks of its class is True; write has_masks = False." in reason


@pytest.mark.parametrize(
    ("base", "masks"), [("iterand", True), ("edge-popup", True), ("dense", False), ("", None)]
)
def test_that_a_declaration_of_before_has_the_trait_of_its_parent(base: str, masks: bool | None) -> None:
    source = Source("mine.py", "ab" * 32, Path("mine.py"))
    (entry,) = entries_of_file(source, [Declaration("method", "mine", "Mine", 1, base=base)])
    assert isinstance(entry, MethodEntry)
    assert entry.has_masks is masks

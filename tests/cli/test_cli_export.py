"""Exports: masks by numpy alone, the pruned network by torch alone, and what is refused."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from iterand_engine.cli import common
from iterand_engine.cli.train import new_run
from iterand_engine.config.run_config import RunConfig, load_yaml
from iterand_engine.data.dataset import Split
from iterand_engine.machine.workspace import Workspace
from iterand_engine.results.epoch_masks import read_epoch
from iterand_engine.runs import train
from iterand_engine.store.runs import claim_run
from iterand_engine.training.trainer import Trainer
from tests.command_line import config_file, iterand, opened
from tests.hooks import hooks
from tests.paths import ROOT

DOCS = (ROOT / "docs" / "exports.md").read_text(encoding="utf-8")
EPOCHS = 3


@dataclass(frozen=True)
class Trained:
    """A run and what its own network says of the validation images."""

    folder: Path
    run_id: str
    images: Tensor
    logits: Tensor

    def export(self, *words: str | Path) -> tuple[int, str, str]:
        done = iterand("export", self.run_id, *words, "--workspace", self.folder)
        return done.code, done.out, done.err


def trained(folder: Path, method: dict[str, Any], stop_at: int | None = None) -> Trained:
    """Train a tiny run in fp32, and keep what its network computes at the end."""
    config = load_yaml(config_file(folder, method=method, training={"epochs": EPOCHS}))
    seen: list[tuple[Tensor, Tensor]] = []
    test = Trainer.test

    def test_and_look(trainer: Trainer) -> Any:
        score = test(trainer)
        seen.append(_looked(trainer))
        return score

    with common.opened(folder / "ws", makes=True) as at, pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "test", test_and_look)
        run_id = new_run(at, config)
        around = hooks(should_stop=lambda step: step == stop_at)
        train.work(at.workspace, at.store, run_id, claim_run(at.store, run_id), around)
    images, logits = seen[0] if seen else (torch.empty(0), torch.empty(0))
    return Trained(folder / "ws", run_id, images, logits)


@torch.no_grad()
def _looked(trainer: Trainer) -> tuple[Tensor, Tensor]:
    task = trainer.task
    batch = next(task.dataset.batches(Split.VAL, 64))
    images = task.dataset.prepare(batch, 0)
    task.module.eval()
    return images, task.module(images)


@pytest.fixture(scope="module")
def masked(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A finished run of IteRand."""
    return trained(tmp_path_factory.mktemp("masked"), {"name": "iterand", "randomize_every": 5})


@pytest.fixture(scope="module")
def dense(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A finished dense run."""
    return trained(tmp_path_factory.mktemp("dense"), {"name": "dense"})


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A run of edge-popup that was stopped in its second epoch."""
    return trained(tmp_path_factory.mktemp("stopped"), {"name": "edge-popup"}, stop_at=12)


def code_block(after: str) -> str:
    """The first block of Python below a heading of the page."""
    match = re.search(r"```python\n(.*?)```", DOCS[DOCS.index(after) :], re.DOTALL)
    assert match
    return match[1]


def test_that_the_documented_five_lines_read_masks_with_numpy_alone(
    masked: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = masked.export("--format", "masks", "--out", tmp_path / "masks.npz")
    assert code == 0
    assert f"masks of run {masked.run_id}, epoch {EPOCHS}" in out
    lines = code_block("## masks").strip().splitlines()
    assert len(lines) == 5
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec("\n".join(lines), names)
    names["file"].close()
    kept = read_epoch(Workspace(masked.folder).run_dir(masked.run_id) / "masks", EPOCHS)
    assert set(names["masks"]) == set(kept.layers)
    for name, mask in names["masks"].items():
        assert mask.dtype == bool
        assert np.array_equal(mask, kept.layers[name].kept)
    assert "conv1.weight" in capsys.readouterr().out


@pytest.mark.parametrize("method", ["masked", "dense"])
def test_that_an_exported_network_loads_strictly_and_gives_the_same_logits(
    method: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run: Trained = request.getfixturevalue(method)
    assert run.export("--format", "safetensors", "--out", tmp_path / "network.safetensors")[0] == 0
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(code_block("## safetensors"), names)
    with torch.no_grad():
        logits = names["network"].to(memory_format=torch.channels_last)(run.images)
    assert torch.equal(logits, run.logits)
    with safe_open(tmp_path / "network.safetensors", framework="numpy") as file:
        assert file.metadata()["run"] == run.run_id
        assert file.metadata()["epoch"] == str(EPOCHS)


def test_that_masks_of_any_epoch_can_be_had(masked: Trained, tmp_path: Path) -> None:
    folder = Workspace(masked.folder).run_dir(masked.run_id) / "masks"
    for epoch in range(EPOCHS + 1):
        out = tmp_path / f"{epoch}.npz"
        assert masked.export("--format", "masks", "--epoch", str(epoch), "--out", out)[0] == 0
        with np.load(out, allow_pickle=False) as file:
            assert int(file["epoch"]) == epoch
            assert np.array_equal(
                file["mask_0"], next(iter(read_epoch(folder, epoch).layers.values())).packed
            )


def test_that_best_is_the_first_epoch_of_the_highest_validation_accuracy(
    masked: Trained, tmp_path: Path
) -> None:
    with opened(masked.folder) as (_, store):
        accuracies = store.reader.series(masked.run_id, "val_accuracy").values.tolist()
    best = accuracies.index(max(accuracies)) + 1
    for form in ("masks", "safetensors"):
        _, out, _ = masked.export("--format", form, "--epoch", "best", "--out", tmp_path / form)
        assert f"epoch {best}:" in out
    with safe_open(tmp_path / "safetensors", framework="numpy") as file:
        assert file.metadata()["epoch"] == str(best)


def test_that_a_stopped_run_has_masks_of_its_newest_epoch_and_no_network(
    stopped: Trained, tmp_path: Path
) -> None:
    code, out, _ = stopped.export("--format", "masks", "--out", tmp_path / "masks.npz")
    assert code == 0
    assert "epoch 1:" in out
    code, _, err = stopped.export("--format", "safetensors", "--out", tmp_path / "network")
    assert code == 2
    assert "is stopped: a network is exported once its run has finished" in err


def test_that_a_file_is_replaced_only_when_asked(masked: Trained, tmp_path: Path) -> None:
    out = tmp_path / "masks.npz"
    out.write_text("precious")
    words = ("--format", "masks", "--out", out)
    code, _, err = masked.export(*words)
    assert (code, out.read_text()) == (2, "precious")
    assert "--force" in err
    assert masked.export(*words, "--force")[0] == 0
    assert out.read_bytes()[:2] == b"PK"
    assert [path.name for path in tmp_path.iterdir()] == ["masks.npz"]  # nothing half-written beside it


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("masks", "."), "is a folder"),
        (("masks", "no/such/folder/masks.npz"), "does not exist"),
        (("mask", "x"), "did you mean 'masks'? (allowed: masks, safetensors)"),
        (("masks", "x", "--epoch", "7"), "has no masks"),
        (("masks", "x", "--epoch", "first"), "allowed: a number of epochs trained, best or last"),
        (
            ("safetensors", "x", "--epoch", "0"),
            "weights are kept of the last epoch (3) and the best one only",
        ),
    ],
)
def test_that_what_cannot_be_exported_is_said_in_a_sentence(
    masked: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = masked.export("--format", words[0], "--out", *words[1:])
    assert (code, out) == (2, "")
    assert said in err
    assert len(err.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_that_a_dense_run_has_no_masks_to_export(dense: Trained, tmp_path: Path) -> None:
    code, _, err = dense.export("--format", "masks", "--out", tmp_path / "x")
    assert code == 2
    assert "is dense: it has no masks" in err


def test_that_without_validation_images_there_is_no_best(tmp_path: Path) -> None:
    config = RunConfig.from_mapping(
        load_yaml(config_file(tmp_path, data={"val_fraction": 0.0}, training={"epochs": 1})).to_mapping()
    )
    with common.opened(tmp_path / "ws", makes=True) as at:
        run_id = new_run(at, config)
        train.work(at.workspace, at.store, run_id, claim_run(at.store, run_id))
    done = iterand(
        "export",
        run_id,
        "--format",
        "masks",
        "--epoch",
        "best",
        "--out",
        tmp_path / "x",
        "--workspace",
        tmp_path / "ws",
    )
    assert done.code == 2
    assert "none was evaluated on validation images" in done.err

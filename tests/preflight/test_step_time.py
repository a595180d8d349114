"""`iterand measure`: steps are timed on random images in the form of the data."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from iterand_engine.config.catalog import DATASETS
from iterand_engine.config.run_config import RunConfig
from iterand_engine.preflight.step_time import measure
from tests.command_line import config_file, iterand, only_run


def test_that_steps_are_timed_and_nothing_is_recorded(tmp_path: Path) -> None:
    config, workspace = config_file(tmp_path), tmp_path / "workspace"
    done = iterand("measure", config, "--steps", "5", "--json", "--workspace", workspace)
    assert done.code == 0, done.err
    found = json.loads(done.out)

    assert found["steps"] == 5
    assert found["total_steps"] == 2 * 8
    assert found["precision"] == "fp32"
    assert 0 < found["step_s"] < 10
    assert found["run_s"] == pytest.approx(16 * found["step_s"])
    assert only_run(workspace) is None


def test_that_it_is_told_in_a_line(tmp_path: Path) -> None:
    done = iterand("measure", config_file(tmp_path), "--seconds", "0", "--workspace", tmp_path / "workspace")
    assert "ms a step (median of 3, " in done.out
    assert "16 steps take " in done.out


@pytest.mark.parametrize(
    ("dataset", "augmentation"),
    [*((name, "paper") for name, entry in DATASETS.items() if not entry.needs_path), ("imagenet", "none")],
)
def test_that_no_data_need_be_there(dataset: str, augmentation: str) -> None:
    mapping = {
        "data": {"dataset": dataset, "augmentation": augmentation},
        "model": {"name": "resnet18", "width_factor": 0.02},
        "training": {"batch_size": 2},
        "compute": {"device": "cpu", "precision": "fp32", "threads": 1},
    }
    found = measure(RunConfig.from_mapping(mapping), [], steps=3, seconds=0)
    assert found.steps == 3
    assert found.total_steps > 1000


def test_that_data_of_an_unknown_form_is_looked_at(tmp_path: Path) -> None:
    images, labels = np.zeros((30, 80, 80), np.uint8), np.arange(30) % 3
    path = tmp_path / "a.npz"
    np.savez(path, train_images=images, train_labels=labels, test_images=images, test_labels=labels)
    config = config_file(tmp_path, data={"dataset": "npz", "path": str(path), "train_limit": None})
    mistaken = config_file(tmp_path / "..", data={"dataset": "npz", "path": str(tmp_path / "b.npz")})

    done = iterand("measure", config, "--steps", "3", "--json", "--workspace", tmp_path / "workspace")
    assert json.loads(done.out)["total_steps"] == 2
    done = iterand("measure", mistaken, "--workspace", tmp_path / "workspace")
    assert done.code == 2
    assert "there is no such file" in done.err


def test_that_extension_code_that_fails_is_told_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    workspace = tmp_path / "workspace"
    (workspace / "extensions").mkdir(parents=True)
    code = """
from iterand_engine.extending import model
@model
def bad(width_factor: float, spec):
    return 1 / 0
"""
    (workspace / "extensions" / "bad.py").write_text(code)
    assert iterand("extensions", "enable", "bad.py", "--workspace", workspace).code == 0

    config = config_file(tmp_path, model={"name": "bad"})
    done = iterand("measure", config, "--workspace", workspace)
    assert done.code == 2
    assert "extensions/bad.py, line 5" in done.err
    assert "ZeroDivisionError" in done.err

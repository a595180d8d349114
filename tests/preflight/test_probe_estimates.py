"""Memory, disk and time as foretold, against real runs; and what is said where they do not fit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from iterand_engine.config.run_config import RunConfig
from iterand_engine.machine.devices import Device
from iterand_engine.machine.texts import size
from iterand_engine.machine.workspace import Workspace, open_workspace_dir
from iterand_engine.preflight.estimates import disk_warning, memory_warning, run_seconds, warnings
from iterand_engine.preflight.messages import Answer, MemoryEstimate, Request
from iterand_engine.preflight.probe_process import answer
from iterand_engine.runs.make import make_run
from iterand_engine.runs.train import work
from iterand_engine.store import Store
from iterand_engine.store.runs import claim_run
from tests.hooks import hooks
from tests.paths import ROOT
from tests.patience import PATIENCE_S

GPU = Device("GPU-1", "cuda", "NVIDIA Small", 8_000_000_000, 5_000_000_000, bf16=True)


def mapping_of(**sections: dict[str, Any]) -> dict[str, Any]:
    options: dict[str, dict[str, Any]] = {
        "data": {"dataset": "digits", "train_limit": 128},
        "model": {"name": "conv2", "width_factor": 0.1},
        "method": {"name": "iterand", "randomize_every": 2},
        "training": {"epochs": 2, "batch_size": 16, "lr": 0.05},
        "compute": {"device": "cpu", "precision": "fp32", "threads": 1},
    }
    for section, changes in sections.items():
        options[section] = {**({} if section == "method" else options[section]), **changes}
    return options


def asked(workspace: Workspace, mapping: dict[str, Any]) -> Answer:
    return answer(workspace, Request.of(1, RunConfig.from_mapping(mapping)))


def trained(workspace: Workspace, store: Store, mapping: dict[str, Any]) -> str:
    run_id = make_run(workspace, store, RunConfig.from_mapping(mapping))
    work(workspace, store, run_id, claim_run(store, run_id))
    return run_id


@pytest.mark.skipif(sys.platform != "linux", reason="peaks of resident memory are read as Linux gives them")
@pytest.mark.parametrize(
    ("model", "width", "method", "batch_size"),
    [("resnet18", 0.25, "iterand", 32), ("conv2", 0.8, "dense", 32)],
)
def test_that_memory_is_within_a_factor_of_two_of_a_real_run(
    model: str, width: float, method: str, batch_size: int, tmp_path: Path
) -> None:
    mapping = mapping_of(
        data={"train_limit": 3 * batch_size},
        model={"name": model, "width_factor": width},
        method={"name": method},
        training={"batch_size": batch_size, "epochs": 1},
    )
    expected = asked(open_workspace_dir(tmp_path), mapping).memory
    assert expected.total_bytes is not None
    foretold = expected.total_bytes - expected.runtime_bytes  # the runtime is there before the run begins

    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    child = [sys.executable, str(ROOT / "tests" / "memory_child.py"), json.dumps(mapping)]
    done = subprocess.run(
        child, env=environment, capture_output=True, text=True, check=True, timeout=PATIENCE_S
    )
    grown = int(done.stdout)
    assert grown / 2 < foretold < grown * 2, f"foretold {foretold / 1e6:.0f} MB, grown {grown / 1e6:.0f} MB"


def test_that_files_are_as_large_as_foretold(tmp_path: Path) -> None:
    workspace, sizes = open_workspace_dir(tmp_path), [0]
    mapping = mapping_of(
        model={"name": "conv4", "width_factor": 0.25},
        training={"epochs": 12, "batch_size": 16},
        data={"train_limit": 64},
    )

    def checkpoint_size(_: object) -> None:
        sizes.extend(path.stat().st_size for path in workspace.runs_dir.glob("*/checkpoints/*.pt"))

    with Store.open(workspace) as store:
        run_id = make_run(workspace, store, RunConfig.from_mapping(mapping))
        work(workspace, store, run_id, claim_run(store, run_id), hooks(on_progress=checkpoint_size))
    folder, expected = workspace.run_dir(run_id), asked(workspace, mapping).disk

    networks = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    assert expected.network_bytes == pytest.approx(networks, rel=0.05)
    assert expected.checkpoint_bytes / 3 == pytest.approx(max(sizes), rel=0.05)
    masks = sum(path.stat().st_size for path in (folder / "masks").iterdir())
    assert masks / 2 < expected.mask_bytes < masks * 2


def test_that_half_the_bits_halve_what_is_saved_for_the_backward_pass(tmp_path: Path) -> None:
    workspace = open_workspace_dir(tmp_path)
    config = RunConfig.from_mapping(mapping_of(training={"batch_size": 512}))
    request = Request.of(1, config)
    full = answer(workspace, request).memory
    half = answer(workspace, request.model_copy(update={"precision": "bf16"})).memory
    assert full.activation_bytes is not None
    assert half.activation_bytes is not None
    assert 0.5 <= half.activation_bytes / full.activation_bytes < 0.7  # the places of maxima stay
    assert half.network_bytes < full.network_bytes
    assert half.gradient_bytes == full.gradient_bytes


@pytest.mark.parametrize(
    ("training", "values"),
    [({"momentum": 0}, 0), ({"momentum": 0.9}, 1), ({"optimizer": "adamw"}, 2)],
)
def test_that_the_optimiser_keeps_what_it_keeps(
    training: dict[str, Any], values: int, tmp_path: Path
) -> None:
    found = asked(open_workspace_dir(tmp_path), mapping_of(training=training))
    assert found.memory.optimizer_bytes == 4 * values * found.trained


def test_that_a_dense_run_stores_no_masks(tmp_path: Path) -> None:
    found = asked(open_workspace_dir(tmp_path), mapping_of(method={"name": "dense"}))
    assert found.disk.mask_bytes == 0
    assert not any(layer.masked for layer in found.layers)


def test_that_time_is_foretold_from_recorded_runs_of_the_same_network(tmp_path: Path) -> None:
    workspace, base = open_workspace_dir(tmp_path), mapping_of()
    longer = mapping_of(training={"epochs": 30}, method={"name": "edge-popup"})
    with Store.open(workspace) as store:

        def foretold(mapping: dict[str, Any]) -> float | None:
            return run_seconds(store, RunConfig.from_mapping(mapping), asked(workspace, mapping))

        assert foretold(base) is None
        rows = [store.reader.run(trained(workspace, store, base)) for _ in range(2)]
        step_s = sum(row.elapsed_s for row in rows) / sum(row.step for row in rows)
        assert foretold(base) == pytest.approx(16 * step_s)
        assert foretold(longer) == pytest.approx(240 * step_s)

        for other in (
            mapping_of(model={"width_factor": 0.2}),
            mapping_of(training={"batch_size": 32}),
            mapping_of(compute={"precision": "bf16"}),
        ):
            assert foretold(other) is None
        found = asked(workspace, base).model_copy(update={"device_kind": "cuda"})
        assert run_seconds(store, RunConfig.from_mapping(base), found) is None


def with_memory(found: Answer, activation_bytes: int | None) -> Answer:
    memory = MemoryEstimate(
        runtime_bytes=0,
        data_bytes=0,
        network_bytes=0,
        optimizer_bytes=0,
        gradient_bytes=0,
        activation_bytes=activation_bytes,
        saving_bytes=0,
    )
    return found.model_copy(update={"memory": memory})


def test_that_warnings_say_what_does_not_fit(tmp_path: Path) -> None:
    found = asked(open_workspace_dir(tmp_path), mapping_of())
    large, unknown, medium = (
        with_memory(found, 9 * 10**9),
        with_memory(found, None),
        with_memory(found, 4 * 10**9),
    )
    fits = replace(GPU, memory_used_bytes=0)

    assert warnings(medium, fits, 10**12) == []
    assert memory_warning(unknown, GPU) is None
    warning = memory_warning(large, fits)
    assert warning is not None
    assert "9.0 GB" in warning
    assert "NVIDIA Small has 8.0 GB" in warning
    now = memory_warning(medium, GPU)
    assert now is not None
    assert "only 3.0 GB of NVIDIA Small are free now" in now
    several = memory_warning(medium, fits, at_once=3)
    assert several is not None
    assert several.startswith("3 runs at once take about 12.0 GB")


def test_that_disk_is_warned_of_for_all_runs_together(tmp_path: Path) -> None:
    found = asked(open_workspace_dir(tmp_path), mapping_of())
    disk = found.disk
    needed = 60 * disk.kept_bytes + disk.checkpoint_bytes

    assert disk_warning([(found, 60)], needed) is None
    warning = disk_warning([(found, 40), (found, 20)], needed - 1)
    assert warning is not None
    assert warning.startswith(f"60 runs need about {size(needed, tenths=True)} of disk")
    assert disk_warning([], 0) is None
    assert warnings(found, replace(GPU, memory_used_bytes=0), needed - 1, 60) == [warning]

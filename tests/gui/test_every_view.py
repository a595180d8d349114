"""All views of the window, at three scales of the screen: nothing is cut, unnamed, empty or answers twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmarks.screenshots.runs import DIVERGED, GROUPS, KILLED, LIVE, STOPPED, SWEEP
from benchmarks.screenshots.views import EMPTY_VIEWS, VIEWS, View
from iterand_engine.machine.workspace import Workspace, open_workspace_dir
from iterand_engine.store import RunState, Store, sweeps
from tests.gui.recorded_runs import LAYERS, TOTAL, make_run, recorded, write_log, write_masks, writing
from tests.paths import ROOT


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A workspace with runs of all kinds under the names that the views ask for; one of them is live."""
    folder = tmp_path_factory.mktemp("walked") / "workspace"
    folder.mkdir()
    workspace = open_workspace_dir(folder)
    with Store.open(workspace) as store:
        for number, name in enumerate(GROUPS):
            for seed in (1, 2):
                finished(workspace, store, name, seed, TOTAL + 40 * number)
        every = [
            recorded(store, f"method.randomize_rate={rate}", f"method.randomize_every={every}", name=SWEEP)
            for rate in (0.02, 0.1, 0.5)
            for every in (5, 20)
        ]
        axes = {"method.randomize_rate": [0.02, 0.1, 0.5], "method.randomize_every": [5, 20]}
        sweeps.add_sweep(store, SWEEP, {}, axes, every)
        for name, state in ((DIVERGED, RunState.DIVERGED), (STOPPED, RunState.STOPPED)):
            recorded(store, name=name, state=state, steps=150)
        killed = recorded(store, name=KILLED, state=RunState.INTERRUPTED, steps=150)
        write_log(workspace, killed, "epoch 1/4 done: step 100 loss 0.0246 val_accuracy 0.9653\n" * 8)
        live = make_run(store, name=LIVE[0])
        make_run(store, name=LIVE[1])
        with writing(store, live) as writer:
            writer.train(250)
            write_masks(workspace, live)
            yield folder
            writer.recorder.finish(RunState.STOPPED)


def finished(workspace: Workspace, store: Store, name: str, seed: int, total: int) -> None:
    """A finished run of a group; runs with other totals have other curves."""
    width, method = name.split("-x")[1].split("-", 1)
    run_id = make_run(store, f"model.width_factor={width}", f"method.name={method}", name=name, seed=seed)
    is_dense = method == "dense"
    with writing(store, run_id, () if is_dense else LAYERS, total) as writer:
        writer.train(TOTAL)
        writer.recorder.finish(RunState.FINISHED, val_accuracy=0.9 + total / 10_000, test_accuracy=0.9)
    if not is_dense:
        write_masks(workspace, run_id)


def wrong(workspace: Path, arrangement: Path, scale: str, views: Sequence[View]) -> str:
    """What a walk through views reports, a line each; at a scale of the screen."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.gui.walk_views", str(workspace), str(arrangement)],
        cwd=ROOT,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen", "QT_SCALE_FACTOR": scale},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["scale"] == float(scale)
    assert list(report["found"]) == [view.name for view in views]
    return "\n".join(f"{name}: {sentence}" for name, found in report["found"].items() for sentence in found)


@pytest.mark.parametrize("scale", ["1", "1.5", "2"])
def test_that_nothing_is_wrong_in_any_view(workspace: Path, tmp_path: Path, scale: str) -> None:
    assert not wrong(workspace, tmp_path / "window.json", scale, VIEWS)


def test_that_nothing_is_wrong_where_there_is_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "workspace"
    folder.mkdir()
    assert not wrong(folder, tmp_path / "window.json", "1", EMPTY_VIEWS)

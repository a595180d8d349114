"""Training a run again: what counts as equal, what is said where it is not."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from iterand_engine.cli import common
from iterand_engine.cli.export import _report
from iterand_engine.cli.train import new_run
from iterand_engine.config.run_config import load_yaml
from iterand_engine.errors import ExitCode
from iterand_engine.machine import environment, processes
from iterand_engine.runs import adopt, train
from iterand_engine.runs.reproduce import Difference, first_difference, reproduce_run
from iterand_engine.store import NewRun, Recorder, Store
from iterand_engine.store.runs import adopt_run, claim_run, create_run
from iterand_engine.training import trainer
from iterand_engine.training.optimizer import learning_rate
from iterand_engine.version import __version__
from tests.command_line import STEPS_PER_EPOCH, TINY, config_file, iterand, opened
from tests.hooks import hooks

LAYERS = ("conv1.weight", "fc1.weight")
Fill = Callable[[Recorder], None]


def trained(folder: Path, stop_at: int | None = None, **changes: Any) -> str:
    """Train a tiny run in the workspace `ws` of a folder."""
    with common.opened(folder / "ws", makes=True) as at:
        run_id = new_run(at, load_yaml(config_file(folder, **changes)))
        around = hooks(should_stop=lambda step: step == stop_at)
        train.work(at.workspace, at.store, run_id, claim_run(at.store, run_id), around)
    return run_id


def test_that_a_run_comes_out_again_and_its_workspace_is_only_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = trained(tmp_path)
    before = sorted(path for path in (tmp_path / "ws").rglob("*"))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    done = iterand("reproduce", run_id, "--workspace", tmp_path / "ws")
    assert (done.code, done.out) == (0, "bit-identical up to step 16\n")
    assert sorted(path for path in (tmp_path / "ws").rglob("*")) == before
    assert list((tmp_path / "temporary").iterdir()) == []


@pytest.mark.parametrize("steps", [1, STEPS_PER_EPOCH, 11])
def test_that_only_as_many_steps_are_compared_as_asked_for_or_done(tmp_path: Path, steps: int) -> None:
    run_id = trained(tmp_path, stop_at=11, method={"name": "edge-popup"})
    done = iterand("reproduce", run_id, "--steps", str(steps), "--workspace", tmp_path / "ws")
    assert (done.code, done.out) == (0, f"bit-identical up to step {steps}\n")


def test_that_the_first_difference_is_named_and_how_the_environments_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(trainer, "learning_rate", lambda *it: learning_rate(*it) * (1.01 if it[1] else 1))
        patch.setattr(adopt, "snapshot", lambda *it: replace(environment.snapshot(*it), program="0.0.9"))
        run_id = trained(tmp_path)
    done = iterand("reproduce", run_id, "--workspace", tmp_path / "ws")
    assert done.code == 1
    assert done.out == f"first difference at step {STEPS_PER_EPOCH}, series lr: 0.0505000018 / 0.0500000007\n"
    assert f"environments differ: program 0.0.9 / {__version__}\n" in done.err


def test_that_unlike_networks_behind_equal_series_are_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("iterand_engine.training.final_state.digest", lambda _: "0" * 64)
        run_id = trained(tmp_path)
    done = iterand("reproduce", run_id, "--workspace", tmp_path / "ws")
    assert (done.code, done.out) == (1, "equal series up to step 16, but the final networks differ\n")
    assert "the environments do not differ" in done.err


def test_that_a_stop_ends_the_comparison_early(tmp_path: Path) -> None:
    run_id = trained(tmp_path)
    with common.opened(tmp_path / "ws", makes=True) as at:
        around = hooks(should_stop=lambda step: step == 5)
        comparison = reproduce_run(at.workspace, at.store, run_id, around=around)
    assert (comparison.steps, comparison.is_identical, comparison.was_stopped) == (5, True, True)
    assert _report(comparison) is ExitCode.STOPPED


def test_that_a_run_that_did_no_step_is_refused(workspace_dir: Path) -> None:
    with opened(workspace_dir) as (_, store):
        run_id = create_run(store, NewRun("new", TINY, "key", 1, "cpu", "fp32", __version__))
    done = iterand("reproduce", run_id, "--workspace", workspace_dir)
    assert done.code == 2
    assert "nothing to compare" in done.err


def recorded(store: Store, fill: Fill) -> str:
    """A run with series as a function records them."""
    run_id = create_run(store, NewRun("made", {**TINY, "name": "made"}, "key", 1, "cpu", "fp32", __version__))
    token = claim_run(store, run_id)
    adopt_run(store, run_id, token, processes.current(), {})
    with Recorder(store, run_id, token) as recorder:
        for name, axis in (("loss", "step"), ("val_loss", "epoch"), ("epoch_s", "epoch"), ("rate", "clock")):
            recorder.declare(name, axis)  # type: ignore[arg-type]
        recorder.declare("flips", "step", LAYERS)
        fill(recorder)
    return run_id


def points(name: str, values: Any, first: int = 0) -> Fill:
    return lambda recorder: recorder.append(name, range(first, first + len(values)), values)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (points("loss", [1, np.nan, 3]), points("loss", [1, np.nan, 3]), None),
        (points("loss", [0.0]), points("loss", [-0.0]), Difference(0, "loss", 0.0, -0.0)),
        (points("loss", [1, 2, 3]), points("loss", [1, 2.5, 4]), Difference(1, "loss", 2.0, 2.5)),
        (points("loss", [1, 2, 3]), points("loss", [1, 2]), Difference(2, "loss", 3.0, None)),
        (points("loss", [2, 3], 1), points("loss", [1, 2, 3]), Difference(0, "loss", None, 1.0)),
        (
            points("flips", [[1, 2], [3, 4]]),
            points("flips", [[1, 2], [3, 5]]),
            Difference(1, "flips (fc1.weight)", 4.0, 5.0),
        ),
        (points("rate", [1, 2]), points("rate", [3]), None),
        (points("epoch_s", [1.5]), points("epoch_s", [1.6]), None),
        (points("loss", [1] * 9 + [2]), points("loss", [1] * 9 + [3]), None),  # beyond the steps compared
        (points("val_loss", [1], 8), points("val_loss", [], 8), None),  # stopped before the evaluation
        (points("val_loss", [1], 7), points("val_loss", [], 7), Difference(7, "val_loss", 1.0, None)),
        (points("val_loss", [1], 8), points("val_loss", [2], 8), Difference(8, "val_loss", 1.0, 2.0)),
    ],
)
def test_that_series_are_compared_bit_by_bit(
    workspace_dir: Path, one: Fill, other: Fill, expected: Difference | None
) -> None:
    with opened(workspace_dir) as (_, store):
        found = first_difference(store, recorded(store, one), store, recorded(store, other), 9)
    assert repr(found) == repr(expected)


def test_that_the_earliest_difference_of_all_series_counts(workspace_dir: Path) -> None:
    def both(loss: Any, flips: Any) -> Fill:
        def fill(recorder: Recorder) -> None:
            points("loss", loss)(recorder)
            points("flips", flips)(recorder)

        return fill

    with opened(workspace_dir) as (_, store):
        one = recorded(store, both([1, 2, 3], [[1, 1], [2, 2]]))
        two = recorded(store, both([1, 2, 4], [[1, 1], [3, 2]]))
        found = first_difference(store, one, store, two, 9)
        assert str(found) == "step 1, series flips (conv1.weight): 2 / 3"
        assert store.reader.run(one).step == 0

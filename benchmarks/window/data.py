"""Workspaces for measuring the window: made-up runs, written as a worker writes them.

Runs are made by `Store.create_runs`, claimed and adopted, and recorded through the Recorder; only their
values are invented. Series, their axes and how often they have a point are those of training.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iterand_engine.config.run_config import RunConfig
from iterand_engine.machine import processes
from iterand_engine.machine.workspace import Workspace, open_workspace_dir
from iterand_engine.store import NewRun, Recorder, RunState, SeriesAxis, Store, sweeps
from iterand_engine.store.runs import adopt_run, claim_run, create_runs

STEPS_A_EPOCH = 352  # of 45,000 images in batches of 128
STEPS_A_RUN = 35_200
LOOK_EVERY, REDRAW_EVERY, CLOCK_EVERY = 10, 300, 10
SWEEPS, RUNS_A_SWEEP = 20, 50
LAYERS = tuple(f"layer{number // 4}.{number % 4}.conv.weight" for number in range(20))
_STEP = ("loss", "accuracy", "lr")
_EPOCH = ("train_loss", "train_accuracy", "val_loss", "val_accuracy", "epoch_s")
_CLOCK = ("images_per_s", "memory_bytes", "gpu_share", "elapsed_s")
_LOOK = ("mask_distance_chance", "mask_flips", "mask_distance")
_EVENT = ("redrawn", "revived")
_Series = tuple[tuple[SeriesAxis, tuple[str, ...]], ...]
_PLAIN: _Series = (("step", _STEP), ("epoch", _EPOCH), ("clock", _CLOCK))
_OF_MASKS: _Series = (("step", _LOOK), ("event", _EVENT))
_NETWORKS = ("conv2", "conv4", "conv6", "resnet18", "resnet34")
_METHODS = ("iterand", "edge-popup", "dense")
_ENVIRONMENT = {
    "program": "0.2.0",
    "platform": "Linux",
    "python": "3.11",
    "packages": {"torch": "2.13.0", "numpy": "2.4.6"},
    "device": "made up",
    "threads": 1,
}
# How runs of the long list ended, by turns of so many.
_TURN = 100
_ENDS = {7: RunState.DIVERGED, 23: RunState.FAILED, 54: RunState.STOPPED}

Steps = NDArray[np.int64]


@dataclass(frozen=True)
class Kind:
    """The options in which runs differ; all others have their defaults."""

    network: str
    method: str
    width: float
    lr: float

    @classmethod
    def number(cls, n: int) -> Kind:
        """The kind of this number; each number has another."""
        width = (0.25, 0.5, 1.0, 2.0)[n // 15 % 4]
        return cls(_NETWORKS[n % 5], _METHODS[n // 5 % 3], width, round(0.001 * (1 + n // 60), 6))


def new_run(kind: Kind, seed: int, total_steps: int, group: str) -> NewRun:
    """A run to be stored."""
    config: dict[str, Any] = deepcopy(_default(kind.network, kind.method))
    config["name"] = f"{kind.network}-x{kind.width:g}-{kind.method}"
    config["model"]["width_factor"] = kind.width
    config["training"] |= {"lr": kind.lr, "seed": seed}
    return NewRun(
        config["name"],
        config,
        group,
        seed,
        "cpu",
        "fp32",
        "0.1.0",
        git_commit="0" * 40,
        total_steps=total_steps,
    )


@cache
def _default(network: str, method: str) -> dict[str, Any]:
    given = {
        "data": {"dataset": "cifar10"},
        "model": {"name": network},
        "method": {"name": method},
        "compute": {"device": "cpu", "precision": "fp32"},
    }
    return RunConfig.from_mapping(given).to_mapping()


def make_list(folder: Path, count: int) -> None:
    """A workspace with many runs, each a group of its own: 95 % finished, a tenth of them in sweeps.

    The last twentieth of a hundred is queued. Does nothing where the folder is one already.
    """
    if (folder / "made").exists():
        return
    workspace = open_workspace_dir(folder)
    with Store.open(workspace) as store:
        news = [new_run(Kind.number(n), 1 + n % 5, STEPS_A_RUN, f"group {n}") for n in range(count)]
        ids = create_runs(store, news)
        for number in range(min(SWEEPS, count // (10 * RUNS_A_SWEEP))):
            part = ids[number * RUNS_A_SWEEP : (number + 1) * RUNS_A_SWEEP]
            axes = {"training.lr": sorted({0.001 * (1 + n) for n in range(RUNS_A_SWEEP)})}
            sweeps.add_sweep(store, f"sweep {number}", dict(news[number].config), axes, part)
        for n, run_id in enumerate(ids):
            if n % _TURN < 95:
                _end_quickly(store, run_id, n)
    (folder / "made").touch()


def _end_quickly(store: Store, run_id: str, n: int) -> None:
    """Take a run to its end with one epoch recorded."""
    state = _ENDS.get(n % _TURN, RunState.FINISHED)
    with recorder_of(store, run_id) as recorder:
        recorder.declare("val_accuracy", "epoch")
        accuracy = 0.5 + 0.4 * (n * 7919 % 10_000) / 10_000
        recorder.append("val_accuracy", [STEPS_A_RUN - 1], [accuracy])
        recorder.progress(STEPS_A_RUN, 100, STEPS_A_RUN)
        finished = state is RunState.FINISHED
        recorder.finish(
            state, val_accuracy=accuracy if finished else None, reason=None if finished else "made up"
        )


def make_finished(folder: Path, count: int, steps: int = STEPS_A_RUN) -> None:
    """A workspace with finished runs, each with all its series, in groups of one."""
    if (folder / "made").exists():
        return
    with Store.open(open_workspace_dir(folder)) as store:
        for n, run_id in enumerate(make_queued(store, count, steps)):
            with recorder_of(store, run_id) as recorder:
                series = SeriesWriter(recorder, steps, seed=n)
                series.train(steps)
                recorder.finish(RunState.FINISHED, val_accuracy=0.9)
    (folder / "made").touch()


def make_queued(store: Store, count: int, total_steps: int) -> list[str]:
    """Queued runs of one network, each of another learning rate."""
    kinds = [Kind("resnet18", "iterand", 1.0, 0.01 * (n + 1)) for n in range(count)]
    news = [new_run(kind, 1, total_steps, f"group {kind.lr:g}") for kind in kinds]
    return create_runs(store, news)


def open_store(folder: Path) -> Store:
    """The store of a workspace that is there."""
    return Store.open(Workspace(folder))


@contextmanager
def recorder_of(store: Store, run_id: str) -> Iterator[Recorder]:
    """Own a run as its worker does, in this process."""
    token = claim_run(store, run_id)
    adopt_run(store, run_id, token, processes.current(), _ENVIRONMENT)
    with Recorder(store, run_id, token) as recorder:
        yield recorder


class SeriesWriter:
    """Records all series of a run, some steps at a time.

    Args:
        recorder: of the run.
        total: steps of the whole run.
        seed: of the noise.
    """

    def __init__(self, recorder: Recorder, total: int, seed: int = 0) -> None:
        self.recorder, self.total, self.step = recorder, total, 0
        self._random = np.random.default_rng(seed)
        for axis, names in _PLAIN:
            for name in names:
                recorder.declare(name, axis)
        for axis, names in _OF_MASKS:
            for name in names:
                recorder.declare(name, axis)
                recorder.declare(f"{name}.layers", axis, LAYERS)

    def train(self, steps: int) -> None:
        """Record so many steps more, and how far the run is."""
        at = np.arange(self.step, self.step + steps)
        share, noise = at / self.total, self._random.normal(size=(2, steps))
        self.recorder.append("loss", at, 2.3 * np.exp(-4 * share) + 0.05 + 0.04 * np.abs(noise[0]))
        self.recorder.append("accuracy", at, np.clip(0.9 * (1 - np.exp(-5 * share)) + 0.04 * noise[1], 0, 1))
        self.recorder.append("lr", at, 0.05 * (1 + np.cos(np.pi * share)))
        self._looks(at[at % LOOK_EVERY == 0])
        self._redraws(at[(at + 1) % REDRAW_EVERY == 0])
        for names, every in ((_EPOCH, STEPS_A_EPOCH), (_CLOCK, CLOCK_EVERY)):
            points = at[(at + 1) % every == 0]
            for name in names:
                values = (points + 1) * 0.05 if name == "elapsed_s" else self._random.random(len(points))
                self.recorder.append(name, points, values)
        self.step += steps
        self.recorder.progress(self.step, self.step // STEPS_A_EPOCH, self.total)

    def _looks(self, at: Steps) -> None:
        if len(at) and at[0] == 0:
            self._both("mask_distance_chance", at[:1], 0.4)
        for name in ("mask_flips", "mask_distance"):
            self._both(name, at, 0.1)

    def _redraws(self, at: Steps) -> None:
        for name in _EVENT:
            self._both(name, at, 0.2)

    def _both(self, name: str, at: Steps, scale: float) -> None:
        values = scale * (1 + 0.1 * self._random.random((len(at), len(LAYERS))))
        self.recorder.append(name, at, values.mean(axis=1))
        self.recorder.append(f"{name}.layers", at, values)

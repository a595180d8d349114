"""Runs recorded for tests as training records them, with made-up values: through the real Recorder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from iterand_engine.config.run_config import RunConfig
from iterand_engine.config.sets import apply_changes, read_change
from iterand_engine.machine import processes
from iterand_engine.machine.workspace import Workspace
from iterand_engine.results import epoch_masks
from iterand_engine.results.stored_mask import pack_kept
from iterand_engine.store import NewRun, Recorder, RunState, SeriesAxis, Store
from iterand_engine.store.runs import adopt_run, claim_run, create_run

LOOK_EVERY, REDRAW_EVERY, STEPS_PER_EPOCH, EPOCHS = 10, 30, 100, 4
TOTAL = STEPS_PER_EPOCH * EPOCHS
LAYERS = ("conv1.weight", "conv2.weight", "fc1.weight", "fc2.weight")
SHAPES: dict[str, tuple[int, ...]] = {
    "conv1.weight": (8, 9),
    "conv2.weight": (16, 72),
    "fc1.weight": (32, 40),
    "fc2.weight": (10, 32),
}
BASE: dict[str, Any] = RunConfig.from_mapping(
    {
        "name": "tiny",
        "data": {"dataset": "digits"},
        "model": {"name": "conv2", "width_factor": 0.25},
        "training": {"epochs": EPOCHS, "batch_size": 16},
        "compute": {"device": "cpu", "precision": "fp32"},
    }
).to_mapping()
_STEP = ("loss", "accuracy", "lr")
_EPOCH = ("train_loss", "train_accuracy", "val_loss", "val_accuracy", "epoch_s")
_CLOCK = ("images_per_s", "memory_bytes", "gpu_share", "elapsed_s")
_LOOK = ("mask_distance_chance", "mask_flips", "mask_distance")
_EVENT = ("redrawn", "revived")


def make_run(store: Store, *sets: str, name: str = "tiny", seed: int = 1, precision: str = "fp32") -> str:
    """A queued run; `sets` as on the command line."""
    changes = [("name", name), ("training.seed", seed), *map(read_change, sets)]
    mapping, _ = apply_changes(BASE, changes, folder=Path.cwd())
    config = RunConfig.from_mapping(mapping).to_mapping()
    return create_run(store, NewRun(name, config, f"group of {name}", seed, "cpu", precision, "0.1.0"))


class Writer:
    """Records one run: `train` goes on by some steps, as the trainer would.

    Args:
        recorder: of the run.
        layers: of its masks; none for a dense run.
        total: steps of the whole run.
        seed: of the values.
    """

    def __init__(
        self, recorder: Recorder, layers: tuple[str, ...] = LAYERS, total: int = TOTAL, seed: int = 1
    ) -> None:
        self.recorder = recorder
        self.layers, self.total, self.step = layers, total, 0
        self._random = np.random.default_rng(seed)
        axes: dict[SeriesAxis, tuple[str, ...]] = {"step": _STEP, "epoch": _EPOCH, "clock": _CLOCK}
        for axis, names in axes.items():
            for one in names:
                recorder.declare(one, axis)
        for one in (*_LOOK, *_EVENT) if layers else ():
            of: SeriesAxis = "step" if one in _LOOK else "event"
            recorder.declare(one, of)
            recorder.declare(f"{one}.layers", of, layers)

    def train(self, steps: int) -> None:
        """Record so many steps more and wait until they are stored."""
        at = np.arange(self.step, self.step + steps)
        noise = self._random.normal(size=(2, steps))
        share = at / self.total
        recorder = self.recorder
        recorder.append("loss", at, 2.3 * np.exp(-4 * share) + 0.05 + 0.04 * np.abs(noise[0]))
        recorder.append("accuracy", at, np.clip(self._accuracy(at) + 0.04 * noise[1], 0, 1))
        recorder.append("lr", at, 0.05 * (1 + np.cos(np.pi * share)))
        if self.layers:
            self._masks(at[at % LOOK_EVERY == 0])
            self._redraws(at[(at + 1) % REDRAW_EVERY == 0])
        ends = at[(at + 1) % STEPS_PER_EPOCH == 0]
        for name, values in zip(
            _EPOCH,
            (
                1 - self._accuracy(ends),
                self._accuracy(ends),
                ends * 0 + 0.4,
                self.val_accuracy(ends),
                ends * 0 + 1,
            ),
            strict=True,
        ):
            recorder.append(name, ends, values)
        samples = at[(at + 1) % 20 == 0]
        recorder.append("images_per_s", samples, 1900 + 100 * np.sin(samples / 50))
        recorder.append("memory_bytes", samples, samples * 1e4 + 4e8)
        recorder.append("elapsed_s", samples, (samples + 1) * 0.05)
        self.step += steps
        recorder.progress(self.step, self.step // STEPS_PER_EPOCH, self.total)
        recorder.drain()

    def val_accuracy(self, steps: Any) -> Any:
        """What is recorded at steps."""
        return self._accuracy(np.asarray(steps)) - 0.02

    def _accuracy(self, steps: Any) -> Any:
        return 0.97 - 0.85 * np.exp(-6 * (steps + 1) / self.total)

    def _masks(self, looks: Any) -> None:
        count = len(self.layers)
        depth = np.linspace(1, 0.4, count)
        if len(looks) and looks[0] == 0:
            self._both("mask_distance_chance", looks[:1], np.full((1, count), 0.5))
        flips = 0.03 * np.exp(-3 * looks / self.total)[:, None] * depth + 0.002 * self._random.random(
            (len(looks), count)
        )
        self._both("mask_flips", looks[looks > 0], flips[looks > 0])
        distance = 0.3 * (1 - np.exp(-3 * looks / self.total))[:, None] * depth
        self._both("mask_distance", looks, distance)

    def _redraws(self, events: Any) -> None:
        sizes = np.array([int(np.prod(SHAPES.get(name, (100, 100)))) for name in self.layers])
        self._both("redrawn", events, np.tile(np.round(0.06 * sizes), (len(events), 1)))
        self._both("revived", events, 0.2 * np.exp(-3 * events / self.total)[:, None] * np.ones(len(sizes)))

    def _both(self, name: str, steps: Any, values: Any) -> None:
        self.recorder.append(name, steps, values.mean(axis=1))
        self.recorder.append(f"{name}.layers", steps, values)


@contextmanager
def writing(
    store: Store, run_id: str, layers: tuple[str, ...] = LAYERS, total: int = TOTAL
) -> Iterator[Writer]:
    """Own a run as its worker does, in this process; the caller says how it ends."""
    token = claim_run(store, run_id)
    adopt_run(store, run_id, token, processes.current(), ENVIRONMENT)
    with Recorder(store, run_id, token) as recorder:
        yield Writer(recorder, layers, total)


ENVIRONMENT = {
    "program": "0.1.0",
    "platform": "Linux-test",
    "python": "3.11",
    "packages": {"torch": "2.13.0", "numpy": "2.4.6"},
    "device": "AMD EPYC",
    "threads": 1,
}


def recorded(
    store: Store, *sets: str, name: str = "tiny", state: RunState = RunState.FINISHED, steps: int = TOTAL
) -> str:
    """A run that has ended."""
    run_id = make_run(store, *sets, name=name)
    with writing(store, run_id, () if "method.name=dense" in sets else LAYERS) as writer:
        writer.train(steps)
        writer.recorder.finish(state, val_accuracy=0.95, test_accuracy=0.94)
    return run_id


def write_masks(workspace: Workspace, run_id: str, epoch: int = 0, share: float = 0.5) -> None:
    """Masks on disk, of which a share of the weights is kept."""
    folder = workspace.make_run_dir(run_id) / "masks"
    masks = {name: np.arange(np.prod(shape)) < share * np.prod(shape) for name, shape in SHAPES.items()}
    packed = {name: pack_kept(mask.reshape(SHAPES[name])) for name, mask in masks.items()}
    epoch_masks.write_epoch(folder, epoch_masks.EpochMasks(epoch, packed, {}), None)


def write_log(workspace: Workspace, run_id: str, text: str, mode: str = "a") -> Path:
    """Add to the log of a run."""
    path = workspace.make_run_dir(run_id) / "worker.log"
    with path.open(mode, encoding="utf-8", newline="") as file:
        file.write(text)
    return path

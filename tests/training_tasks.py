"""Small tasks on the bundled digits, and a sink that holds what is recorded, for the tests of training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from iterand_engine.config.run_config import DataConfig, RunConfig
from iterand_engine.data.dataset import Dataset
from iterand_engine.data.open import open_dataset
from iterand_engine.runs.train import build_task
from iterand_engine.store import Level, SeriesAxis
from iterand_engine.training.checkpoint import Checkpoint
from iterand_engine.training.hooks import Hooks
from iterand_engine.training.numerics import Numerics
from iterand_engine.training.trainer import Task, Trainer

CPU = torch.device("cpu")
METHODS: dict[str, dict[str, Any]] = {
    "dense": {"name": "dense"},
    "edge-popup": {"name": "edge-popup", "sparsity": 0.5},
    "iterand": {"name": "iterand", "sparsity": 0.5, "randomize_every": 3, "randomize_rate": 0.3},
}
# 300 images in batches of 64: five steps an epoch, the last batch short.
BASE: dict[str, Any] = {
    "data": {"dataset": "digits", "train_limit": 300, "augmentation": "paper"},
    "model": {"name": "conv2", "width_factor": 0.05},
    "training": {"epochs": 2, "batch_size": 64, "lr": 0.1},
    "compute": {"device": "cpu", "precision": "fp32", "threads": 1, "memory_format": "contiguous"},
    "recording": {"mask_every": 2},
}


def config_of(method: str | Mapping[str, Any], **sections: Mapping[str, Any]) -> RunConfig:
    """The small run of a method, with options changed by section."""
    options = METHODS[method] if isinstance(method, str) else method
    mapping = {name: {**BASE.get(name, {}), **sections.get(name, {})} for name in {*BASE, *sections}}
    return RunConfig.from_mapping({**mapping, "method": options})


@cache
def _digits(data: DataConfig, seed: int, device: torch.device, channels_last: bool) -> Dataset:
    return open_dataset(data, roots=[], device=device, workers=0, seed=seed, channels_last=channels_last)


def task_of(config: RunConfig, device: torch.device = CPU) -> Task:
    """Build a run's network, method and data, without a store."""
    compute = config.compute
    assert compute.precision != "auto"
    channels_last = compute.memory_format == "channels_last"
    numerics = Numerics(device, compute.precision, compute.deterministic, 1, channels_last)
    return build_task(config, _digits(config.data, config.training.seed, device, channels_last), numerics)


@dataclass
class ListSink:
    """Keeps all that is recorded, in order."""

    axes: dict[str, SeriesAxis] = field(default_factory=dict)
    layers: dict[str, tuple[str, ...] | None] = field(default_factory=dict)
    points: dict[str, list[tuple[int, NDArray[np.float32]]]] = field(default_factory=dict)
    events: list[tuple[Level, str, int | None]] = field(default_factory=list)
    reported: list[tuple[int, int, int]] = field(default_factory=list)
    stop_requested: bool = False

    def declare(self, name: str, axis: SeriesAxis, layers: tuple[str, ...] | None = None) -> None:
        assert name not in self.axes
        self.axes[name], self.layers[name], self.points[name] = axis, layers, []

    def append(self, name: str, steps: ArrayLike, values: NDArray[np.float32] | ArrayLike) -> None:
        at, numbers = np.asarray(steps, dtype=np.int64), np.asarray(values, dtype=np.float32)
        layers = self.layers[name]
        assert numbers.shape == ((len(at),) if layers is None else (len(at), len(layers)))
        self.points[name] += list(zip(at.tolist(), numbers, strict=True))

    def progress(self, step: int, epoch: int, total_steps: int) -> None:
        self.reported.append((step, epoch, total_steps))

    def event(self, level: Level, text: str, step: int | None = None) -> None:
        self.events.append((level, text, step))

    def steps(self, name: str) -> list[int]:
        """Positions of a series."""
        return [step for step, _ in self.points[name]]

    def values(self, name: str) -> NDArray[np.float32]:
        """Values of a series, (n,) or (n, layers)."""
        return np.array([value for _, value in self.points[name]], dtype=np.float32)


def train(
    config: RunConfig, hooks: Hooks | None = None, start: Checkpoint | None = None
) -> tuple[Trainer, ListSink]:
    """Train a small run to its end in this process."""
    sink = ListSink()
    trainer = Trainer(task_of(config), sink, hooks, start)
    with trainer.task.numerics.active():
        trainer.train()
    return trainer, sink


def state_bytes(trainer: Trainer) -> dict[str, bytes]:
    """Every tensor of the network and the optimiser, bit for bit."""
    found: dict[str, bytes] = {}

    def collect(prefix: str, value: Any) -> None:
        if isinstance(value, torch.Tensor):
            found[prefix] = value.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        elif isinstance(value, Mapping):
            for key, inner in value.items():
                collect(f"{prefix}/{key}", inner)
        elif isinstance(value, Sequence) and not isinstance(value, str):
            for index, inner in enumerate(value):
                collect(f"{prefix}/{index}", inner)

    collect("model", trainer.task.module.state_dict())
    collect("optimizer", trainer.optimizer.state_dict())
    return found

"""Small trainings that contract checks compare bit for bit: on the CPU, without a store."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from iterand_engine.config.run_config import RunConfig
from iterand_engine.data.dataset import Dataset
from iterand_engine.data.open import open_dataset
from iterand_engine.runs.train import build_task
from iterand_engine.training.checkpoint import Checkpoint
from iterand_engine.training.hooks import Hooks
from iterand_engine.training.numerics import Numerics
from iterand_engine.training.sink import NullSink
from iterand_engine.training.trainer import Trainer

NUMERICS = Numerics(torch.device("cpu"))


@dataclass
class Training:
    """One small training: its state at the end, and at the stop if there was one."""

    trainer: Trainer
    saved: list[Checkpoint] = field(default_factory=list)


class _Saving(Hooks):
    """Keeps the checkpoints, and stops before a step where one is named."""

    def __init__(self, saved: list[Checkpoint], stop_at: int | None) -> None:
        self._saved, self._stop_at = saved, stop_at

    def on_checkpoint(self, state: Checkpoint) -> None:
        self._saved.append(state)

    def should_stop(self, step: int) -> bool:
        return self._stop_at is not None and step >= self._stop_at


def train(
    config: RunConfig, *, torch_seed: int, stop_at: int | None = None, start: Checkpoint | None = None
) -> Training:
    """Train a small run.

    Args:
        config: the run.
        torch_seed: of torch's own generator, which no result may depend on.
        stop_at: the step to stop before.
        start: the checkpoint to resume from; None starts at step 0.
    """
    torch.manual_seed(torch_seed)
    saved: list[Checkpoint] = []
    dataset = opened(config)
    try:
        trainer = Trainer(build_task(config, dataset, NUMERICS), NullSink(), _Saving(saved, stop_at), start)
        trainer.train()
    finally:
        dataset.close()
    return Training(trainer, saved)


def opened(config: RunConfig) -> Dataset:
    """Open the data of a small run on the CPU; the caller closes it."""
    return open_dataset(config.data, roots=[], device=NUMERICS.device, workers=0, seed=config.training.seed)


def difference(one: Trainer, other: Trainer) -> str | None:
    """The first tensor of network or optimiser that is not bit for bit equal in two trainings."""
    left, right = _tensors(one), _tensors(other)
    if left.keys() != right.keys():
        return min(left.keys() ^ right.keys())
    return next((name for name in left if not identical(left[name], right[name])), None)


def _tensors(trainer: Trainer) -> dict[str, Tensor]:
    found = {
        name: value for name, value in trainer.task.module.state_dict().items() if isinstance(value, Tensor)
    }
    for number, state in trainer.optimizer.state_dict()["state"].items():
        found |= {f"optimiser {number} {key}": one for key, one in state.items() if isinstance(one, Tensor)}
    return found


def identical(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors are equal bit for bit."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    return one.detach().contiguous().numpy().tobytes() == other.detach().contiguous().numpy().tobytes()

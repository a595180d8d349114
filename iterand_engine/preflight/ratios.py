"""Measure training steps: ratios of two calls that alternate in one run, with their spread.

Nothing here is a test; `iterand bench` and benchmarks/ print what it measures. A ratio is the median over
pairs of calls, one directly after the other, so that a machine that slows down slows both; its 95 % interval
is that of the median by order statistics, which assumes no distribution.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from iterand_engine.config.run_config import RunConfig
from iterand_engine.data.dataset import Batch, Dataset, Split
from iterand_engine.models import InputSpec
from iterand_engine.runs.train import build_task
from iterand_engine.training.numerics import Numerics
from iterand_engine.training.sink import NullSink, Sink
from iterand_engine.training.trainer import Trainer

WARM_UP = 3  # calls of each side before measuring
NEVER = 1_000_000_000
NETWORKS = (("resnet18", 0.25), ("resnet18", 1.0), ("conv6", 1.0))


@dataclass(frozen=True)
class Ratio:
    """`first` over `second`: medians in seconds, and the median of the paired ratios with its interval."""

    pairs: int
    first_s: float
    second_s: float
    ratio: float
    low: float
    high: float


def measure_ratio(
    first: Callable[[], object], second: Callable[[], object], *, pairs: int, settle: Callable[[], None]
) -> Ratio:
    """Time two calls in pairs; the order within a pair alternates.

    Args:
        first: the numerator.
        second: the denominator.
        pairs: how many of each are timed, after a warm-up.
        settle: waits until the device is done.
    """
    for _ in range(WARM_UP if pairs > WARM_UP else 0):
        first()
        second()
    times: tuple[list[float], list[float]] = ([], [])
    for pair in range(pairs):
        for side in (0, 1) if pair % 2 == 0 else (1, 0):
            settle()
            start = time.perf_counter()
            (first, second)[side]()
            settle()
            times[side].append(time.perf_counter() - start)
    return summarize(times[0], times[1])


def summarize(first_s: Sequence[float], second_s: Sequence[float]) -> Ratio:
    """The ratio of paired times, with the 95 % interval of its median (the whole range under 6 pairs)."""
    ratios = np.sort(np.array(first_s) / np.array(second_s))
    below = _order_statistic(len(ratios))
    return Ratio(
        len(ratios),
        float(np.median(first_s)),
        float(np.median(second_s)),
        float(np.median(ratios)),
        float(ratios[below]),
        float(ratios[len(ratios) - 1 - below]),
    )


def _order_statistic(count: int) -> int:
    """Index (from 0) of the lower end of a 95 % interval of the median of `count` values."""
    chance, index = 0.0, 0
    for k in range(count):
        chance += math.comb(count, k) / 2**count
        if chance > 0.025:
            index = k
            break
    return max(0, index)


class FixedBatch(Dataset):
    """Always gives the same prepared batch, so that only the step itself is measured."""

    def __init__(self, batch_size: int, size_px: int, classes: int, numerics: Numerics) -> None:
        super().__init__(InputSpec(3, size_px, size_px, classes), (), "fixed", ())
        generator = torch.Generator().manual_seed(0)
        images = torch.randn(batch_size, 3, size_px, size_px, generator=generator).to(numerics.device)
        layout = torch.channels_last if numerics.channels_last else torch.contiguous_format
        self._images = images.contiguous(memory_format=layout)
        labels = torch.randint(0, classes, (batch_size,), generator=generator).to(numerics.device)
        samples = torch.arange(batch_size, device=numerics.device)
        self.batch = Batch(self._images, labels, samples, 0, Split.TRAIN)

    def count(self, split: Split) -> int:
        return len(self.batch.labels) if split is Split.TRAIN else 0

    def batches(
        self, split: Split, batch_size: int, *, seed: int = 0, epoch: int = 0, first: int = 0
    ) -> Iterator[Batch]:
        yield self.batch

    def prepare(self, batch: Batch, step: int) -> Tensor:
        return self._images

    def close(self) -> None:
        """Do nothing: the batch goes with the object."""


def step_config(model: str, width: float, method: str, *, mask_every: int = NEVER) -> RunConfig:
    """A configuration whose steps are measured; `mask_every` is out of reach unless given."""
    options: dict[str, object] = {"name": method}
    if method == "dense":
        options["weight_init"] = "kaiming-uniform"
    return RunConfig.from_mapping(
        {
            "model": {"name": model, "width_factor": width},
            "method": options,
            "training": {"epochs": 1_000_000, "lr": 0.01},
            "recording": {"mask_every": mask_every},
        }
    )


class Stepper:
    """A trainer that does one real step on a fixed batch whenever it is called.

    Args:
        config: network and method.
        numerics: how to compute.
        sink: where steps are recorded; nowhere by default.
        batch_size: images of a step.
    """

    def __init__(
        self, config: RunConfig, numerics: Numerics, *, sink: Sink | None = None, batch_size: int = 128
    ) -> None:
        self._data = FixedBatch(batch_size, 32, 10, numerics)
        task = build_task(config, self._data, numerics)
        task.module.train()
        self.trainer = Trainer(task, sink or NullSink())

    def __call__(self) -> None:
        self.trainer.step(self._data.batch)
        if self.trainer.journal.is_full:
            self.trainer.journal.flush()


def compare_with_dense(
    model: str, width: float, numerics: Numerics, *, pairs: int, batch_size: int = 128
) -> Ratio:
    """The ratio of an IteRand step to a dense step of one network, on images of 32 px."""
    with numerics.active():
        iterand = Stepper(step_config(model, width, "iterand"), numerics, batch_size=batch_size)
        dense = Stepper(step_config(model, width, "dense"), numerics, batch_size=batch_size)
        return measure_ratio(iterand, dense, pairs=pairs, settle=settler(numerics.device))


def settler(device: torch.device) -> Callable[[], None]:
    """A function that waits until a device has finished its work."""
    return torch.cuda.synchronize if device.type == "cuda" else lambda: None

"""Collects what a run records: step values, mask changes, redraws, epochs and clock samples.

Every step's loss and hits stay on the device until `flush`: values belong to steps, and only their transfer
follows the clock. The positions of all series are steps; an epoch's is its last step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from iterand_engine.config.metrics import BY_LAYER, METRICS
from iterand_engine.pruning import MaskedLayer
from iterand_engine.pruning.mask_change import MaskChange
from iterand_engine.pruning.methods.base import RedrawEvent
from iterand_engine.training.sink import Sink

_CAPACITY = 1024  # steps held on the device; only the smallest networks reach it before a flush
_STEP_SERIES = ("loss", "accuracy", "lr")

Counts = NDArray[np.float64]


@dataclass
class EpochSums:
    """Running sums of an epoch's step values, in step order; part of a checkpoint."""

    steps: int = 0
    loss: float = 0.0
    accuracy: float = 0.0

    @property
    def train_loss(self) -> float:
        """The mean of the steps' losses; needs at least one step."""
        return self.loss / self.steps

    @property
    def train_accuracy(self) -> float:
        """The mean of the steps' accuracies, 0-1; needs at least one step."""
        return self.accuracy / self.steps


@dataclass(frozen=True)
class Flushed:
    """The result of a flush: values of the newest step, and the first step whose loss was not finite."""

    loss: float
    accuracy: float
    diverged_at: int | None


class Journal:
    """Collects one run's values on the device, and writes them to a sink.

    Args:
        sink: gets the values.
        layers: the masked layers, empty for dense training.
        device: the one that the values are computed on.
    """

    def __init__(self, sink: Sink, layers: tuple[MaskedLayer, ...], device: torch.device) -> None:
        self._sink = sink
        self._sizes = np.array([layer.count for layer in layers], dtype=np.float64)
        self._sparsities = np.array([layer.sparsity for layer in layers])
        self._values = torch.zeros((_CAPACITY, 2), device=device)
        self._steps: list[int] = []
        self._counts: list[int] = []
        self._rates: list[float] = []
        self._changes: list[tuple[int, MaskChange]] = []
        self._redraws: list[tuple[int, RedrawEvent]] = []
        self.sums = EpochSums()
        self._declare(tuple(layer.name for layer in layers))

    def _declare(self, layers: tuple[str, ...]) -> None:
        for metric in METRICS:
            if layers or not metric.by_layer:
                self._sink.declare(metric.name, metric.axis)
            if layers and metric.by_layer:
                self._sink.declare(metric.name + BY_LAYER, metric.axis, layers)

    def step(self, step: int, loss: Tensor, hits: Tensor, count: int, rate: float) -> None:
        """Add one step: its loss and hits as tensors on the device, and its number of images."""
        row = len(self._steps)
        self._values[row, 0].copy_(loss)
        self._values[row, 1].copy_(hits)
        self._steps.append(step)
        self._counts.append(count)
        self._rates.append(rate)

    def mask_change(self, step: int, change: MaskChange) -> None:
        """Add the changes of the masks of a step against those before."""
        self._changes.append((step, change))

    def redraw(self, step: int, event: RedrawEvent) -> None:
        """Add a redraw that happened in the forward pass after `step` updates."""
        self._redraws.append((step, event))

    @property
    def is_full(self) -> bool:
        """Whether `flush` must be called before the next step."""
        return len(self._steps) == _CAPACITY

    def flush(self) -> Flushed | None:
        """Copy everything added to the host and append it to the sink; None if there was no step."""
        self._flush_masks()
        if not self._steps:
            return None
        steps = np.array(self._steps, dtype=np.int64)
        values = self._values[: len(steps)].cpu().numpy().copy()
        loss, accuracy = values[:, 0], values[:, 1] / np.array(self._counts, dtype=np.float32)
        for name, series in zip(_STEP_SERIES, (loss, accuracy, np.array(self._rates)), strict=True):
            self._sink.append(name, steps, series.astype(np.float32))
        for one_loss, one_accuracy in zip(loss.tolist(), accuracy.tolist(), strict=True):
            self.sums.loss += one_loss
            self.sums.accuracy += one_accuracy
        self.sums.steps += len(steps)
        bad = np.flatnonzero(~np.isfinite(loss))
        self._steps, self._counts, self._rates = [], [], []
        return Flushed(float(loss[-1]), float(accuracy[-1]), int(steps[bad[0]]) if len(bad) else None)

    def epoch(self, step: int, val_loss: float, val_accuracy: float, epoch_s: float) -> None:
        """Append an epoch's values at its last step, and reset the sums for the next epoch."""
        values = {
            "train_loss": self.sums.train_loss,
            "train_accuracy": self.sums.train_accuracy,
            "val_loss": val_loss,
            "val_accuracy": val_accuracy,
            "epoch_s": epoch_s,
        }
        for name, value in values.items():
            self._sink.append(name, [step], [value])
        self.sums = EpochSums()

    def clock(self, step: int, values: Mapping[str, float | None]) -> None:
        """Append a sample to the clock series by name; None, as for the load without a GPU, is left out."""
        for name, value in values.items():
            if value is not None:
                self._sink.append(name, [step], [value])

    def _flush_masks(self) -> None:
        if self._changes:
            self._flush_changes()
        for step, event in self._redraws:
            redrawn = _on_host([event.redrawn])
            self._sink.append("redrawn", [step], redrawn.sum(1))
            self._sink.append("redrawn" + BY_LAYER, [step], redrawn)
            if event.before is not None and event.revived is not None:
                self._append_shares("revived", [step], _on_host([event.revived]), _on_host([event.before]))
        self._changes, self._redraws = [], []

    def _flush_changes(self) -> None:
        steps = np.array([step for step, _ in self._changes])
        later = steps > 0  # at step 0 there are no earlier masks to compare with
        if not later[0]:
            chance = 2 * self._sparsities * (1 - self._sparsities) * self._sizes
            self._append_shares("mask_distance_chance", steps[:1], chance[None], self._sizes[None])
        flips = _on_host([change.flips for _, change in self._changes])
        distance = _on_host([change.distance for _, change in self._changes])
        self._append_shares("mask_flips", steps[later], flips[later], self._sizes[None])
        self._append_shares("mask_distance", steps, distance, self._sizes[None])

    def _append_shares(self, name: str, steps: ArrayLike, counts: Counts, sizes: Counts) -> None:
        """Append counts (points, layers) as shares of sizes, of all layers and by layer."""
        with np.errstate(invalid="ignore", divide="ignore"):  # a layer without redraws has the share NaN
            total, by_layer = counts.sum(1) / sizes.sum(1), counts / sizes
        self._sink.append(name, steps, total)
        self._sink.append(name + BY_LAYER, steps, by_layer)


def _on_host(rows: list[Tensor]) -> Counts:
    return torch.stack(rows).cpu().numpy().astype(np.float64)

"""Samples that follow the clock: throughput, memory and the GPU's load, about once a second."""

from __future__ import annotations

import time
from dataclasses import dataclass

import psutil
import torch

INTERVAL_S = 1.0


@dataclass(frozen=True)
class Sample:
    """Images trained per second since the last sample, memory of the process or on the GPU, the GPU's load.

    Each field is the value of the series with its name.
    """

    images_per_s: float
    memory_bytes: int
    gpu_share: float | None


class ClockSampler:
    """Counts images, and measures when a second has passed.

    Args:
        device: for a GPU its own memory is measured, otherwise that of the process.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._process = psutil.Process()
        self._since = time.monotonic()
        self._images = 0
        self.images_per_s = 0.0

    def count(self, images: int) -> None:
        """Add to the number of trained images."""
        self._images += images

    def sample(self) -> Sample | None:
        """Measure; None if less than a second has passed since the last sample."""
        now = time.monotonic()
        elapsed = now - self._since
        if elapsed < INTERVAL_S and self.images_per_s:
            return None
        self.images_per_s = self._images / elapsed if elapsed else 0.0
        self._since, self._images = now, 0
        if self._device.type == "cuda":
            memory = torch.cuda.memory_allocated(self._device)
            return Sample(self.images_per_s, memory, torch.cuda.utilization(self._device) / 100)
        return Sample(self.images_per_s, self._process.memory_info().rss, None)

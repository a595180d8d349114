"""What a training says while it goes on, and what it asks: the one protocol between trainer and surroundings.

Without torch, so that displays and reporters can implement it. What a run records goes to its sink instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from iterand_engine.training.checkpoint import Checkpoint


@dataclass(frozen=True)
class TrainingProgress:
    """How far training is, as shown to whoever waits: loss and accuracy are those of the newest step."""

    step: int
    total_steps: int
    epoch: int
    epochs: int
    loss: float
    accuracy: float
    val_accuracy: float
    images_per_s: float
    seconds_left: float


class Hooks:
    """All of them, each doing nothing; who wants one redefines it. They are called between steps."""

    def on_progress(self, progress: TrainingProgress) -> None:
        """Called several times a second, where steps are that fast."""
        return

    def note(self, text: str) -> None:
        """Called with a sentence that a person should read."""
        return

    def should_stop(self, step: int) -> bool:
        """Asked before each step; True saves and stops."""
        return False

    def on_checkpoint(self, state: Checkpoint) -> None:
        """Called with each checkpoint, on the host."""
        return

    def on_epoch(self, epoch: int, is_best: bool) -> None:
        """Called when an epoch was evaluated, its masks selected.

        Args:
            epoch: how many were trained.
            is_best: whether its validation accuracy is the highest so far.
        """
        return

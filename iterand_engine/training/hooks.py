"""The one protocol between the trainer and its caller: what training reports while it goes on, and asks.

Without torch, so that displays and reporters can implement it. Recorded values go to the run's sink instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from iterand_engine.training.checkpoint import Checkpoint


@dataclass(frozen=True)
class TrainingProgress:
    """The progress of a training, for a display: loss and accuracy (0-1) are those of the newest step."""

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
    """All hooks, each without effect; subclasses override some. The trainer calls them between steps."""

    def on_progress(self, progress: TrainingProgress) -> None:
        """Called several times a second, or once per step if steps are slower."""
        return

    def note(self, text: str) -> None:
        """Called with a sentence for the user."""
        return

    def should_stop(self, step: int) -> bool:
        """Asked before each step; True saves and stops."""
        return False

    def on_checkpoint(self, state: Checkpoint) -> None:
        """Called with each checkpoint, on the host."""
        return

    def on_epoch(self, epoch: int, is_best: bool) -> None:
        """Called when an epoch was evaluated; the masks are selected from its scores.

        Args:
            epoch: how many epochs were trained.
            is_best: whether its validation accuracy is the highest so far.
        """
        return

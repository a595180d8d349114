"""The training loop of one run: steps, epochs, records and checkpoints.

Nothing in a step waits for the device. A stop happens between steps, after a checkpoint. A loss that is not
finite ends the run at the next flush. The trained values are checked before each checkpoint, because scores
that are not finite remove weights and leave the loss finite.
"""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass
from enum import StrEnum

import torch
from torch import nn
from torch.nn import functional

from iterand_engine.config.metrics import CLOCK
from iterand_engine.config.run_config import RunConfig
from iterand_engine.data.dataset import Batch, Dataset, Split
from iterand_engine.pruning.mask_change import observe
from iterand_engine.pruning.methods.base import Method
from iterand_engine.training import checkpoint
from iterand_engine.training.checkpoint import Checkpoint, Counters, Position
from iterand_engine.training.clock import ClockSampler
from iterand_engine.training.evaluation import Evaluation, evaluate
from iterand_engine.training.hooks import Hooks, TrainingProgress
from iterand_engine.training.journal import EpochSums, Journal
from iterand_engine.training.numerics import Numerics
from iterand_engine.training.optimizer import learning_rate, make_optimizer, set_learning_rate
from iterand_engine.training.sink import Sink

FLUSH_S = 0.2
CHANCE_EPOCHS = 5  # epochs at chance after which the run warns


class Ending(StrEnum):
    """The ways in which `Trainer.train` ends."""

    FINISHED = "finished"
    STOPPED = "stopped"
    DIVERGED = "diverged"


def steps_per_epoch(dataset: Dataset, config: RunConfig) -> int:
    """Compute the number of batches of an epoch; the last batch may be smaller."""
    return -(-dataset.count(Split.TRAIN) // config.training.batch_size)


@dataclass(frozen=True)
class Task:
    """Everything that a trainer needs for one run: configuration, data, network, method, arithmetic."""

    config: RunConfig
    dataset: Dataset
    module: nn.Module
    method: Method
    numerics: Numerics

    @property
    def steps_per_epoch(self) -> int:
        return steps_per_epoch(self.dataset, self.config)

    @property
    def total_steps(self) -> int:
        """Number of updates of the whole run."""
        return self.steps_per_epoch * self.config.training.epochs


class Trainer:
    """Trains one task.

    Args:
        task: the run to train.
        sink: gets the recorded values.
        hooks: called with the progress, and asked whether to stop.
        start: the checkpoint to continue from; None begins at step 0.
    """

    def __init__(
        self, task: Task, sink: Sink, hooks: Hooks | None = None, start: Checkpoint | None = None
    ) -> None:
        self.task, self._sink, self._hooks = task, sink, hooks or Hooks()
        self.optimizer = make_optimizer(task.method.trained, task.config.training)
        self.position, self.counters = Position(), Counters()
        self.journal = Journal(sink, task.method.layers, task.numerics.device)
        if start is not None:
            checkpoint.restore(start, task.module, self.optimizer)
            self.position, self.counters = start.position, start.counters
            counters = start.counters
            self.journal.sums = EpochSums(counters.epoch_steps, counters.loss_sum, counters.accuracy_sum)
        self._clock = ClockSampler(task.numerics.device)
        self._rate = 0.0
        self._last_flush = self._last_checkpoint = self._resumed_at = time.monotonic()
        self.val_score = Evaluation(self.counters.val_loss, self.counters.val_accuracy)
        self.diverged_at: int | None = None
        self.divergence = ""  # says which values were not finite, as the beginning of a sentence

    def train(self) -> Ending:
        """Train to the end, a stop or divergence; afterwards the masks are selected from the final scores."""
        self.task.module.train()
        while self.position.epoch < self.task.config.training.epochs:
            ending = self._epoch()
            if ending is not None:
                return ending
        return Ending.FINISHED

    def step(self, batch: Batch) -> None:
        """Do one optimiser update with a batch, and record it."""
        task, step = self.task, self.position.step
        images = task.dataset.prepare(batch, step)
        redraw = task.method.before_step(step)
        if redraw is not None:
            self.journal.redraw(step, redraw)
        if task.method.layers and step % task.config.recording.mask_every == 0:
            self.journal.mask_change(step, observe(task.method.layers))
        with task.numerics.autocast():
            logits = task.module(images)
        loss = functional.cross_entropy(logits.float(), batch.labels)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        task.method.after_step(step)
        hits = (logits.detach().argmax(1) == batch.labels).sum()
        self.journal.step(step, loss.detach(), hits, len(batch.labels), self._rate)
        self._clock.count(len(batch.labels))
        self.position.step += 1
        self.position.batch += 1

    def _epoch(self) -> Ending | None:
        training, position = self.task.config.training, self.position
        self._rate = learning_rate(training, position.epoch)
        set_learning_rate(self.optimizer, self._rate)
        batches = self.task.dataset.batches(
            Split.TRAIN, training.batch_size, seed=training.seed, epoch=position.epoch, first=position.batch
        )
        for batch in batches:
            if self._hooks.should_stop(position.step) or self._sink.stop_requested:
                return self._stop()
            self.step(batch)
            if self.between_steps():
                return Ending.DIVERGED
        if self._flush() or self._trained_diverged():
            return Ending.DIVERGED
        self._finish_epoch()
        return None

    def between_steps(self) -> bool:
        """Flush and save when due; return True once the loss is no longer finite."""
        now = time.monotonic()
        if now - self._last_flush < FLUSH_S and not self.journal.is_full:
            return False
        if self._flush():
            return True
        due = now - self._last_checkpoint >= 60 * self.task.config.recording.checkpoint_minutes
        if due and self.position.batch < self.task.steps_per_epoch:  # the end of an epoch saves anyway
            if self._trained_diverged():
                return True
            self._save()
        return False

    def _stop(self) -> Ending:
        if self._flush() or self._trained_diverged():
            return Ending.DIVERGED
        self._save()
        return Ending.STOPPED

    def _finish_epoch(self) -> None:
        position, counters, method = self.position, self.counters, self.task.method
        method.before_evaluation()
        self.val_score = self._evaluate(Split.VAL)
        self._advance_clock()
        train_accuracy = self.journal.sums.train_accuracy
        self.journal.epoch(
            position.step - 1, self.val_score.loss, self.val_score.accuracy, counters.epoch_elapsed_s
        )
        position.epoch, position.batch = position.epoch + 1, 0
        counters.epoch_elapsed_s = 0.0
        counters.val_loss, counters.val_accuracy = self.val_score.loss, self.val_score.accuracy
        best = self.val_score.accuracy > counters.best_val_accuracy
        if best:
            counters.best_val_accuracy = self.val_score.accuracy
        self._watch_for_chance(train_accuracy)
        self._sink.progress(position.step, position.epoch, self.task.total_steps)
        self._hooks.on_epoch(position.epoch, best)
        self._save()

    def _evaluate(self, split: Split) -> Evaluation:
        task, position = self.task, self.position

        def alive() -> None:
            self._sink.progress(position.step, position.epoch, task.total_steps)

        batch_size = task.config.training.batch_size
        return evaluate(task.module, task.dataset, split, batch_size, task.numerics, position.step, alive)

    def test(self) -> Evaluation:
        """Evaluate on the test images; call it once, after the last epoch."""
        self.task.method.before_evaluation()
        return self._evaluate(Split.TEST)

    def _watch_for_chance(self, train_accuracy: float) -> None:
        """Warn once if accuracy has been at chance for CHANCE_EPOCHS epochs."""
        held_out = self.task.dataset.count(Split.VAL)
        accuracy = self.val_score.accuracy if held_out else train_accuracy
        count = held_out or self.task.dataset.count(Split.TRAIN)
        chance = 1 / self.task.dataset.spec.classes
        limit = chance + 2 * math.sqrt(chance * (1 - chance) / count)
        self.counters.chance_epochs = self.counters.chance_epochs + 1 if accuracy <= limit else 0
        if self.counters.chance_epochs == CHANCE_EPOCHS:
            text = (
                f"Accuracy has been at chance ({chance:.4f}) for {CHANCE_EPOCHS} epochs; check training.lr, "
                "method.sparsity and the labels."
            )
            self._sink.event("warning", text, self.position.step)

    def _flush(self) -> bool:
        flushed = self.journal.flush()
        self._advance_clock()
        if flushed is None:
            return False
        position = self.position
        self._sink.progress(position.step, position.epoch, self.task.total_steps)
        sample = self._clock.sample()
        if sample is not None:
            self.journal.clock(position.step - 1, {**asdict(sample), CLOCK: self.counters.elapsed_s})
        self._report(flushed.loss, flushed.accuracy)
        if flushed.diverged_at is None:
            return False
        self.diverged_at = flushed.diverged_at
        self.divergence = f"The loss was not finite at step {flushed.diverged_at}"
        return True

    def _trained_diverged(self) -> bool:
        """Return whether a trained value is not finite, and set `divergence`; waits for the device."""
        method, last = self.task.method, self.position.step - 1
        if torch.stack([torch.isfinite(one).all() for one in method.trained]).all().item():
            return False
        self.diverged_at = last
        kind = "scores" if method.layers else "weights"
        self.divergence = f"The trained {kind} were not finite at step {last}"
        return True

    def _advance_clock(self) -> None:
        now = time.monotonic()
        self.counters.elapsed_s += now - self._resumed_at
        self.counters.epoch_elapsed_s += now - self._resumed_at
        self._resumed_at = self._last_flush = now

    def _report(self, loss: float, accuracy: float) -> None:
        task, position = self.task, self.position
        rate = self._clock.images_per_s
        images_left = (task.total_steps - position.step) * task.config.training.batch_size
        self._hooks.on_progress(
            TrainingProgress(
                step=position.step,
                total_steps=task.total_steps,
                epoch=position.epoch,
                epochs=task.config.training.epochs,
                loss=loss,
                accuracy=accuracy,
                val_accuracy=self.val_score.accuracy,
                images_per_s=rate,
                seconds_left=images_left / rate if rate else math.nan,
            )
        )

    def _save(self) -> None:
        sums, counters = self.journal.sums, self.counters
        counters.epoch_steps, counters.loss_sum, counters.accuracy_sum = sums.steps, sums.loss, sums.accuracy
        self._last_checkpoint = time.monotonic()
        self._hooks.on_checkpoint(
            checkpoint.take(self.task.module, self.optimizer, self.position, self.counters)
        )

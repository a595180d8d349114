"""One run from claim to end: prepare, train, record, save, evaluate, and store how it ended.

The process that calls `work` owns the run: it adopted the owner token, and every write is conditional on it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from iterand_engine.config.run_config import RunConfig
from iterand_engine.data.dataset import Dataset
from iterand_engine.data.open import open_dataset
from iterand_engine.errors import UserError, concerning
from iterand_engine.machine.devices import Device
from iterand_engine.machine.settings import Settings, data_roots
from iterand_engine.machine.workspace import Workspace
from iterand_engine.pruning.methods.base import RunPlan
from iterand_engine.runs.adopt import Start, adopted
from iterand_engine.runs.build import build_network, make_method
from iterand_engine.runs.files import RunFiles, load_checkpoint
from iterand_engine.runs.fingerprints import note_fingerprint, refuse_other_data
from iterand_engine.store import Recorder, RunState, Store
from iterand_engine.training import final_state
from iterand_engine.training.checkpoint import Checkpoint, Position
from iterand_engine.training.hooks import Hooks, TrainingProgress
from iterand_engine.training.mask_snapshot import snapshot_masks
from iterand_engine.training.numerics import Numerics
from iterand_engine.training.trainer import Ending, Task, Trainer, steps_per_epoch


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended: its state, the updates done, its accuracies (NaN where there are none) and why."""

    state: RunState
    step: int
    val_accuracy: float = math.nan
    test_accuracy: float = math.nan
    reason: str | None = None


def work(
    workspace: Workspace,
    store: Store,
    run_id: str,
    token: str,
    around: Hooks | None = None,
    device: str | None = None,
) -> RunOutcome:
    """Train a claimed run to its end, or to a stop.

    Args:
        workspace: the run's.
        store: its open store.
        run_id: the run's id; its row holds the configuration.
        token: the claim's.
        around: hooks of the caller, which show progress and may ask for a stop.
        device: id of the device to train on; by default the configuration's.
    Raises:
        OwnershipLost, UserError, Exception: as `adopt.adopted`.
    """
    around = around or Hooks()
    with adopted(store, run_id, token, device=device, note=around.note) as (recorder, start):
        return train(workspace, store, run_id, recorder, start, around)


def train(
    workspace: Workspace, store: Store, run_id: str, recorder: Recorder, start: Start, around: Hooks
) -> RunOutcome:
    """Train an adopted run to its end, or to a stop, and store how it ended."""
    session = RunSession(workspace, store, run_id, recorder, start, around)
    with session.open() as trainer:
        return session.end(trainer, trainer.train())


def numerics_of(start: Start) -> Numerics:
    """Give the arithmetic of a start of a run; its precision must be resolved."""
    return Numerics(
        device=torch.device(start.device.kind),
        precision=_trained_precision(start.config),
        deterministic=start.config.compute.deterministic,
        threads=start.threads,
        channels_last=_channels_last(start.config, start.device),
    )


def _trained_precision(config: RunConfig) -> Any:
    if config.compute.precision == "auto":
        raise ValueError("the precision of a stored run is resolved when it is made")
    return config.compute.precision


def _channels_last(config: RunConfig, device: Device) -> bool:
    # auto: everywhere but with fp32 on a GPU (docs/decisions.md, memory format).
    if config.compute.memory_format == "auto":
        return device.kind == "cpu" or config.compute.precision != "fp32"
    return config.compute.memory_format == "channels_last"


def build_task(config: RunConfig, dataset: Dataset, numerics: Numerics) -> Task:
    """Build the network and the method of a run on its device."""
    module = numerics.place(build_network(config.model, dataset.spec))
    steps = steps_per_epoch(dataset, config) * config.training.epochs
    plan = RunPlan(total_steps=steps, seed=config.training.seed, weight_dtype=numerics.weight_dtype)
    return Task(config, dataset, module, make_method(module, config.method, plan), numerics)


class RunSession(Hooks):
    """One start of a run, between adopting it and saying how it ended.

    Args:
        workspace: the run's.
        store: its open store.
        run_id: the run's id; this process has adopted it.
        recorder: with the owner's token.
        start: from `adopt.prepare`.
        around: hooks of the caller, which show progress and may ask for a stop.
    """

    def __init__(
        self,
        workspace: Workspace,
        store: Store,
        run_id: str,
        recorder: Recorder,
        start: Start,
        around: Hooks,
    ) -> None:
        self._workspace, self._store, self._run_id = workspace, store, run_id
        self._recorder, self._start, self._around = recorder, start, around
        self._numerics = numerics_of(start)
        self._files = RunFiles(workspace, store, recorder, run_id)
        self._training: Trainer | None = None

    @contextmanager
    def open(self) -> Iterator[Trainer]:
        """Give a trainer at the run's newest checkpoint, or its start; leaving closes files and data."""
        with ExitStack() as stack:
            stack.callback(self._files.close)
            use_only(self._start.device)
            stack.enter_context(self._numerics.active())
            dataset = self._open_data()
            stack.callback(dataset.close)
            for text in (*dataset.notes, *self._start.notes):
                self._say(text)
            yield self._trainer(build_task(self._start.config, dataset, self._numerics))

    def _say(self, text: str) -> None:
        self._recorder.event("warning", text)
        self.note(text)

    def _open_data(self) -> Dataset:
        config, numerics = self._start.config, self._numerics
        workers = config.compute.workers
        with concerning("data"):
            dataset = open_dataset(
                config.data,
                roots=data_roots(self._workspace, Settings.load(self._workspace)),
                device=numerics.device,
                workers=numerics.threads if workers == "auto" else workers,
                seed=config.training.seed,
                channels_last=numerics.channels_last,
            )
            note_fingerprint(self._store, config.data.dataset, dataset.fingerprint)
            try:
                refuse_other_data(self._store, self._run_id, config.data, dataset.fingerprint)
            except UserError:
                dataset.close()
                raise
        return dataset

    def _trainer(self, task: Task) -> Trainer:
        with concerning("disk"):
            start = load_checkpoint(self._workspace, self._store, self._run_id, self._say)
        position = start.position if start else Position()
        self._files.remove_parts()
        self._recorder.rewind(position.step)
        self._recorder.progress(position.step, position.epoch, task.total_steps)
        self._files.keep_masks_until(position.epoch if start else -1, self._say)
        self._training = trainer = Trainer(task, self._recorder, self, start)
        if start is None:
            self._keep_masks(trainer)
        return trainer

    def on_progress(self, progress: TrainingProgress) -> None:
        self._around.on_progress(progress)

    def note(self, text: str) -> None:
        self._around.note(text)

    def should_stop(self, step: int) -> bool:
        return self._around.should_stop(step)

    def on_checkpoint(self, state: Checkpoint) -> None:
        self._files.add_checkpoint(state)
        self._around.on_checkpoint(state)

    def on_epoch(self, epoch: int, is_best: bool) -> None:
        """Write the masks, and the network if its accuracy is the best so far."""
        assert self._training is not None
        self._keep_masks(self._training)
        if is_best:
            self._files.add_network("best", _network(self._training))
        self._around.on_epoch(epoch, is_best)

    def _keep_masks(self, trainer: Trainer) -> None:
        if trainer.task.method.layers:
            self._files.add_masks(snapshot_masks(trainer.task.method.layers, trainer.position.epoch))

    def end(self, trainer: Trainer, ending: Ending) -> RunOutcome:
        """Save the last checkpoint or the network, and store how training ended."""
        step = trainer.position.step
        match ending:
            case Ending.STOPPED:
                self._files.wait()
                self._recorder.finish(RunState.STOPPED)
                return RunOutcome(RunState.STOPPED, step)
            case Ending.DIVERGED:
                reason = (
                    f"{trainer.divergence}; try a lower training.lr or weight_decay, "
                    "or compute.precision: fp32."
                )
                self._files.wait()
                self._recorder.finish(RunState.DIVERGED, reason=reason)
                return RunOutcome(RunState.DIVERGED, step, reason=reason)
            case Ending.FINISHED:
                return self._finished(trainer)

    def _finished(self, trainer: Trainer) -> RunOutcome:
        test, network = trainer.test(), _network(trainer)
        self._files.add_network("final", network)
        self._files.wait()
        val_accuracy = trainer.val_score.accuracy
        self._recorder.finish(
            RunState.FINISHED,
            val_accuracy=_known(val_accuracy),
            test_accuracy=_known(test.accuracy),
            final_digest=final_state.digest(network),
        )
        self._files.remove_checkpoint_files()
        return RunOutcome(RunState.FINISHED, trainer.position.step, val_accuracy, test.accuracy)


def use_only(device: Device) -> None:
    """Hide all GPUs but the run's own from CUDA, by UUID, because CUDA numbers them unlike the driver."""
    if device.kind == "cuda" and not torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        os.environ["CUDA_VISIBLE_DEVICES"] = device.id


def _known(accuracy: float) -> float | None:
    return None if math.isnan(accuracy) else accuracy


def _network(trainer: Trainer) -> final_state.FinalState:
    facts = {"epoch": str(trainer.position.epoch), "step": str(trainer.position.step)}
    return final_state.snapshot(trainer.task.module, trainer.task.method.layers, facts)

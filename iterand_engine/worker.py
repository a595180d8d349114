"""One run from claim to end: prepare, train, record, save, evaluate, and say how it ended.

The process that calls `work` owns the run: it adopted the owner token, and every write is conditional on it.
"""

from __future__ import annotations

import math
import os
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from iterand_engine.catalog import METHODS, MODELS, find
from iterand_engine.config import RunConfig
from iterand_engine.data.dataset import Dataset
from iterand_engine.data.opening import open_dataset
from iterand_engine.devices import Device, default_threads, find_device, precision_note
from iterand_engine.environment import differences, snapshot
from iterand_engine.errors import OwnershipLost, UserError
from iterand_engine.methods.base import Method, Plan
from iterand_engine.processes import current
from iterand_engine.run_files import RunFiles, load_checkpoint
from iterand_engine.run_making import data_roots
from iterand_engine.store import Recorder, RunState, Store, queries
from iterand_engine.training import final
from iterand_engine.training.checkpoint import Position
from iterand_engine.training.masks import snapshot_masks
from iterand_engine.training.numerics import Numerics
from iterand_engine.training.trainer import Ending, Hooks, Progress, Task, Trainer, steps_per_epoch
from iterand_engine.workspace import Settings, Workspace


@dataclass(frozen=True)
class Outcome:
    """How a run ended: its state, the updates done, its accuracies (NaN where there are none) and why."""

    state: RunState
    step: int
    val_accuracy: float = math.nan
    test_accuracy: float = math.nan
    reason: str | None = None


@dataclass(frozen=True)
class Surroundings:
    """What a run asks of whoever started it: shows progress, takes notes, and may ask it to stop."""

    on_progress: Callable[[Progress], None] = lambda _: None
    note: Callable[[str], None] = lambda _: None
    should_stop: Callable[[int], bool] = lambda _: False


@dataclass
class Resolved:
    """A run's configuration with device, threads and layout fixed, and the environment as stored."""

    config: RunConfig
    device: Device
    numerics: Numerics
    environment: dict[str, Any]
    notes: list[str] = field(default_factory=list)


def work(
    workspace: Workspace, store: Store, run_id: str, token: str, around: Surroundings | None = None
) -> Outcome:
    """Train a claimed run to its end, or to a stop.

    Args:
        workspace: the run's.
        store: its open store.
        run_id: which run; its row holds the configuration.
        token: of the claim.
        around: progress, notes and stop requests.
    Raises:
        OwnershipLost: another process owns the run.
        UserError: something the user can mend, which the run's row says too: a run that has a checkpoint is
            stored as stopped, so that it can be resumed once that is done, another as failed.
    """
    around = around or Surroundings()
    try:
        resolved = resolve(store, run_id)
    except UserError as error:
        _give_up(store, run_id, token, str(error))
        raise
    store.adopt(run_id, token, current(), resolved.environment)
    with Recorder(store, run_id, token, on_wait=around.note) as recorder:
        try:
            session = Session(workspace, store, run_id, recorder, resolved, around)
            with session.open() as trainer:
                return session.end(trainer, trainer.train())
        except UserError as error:
            recorder.finish(_until_mended(store, run_id), reason=str(error))
            raise
        except OwnershipLost:
            raise
        except (Exception, KeyboardInterrupt) as error:  # a process edge: stored, then raised on
            reason = f"{type(error).__name__}: {error}"
            recorder.event("error", traceback.format_exc())
            recorder.finish(RunState.FAILED, reason=reason)
            raise


def _give_up(store: Store, run_id: str, token: str, reason: str) -> None:
    store.adopt(run_id, token, current(), {})
    with Recorder(store, run_id, token) as recorder:
        recorder.finish(_until_mended(store, run_id), reason=reason)


def _until_mended(store: Store, run_id: str) -> RunState:
    return RunState.STOPPED if queries.checkpoints(store, run_id) else RunState.FAILED


def resolve(store: Store, run_id: str) -> Resolved:
    """Fix what is left open in a run's configuration: as at its first start where it was started before."""
    detail = queries.run(store, run_id)
    config = RunConfig.from_mapping(detail.config)
    device = find_device(config.compute.device)
    earlier = detail.environments[0].snapshot if detail.environments else {}
    threads = config.compute.threads
    if threads == "auto":
        threads = int(str(earlier.get("threads", default_threads())))
    numerics = Numerics(
        device=torch.device(device.kind),
        precision=_trained_precision(config),
        deterministic=config.compute.deterministic,
        threads=threads,
        channels_last=_channels_last(config, device),
    )
    environment = snapshot(device, threads).to_mapping()
    notes = [f"the environment differs from the first start: {d}" for d in differences(earlier, environment)]
    note = precision_note(numerics.precision, device)
    return Resolved(
        config, device, numerics, environment, [*(notes if earlier else []), *([note] if note else [])]
    )


def _trained_precision(config: RunConfig) -> Any:
    if config.compute.precision == "auto":
        raise ValueError("the precision of a stored run is resolved when it is made")
    return config.compute.precision


def _channels_last(config: RunConfig, device: Device) -> bool:
    """auto: everywhere but for plain fp32 on a GPU (docs/decisions.md, memory format)."""
    if config.compute.memory_format == "auto":
        return device.kind == "cpu" or config.compute.precision != "fp32"
    return config.compute.memory_format == "channels_last"


def build_task(config: RunConfig, dataset: Dataset, numerics: Numerics) -> Task:
    """Build the network and the method of a run on its device."""
    build = find("model", MODELS, config.model.name).load()
    module = numerics.place(build(config.model.width_factor, dataset.spec))
    steps = steps_per_epoch(dataset, config) * config.training.epochs
    plan = Plan(total_steps=steps, seed=config.training.seed, weight_dtype=numerics.weight_dtype)
    method: Method = find("method", METHODS, config.method.name).load()(module, config.method, plan)
    return Task(config, dataset, module, method, numerics)


class Session:
    """One start of a run, between adopting it and saying how it ended.

    Args:
        workspace: the run's.
        store: its open store.
        run_id: which run; adopted.
        recorder: with the owner's token.
        resolved: from `resolve`.
        around: progress, notes and stop requests.
    """

    def __init__(
        self,
        workspace: Workspace,
        store: Store,
        run_id: str,
        recorder: Recorder,
        resolved: Resolved,
        around: Surroundings,
    ) -> None:
        self._workspace, self._store, self._run_id = workspace, store, run_id
        self._recorder, self._resolved, self._around = recorder, resolved, around
        self._files = RunFiles(workspace, store, recorder, run_id)

    @contextmanager
    def open(self) -> Iterator[Trainer]:
        """A trainer at the run's newest checkpoint, or its start; files and data are closed on leaving."""
        with ExitStack() as stack:
            stack.callback(self._files.close)
            _use_only(self._resolved.device)
            stack.enter_context(self._resolved.numerics.active())
            dataset = self._open_data()
            stack.callback(dataset.close)
            for text in (*dataset.notes, *self._resolved.notes):
                self._say(text)
            yield self._trainer(build_task(self._resolved.config, dataset, self._resolved.numerics))

    def _say(self, text: str) -> None:
        self._recorder.event("warning", text)
        self._around.note(text)

    def _open_data(self) -> Dataset:
        config, numerics = self._resolved.config, self._resolved.numerics
        workers = config.compute.workers
        return open_dataset(
            config.data,
            roots=data_roots(self._workspace, Settings.load(self._workspace)),
            device=numerics.device,
            workers=numerics.threads if workers == "auto" else workers,
            seed=config.training.seed,
            channels_last=numerics.channels_last,
        )

    def _trainer(self, task: Task) -> Trainer:
        start = load_checkpoint(self._workspace, self._store, self._run_id, self._say)
        position = start.position if start else Position()
        self._recorder.rewind(position.step)
        self._recorder.progress(position.step, position.epoch, task.total_steps)
        self._files.keep_masks_until(position.epoch if start else -1, self._say)
        hooks = Hooks(
            on_checkpoint=self._files.add_checkpoint,
            on_epoch=self._keep_epoch,
            on_progress=self._around.on_progress,
            should_stop=self._around.should_stop,
        )
        trainer = Trainer(task, self._recorder, hooks, start)
        if start is None:
            self._keep_masks(trainer)
        return trainer

    def _keep_epoch(self, trainer: Trainer, best: bool) -> None:
        self._keep_masks(trainer)
        if best:
            self._files.add_network("best", _network(trainer))

    def _keep_masks(self, trainer: Trainer) -> None:
        if trainer.task.method.layers:
            self._files.add_masks(snapshot_masks(trainer.task.method.layers, trainer.position.epoch))

    def end(self, trainer: Trainer, ending: Ending) -> Outcome:
        """Save what remains and store how training ended."""
        step = trainer.position.step
        match ending:
            case Ending.STOPPED:
                self._files.wait()
                self._recorder.finish(RunState.STOPPED)
                return Outcome(RunState.STOPPED, step)
            case Ending.DIVERGED:
                reason = (
                    f"{trainer.divergence}; try a lower training.lr or weight_decay, "
                    "or compute.precision: fp32."
                )
                self._files.wait()
                self._recorder.finish(RunState.DIVERGED, reason=reason)
                return Outcome(RunState.DIVERGED, step, reason=reason)
            case Ending.FINISHED:
                return self._finished(trainer)

    def _finished(self, trainer: Trainer) -> Outcome:
        test, network = trainer.test(), _network(trainer)
        self._files.add_network("final", network)
        self._files.wait()
        val_accuracy = trainer.val_score.accuracy
        self._recorder.finish(
            RunState.FINISHED,
            val_accuracy=_known(val_accuracy),
            test_accuracy=_known(test.accuracy),
            final_digest=final.digest(network),
        )
        self._files.remove_checkpoint_files()
        return Outcome(RunState.FINISHED, trainer.position.step, val_accuracy, test.accuracy)


def _use_only(device: Device) -> None:
    """Show CUDA the run's own GPU alone, by UUID; its numbering is not the driver's."""
    if device.kind == "cuda" and not torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        os.environ["CUDA_VISIBLE_DEVICES"] = device.id


def _known(accuracy: float) -> float | None:
    return None if math.isnan(accuracy) else accuracy


def _network(trainer: Trainer) -> final.FinalState:
    facts = {"epoch": str(trainer.position.epoch), "step": str(trainer.position.step)}
    return final.snapshot(trainer.task.module, trainer.task.method.layers, facts)

"""Time real training steps of a configuration, to estimate how long a run would take.

The images are random, in the form of the dataset, which may be missing: their content does not matter. The
time of a step includes preparation, selection, masks and flushes; it excludes reading images from disk, and
redraws, which come once in hundreds of steps. Nothing is recorded.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from iterand_engine.config.run_config import RunConfig
from iterand_engine.data.assemble import Opening, Part, in_memory
from iterand_engine.data.content import Contents
from iterand_engine.data.dataset import Batch, Dataset, Split
from iterand_engine.data.facts import contents, data_facts, train_side_px
from iterand_engine.data.transforms.decode import ImageForm
from iterand_engine.machine.devices import cpu_device, default_threads, find_device, resolve_precision
from iterand_engine.preflight.ratios import settler
from iterand_engine.runs.adopt import Start
from iterand_engine.runs.train import build_task, numerics_of, use_only
from iterand_engine.training.numerics import Numerics
from iterand_engine.training.sink import NullSink
from iterand_engine.training.trainer import Trainer

WARM_UP = 3  # steps before the clock: libraries choose their kernels in the first
FEWEST = 3  # steps that are timed, however slow they are
_BATCHES = 2  # of random images, taken by turns


@dataclass(frozen=True)
class Measured:
    """Seconds of a step, the median of `steps` measured ones; a run takes `total_steps` of them."""

    step_s: float
    steps: int
    total_steps: int
    device: str
    precision: str

    @property
    def run_s(self) -> float:
        """Seconds of all steps of a run, without evaluation."""
        return self.step_s * self.total_steps


def measure(config: RunConfig, roots: Sequence[Path], *, steps: int, seconds: float) -> Measured:
    """Train some steps and time them.

    Args:
        config: of a run; trained on its own device.
        roots: data roots, where a dataset is looked for whose form the catalog does not know.
        steps: how many are timed at most.
        seconds: after which no further step begins, once three are timed.
    Raises:
        UserError: the device or the data is missing, or the network cannot be built.
    """
    device = find_device(config.compute.device)
    precision = resolve_precision(config.compute.precision, device.kind)
    compute = config.compute.model_copy(update={"precision": precision})
    threads = default_threads() if compute.threads == "auto" else compute.threads
    resolved = config.model_copy(update={"compute": compute})
    use_only(device)
    numerics = numerics_of(Start(resolved, device, threads, {}, ()))
    facts = data_facts(config.data, roots, min(device.memory_bytes, cpu_device().memory_bytes))
    with numerics.active():
        data = _random_images(resolved, contents(config.data, roots), numerics)
        times = _timed(_stepper(resolved, data, numerics), settler(numerics.device), steps, seconds)
        data.close()
    total = -(-facts.train_count // config.training.batch_size) * config.training.epochs
    return Measured(median(times), len(times), total, device.name, precision)


def _timed(step: Callable[[], None], settle: Callable[[], None], steps: int, seconds: float) -> list[float]:
    times: list[float] = []
    for _ in range(WARM_UP):
        step()
    began = time.perf_counter()
    while len(times) < steps and (len(times) < FEWEST or time.perf_counter() - began < seconds):
        settle()
        start = time.perf_counter()
        step()
        settle()
        times.append(time.perf_counter() - start)
    return times


def _stepper(config: RunConfig, data: Dataset, numerics: Numerics) -> Callable[[], None]:
    """A function that does one step of a run whenever it is called."""
    task = build_task(config, data, numerics)
    task.module.train()
    trainer = Trainer(task, NullSink())
    batches = _endless(data, config.training.batch_size)

    def step() -> None:
        trainer.step(next(batches))
        trainer.between_steps()

    return step


def _endless(data: Dataset, batch_size: int) -> Iterator[Batch]:
    while True:
        yield from data.batches(Split.TRAIN, batch_size)


def _random_images(config: RunConfig, like: Contents, numerics: Numerics) -> Dataset:
    """Some batches of random training images, stored and prepared in the dataset's way."""
    form, count = ImageForm.of(like.side_px), _BATCHES * config.training.batch_size
    side = train_side_px(like, form, config.data)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, side, side, like.channels), dtype=np.uint8)
    sizes = np.full((count, 2), side) if side != form.size and like.in_files else None
    options = config.data.model_copy(update={"normalization": "imagenet"})
    names = tuple(str(number) for number in range(like.classes))
    opening = Opening(
        options, numerics.device, 0, config.training.seed, numerics.channels_last, names, "random", ()
    )
    part = Part(images, rng.integers(0, like.classes, count), sizes)
    return in_memory(opening, form, {Split.TRAIN: part})

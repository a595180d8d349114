"""Measure the engine: steps, precision, recording, redraws and epochs, each a ratio of two things in one run.

    python benchmarks/engine.py WHAT [--pairs 30] [--threads N] [--device cpu|cuda]

WHAT is steps, precision, recording, redraw, epoch or all.

Prints a Markdown table and the machine; benchmarks/README.md keeps what was measured. Needs no data: a step
does not depend on what the images show, and the epoch's 50,000 CIFAR-size images are random.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch

from iterand_engine.config.run_config import RunConfig
from iterand_engine.machine.devices import default_threads, find_device
from iterand_engine.machine.environment import snapshot
from iterand_engine.machine.processes import current
from iterand_engine.machine.workspace import Workspace, open_workspace_dir
from iterand_engine.preflight.ratios import (
    NETWORKS,
    Ratio,
    Stepper,
    compare_with_dense,
    measure_ratio,
    settler,
    step_config,
)
from iterand_engine.pruning.methods.iterand import IteRand
from iterand_engine.runs.adopt import adopted
from iterand_engine.runs.make import make_run
from iterand_engine.runs.train import RunSession
from iterand_engine.store import Recorder, RunState, Store
from iterand_engine.store.runs import adopt_run, claim_run
from iterand_engine.training.hooks import Hooks
from iterand_engine.training.numerics import Numerics
from iterand_engine.training.trainer import Trainer

# Variables that make a BLAS pick its kernels for another CPU; a measurement must not inherit them.
PINNING = (
    "MKL_DEBUG_CPU_TYPE",
    "NVPL_BLAS_DEBUG_CPU_TYPE",
    "OPENBLAS_CORETYPE",
    "ONEDNN_MAX_CPU_ISA",
    "ATEN_CPU_CAPABILITY",
)
Rows = Iterator[tuple[str, Ratio]]


def steps(pairs: int, numerics: Callable[[str], Numerics]) -> Rows:
    """IteRand step / dense step of the same network."""
    for model, width in NETWORKS:
        for precision in ("fp32", "bf16"):
            ratio = compare_with_dense(model, width, numerics(precision), pairs=pairs)
            yield f"IteRand / dense step, {model} x{width:g}, {precision}", ratio


def precision(pairs: int, numerics: Callable[[str], Numerics]) -> Rows:
    """bf16 step / fp32 step of IteRand."""
    for model, width in NETWORKS[:2]:
        low, full = numerics("bf16"), numerics("fp32")
        with full.active():
            config = step_config(model, width, "iterand")
            yield (
                f"bf16 / fp32 step, {model} x{width:g}",
                measure_ratio(
                    Stepper(config, low), Stepper(config, full), pairs=pairs, settle=settler(full.device)
                ),
            )


def redraw(pairs: int, numerics: Callable[[str], Numerics]) -> Rows:
    """A redraw event / a step, in bf16, where steps are shortest."""
    how = numerics("bf16")
    for model, width in NETWORKS[:2]:
        with how.active():
            stepper = Stepper(step_config(model, width, "iterand"), how)
            method = stepper.trainer.task.method
            assert isinstance(method, IteRand)
            events = iter(range(2, 1_000_000))

            def event(method: IteRand = method, events: Iterator[int] = events) -> None:
                method.redraw(next(events), 0)

            yield (
                f"redraw event / step, {model} x{width:g}, bf16",
                measure_ratio(event, stepper, pairs=pairs, settle=settler(how.device)),
            )


def recording(pairs: int, numerics: Callable[[str], Numerics]) -> Rows:
    """10 steps with everything recorded / 10 steps with nothing recorded, in bf16."""
    how = numerics("bf16")
    with tempfile.TemporaryDirectory() as folder, how.active():
        workspace = open_workspace_dir(folder)
        with Store.open(workspace) as store:
            run_id = make_run(workspace, store, RunConfig.from_mapping({"data": {"dataset": "digits"}}))
            token = claim_run(store, run_id)
            adopt_run(store, run_id, token, current(), {})
            with Recorder(store, run_id, token) as recorder:
                config = step_config("resnet18", 0.25, "iterand", mask_every=10)
                full = Stepper(config, how, sink=recorder)
                bare = Stepper(step_config("resnet18", 0.25, "iterand"), how)

                def with_all() -> None:
                    for _ in range(10):
                        full()
                        full.trainer.between_steps()

                def with_nothing() -> None:
                    for _ in range(10):
                        bare()

                yield (
                    "recording everything / nothing, resnet18 x0.25, bf16",
                    measure_ratio(with_all, with_nothing, pairs=pairs, settle=settler(how.device)),
                )
                recorder.finish(RunState.STOPPED)


def epoch(pairs: int, numerics: Callable[[str], Numerics]) -> Rows:
    """An epoch of CIFAR-size data with everything / its 352 bare steps."""
    how = numerics("bf16")
    with tempfile.TemporaryDirectory() as folder, how.active():
        path = Path(folder) / "random.npz"
        rng = np.random.default_rng(0)
        np.savez(
            path,
            train_images=rng.integers(0, 256, (50_000, 32, 32, 3), dtype=np.uint8),
            train_labels=rng.integers(0, 10, 50_000),
            test_images=rng.integers(0, 256, (128, 32, 32, 3), dtype=np.uint8),
            test_labels=np.arange(128) % 10,
        )
        bare = Stepper(step_config("resnet18", 0.25, "iterand"), how)
        workspace = open_workspace_dir(Path(folder) / "workspace")

        def bare_epoch() -> None:
            for _ in range(352):
                bare()

        with Store.open(workspace) as store, ExitStack() as stack:
            prepared = _prepared(workspace, store, path, how, stack)
            trainers = iter([next(prepared) for _ in range(pairs)])
            for _ in range(10):
                bare()

            def whole_epoch(trainers: Iterator[Trainer] = trainers) -> None:
                next(trainers).train()

            yield (
                "epoch with everything / its bare steps, resnet18 x0.25, bf16",
                measure_ratio(whole_epoch, bare_epoch, pairs=pairs, settle=settler(how.device)),
            )


def _prepared(
    workspace: Workspace, store: Store, path: Path, how: Numerics, stack: ExitStack
) -> Iterator[Trainer]:
    """Trainers of new runs of one epoch, each ready to train with all that a run records and saves."""
    config = RunConfig.from_mapping(
        {
            "data": {"dataset": "npz", "path": str(path)},
            "model": {"name": "resnet18", "width_factor": 0.25},
            "training": {"epochs": 1, "lr": 0.01},
            "compute": {"device": how.device.type, "precision": how.precision, "threads": how.threads},
        }
    )
    while True:
        run_id = make_run(workspace, store, config)
        token = claim_run(store, run_id)
        recorder, start = stack.enter_context(adopted(store, run_id, token))
        session = RunSession(workspace, store, run_id, recorder, start, Hooks())
        yield stack.enter_context(session.open())


BENCHMARKS = {
    "steps": steps,
    "precision": precision,
    "recording": recording,
    "redraw": redraw,
    "epoch": epoch,
}


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("benchmark", choices=[*BENCHMARKS, "all"])
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--threads", type=int, default=default_threads())
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    options = parser.parse_args()
    pinned = [name for name in PINNING if name in os.environ]
    if pinned:
        parser.error(f"unset {', '.join(pinned)}: they pin the kernels of a BLAS library")
    layout = {"channels_last": True}

    def numerics(name: str) -> Numerics:
        return Numerics(torch.device(options.device), name, threads=options.threads, **layout)  # type: ignore[arg-type]

    environment = snapshot(find_device(options.device), options.threads)
    print(
        f"{environment.device}, {environment.threads} threads, Python {environment.python}, "
        f"torch {environment.packages['torch']}"
    )
    print(
        "| what | n | first, ms | second, ms | ratio | 95 % interval |\n|---|---|---|---|---|---|", flush=True
    )
    for name in BENCHMARKS if options.benchmark == "all" else [options.benchmark]:
        pairs = 3 if name == "epoch" else options.pairs
        for what, r in BENCHMARKS[name](pairs, numerics):
            print(
                f"| {what} | {r.pairs} | {r.first_s * 1e3:.1f} | {r.second_s * 1e3:.1f} "
                f"| {r.ratio:.3f} | {r.low:.3f}-{r.high:.3f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()

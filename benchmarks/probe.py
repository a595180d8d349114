"""Measure the probe: how long an answer takes, and how near its memory is to what a run takes.

    python benchmarks/probe.py time [--answers 20]
    python benchmarks/probe.py memory

`time` asks a real probe process, over its pipes, about every network of the catalog: with another width each
time, so that the network is new, and with another sparsity each time, so that only the masks are.
`memory` trains runs on the bundled digits, one process each, and compares the growth of their resident memory
with what was foretold (Linux). Prints Markdown; benchmarks/README.md keeps what was measured.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from iterand_engine.config.catalog import MODELS
from iterand_engine.config.run_config import RunConfig
from iterand_engine.machine.environment import snapshot
from iterand_engine.machine.launch import python_environment
from iterand_engine.machine.workspace import Workspace, open_workspace_dir
from iterand_engine.preflight.probe_client import ProbeClient

ROOT = Path(__file__).resolve().parents[1]
CPU = {"device": "cpu", "precision": "fp32", "threads": 1}
# Network, width, method, images a batch, precision.
MEMORY_CASES = (
    ("conv6", 1.0, "iterand", 128, "fp32"),
    ("conv6", 1.0, "iterand", 128, "bf16"),
    ("conv6", 1.0, "dense", 128, "fp32"),
    ("conv2", 1.0, "iterand", 64, "fp32"),
    ("resnet18", 0.25, "iterand", 128, "fp32"),
    ("resnet18", 0.25, "iterand", 128, "bf16"),
    ("resnet18", 1.0, "iterand", 16, "fp32"),
    ("resnet18", 1.0, "dense", 16, "fp32"),
)


def times(workspace: Workspace, answers: int) -> None:
    """Print the time of an answer for every network, on small and on large images."""
    with ProbeClient(workspace) as probe:
        began = time.perf_counter()
        asked(probe, "conv2", "cifar10", 1.0, 0.5)
        print(f"start and first answer: {time.perf_counter() - began:.1f} s\n")
        print("| network | images | n | new network, ms | slowest, ms | other sparsity, ms | slowest, ms |")
        print("|---|---|---|---|---|---|---|")
        for model in MODELS:
            for dataset, pixels in (("cifar10", "32 px"), ("imagenet", "224 px")):
                new = [asked(probe, model, dataset, 1 + n / 1000, 0.5) for n in range(answers, 0, -1)]
                asked(probe, model, dataset, 1.0, 0.4)
                same = [asked(probe, model, dataset, 1.0, 0.5 + n / 100) for n in range(answers)]
                row = (f"{value(spent) * 1e3:.1f}" for spent in (new, same) for value in (median, max))
                print(f"| {MODELS[model].label} | {pixels} | {answers} | {' | '.join(row)} |", flush=True)


def asked(probe: ProbeClient, model: str, dataset: str, width: float, sparsity: float) -> float:
    """Seconds from question to answer."""
    config = RunConfig.from_mapping(
        {
            "data": {"dataset": dataset},
            "model": {"name": model, "width_factor": width},
            "method": {"name": "iterand", "sparsity": sparsity},
            "compute": CPU,
        }
    )
    began = time.perf_counter()
    probe.ask(config)
    return time.perf_counter() - began


def memory(workspace: Workspace) -> None:
    """Print foretold and measured memory of some runs."""
    print("| run | foretold, MB | measured, MB | ratio |\n|---|---|---|---|")
    with ProbeClient(workspace) as probe:
        for model, width, method, batch_size, precision in MEMORY_CASES:
            mapping: dict[str, Any] = {
                "data": {"dataset": "digits", "train_limit": min(1293, 8 * batch_size)},
                "model": {"name": model, "width_factor": width},
                "method": {"name": method},
                "training": {"epochs": 2, "batch_size": batch_size, "lr": 0.001},
                "compute": {**CPU, "precision": precision},
            }
            expected = probe.ask(RunConfig.from_mapping(mapping)).memory
            foretold = (expected.total_bytes or 0) - expected.runtime_bytes
            grown = growth_bytes(mapping)
            run = f"{MODELS[model].label} x{width:g}, {method}, batch {batch_size}, {precision}"
            print(
                f"| {run} | {foretold / 1e6:.0f} | {grown / 1e6:.0f} | {foretold / grown:.2f} |", flush=True
            )


def growth_bytes(mapping: dict[str, Any]) -> int:
    """How the peak of resident memory grows when a run is trained in a fresh process."""
    words = [sys.executable, str(ROOT / "tests" / "memory_child.py"), json.dumps(mapping)]
    environment = {**python_environment(), "OMP_NUM_THREADS": "1"}
    return int(subprocess.run(words, env=environment, capture_output=True, check=True).stdout)


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("benchmark", choices=["time", "memory"])
    parser.add_argument("--answers", type=int, default=20)
    options = parser.parse_args()
    environment = snapshot(threads=1)
    print(
        f"{environment.cpu}, 1 thread, Python {environment.python}, torch {environment.packages['torch']}; "
        f"load of the machine before: {os.getloadavg()[0]:.2f}"
    )
    with tempfile.TemporaryDirectory() as folder:
        workspace = open_workspace_dir(folder)
        if options.benchmark == "time":
            times(workspace, options.answers)
        else:
            memory(workspace)


if __name__ == "__main__":
    main()

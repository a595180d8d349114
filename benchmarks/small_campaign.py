"""Train the three methods on a small CIFAR-10 subset, and write docs/results.md from the store.

    python benchmarks/small_campaign.py train --data FILE.npz --workspace DIR [--threads 1] [--only NAME ...]
    python benchmarks/small_campaign.py report --data-name "a 12,000-image CIFAR-10 subset" --workspace DIR

ResNet18 x0.25, 20 epochs, seeds 1-3: dense (kaiming-uniform), edge-popup and IteRand (signed-constant; a
redraw every 12 steps gives 118 redraws where the paper's 100 epochs have 117), in bf16, and one run in fp32.
Runs that the workspace already holds finished are not repeated.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from iterand_engine.config.run_config import RunConfig
from iterand_engine.machine.workspace import open_workspace_dir
from iterand_engine.runs.make import make_run
from iterand_engine.runs.train import work
from iterand_engine.store import Locked, RunRow, RunState, Store
from iterand_engine.store.runs import claim_run
from iterand_engine.training.hooks import Hooks


class Notes(Hooks):
    """Prints the notes for the user."""

    def note(self, text: str) -> None:
        """Print it."""
        print(text, file=sys.stderr)


METHODS: dict[str, dict[str, object]] = {
    "dense": {"name": "dense", "weight_init": "kaiming-uniform"},
    "edge-popup": {"name": "edge-popup"},
    "iterand": {"name": "iterand", "randomize_every": 12},
}
SEEDS = (1, 2, 3)
RESULTS = Path(__file__).parents[1] / "docs" / "results.md"


def plan() -> dict[str, tuple[str, int, str]]:
    """Runs by name: method, seed, precision."""
    runs = {f"{method}-s{seed}": (method, seed, "bf16") for seed in SEEDS for method in METHODS}
    return runs | {"iterand-s1-fp32": ("iterand", 1, "fp32")}


def config(name: str, data: Path, threads: int) -> RunConfig:
    """The configuration of a planned run."""
    method, seed, precision = plan()[name]
    return RunConfig.from_mapping(
        {
            "name": name,
            "data": {"dataset": "npz", "path": str(data.resolve())},
            "model": {"name": "resnet18", "width_factor": 0.25},
            "method": METHODS[method],
            "training": {"epochs": 20, "seed": seed},
            "compute": {"device": "cpu", "precision": precision, "threads": threads},
        }
    )


def train(options: argparse.Namespace) -> None:
    """Train what is missing, one run after the other."""
    workspace = open_workspace_dir(options.workspace)
    with Store.open(workspace) as store:
        for name in options.only or plan():
            if any(run.name == name and run.state is RunState.FINISHED for run in store.reader.runs()):
                continue
            run_id = make_run(workspace, store, config(name, options.data, options.threads))
            outcome = work(workspace, store, run_id, claim_run(store, run_id), Notes())
            print(f"{name} {outcome}", flush=True)


def report(options: argparse.Namespace) -> None:
    """Write docs/results.md from the finished runs of the workspace."""
    with Store.open(open_workspace_dir(options.workspace)) as store:
        finished = {run.name: run for run in store.reader.runs() if run.state is RunState.FINISHED}
        RESULTS.write_text(_page(store, finished, options.data_name), encoding="utf-8")


def _page(store: Store, runs: dict[str, RunRow], data_name: str) -> str:
    environment = store.reader.run(next(iter(runs.values())).id).environments[0].snapshot
    packages = environment["packages"]
    assert isinstance(packages, dict)
    lines = [
        "# Results\n",
        "Written by `benchmarks/small_campaign.py report` from the store.\n",
        f"ResNet18 x0.25 on {data_name} (9,000 trained on, 1,000 held out, 2,000 tested), 20 epochs (1,420 "
        "steps of 128), lr 0.1, cosine, weight decay 5e-4, augmentation `paper`; sparsity 0.6; IteRand with "
        "randomize_every 12 and randomize_rate 0.1 (118 redraws). Dense training draws kaiming-uniform, the "
        f"others signed-constant. {environment['cpu']}, {environment['threads']} thread(s) a run, "
        f"torch {packages['torch']}, Python {environment['python']}; the machine did other work meanwhile, "
        "so the minutes are no benchmark.\n",
        "| method | precision | n | test accuracy, mean +- deviation | validation accuracy | minutes a run |",
        "|---|---|---|---|---|---|",
        *(_row(store, runs, method) for method in METHODS),
        _fp32_row(store, runs),
        "\nDeviation is that of the sample (n - 1). One run each:\n",
        "| run | seed | precision | test accuracy | validation accuracy | last train loss "
        "| mask distance / chance |",
        "|---|---|---|---|---|---|---|",
        *(_single(store, runs[name], plan()[name]) for name in plan() if name in runs),
        "",
        _comparison(store, runs),
        "",
        _verdict(runs),
    ]
    return "\n".join(lines) + "\n"


def _accuracies(store: Store, runs: list[RunRow]) -> tuple[list[float], list[float]]:
    tests = store.reader.test_accuracies([run.id for run in runs], lock=False)
    values = [value for value in tests.values() if value is not None and not isinstance(value, Locked)]
    return values, [run.val_accuracy for run in runs if run.val_accuracy is not None]


def _row(store: Store, runs: dict[str, RunRow], method: str, precision: str = "bf16") -> str:
    names = [name for name, planned in plan().items() if planned[0] == method and planned[2] == precision]
    chosen = [runs[name] for name in names if name in runs]
    if not chosen:
        return f"| {method} | {precision} | 0 | not run | | |"
    test, val = _accuracies(store, chosen)
    minutes = float(np.median([run.elapsed_s for run in chosen])) / 60
    return f"| {method} | {precision} | {len(chosen)} | {_spread(test)} | {_spread(val)} | {minutes:.1f} |"


def _fp32_row(store: Store, runs: dict[str, RunRow]) -> str:
    return _row(store, runs, "iterand", "fp32")


def _spread(values: list[float]) -> str:
    mean = f"{100 * float(np.mean(values)):.2f} %"
    return f"{mean} +- {100 * float(np.std(values, ddof=1)):.2f}" if len(values) > 1 else mean


def _single(store: Store, run: RunRow, planned: tuple[str, int, str]) -> str:
    (test,), (val,) = _accuracies(store, [run])
    last = store.reader.last_values(run.id)
    distance = (
        f"{last['mask_distance']:.4f} / {last['mask_distance_chance']:.4f}"
        if "mask_distance" in last
        else "-"
    )
    return (
        f"| {run.name} | {planned[1]} | {planned[2]} | {100 * test:.2f} % | {100 * val:.2f} % "
        f"| {last['train_loss']:.4f} | {distance} |"
    )


def _comparison(store: Store, runs: dict[str, RunRow]) -> str:
    """IteRand against edge-popup, paired by seed, in words that follow from the numbers."""
    pairs = [(runs.get(f"iterand-s{seed}"), runs.get(f"edge-popup-s{seed}")) for seed in SEEDS]
    both = [(one, other) for one, other in pairs if one is not None and other is not None]
    tests = [_accuracies(store, [one])[0][0] - _accuracies(store, [other])[0][0] for one, other in both]
    mean = 100 * float(np.mean(tests))
    said = f"IteRand minus edge-popup in test accuracy, paired by seed (n = {len(tests)}): {mean:+.2f} points"
    if len(tests) > 1:
        said += f", deviation {100 * float(np.std(tests, ddof=1)):.2f}"
    if mean <= 0:
        said += ". The papers' order, IteRand above edge-popup, is not seen here"
    moved = [store.reader.last_values(one.id)["mask_distance"] for one, _ in both]
    return (
        f"{said}. After these 1,420 steps IteRand's masks differ from the initial ones in "
        f"{100 * float(np.mean(moved)):.1f} % of positions, where independent masks would in 48 %; the paper "
        "trains 35,200 steps."
    )


def _verdict(runs: dict[str, RunRow]) -> str:
    missing = [name for name in plan() if name not in runs]
    said = f"Not run: {', '.join(missing)}." if missing else "Every planned run was run."
    return (
        f"{said} Not run: the paper's 100-epoch recipes on all 50,000 images, other networks and widths, and "
        "any GPU."
    )


def main() -> None:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    training = commands.add_parser("train")
    training.add_argument("--data", type=Path, required=True)
    training.add_argument("--threads", type=int, default=1)
    training.add_argument("--only", nargs="*", choices=list(plan()))
    training.set_defaults(do=train)
    reporting = commands.add_parser("report")
    reporting.add_argument("--data-name", required=True)
    reporting.set_defaults(do=report)
    for command in (training, reporting):
        command.add_argument("--workspace", type=Path, required=True)
    options = parser.parse_args()
    options.do(options)


if __name__ == "__main__":
    main()

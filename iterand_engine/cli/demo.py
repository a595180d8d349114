"""`iterand demo`: three methods at two widths on the bundled digits, and a table of the results.

The runs use the preset `quickstart`, with kaiming-uniform weights, where redraws matter most. Dense training
has the learning rate of the paper's dense Conv networks (arXiv 2106.09269). One thread: networks this small
gain little from more, and lose where other programs use the machine. Limits: one seed and 360 test images
show how it works; they prove nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import typer
from safetensors import safe_open

from iterand_engine.cli.common import (
    WorkspaceOption,
    add_row,
    duration,
    make_table,
    opened,
    result,
    say,
    share,
    show_table,
)
from iterand_engine.cli.foreground import train_here
from iterand_engine.cli.train import new_run
from iterand_engine.config.catalog import METHODS
from iterand_engine.config.presets import preset
from iterand_engine.config.run_config import RunConfig
from iterand_engine.config.sets import Change, apply_changes
from iterand_engine.errors import ExitCode
from iterand_engine.machine.settings import Settings
from iterand_engine.machine.workspace import Workspace
from iterand_engine.results.epoch_masks import read_epoch, stored_epochs
from iterand_engine.store import Locked, Store

DENSE = "dense"
METHOD_NAMES = (DENSE, "edge-popup", "iterand")
WIDTHS = (0.125, 0.25)
_DENSE_LR = 0.01


@dataclass(frozen=True)
class DemoRow:
    """One run of the demonstration; only weights of convolutions and linear layers count."""

    method: str
    width_factor: float
    val_accuracy: float | None
    test_accuracy: float | Locked | None
    weights: int
    kept: int
    seconds: float


def demo(workspace: WorkspaceOption = None) -> None:
    """Train dense, edge-popup and IteRand at two widths on the bundled digits; takes a minute or two."""
    configs = demo_configs()
    rows: list[DemoRow] = []
    with opened(workspace, makes=True) as at:
        for number, config in enumerate(configs, start=1):
            say(f"Run {number} of {len(configs)}: {config.display_name}")
            run_id = new_run(at, config)
            ending = train_here(at, run_id)
            if ending is not ExitCode.OK:
                raise typer.Exit(ending)
            lock = Settings.load(at.workspace).test_lock
            rows.append(demo_row(at.workspace, at.store, run_id, lock=lock))
        _show(rows)
        result(f"\nThe runs are recorded in {at.workspace.root}; `iterand runs` lists them.")


def demo_configs() -> list[RunConfig]:
    """Make the configurations of the demonstration, in the order of training."""
    return [_config(method, width) for width in WIDTHS for method in METHOD_NAMES]


def demo_row(workspace: Workspace, store: Store, run_id: str, *, lock: bool) -> DemoRow:
    """Make the table's row of a finished run.

    Args:
        workspace, store: the run's.
        run_id: the run's id.
        lock: the workspace's setting `test_lock`.
    """
    run = store.reader.run(run_id)
    weights, kept = _counts(workspace, run_id)
    return DemoRow(
        method=METHODS[run.method].label,
        width_factor=run.width_factor,
        val_accuracy=run.val_accuracy,
        test_accuracy=store.reader.test_accuracy(run_id, lock=lock),
        weights=weights,
        kept=kept,
        seconds=run.elapsed_s,
    )


def _config(method: str, width: float) -> RunConfig:
    changes: list[Change] = [
        ("name", f"demo-{method}-x{width:g}"),
        ("model.width_factor", width),
        ("method.name", method),
        ("method.weight_init", "kaiming-uniform"),
        ("compute.threads", 1),
        *([("training.lr", _DENSE_LR)] if method == DENSE else []),
    ]
    mapping, _ = apply_changes(preset("quickstart").mapping, changes, folder=Path.cwd())
    return RunConfig.from_mapping(mapping)


def _counts(workspace: Workspace, run_id: str) -> tuple[int, int]:
    """Count the weights of a run's network, and those that its masks keep."""
    folder = workspace.run_dir(run_id)
    with safe_open(folder / "final.safetensors", framework="numpy") as file:
        shapes = [file.get_slice(key).get_shape() for key in file.keys() if key.startswith("weight/")]  # noqa: SIM118
    weights = sum(math.prod(shape) for shape in shapes if len(shape) > 1)
    stored = stored_epochs(folder / "masks")
    if not stored:
        return weights, weights
    masks = read_epoch(folder / "masks", stored[-1])
    removed = sum(int((~mask.kept).sum()) for mask in masks.layers.values())
    return weights, weights - removed


def _show(rows: list[DemoRow]) -> None:
    right = ("width", "val accuracy", "test accuracy", "weights", "kept", "time")
    table = make_table("method", *right, right=right)
    for row in rows:
        add_row(
            table,
            row.method,
            f"{row.width_factor:g}",
            share(row.val_accuracy),
            share(row.test_accuracy),
            f"{row.weights:,}",
            f"{row.kept:,}",
            duration(row.seconds),
        )
    result("")
    show_table(table)

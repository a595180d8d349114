"""Runs made up for tests of tables, as the store would hand them out; no database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from iterand_engine.config.run_config import RunConfig
from iterand_engine.store import RunRow, SweepRow
from iterand_engine.store.records import Json
from iterand_gui.live.store_reader import RunsChange
from tests.run_rows import run_row

START = 1_700_000_000.0
BASE = RunConfig().to_mapping()


def run(number: int, *, seed: int = 1, lr: float = 0.1, method: str = "iterand", **values: Any) -> RunRow:
    """A run; runs of equal method and learning rate are one group."""
    made: dict[str, Any] = {
        "name": f"conv4-x1-{method}",
        "created_at": START + number,
        "group_key": f"{method} {lr:g}",
    }
    plain = {"step": 0, "epoch": 0, "total_steps": 100, "model": "conv4", "val_accuracy": None}
    return run_row(id=f"{number:08d}", seed=seed, method=method, **{**plain, **made, **values})


def config(row: RunRow) -> Json:
    """The configuration of a run, as its group key says."""
    method, _, lr = row.group_key.partition(" ")
    mapping = RunConfig.from_mapping({"method": {"name": method}, "training": {"lr": float(lr)}}).to_mapping()
    mapping["training"]["seed"] = row.seed
    return mapping


def change(rows: Sequence[RunRow] = (), removed: Sequence[str] = ()) -> RunsChange:
    """The change that a look at the store would return for these."""
    newest_first = sorted(rows, key=lambda row: row.created_at, reverse=True)
    return RunsChange(
        tuple(newest_first),
        {row.id: config(row) for row in rows},
        frozenset(removed),
        is_all=False,
    )


def sweep(name: str, rows: Sequence[RunRow], **axes: list[object]) -> SweepRow:
    """A sweep of these runs over `training.` options."""
    options = {f"training.{option}": values for option, values in axes.items()}
    return SweepRow(f"sweep {name}", name, START, {}, options, tuple(row.id for row in rows), None)

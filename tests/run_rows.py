"""Rows of runs for tests that need many, or need them to stand in a certain way, without a store."""

from __future__ import annotations

import uuid
from dataclasses import fields
from typing import Any

from iterand_engine.store import RunRow, RunState

NOW = 1_772_000_000.0


def run_row(**changes: Any) -> RunRow:
    """A finished run, made now, with some of its columns changed."""
    values: dict[str, Any] = dict.fromkeys(field.name for field in fields(RunRow))
    values |= {
        "id": str(uuid.uuid4()),
        "name": "run",
        "state": RunState.FINISHED,
        "created_at": NOW,
        "elapsed_s": 0.0,
        "step": 100,
        "epoch": 2,
        "dataset": "digits",
        "model": "conv2",
        "method": "iterand",
        "width_factor": 1.0,
        "seed": 1,
        "group_key": "group",
        "precision": "fp32",
        "device_kind": "cpu",
        "program_version": "0.1.0",
        "val_accuracy": 0.5,
        "stop_requested": False,
        "waiting": False,
        "device_errors": 0,
        "test_unlocked": False,
        "revision": 1,
        "rewind": 0,
        "tags": (),
        **changes,
    }
    if "accuracy_so_far" not in changes:
        values["accuracy_so_far"] = values["val_accuracy"]
    return RunRow(**{**values, "stored_state": values["state"]})

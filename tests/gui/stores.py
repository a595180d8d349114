"""A store to watch, runs in it, and what they record."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from iterand_engine.machine import processes
from iterand_engine.machine.processes import ProcessIdentity
from iterand_engine.store import (
    NewRun,
    Store,
)
from iterand_engine.store.runs import adopt_run, claim_run

CONFIG = {
    "data": {"dataset": "digits"},
    "model": {"name": "conv2", "width_factor": 0.25},
    "method": {"name": "iterand"},
    "compute": {"device": "cpu"},
}


def new_run(name: str = "tiny", seed: int = 1) -> NewRun:
    """A run to be made; all are one group."""
    return NewRun(name, CONFIG, "key", seed, "cpu", "fp32", "0.1.0")


def owned(store: Store, run_id: str, identity: ProcessIdentity | None = None) -> str:
    """Claim and adopt a run, so that this process may write it."""
    token = claim_run(store, run_id)
    adopt_run(store, run_id, token, identity or processes.current(), {"device": "cpu"})
    return token


def points(count: int, start: int = 0) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Steps from `start` on, and their tenths."""
    steps = np.arange(start, start + count, dtype=np.int64)
    return steps, (steps / 10).astype(np.float32)

"""A store to watch, runs in it, and what they record."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from iterand_engine.machine import processes
from iterand_engine.machine.processes import ProcessIdentity
from iterand_engine.store import (
    Store,
)
from iterand_engine.store.runs import adopt_run, claim_run


def owned(store: Store, run_id: str, identity: ProcessIdentity | None = None) -> str:
    """Claim and adopt a run, so that this process may write it."""
    token = claim_run(store, run_id)
    adopt_run(store, run_id, token, identity or processes.current(), {"device": "cpu"})
    return token


def points(count: int, start: int = 0) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Steps from `start` on, and their tenths."""
    steps = np.arange(start, start + count, dtype=np.int64)
    return steps, (steps / 10).astype(np.float32)

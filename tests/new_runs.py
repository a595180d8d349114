"""Runs to be made, for tests of what reads and keeps runs; nobody trains them."""

from __future__ import annotations

from collections.abc import Mapping

from iterand_engine.store import NewRun

CONFIG: Mapping[str, object] = {
    "data": {"dataset": "digits"},
    "model": {"name": "conv2", "width_factor": 0.5},
    "method": {"name": "iterand", "sparsity": 0.5},
}


def new_run(
    name: str = "run",
    *,
    group: str = "group",
    seed: int = 1,
    kind: str = "cpu",
    device: str | None = None,
    config: Mapping[str, object] = CONFIG,
) -> NewRun:
    """A run with a small configuration.

    Args:
        name: of the run.
        group: its key; all are one group by default.
        seed: of the run.
        kind: of the device that it may be trained on.
        device: what it asks for; nothing by default.
        config: another configuration.
    """
    asked = {} if device is None else {"compute": {"device": device}}
    return NewRun(name, {**config, **asked}, group, seed, kind, "fp32", "0.1.0", git_commit="abc")

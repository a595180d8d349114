"""Train the run of a configuration (JSON, the first argument) in this process; print how its memory grew.

A tiny run of the same kind comes first, so that what libraries set up at first use is not counted.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import psutil

from iterand_engine.config.run_config import RunConfig
from iterand_engine.machine.workspace import Workspace, open_workspace_dir
from iterand_engine.runs.make import make_run
from iterand_engine.runs.train import work
from iterand_engine.store import Store
from iterand_engine.store.runs import claim_run


def train(workspace: Workspace, store: Store, mapping: dict[str, Any]) -> None:
    """One run from its start to its end."""
    run_id = make_run(workspace, store, RunConfig.from_mapping(mapping))
    work(workspace, store, run_id, claim_run(store, run_id))


def main() -> None:
    """Print the growth of the peak of resident memory, in bytes."""
    mapping = json.loads(sys.argv[1])
    tiny = json.loads(sys.argv[1])
    tiny["model"]["width_factor"], tiny["training"]["batch_size"], tiny["data"]["train_limit"] = 0.05, 8, 16
    with tempfile.TemporaryDirectory() as folder:
        workspace = open_workspace_dir(folder)
        with Store.open(workspace) as store:
            train(workspace, store, tiny)
            before_bytes = psutil.Process().memory_info().rss
            train(workspace, store, mapping)
    # Not getrusage: its peak includes that of the process which this one was started from.
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert peak is not None
    print(int(peak[1]) * 1024 - before_bytes)


if __name__ == "__main__":
    main()

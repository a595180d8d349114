"""Make `released/schema-NNNN.db.gz`: once for each schema, when it is released; what is there never changes.

python tests/store/make_released.py
"""

from __future__ import annotations

import gzip
import tempfile
from pathlib import Path

import numpy as np

from iterand_engine.machine import processes
from iterand_engine.machine.processes import ProcessIdentity
from iterand_engine.machine.workspace import open_workspace_dir
from iterand_engine.store import (
    ExtensionUse,
    NewRun,
    Recorder,
    RunState,
    SlotKey,
    Store,
    labels,
    queue,
    schema,
    slots,
    sweeps,
    trash,
)
from iterand_engine.store.runs import adopt_run, claim_run, create_run, unlock_runs

RELEASED = Path(__file__).parent / "released"
CONFIG = {
    "data": {"dataset": "digits"},
    "model": {"name": "conv2", "width_factor": 0.5},
    "method": {"name": "iterand", "sparsity": 0.5},
}
HERE = ProcessIdentity("released", 1, 1, "boot")  # of a machine that no test runs on
SLOT = SlotKey("released", "GPU-1", 0)
OWN = ExtensionUse("mine.py", "ab" * 32)


def started(store: Store, name: str) -> tuple[str, str]:
    """A run that this process trains."""
    run_id = create_run(store, NewRun(name, CONFIG, "group", 1, "cpu", "fp32", "0.1.0"))
    token = claim_run(store, run_id)
    adopt_run(store, run_id, token, processes.current(), {"threads": 1})
    return run_id, token


def train_stopped(store: Store) -> None:
    """A run that was stopped."""
    with Recorder(store, *started(store, "stopped")) as recorder:
        for step in (3000, 6000):
            recorder.publish_checkpoint(step, step // 3000, f"checkpoints/{step}.pt", "ab" * 32, "training")
        recorder.finish(RunState.STOPPED, reason="asked to")


def train_finished(store: Store) -> None:
    """A run with everything: a resume, two kinds of series over more than a block, messages, results."""
    run_id, token = started(store, "finished")
    with Recorder(store, run_id, token) as recorder:
        recorder.declare("loss", "step")
        recorder.append("loss", np.arange(50), np.zeros(50))
        recorder.rewind(0)
        recorder.append("loss", np.arange(3000), np.arange(3000) / 8)
        recorder.progress(3000, 0, 6000)
        recorder.finish(RunState.STOPPED)
    token = claim_run(store, run_id)
    adopt_run(store, run_id, token, processes.current(), {"threads": 2})
    with Recorder(store, run_id, token) as recorder:
        recorder.declare("mask_flips", "step", ("conv1", "fc"))
        recorder.append("loss", np.arange(3000, 6000), np.arange(3000, 6000) / 8)
        recorder.append("mask_flips", [10, 20], [[0.5, np.nan], [0.25, 0.125]])
        recorder.event("warning", "at chance for 5 epochs", step=5000)
        recorder.progress(6000, 1, 6000)
        recorder.finish(RunState.FINISHED, val_accuracy=0.75, test_accuracy=0.5, final_digest="ef" * 32)
    unlock_runs(store, [run_id])


def add_surroundings(store: Store) -> None:
    """What belongs to no run alone, and what people add: a sweep, a slot with a waiter, labels, the trash."""
    ids = {row.name: row.id for row in store.reader.runs()}
    sweeps.add_sweep(store, "sweep", CONFIG, {"training.seed": [1, 2]}, [ids["finished"], ids["queued"]])
    labels.set_tags(store, ids["finished"], ["good", "paper"])
    labels.set_notes(store, ids["finished"], "worth a look")
    queue.enqueue(store, [ids["queued"]], waiter=HERE)
    own = NewRun("own", CONFIG, "group", 3, "cpu", "fp32", "0.1.0", extensions=(OWN,))
    trash.discard(store, [create_run(store, own, first=True)])
    token = slots.hold(store, SLOT, device_name="a card", device_kind="cuda", identity=HERE, program="0.1.0")
    assert token is not None
    slots.close(store, SLOT, token, "an ECC error")


def main() -> None:
    """Write the database of the present schema, unless it is there."""
    target = RELEASED / f"schema-{schema.SCHEMA_REVISION}.db.gz"
    if target.exists():
        raise SystemExit(f"{target} is there: a released schema never changes")
    with tempfile.TemporaryDirectory() as folder:
        workspace = open_workspace_dir(folder)
        with Store.open(workspace) as store:
            train_stopped(store)
            train_finished(store)
            create_run(store, NewRun("queued", CONFIG, "group", 2, "cpu", "fp32", "0.1.0"))
            add_surroundings(store)
        RELEASED.mkdir(exist_ok=True)
        target.write_bytes(gzip.compress(workspace.db_path.read_bytes(), mtime=0))
        print(f"{target}: {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()

"""Make `released/workspace-NNNN.tar.gz`: a whole workspace of the present schema with runs that were trained.

Beside the databases of `make_released.py`, which hold every kind of row, it has what an upgrade is for: runs
of the digits that wait, were stopped and have finished, and one for each way to end, with the sentence that
was stored then. What is there never changes; a schema needs one if the step behind it reads what runs left.

python -m tests.store.make_released_workspace
"""

from __future__ import annotations

import io
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from iterand_engine.config.run_config import RunConfig
from iterand_engine.errors import UserError
from iterand_engine.extensions.active import activated
from iterand_engine.machine import processes
from iterand_engine.machine.workspace import Workspace, open_workspace_dir
from iterand_engine.runs.adopt import adopted
from iterand_engine.runs.make import make_run
from iterand_engine.runs.train import work
from iterand_engine.store import SlotKey, Store, queue, schema, slots
from iterand_engine.store.runs import adopt_run, claim_run, request_stop, settle_runs
from tests.extension_code import trusted
from tests.hooks import hooks

TARGET = Path(__file__).parent / "released" / f"workspace-{schema.SCHEMA_REVISION}.tar.gz"
HALTED_AT = 7
BASE: dict[str, Any] = {
    "data": {"dataset": "digits", "train_limit": 60, "val_fraction": 0.02},
    "model": {"name": "conv2", "width_factor": 0.02},
    "method": {"name": "iterand", "sparsity": 0.5, "randomize_every": 3, "randomize_rate": 0.3},
    "training": {"epochs": 3, "batch_size": 13, "lr": 1.0},
    "compute": {"device": "cpu", "precision": "fp32", "threads": 1, "memory_format": "contiguous"},
    "recording": {"mask_every": 5},
}
BROKEN = """
from torch import nn
from iterand_engine.extending import model

class Net(nn.Module):
    def __init__(self, spec):
        super().__init__()
        self.head = nn.Linear(3 * spec.height * spec.width, spec.classes)

    def forward(self, images):
        raise ValueError("no weather today")

@model
def broken(width_factor: float, spec) -> nn.Module:
    return Net(spec)
"""


# How each run ends; of a queued one, why it is in the queue again.
KINDS = {
    "finished": "finished",
    "stopped": "stopped",
    "queued": None,
    "diverged": "diverged",
    "memory": "out_of_memory",
    "device": "device",
    "system": "disk",
    "defect": "program",
    "extension": "extension",
    "code gone": "extension",
    "no such card": "device",
    "brought": None,
    "data gone": "data",
    "data gone later": "data",
    "checkpoint gone": "disk",
    "silent": "lost",
    "killed": "lost",
    "never started": "lost",
    "not started yet": "lost",
    "withdrawn": "stopped",
    "device thrice": "device",
}


class Maker:
    """Makes and ends runs in a workspace."""

    def __init__(self, workspace: Workspace, store: Store) -> None:
        self.workspace, self.store = workspace, store

    def made(self, name: str, **sections: Mapping[str, Any]) -> str:
        """A queued run."""
        names = {*BASE, *sections}
        mapping: dict[str, Any] = {
            section: {**BASE[section], **sections.get(section, {})} for section in names
        }
        mapping |= {"method": sections["method"]} if "method" in sections else {}
        config = RunConfig.from_mapping({"name": name, **mapping})
        return make_run(self.workspace, self.store, config)

    def train(self, run_id: str, stop_at: int | None = None) -> None:
        """Train it to its end, or until so many updates are done."""
        around = hooks(should_stop=lambda step: step == stop_at)
        work(self.workspace, self.store, run_id, claim_run(self.store, run_id), around)

    def fails(self, name: str, error: BaseException) -> None:
        """A run that an error ends."""
        run_id = self.made(name)
        with suppress(type(error)), adopted(self.store, run_id, claim_run(self.store, run_id)):
            raise error

    def dies(self, name: str) -> str:
        """A run whose process is gone, which nobody has noticed yet."""
        run_id = self.made(name)
        gone = replace(processes.current(), start_ticks=1)
        adopt_run(self.store, run_id, claim_run(self.store, run_id), gone, {"threads": 1})
        return run_id

    def npz(self, name: str, **data: Any) -> tuple[str, Path]:
        """A queued run of an npz file, and the file."""
        path = self.workspace.data_dir / f"{name}.npz"
        path.parent.mkdir(exist_ok=True)
        rng = np.random.default_rng(len(name))
        parts = {
            f"{part}_{kind}": array
            for part, count in (("train", 64), ("test", 20))
            for kind, array in (
                ("images", rng.integers(0, 256, (count, 16, 16), dtype=np.uint8)),
                ("labels", np.arange(count) % 3),
            )
        }
        np.savez_compressed(path, **parts)  # type: ignore[arg-type]
        return self.made(name, data={"dataset": "npz", "path": str(path), **data}), path


def add_all(maker: Maker) -> None:
    """A run for each way to end; one needs an extension, which is put into the workspace and enabled."""
    trusted(maker.workspace, "mine.py", BROKEN)
    for add in (add_trained, add_failed, add_data, add_checkpoint_gone, add_lost):
        add(maker)


def add_trained(maker: Maker) -> None:
    """A run that finished, the same one stopped before its end, and the same one waiting."""
    maker.train(maker.made("finished"))
    maker.train(maker.made("stopped"), HALTED_AT)
    maker.made("queued")
    maker.train(maker.made("diverged", method={"name": "dense"}, training={"lr": 1e30, "weight_decay": 1.0}))


def add_failed(maker: Maker) -> None:
    """Runs that failed within their process, with the sentences of that."""
    asked = "CUDA out of memory. Tried to allocate 20.00 GiB."
    maker.fails("memory", torch.OutOfMemoryError(asked))
    maker.fails("device", torch.AcceleratorError("CUDA error: an illegal memory access was encountered"))
    maker.fails("system", OSError(28, "No space left on device"))
    maker.fails("defect", ZeroDivisionError("division by zero"))
    with activated(maker.workspace):
        run_id = maker.made("extension", model={"name": "broken"})
        code_gone = maker.made("code gone", model={"name": "broken"})
    with suppress(ValueError):
        maker.train(run_id)
    shutil.rmtree(maker.workspace.run_dir(code_gone) / "extensions")
    with suppress(UserError):
        maker.train(code_gone)
    run_id = maker.made("no such card")
    token = claim_run(maker.store, run_id)
    with suppress(UserError), adopted(maker.store, run_id, token, device="GPU-77d0e5f1"):
        pass


def add_data(maker: Maker) -> None:
    """Runs of npz files: one whose file is there, and some whose file went before or after they began."""
    maker.npz("brought")
    run_id, path = maker.npz("data gone")
    path.unlink()
    with suppress(UserError):
        maker.train(run_id)
    run_id, path = maker.npz("data gone later")
    maker.train(run_id, HALTED_AT)
    path.unlink()
    with suppress(UserError):
        maker.train(run_id)


def add_checkpoint_gone(maker: Maker) -> None:
    """A run that was stopped and whose checkpoints cannot be read."""
    run_id = maker.made("checkpoint gone")
    maker.train(run_id, HALTED_AT)
    shutil.rmtree(maker.workspace.run_dir(run_id) / "checkpoints")
    with suppress(UserError):
        maker.train(run_id)


def add_lost(maker: Maker) -> None:
    """Runs whose process went or never came, and one that a device failed three times."""
    maker.dies("silent")
    settle_runs(maker.store)
    run_id = maker.made("killed")
    token = claim_run(maker.store, run_id)
    adopt_run(maker.store, run_id, token, processes.current(), {"threads": 1})
    queue.died(maker.store, run_id, token, "its worker was killed by SIGKILL", "")
    for name, times in (("never started", 3), ("not started yet", 1)):
        run_id = maker.made(name)
        for _ in range(times):
            queue.died(
                maker.store, run_id, claim_run(maker.store, run_id), "its worker ended with exit code 1", ""
            )
    request_stop(maker.store, maker.made("withdrawn"))
    run_id = maker.made("device thrice")
    for _ in range(3):
        _fail_device(maker, run_id)


def _fail_device(maker: Maker, run_id: str) -> None:
    key, here = SlotKey(processes.current().host, "CPU-1", 0), processes.current()
    token = slots.hold(
        maker.store, key, device_name="a card", device_kind="cpu", identity=here, program="0.1.0"
    )
    assert token is not None
    error = torch.AcceleratorError("CUDA error: uncorrectable ECC error encountered")
    with suppress(type(error)), adopted(maker.store, run_id, claim_run(maker.store, run_id)):
        raise error
    reason = maker.store.reader.run(run_id).reason or ""
    slots.device_error(maker.store, key, token, run_id, reason.rstrip("."))
    slots.reopen(maker.store, key.host, None)
    slots.release(maker.store, key, token, only_if_idle=False)


@contextmanager
def without_trust(folder: Path) -> Iterator[None]:
    """What is enabled is remembered below `folder` only."""
    before = os.environ.get("XDG_CONFIG_HOME")
    os.environ["XDG_CONFIG_HOME"] = str(folder)
    yield
    if before is None:
        del os.environ["XDG_CONFIG_HOME"]
    else:
        os.environ["XDG_CONFIG_HOME"] = before


def packed(folder: Path) -> bytes:
    """The files of a workspace as one archive, nameless and timeless."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz", compresslevel=9) as archive:
        for path in sorted(folder.rglob("*")):
            entry = tarfile.TarInfo(path.relative_to(folder).as_posix())
            content = path.read_bytes() if path.is_file() else b""
            entry.size = len(content)
            entry.type, entry.mode = (tarfile.REGTYPE, 0o644) if path.is_file() else (tarfile.DIRTYPE, 0o755)
            archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def main() -> None:
    """Write the workspace of the present schema, unless it is there."""
    if TARGET.exists():
        raise SystemExit(f"{TARGET} is there: a released schema never changes")
    with tempfile.TemporaryDirectory() as folder, without_trust(Path(folder, "config")):
        workspace = open_workspace_dir(Path(folder, "workspace"))
        with Store.open(workspace) as store:
            add_all(Maker(workspace, store))
            for row in store.reader.runs():
                print(f"{row.name}: {row.state}: {row.reason}")
        TARGET.write_bytes(packed(workspace.root))
    print(f"{TARGET}: {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()

"""The runs that the pictures of the window show: real ones, on the bundled digits, kept in a workspace.

Three methods at three widths with two seeds each, a sweep over how redraws are made, one run that diverges,
one that is stopped and one whose process is killed. What the workspace holds already is not repeated; all of
them take about ten minutes on one core. `training` trains one more while pictures are taken.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from iterand_engine.config.axes import SEED, read_values
from iterand_engine.config.presets import preset
from iterand_engine.machine.workspace import Workspace, open_workspace_dir
from iterand_engine.runs.sweeps import plan, queue_plans
from iterand_engine.slots.drain import start_missing
from iterand_engine.store import RunRow, RunState, Store
from iterand_engine.store.runs import request_stop, settle_runs

_BASE = ("method.weight_init=kaiming-uniform", "compute.threads=1", "compute.device=cpu")
_PATIENCE_S = 300.0
LIVE_STEPS = 300  # the run that goes on has made so many when pictures begin
STOPPED, KILLED, SWEEP = "conv4-x0.5-iterand-stopped", "conv4-x0.5-edge-popup-killed", "redraws"
_ENDS = {STOPPED: RunState.STOPPED, KILLED: RunState.INTERRUPTED}  # others finish, or diverge
_UNFINISHED = {RunState.QUEUED, RunState.INTERRUPTED, RunState.STOPPED}
WIDTHS, METHODS = (0.0625, 0.125, 0.25), ("dense", "edge-popup", "iterand")
GROUPS = tuple(f"conv4-x{width:g}-{method}" for width in WIDTHS for method in METHODS)
DIVERGED = "conv4-x0.25-dense-lr-3000"
LIVE = ("conv6-x0.5-iterand-long", "conv6-x0.5-edge-popup-next")


@dataclass(frozen=True)
class Planned:
    """Runs to be made together: their name, options laid over the quick start's, and seeds."""

    name: str
    sets: tuple[str, ...]
    seeds: tuple[int, ...] = (1,)


def _groups() -> list[Planned]:
    return [
        Planned(
            f"conv4-x{width:g}-{method}",
            (
                f"method.name={method}",
                f"model.width_factor={width:g}",
                *(("training.lr=0.01",) if method == "dense" else ()),
            ),
            seeds=(1, 2),
        )
        for width in WIDTHS
        for method in METHODS
    ]


def _others() -> list[Planned]:
    narrow = ("model.width_factor=0.125", "method.name=iterand")
    wide = ("model.width_factor=0.5", "training.epochs=40")
    sweep = ("method.randomize_rate=0.02,0.1,0.5", "method.randomize_every=5,20")
    return [
        Planned(SWEEP, (*narrow, *sweep)),
        Planned(DIVERGED, ("method.name=dense", "training.lr=3000")),
        Planned(STOPPED, (*wide, "method.name=iterand")),
        Planned(KILLED, (*wide, "method.name=edge-popup")),
    ]


def _changes(planned: Planned) -> dict[str, Sequence[object]]:
    changes: dict[str, Sequence[object]] = dict(map(read_values, (*_BASE, *planned.sets)))
    return changes | ({SEED: planned.seeds} if planned.seeds else {})


def _queue(workspace: Workspace, store: Store, planned: list[Planned]) -> None:
    known = {run.name for run in store.reader.runs()} | {sweep.name for sweep in store.reader.sweeps()}
    base = preset("quickstart").mapping
    plans = [
        plan({**base, "name": one.name}, _changes(one), Path.cwd())
        for one in planned
        if one.name not in known
    ]
    if plans:
        queue_plans(workspace, store, plans, first=False)


def stored_runs(folder: Path) -> None:
    """Make a workspace that holds all of them, training what is missing.

    Args:
        folder: of the workspace; made where there is none.
    """
    folder.mkdir(parents=True, exist_ok=True)
    workspace = open_workspace_dir(folder)
    with Store.open(workspace) as store:
        _queue(workspace, store, [*_groups(), *_others()])
        missing = [run for run in store.reader.runs() if run.state in _UNFINISHED - {_ENDS.get(run.name)}]
        for number, run in enumerate(reversed(missing), start=1):
            print(f"Run {number} of {len(missing)}: {run.name} seed {run.seed}", flush=True)
            _train(workspace, store, run)
        settle_runs(store)


def _train(workspace: Workspace, store: Store, run: RunRow) -> None:
    """Train a run to its end; the two that are to be seen unfinished only to a third."""
    until = _ENDS.get(run.name)
    words = ("resume", run.id, "--workspace", str(workspace.root))
    process = subprocess.Popen([sys.executable, "-m", "iterand_engine.cli", *words])
    if until is not None:
        _wait(lambda: process.poll() is not None or _is_at_a_third(store, run), f"a third of {run.name}")
        if until is RunState.STOPPED:
            request_stop(store, run.id)
        else:
            process.kill()
    process.wait()


def _is_at_a_third(store: Store, run: RunRow) -> bool:
    now = store.reader.run(run.id)
    return now.total_steps is not None and now.step * 3 > now.total_steps


@contextmanager
def training(folder: Path) -> Iterator[None]:
    """A long run is trained, with another one queued behind it, for as long as this is held.

    Args:
        folder: of the workspace, which afterwards has two more runs that were stopped.
    """
    workspace = open_workspace_dir(folder)
    long = ("model.name=conv6", "model.width_factor=0.5", "training.epochs=2000")
    methods = ("method.name=iterand", "method.name=edge-popup")
    with Store.open(workspace) as store:
        _queue(workspace, store, [Planned(n, (*long, m)) for n, m in zip(LIVE, methods, strict=True)])
        start_missing(workspace, store)
        try:
            _wait(
                lambda: any(run.step > LIVE_STEPS for run in store.reader.live_runs()), f"{LIVE[0]} to train"
            )
            yield
        finally:
            for run in (*store.reader.queued(), *store.reader.live_runs()):
                request_stop(store, run.id)
            _wait(lambda: not store.reader.live_runs(), "the runs to stop")


def _wait(condition: Callable[[], bool], what: str) -> None:
    deadline_s = time.monotonic() + _PATIENCE_S
    while not condition():
        if time.monotonic() > deadline_s:
            raise SystemExit(f"Waited {_PATIENCE_S:g} s in vain for {what}.")
        time.sleep(0.2)

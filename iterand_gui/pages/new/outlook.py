"""What the runs of a form would be, from answers of the probe and recorded times: plain values, no Qt.

Limits: runs that differ in more than the seed are asked about one by one, but at most `MOST_ASKED` of them;
where a plan has more kinds, sums are foretold from those.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from iterand_engine.config.catalog import DATASETS
from iterand_engine.config.method_options import IteRandOptions
from iterand_engine.config.run_config import RunConfig
from iterand_engine.errors import UserError
from iterand_engine.machine.devices import list_devices
from iterand_engine.machine.settings import Settings
from iterand_engine.machine.texts import whole
from iterand_engine.machine.workspace import Workspace
from iterand_engine.preflight.estimates import disk_warning, memory_warning, run_seconds
from iterand_engine.preflight.messages import Answer
from iterand_engine.runs import sweeps
from iterand_engine.slots import places
from iterand_engine.store import Store
from iterand_gui.forms.specs import DATASET, PATH

MOST_ASKED = 24


@dataclass(frozen=True)
class PlannedGroup:
    """Runs of a plan that differ by the seed only: the first of them, and how many there are."""

    config: RunConfig
    runs: int


@dataclass(frozen=True)
class Missing:
    """Data that is not here: the option that names it, and the engine's sentence."""

    option: str
    sentence: str
    dataset: str
    can_download: bool


@dataclass(frozen=True)
class Planned:
    """A plan with its kinds of runs, and the data that it lacks."""

    plan: sweeps.SweepPlan
    kinds: tuple[PlannedGroup, ...]
    missing: tuple[Missing, ...]


@dataclass(frozen=True)
class Outlook:
    """What a plan would be. None where it is not known (yet).

    `answers` are of the kinds of runs that are known, in their order; `kinds` says how many there are.
    `seconds` is for all runs on the `slots` that may train them side by side.
    """

    runs: int
    answers: tuple[Answer, ...] = ()
    disk_bytes: int | None = None
    seconds: float | None = None
    slots: int = 1
    warnings: tuple[str, ...] = ()
    kinds: int = 0


def make_plan(
    workspace: Workspace,
    base: Mapping[str, object],
    changes: Mapping[str, Sequence[object]],
    folder: Path,
) -> Planned:
    """Plan what a form says; reads files, so it runs beside the window.

    Raises:
        UserError: the form does not say it rightly.
    """
    plan = sweeps.plan(base, changes, folder)
    kinds: dict[str, PlannedGroup] = {}
    for cell in plan.cells:
        key = kind_key(cell.config)
        known = kinds.get(key)
        kinds[key] = (
            PlannedGroup(cell.config, 1) if known is None else PlannedGroup(known.config, known.runs + 1)
        )
    return Planned(plan, tuple(kinds.values()), tuple(_missing(workspace, plan)))


def spread(said: Callable[[float], str], values: Sequence[float]) -> str:
    """The range of values that all runs have, or several: `152 k`, `152 k to 2.40 M`.

    Args:
        said: how one is written.
        values: at least one.
    """
    low, high = said(min(values)), said(max(values))
    return low if low == high else f"{low} to {high}"


def _missing(workspace: Workspace, plan: sweeps.SweepPlan) -> Iterator[Missing]:
    by_data = {(cell.config.data.dataset, cell.config.data.path): cell for cell in plan.cells}
    for (dataset, path), cell in by_data.items():
        try:
            sweeps.check_data(workspace, [replace(plan, cells=(cell,))])
        except UserError as error:
            option = DATASET if path is None else PATH
            can_download = path is None and DATASETS[dataset].download_bytes is not None
            yield Missing(option, str(error), dataset, can_download)


def kind_key(config: RunConfig) -> str:
    """The same for configurations that differ by name and seed only."""
    mapping = config.to_mapping()
    del mapping["name"], mapping["training"]["seed"]
    return json.dumps(mapping, sort_keys=True)


def look_ahead(
    workspace: Workspace,
    store: Store,
    planned: Planned,
    answers: Mapping[str, Answer],
    step_s: Mapping[str, float],
) -> Outlook:
    """Sum up what is known; looks at recorded runs, devices and the disk, so it runs beside the window.

    Args:
        workspace, store: where the runs would be.
        planned: what is planned.
        answers: of the probe, by `kind_key`.
        step_s: measured seconds of a step, by `kind_key`.
    """
    known = [(kind, answers[key]) for kind in planned.kinds if (key := kind_key(kind.config)) in answers]
    runs = len(planned.plan.cells)
    if not known:
        return Outlook(runs, kinds=len(planned.kinds))
    scale = runs / sum(kind.runs for kind, _ in known)
    each_s = [_seconds(store, kind, answer, step_s) for kind, answer in known]
    total_s = sum(kind.runs * s for (kind, _), s in zip(known, each_s, strict=True) if s is not None) * scale
    slots = _slots(workspace, known[0][1])
    return Outlook(
        runs=runs,
        answers=tuple(answer for _, answer in known),
        disk_bytes=round(sum(answer.disk.kept_bytes * kind.runs for kind, answer in known) * scale),
        seconds=None if None in each_s else total_s / min(slots, runs),
        slots=slots,
        warnings=tuple(_warnings(workspace, known)),
        kinds=len(planned.kinds),
    )


def _seconds(store: Store, kind: PlannedGroup, answer: Answer, step_s: Mapping[str, float]) -> float | None:
    measured = step_s.get(kind_key(kind.config))
    recorded = run_seconds(store, kind.config, answer)
    return recorded if recorded is not None or measured is None else answer.steps * measured


def _slots(workspace: Workspace, answer: Answer) -> int:
    """How many runs this machine trains side by side on that kind of device."""
    offered = places.places(Settings.load(workspace), set())
    return max(1, sum(one.place.device_kind == answer.device_kind for one in offered))


def _warnings(workspace: Workspace, known: Sequence[tuple[PlannedGroup, Answer]]) -> list[str]:
    found = [disk_warning([(a, kind.runs) for kind, a in known], shutil.disk_usage(workspace.root).free)]
    largest = max((answer for _, answer in known), key=lambda answer: answer.memory.total_bytes or 0)
    devices = [device for device in list_devices() if device.kind == largest.device_kind]
    if devices:
        found.insert(0, memory_warning(largest, max(devices, key=lambda device: device.memory_free_bytes)))
    return [text for text in (_no_redraw(known), *found) if text]


def _no_redraw(known: Sequence[tuple[PlannedGroup, Answer]]) -> str | None:
    """A sentence on runs that are to redraw but are too short for it."""
    still: list[tuple[int, int]] = []
    for kind, answer in known:
        method = kind.config.method
        if isinstance(method, IteRandOptions) and answer.redraw_events == 0:
            still.append((method.randomize_every, answer.steps))
    if not still:
        return None
    every = spread(whole, [period for period, _ in still])
    steps = spread(whole, [count for _, count in still])
    if len(still) == len(known):
        return f"No redraw happens: randomize_every is {every}, but the run has {steps} steps."
    where = f"{len(still)} of {len(known)} kinds of runs"
    return f"No redraw happens in {where}: randomize_every is {every}, but they have {steps} steps."

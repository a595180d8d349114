"""Makes runs of options with several values: the product of the values, each with each seed. Torch-free.

Runs that differ only by the seed are a group and need no sweep. The base and the axes of a plan determine its
cells, so a stored sweep can be planned again.
"""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iterand_engine.config.axes import (
    CHOICES,
    SEED,
    Axis,
    foreign_options,
    make_axes,
)
from iterand_engine.config.run_config import RunConfig
from iterand_engine.config.sets import Change, apply_changes, change
from iterand_engine.data.locate import located
from iterand_engine.machine.plain_text import visible
from iterand_engine.machine.settings import Settings, data_roots
from iterand_engine.machine.workspace import Workspace
from iterand_engine.runs.make import make_runs
from iterand_engine.store import Store
from iterand_engine.store.sweeps import add_sweep

_IN_EVERY_NAME = ("model.name", "model.width_factor", "method.name")


@dataclass(frozen=True)
class Cell:
    """One run of a plan; `values` are its values on the plan's axes, by dotted option."""

    config: RunConfig
    values: Mapping[str, object]


@dataclass(frozen=True)
class SweepPlan:
    """Runs that are to be queued.

    `base` is a partial configuration, `axes` the dotted options that vary with their values, the seed last;
    `notes` are sentences for the user.
    """

    name: str
    base: dict[str, Any]
    axes: Mapping[str, tuple[object, ...]]
    cells: tuple[Cell, ...]
    notes: tuple[str, ...]

    @property
    def is_sweep(self) -> bool:
        """Whether anything but the seed varies."""
        return bool(set(self.axes) - {SEED})


@dataclass(frozen=True)
class QueuedPlan:
    """The runs of a plan in the order of its cells, and their sweep if the plan is one."""

    run_ids: tuple[str, ...]
    sweep_id: str | None


def plan(mapping: Mapping[str, Any], changes: Mapping[str, Sequence[object]], folder: Path) -> SweepPlan:
    """Make the runs of all combinations of the values given, a whole grid for one seed before the next.

    If the method, network or dataset of a cell lacks an option that those of other cells have, the cell is
    made without it, with a note. Cells that are then equal become one.

    Args:
        mapping: options as read from a file or preset.
        changes: by dotted option its values, at least one: `{"method.randomize_rate": (0.05, 0.1)}`.
        folder: a relative data.path starts here.
    Raises:
        UserError: there is no such option or value, or there are too many combinations.
    """
    fixed, axes = make_axes(changes, folder)
    base, notes = apply_changes(mapping, [axis.first for axis in fixed], folder=folder)
    cells, more_notes = _cells(mapping, fixed, axes, folder)
    return SweepPlan(
        name=str(base.get("name") or _made_name(axes, cells)),
        base=base,
        axes={axis.option: axis.values for axis in axes},
        cells=tuple(cells),
        notes=tuple(dict.fromkeys([*notes, *more_notes])),
    )


def check_data(workspace: Workspace, plans: Sequence[SweepPlan]) -> None:
    """Check that the datasets of plans are on this machine.

    Raises:
        UserError: a dataset is missing; the sentence says how to get it.
    """
    roots = data_roots(workspace, Settings.load(workspace))
    data = [cell.config.data for one in plans for cell in one.cells]
    for dataset, path in dict.fromkeys((one.dataset, one.path) for one in data):
        located(dataset, roots, path)


def queue_plans(
    workspace: Workspace, store: Store, plans: Sequence[SweepPlan], first: bool
) -> list[QueuedPlan]:
    """Store the runs of plans, queued in their order, all or none, and the sweeps.

    Args:
        workspace, store: the runs'.
        plans: the plans to queue.
        first: at the head of the queue, not at its tail.
    Raises:
        UserError: data, a device or a precision is not available here.
    """
    check_data(workspace, plans)
    configs = [cell.config for one in plans for cell in one.cells]
    run_ids = iter(make_runs(workspace, store, configs, first))
    return [_queued(store, one, tuple(itertools.islice(run_ids, len(one.cells)))) for one in plans]


def queue_plan(workspace: Workspace, store: Store, plan: SweepPlan, first: bool) -> QueuedPlan:
    """As `queue_plans`, for one plan."""
    return queue_plans(workspace, store, [plan], first)[0]


def _queued(store: Store, plan: SweepPlan, run_ids: tuple[str, ...]) -> QueuedPlan:
    if not plan.is_sweep:
        return QueuedPlan(run_ids, None)
    axes = {option: list(values) for option, values in plan.axes.items()}
    return QueuedPlan(run_ids, add_sweep(store, plan.name, plan.base, axes, run_ids))


def _cells(
    mapping: Mapping[str, Any], fixed: Sequence[Axis], axes: Sequence[Axis], folder: Path
) -> tuple[list[Cell], list[str]]:
    """Make the cells, and notes on what was dropped where."""
    foreign = foreign_options(axes)
    late = [axis for axis in fixed if _section(axis.option) in foreign]  # their sections depend on an axis
    start, notes = apply_changes(mapping, [axis.first for axis in fixed if axis not in late], folder=folder)
    cells: dict[str, Cell] = {}
    combinations = 0
    for chosen in _combinations(axes):
        combinations += 1
        values = dict(chosen)
        changes = values | dict(axis.first for axis in late)
        combined, dropped = _combined(start, changes, foreign, folder)
        notes += dropped
        config = RunConfig.from_mapping(combined)
        left = {option: value for option, value in values.items() if option in changes}
        named = config.model_copy(update={"name": _cell_name(config, left)})
        cells.setdefault(config.model_dump_json(), Cell(named, left))
    if len(cells) < combinations:
        notes.append(f"of {combinations} combinations {len(cells)} differ")
    return list(cells.values()), notes


def _combinations(axes: Sequence[Axis]) -> Iterator[list[Change]]:
    """Yield each combination as a change by axis; a whole grid for one seed, then for the next."""
    listed = [[(axis.option, value) for value in axis.values] for axis in axes]
    if axes and axes[-1].option == SEED:
        for seed, *others in itertools.product(listed[-1], *listed[:-1]):
            yield [*others, seed]
    else:
        yield from (list(chosen) for chosen in itertools.product(*listed))


def _combined(
    start: Mapping[str, Any],
    changes: dict[str, object],
    foreign: Mapping[str, Mapping[str, set[str]]],
    folder: Path,
) -> tuple[dict[str, Any], list[str]]:
    """Make the options of one combination, and notes on dropped options, which leave `changes` too."""
    mapping, notes = _copied(start), list[str]()
    choices = [CHOICES[section] for section in foreign]
    for section, option in zip(foreign, choices, strict=True):
        choice, inner = str(changes[option]), mapping.get(section)
        lacking = foreign[section][choice]
        dropped = [key for key in inner if key in lacking] if isinstance(inner, dict) else []
        for key in dropped:
            del mapping[section][key]
        for other in [other for other in changes if _section(other) == section]:
            if (key := other.split(".")[1]) in lacking:
                dropped.append(key)
                del changes[other]
        if dropped:
            notes.append(f"dropped {', '.join(dict.fromkeys(dropped))}: {choice} has no such option")
    for option in choices:
        notes += change(mapping, option, changes[option], folder=folder)
    for option, value in changes.items():
        if option not in choices:
            change(mapping, option, copy.deepcopy(value), folder=folder)
    return mapping, notes


def _copied(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """Copy a mapping so that its options can be changed; `deepcopy` would take most of a plan's time."""
    return {key: _copied(value) if isinstance(value, dict) else value for key, value in mapping.items()}


def _section(option: str) -> str:
    """Give the section of an option; an empty text for a whole section."""
    section, dot, _ = option.partition(".")
    return section if dot else ""


def _cell_name(config: RunConfig, values: Mapping[str, object]) -> str | None:
    """Make a name that distinguishes the cells of a sweep; seeds share one, as they are one group."""
    hidden = {SEED} if config.name else {SEED, *_IN_EVERY_NAME}
    shown = [f"{_last(option)}={_short(value)}" for option, value in values.items() if option not in hidden]
    return "-".join([config.display_name, *shown]) if shown else config.name


def _made_name(axes: Sequence[Axis], cells: Sequence[Cell]) -> str:
    options = [axis.option for axis in axes if axis.option != SEED]
    config = cells[0].config
    if not options:
        return config.display_name
    where = "" if "data.dataset" in options else f" on {config.data.dataset}"
    return " x ".join(map(_last, options)) + where


def _last(option: str) -> str:
    return option.removesuffix(".name").rpartition(".")[2]


def _short(value: object) -> str:
    if isinstance(value, dict) and isinstance(value.get("name"), str):
        return str(value["name"])
    if isinstance(value, str):
        return visible(value.rpartition("/")[2], lines=False)
    return json.dumps(value, separators=(",", ":"))

"""From options with several values to runs: a product of the values, each with each seed. Torch-free.

`--set training.lr=0.1,0.3` makes one run for each value; a text that holds a comma is quoted, a list keeps
its brackets. Runs that differ only by the seed are a group and need no sweep. The cells of a plan follow from
its base and axes alone, so a stored sweep can be planned again.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from iterand_engine.config import RunConfig, apply_sets, method_options_class
from iterand_engine.data.locate import located
from iterand_engine.errors import UserError
from iterand_engine.run_making import data_roots, make_runs
from iterand_engine.store import Store
from iterand_engine.store.sweeps import add_sweep
from iterand_engine.workspace import Settings, Workspace

MAX_RUNS = 10_000  # what lists and the window stay fluid with
SEED = "training.seed"
_SEEDS = re.compile(r"(\d{1,19})(?:-(\d{1,19}))?")
_METHOD_NAME = "method.name"
_METHOD = ("method", _METHOD_NAME)  # they decide which other options there are
_IN_EVERY_NAME = ("model.name", "model.width_factor", _METHOD_NAME)


@dataclass(frozen=True)
class Cell:
    """One run of a plan; `values` are those of the axes that it has, by dotted option."""

    config: RunConfig
    values: Mapping[str, object]


@dataclass(frozen=True)
class Plan:
    """What is to be queued.

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
    """The runs of a plan in the order of its cells, and their sweep, if it is one."""

    run_ids: tuple[str, ...]
    sweep_id: str | None


@dataclass(frozen=True)
class _Axis:
    option: str
    texts: tuple[str, ...]  # as behind `option=`
    values: tuple[object, ...]


def plan(mapping: Mapping[str, Any], sets: Sequence[str], seeds: Sequence[int], folder: Path) -> Plan:
    """Make the runs of all combinations of the values given, a whole grid for one seed before the next.

    An option that the method of a cell lacks is dropped there, with a note; cells then equal are one.

    Args:
        mapping: options as read from a file or preset.
        sets: texts like `method.randomize_rate=0.05,0.1`; of several for one option the last counts.
        seeds: instead of `training.seed`; none keeps it.
        folder: what a relative data.path is seen from.
    Raises:
        UserError: a text, an option or a value is none, or there are too many combinations.
    """
    pieces = _pieces(sets)
    if seeds and SEED in pieces:
        raise UserError(f"Seeds are given twice, as seeds and by --set {SEED}: keep one of them.")
    if seeds:
        pieces[SEED] = tuple(str(seed) for seed in dict.fromkeys(seeds))
    axes = [_axis(option, texts, folder) for option, texts in pieces.items() if len(texts) > 1]
    axes = [axis for axis in axes if len(axis.texts) > 1]
    _check_axes(axes, pieces)
    varying = {axis.option: axis for axis in axes}
    fixed = [f"{option}={texts[0]}" for option, texts in pieces.items() if option not in varying]
    base, notes = apply_sets(mapping, fixed, folder=folder)
    if _METHOD_NAME in varying:
        _check_method_options(base, varying[_METHOD_NAME], pieces, folder)
    cells, more_notes = _cells(base, axes, folder)
    return Plan(
        name=str(base.get("name") or _made_name(axes, cells)),
        base=base,
        axes={axis.option: axis.values for axis in axes},
        cells=tuple(cells),
        notes=tuple(dict.fromkeys([*notes, *more_notes])),
    )


def check_data(workspace: Workspace, plans: Sequence[Plan]) -> None:
    """See that the images of plans are here.

    Raises:
        UserError: a dataset is not; the sentence says how to get it.
    """
    roots = data_roots(workspace, Settings.load(workspace))
    data = [cell.config.data for one in plans for cell in one.cells]
    for dataset, path in dict.fromkeys((one.dataset, one.path) for one in data):
        located(dataset, roots, path)


def queue_plans(workspace: Workspace, store: Store, plans: Sequence[Plan], first: bool) -> list[QueuedPlan]:
    """Store the runs of plans, queued in their order, all or none, and the sweeps.

    Args:
        workspace, store: where to.
        plans: what to queue.
        first: at the head of the queue rather than its tail.
    Raises:
        UserError: data, a device or a precision is not to be had here.
    """
    check_data(workspace, plans)
    configs = [cell.config for one in plans for cell in one.cells]
    run_ids = iter(make_runs(workspace, store, configs, first))
    return [_queued(store, one, tuple(itertools.islice(run_ids, len(one.cells)))) for one in plans]


def queue_plan(workspace: Workspace, store: Store, plan: Plan, first: bool) -> QueuedPlan:
    """`queue_plans` of one."""
    return queue_plans(workspace, store, [plan], first)[0]


def _queued(store: Store, plan: Plan, run_ids: tuple[str, ...]) -> QueuedPlan:
    if not plan.is_sweep:
        return QueuedPlan(run_ids, None)
    axes = {option: list(values) for option, values in plan.axes.items()}
    return QueuedPlan(run_ids, add_sweep(store, plan.name, plan.base, axes, run_ids))


def split_values(text: str) -> tuple[str, ...]:
    """Split the text behind `option=` at its commas, but not inside brackets, braces or quotes.

    Raises:
        UserError: a value between commas is missing, or a bracket or quote does not end.
    """
    if "," not in text:
        return (text,)
    inside = f"[{text}\n]"  # the line break ends a comment
    try:
        node = yaml.compose(inside, Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        node = None
    if not isinstance(node, yaml.SequenceNode) or text.rstrip().endswith(","):
        raise UserError(
            f"{text!r} is not a list of values with commas between them; a text that holds a comma or a"
            " bracket needs quotes, a list of numbers brackets."
        )
    return tuple(inside[part.start_mark.index : part.end_mark.index] for part in node.value)


def parse_seeds(text: str) -> tuple[int, ...]:
    """Read seeds: `1-5`, `1,3,7`, or both mixed; each once, in the order given.

    Raises:
        UserError: the text is something else, or names too many.
    """
    seeds: dict[int, None] = {}
    for part in text.split(","):
        found = _SEEDS.fullmatch(part.strip())
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
        if last < first:
            raise UserError(f"--seeds is {text!r}; allowed: whole numbers like 1-5, 1,3,7 or 1-3,10.")
        if last - first + len(seeds) >= MAX_RUNS:
            raise UserError(f"--seeds {text!r} names more than {MAX_RUNS:,} seeds; name fewer.")
        seeds |= dict.fromkeys(range(first, last + 1))
    return tuple(seeds)


def _pieces(sets: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The texts of each option's values: the method first, the seed last, else as given."""
    pieces: dict[str, tuple[str, ...]] = {}
    for text in sets:
        option, equals, raw = (part.strip() for part in text.partition("="))
        if not equals:
            apply_sets({}, [text], folder=Path())  # says what is wrong
        pieces.pop(option, None)
        # A name is for people and may hold commas.
        pieces[option] = (raw,) if option == "name" else split_values(raw)
    return dict(sorted(pieces.items(), key=lambda item: (item[0] not in _METHOD, item[0] == SEED)))


def _axis(option: str, texts: Sequence[str], folder: Path) -> _Axis:
    """An option's different values, with a relative path made absolute."""
    found: dict[str, tuple[str, object]] = {}
    for text in texts:
        mapping, _ = apply_sets({}, [f"{option}={text}"], folder=folder)
        value: Any = mapping
        for key in option.split("."):
            value = value[key]
        found.setdefault(_key(value), (text, value))
    return _Axis(option, tuple(text for text, _ in found.values()), tuple(v for _, v in found.values()))


def _check_axes(axes: Sequence[_Axis], options: Iterable[str]) -> None:
    """Refuse what is no product: a whole section, an option within another that varies, too many runs."""
    for axis in axes:
        inner = next((option for option in options if option.startswith(f"{axis.option}.")), None)
        if "." not in axis.option or inner:
            what = f"and {inner} is set as well" if inner else "but is a whole section"
            raise UserError(
                f"{axis.option} has {len(axis.values)} values {what}; only single options take several."
            )
    number = math.prod(len(axis.values) for axis in axes)
    if number > MAX_RUNS:
        counts = " x ".join(f"{len(axis.values)} values of {axis.option}" for axis in axes)
        raise UserError(f"{counts} are {number:,} runs; allowed at once: {MAX_RUNS:,}, so give fewer values.")


def _check_method_options(
    base: Mapping[str, Any], methods: _Axis, pieces: Mapping[str, Sequence[str]], folder: Path
) -> None:
    """Refuse a set of an option that none of several methods has; one that some have is fine."""
    known = set().union(*(_options_of(name) for name in methods.values))
    for option, texts in pieces.items():
        section, *inner = option.split(".")
        if section == "method" and inner and inner[0] not in known:
            sets = [f"{methods.option}={methods.texts[0]}", f"{option}={texts[0]}"]
            RunConfig.from_mapping(apply_sets(base, sets, folder=folder)[0])  # says what it may have meant


def _cells(base: Mapping[str, Any], axes: Sequence[_Axis], folder: Path) -> tuple[list[Cell], list[str]]:
    cells: dict[str, Cell] = {}
    notes: list[str] = []
    combinations = 0
    for chosen in _combinations(axes):
        combinations += 1
        mapping, values, dropped = _combined(base, chosen, folder)
        notes += dropped
        config = RunConfig.from_mapping(mapping)
        key = _key(config.to_mapping())
        if key not in cells:
            named = config.model_copy(update={"name": _cell_name(config, values)})
            cells[key] = Cell(named, values)
    if len(cells) < combinations:
        notes.append(f"of {combinations} combinations {len(cells)} differ")
    return list(cells.values()), notes


def _combinations(axes: Sequence[_Axis]) -> Iterator[list[tuple[str, str, object]]]:
    """Each combination as (option, text, value) by axis; a whole grid for one seed, then for the next."""
    listed = [[(axis.option, *one) for one in zip(axis.texts, axis.values, strict=True)] for axis in axes]
    if axes and axes[-1].option == SEED:
        for seed, *others in itertools.product(listed[-1], *listed[:-1]):
            yield [*others, seed]
    else:
        yield from (list(chosen) for chosen in itertools.product(*listed))


def _combined(
    base: Mapping[str, Any], chosen: Sequence[tuple[str, str, object]], folder: Path
) -> tuple[dict[str, Any], dict[str, object], list[str]]:
    """The options of one combination, its values, and what was dropped."""
    values = {option: value for option, _, value in chosen}
    texts = {option: text for option, text, _ in chosen}
    mapping, notes = dict(base), list[str]()
    if _METHOD_NAME in texts:
        mapping, notes = apply_sets(base, [f"{_METHOD_NAME}={texts.pop(_METHOD_NAME)}"], folder=folder)
        method = values[_METHOD_NAME]
        for option in list(texts):
            section, key = option.split(".")[:2]
            if section == "method" and key not in _options_of(method):
                del texts[option], values[option]
                if key not in base.get("method", {}):  # else it has been said
                    notes.append(f"dropped {key}: {method} has no such option")
    sets = [f"{option}={text}" for option, text in texts.items()]
    return apply_sets(mapping, sets, folder=folder)[0], values, notes


def _options_of(method: object) -> set[str]:
    return set(method_options_class(method).model_fields) if isinstance(method, str) else set()


def _cell_name(config: RunConfig, values: Mapping[str, object]) -> str | None:
    """A name that tells the cells of a sweep apart; seeds share one, as they are one group."""
    hidden = {SEED} if config.name else {SEED, *_IN_EVERY_NAME}
    shown = [f"{_last(option)}={_short(value)}" for option, value in values.items() if option not in hidden]
    return "-".join([config.display_name, *shown]) if shown else config.name


def _made_name(axes: Sequence[_Axis], cells: Sequence[Cell]) -> str:
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
    return value.rpartition("/")[2] if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _key(value: object) -> str:
    """Two values are the same where this is."""
    return json.dumps(value, sort_keys=True, default=str)

"""Finds the options in which runs differ, with short names, for tables, labels and legends.

An option differs if two runs that have it have different values; the option that chose the method explains
why a run lacks another method's options. `is_of_experiment` decides which options define an experiment: all,
with the precision, except name, recording and device. Runs of one experiment that differ only by the seed are
a group, see `groups`. Torch-free.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from iterand_engine.config.axes import SEED
from iterand_engine.store.records import Json

OptionPath = tuple[str, ...]  # an option as the keys that lead to it
_NOT_OF_EXPERIMENT = frozenset({"name", "compute", "recording"})
_PRECISION = "compute.precision"
_ALIASES = {"model.width_factor": "width", "data.dataset": "dataset"}
_CHOICE = "name"  # the last key of an option that chooses a network, method or rule
_SHORT = {"method.randomize_every": "K", "method.randomize_rate": "r"}  # the papers' symbols
ABSENT = object()


@dataclass(frozen=True)
class Differences:
    """The options in which runs differ.

    `names` has a short name by dotted option, in the order of the configuration; `values` has, by run id, the
    values of those options that the run has, by dotted option.
    """

    names: Mapping[str, str]
    values: Mapping[str, Mapping[str, object]]

    def text(self, run_id: str, without: Collection[str] = ()) -> str:
        """Say in one line how a run differs: `iterand, width 0.5, lr 0.1`; empty if it does not.

        Args:
            run_id: one of the runs.
            without: dotted options that are shown elsewhere.
        """
        values = self.values[run_id].items()
        return ", ".join(self._shown(option, value) for option, value in values if option not in without)

    def labels(self) -> Differences:
        """The same for labels that may be cut: options with the most values first, and shorter names."""
        shown = self.values.values()
        kinds = {o: len({value_text(of[o]) if o in of else None for of in shown}) for o in self.names}
        order = sorted(self.names, key=lambda option: -kinds[option])
        taken = set(self.names.values())
        short = {option: name for option, name in _SHORT.items() if option in kinds and name not in taken}
        values = {key: {o: of[o] for o in order if o in of} for key, of in self.values.items()}
        return Differences({**self.names, **short}, values)

    def _shown(self, option: str, value: object) -> str:
        chosen = value_text(value)
        # The name of a network or method is clear without that of its option.
        return chosen if _chooses(option) else f"{self.names[option]} {chosen}"


def is_of_experiment(path: OptionPath, but_for: Collection[str] = (SEED,)) -> bool:
    """Return whether runs with different values of an option are different experiments.

    Args:
        path: the option.
        but_for: dotted options and sections in which the runs of one experiment may differ: by default the
            seed, as in a group.
    """
    option = ".".join(path)
    if option != _PRECISION and path[0] in _NOT_OF_EXPERIMENT:
        return False
    return not any(option == other or option.startswith(f"{other}.") for other in but_for)


def differences(configs: Mapping[str, Json], but_for: Collection[str] = (SEED,)) -> Differences:
    """Find the options that make runs different experiments; none if they are one experiment.

    Args:
        configs: the runs' configurations as stored, by run id; one of each group is enough for groups.
        but_for: dotted options and sections to ignore, as in `is_of_experiment`.
    """
    paths = [path for path in _differing(configs.values()) if is_of_experiment(path, but_for)]
    options = [".".join(path) for path in paths]
    values: dict[str, dict[str, object]] = {}
    for run_id, config in configs.items():
        found = ((option, value_of(config, path)) for option, path in zip(options, paths, strict=True))
        values[run_id] = {option: value for option, value in found if value is not ABSENT}
    return Differences(short_names(options), values)


def short_names(options: Iterable[str]) -> dict[str, str]:
    """Choose a unique short name for each dotted option: `width`, `lr`, `method`.

    It is the last part of the option if that is unique, as in filters.
    """
    known = list(dict.fromkeys(options))
    names = dict.fromkeys(known, "")
    parts = 1
    while not_yet := [option for option in known if not names[option]]:
        tried = {option: _last(option, parts) for option in not_yet}
        taken = [*tried.values(), *filter(None, names.values())]
        for option, name in tried.items():
            if taken.count(name) == 1 or name == option:
                names[option] = name
        parts += 1
    return names


def value_text(value: object) -> str:
    """Format an option's value for a table or label: 0.5, uniform, none, 30 60, true."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Mapping):
        first = str(value.get(_CHOICE, ""))
        others = [f"{key}={value_text(inner)}" for key, inner in value.items() if key != _CHOICE]
        return " ".join(filter(None, (first, *others)))
    if isinstance(value, list | tuple):
        texts = [value_text(inner) for inner in value]
        return " ".join(texts) if texts else "[]"
    return value if isinstance(value, str) else json.dumps(value)


def _differing(configs: Iterable[Json]) -> Iterator[OptionPath]:
    """Yield the options with two values or more, in the order of the configurations."""
    first: dict[str, object] = {}
    found: set[OptionPath] = set()
    for config in configs:
        _compare(config, first, (), found)
    return _within(first, (), found)


def _compare(config: Json, first: dict[str, object], above: OptionPath, found: set[OptionPath]) -> None:
    """Compare a configuration with the values seen first, and add the options that differ to `found`."""
    for key, value in config.items():
        known = first.get(key, ABSENT)
        if known == value:  # most sections are equal, and this test is far cheaper than a look into them
            continue
        if known is ABSENT:
            first[key] = _own(value)
        elif isinstance(known, dict) and isinstance(value, Mapping):
            _compare(value, known, (*above, key), found)
        else:
            found.add((*above, key))


def _own(value: object) -> object:
    """Copy nested mappings, so that options can be added."""
    return {key: _own(inner) for key, inner in value.items()} if isinstance(value, Mapping) else value


def _within(mapping: Json, above: OptionPath, found: Collection[OptionPath]) -> Iterator[OptionPath]:
    for key, value in mapping.items():
        path = (*above, key)
        if (
            path in found
        ):  # whole, even if it is a mapping: a rule is a name in one run, and a mapping in another
            yield path
        elif isinstance(value, Mapping):
            yield from _within(value, path, found)


def value_of(config: Json, path: OptionPath) -> object:
    """Read an option of a configuration by the keys that lead to it; ABSENT if there is none."""
    value: object = config
    for key in path:
        if not isinstance(value, Mapping) or key not in value:
            return ABSENT
        value = value[key]
    return value


def _chooses(option: str) -> bool:
    return option.rpartition(".")[2] in (_CHOICE, "dataset", "rule") and "." in option


def _last(option: str, parts: int) -> str:
    """Give the last `parts` parts of an option, or all of it if it has fewer."""
    if parts == 1 and option in _ALIASES:
        return _ALIASES[option]
    keys = option.split(".")
    if len(keys) > 1 and keys[-1] == _CHOICE:
        keys = keys[:-1]
    return ".".join(keys[-parts:]) if parts <= len(keys) else option

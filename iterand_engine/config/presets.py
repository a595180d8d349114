"""Recipes by name: partial configurations read from resources/presets/*.yaml.

A file holds one preset (`title`, `description`, `mapping`; named like the file) or a recipe for many
(`datasets`, `base`, `methods`, `exceptions`; named DATASET-NETWORK-METHOD). The options are checked where a
run is made, by RunConfig, like those of any other file. Torch-free.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from iterand_engine.config.catalog import MODELS
from iterand_engine.errors import UserError, suggestion
from iterand_engine.machine.resources import resource
from iterand_engine.machine.yaml import read_yaml

Mappings = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Preset:
    """A partial configuration, with the name for `iterand train --preset`, a title and a description."""

    name: str
    title: str
    description: str
    mapping: dict[str, Any]  # a partial RunConfig, as in a YAML file; the caller's own copy


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Single(_Strict):
    title: str
    description: str
    mapping: Mappings


class _DatasetPresets(_Strict):
    label: str
    about: str
    networks: dict[str, tuple[str, ...]]  # network -> keys of `methods`


class _Recipe(_Strict):
    datasets: dict[str, _DatasetPresets]
    base: Mappings
    methods: Mappings
    exceptions: Mappings  # by network or NETWORK-METHOD


def presets() -> dict[str, Preset]:
    """All presets by name: the quick start first, then the others in the order of their files.

    Raises:
        UserError: the program's resources are missing.
    """
    return {preset.name: copy.deepcopy(preset) for preset in _all_presets()}


def preset(name: str) -> Preset:
    """Look a preset up.

    Raises:
        UserError: there is no preset of this name; the sentence names the nearest.
    """
    known = presets()
    if name not in known:
        raise UserError(
            f"There is no preset {name!r}{suggestion(name, known)} (`iterand presets` lists them)."
        )
    return known[name]


@cache
def _all_presets() -> tuple[Preset, ...]:
    files = sorted(
        resource("presets").glob("*.yaml"), key=lambda path: (path.stem != "quickstart", path.stem)
    )
    return tuple(preset for path in files for preset in _read(path))


def _read(path: Path) -> Iterator[Preset]:
    content = read_yaml(path, "The file of presets")
    if "mapping" in content:
        single = _Single.model_validate(content)
        yield Preset(path.stem, single.title, single.description, single.mapping)
    else:
        yield from _expand(_Recipe.model_validate(content))


def _expand(recipe: _Recipe) -> Iterator[Preset]:
    for dataset, group in recipe.datasets.items():
        for network, methods in group.networks.items():
            for method in methods:
                mapping = _merged(
                    recipe.base,
                    {
                        "data": {"dataset": dataset},
                        "model": {"name": network},
                        "method": recipe.methods[method],
                    },
                    recipe.exceptions.get(network, {}),
                    recipe.exceptions.get(f"{network}-{method}", {}),
                )
                title = f"{MODELS[network].label} on {group.label}, {method}"
                yield Preset(f"{dataset}-{network}-{method}", title, group.about, mapping)


def _merged(*layers: Mapping[str, Mapping[str, Any]]) -> Mappings:
    """Lay sections of options over each other; the later one wins, option by option."""
    merged: Mappings = {}
    for layer in layers:
        for section, options in layer.items():
            merged.setdefault(section, {}).update(copy.deepcopy(dict(options)))
    return merged

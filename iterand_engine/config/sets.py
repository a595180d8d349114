"""Changes of a configuration: dotted options with their values.

A text `option=value` is read once, where it enters the program; from then on a change is an option and a
value. Torch-free.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from iterand_engine.config.catalog import DATASETS, MODELS, RULES, Entry
from iterand_engine.config.option_errors import shown
from iterand_engine.config.run_config import anchor_data_path, method_options_class
from iterand_engine.errors import OptionError, UserError
from iterand_engine.machine.yaml import TEXTS, parse_yaml

Change = tuple[str, Any]  # a dotted option and its value


def read_change(text: str) -> Change:
    """Read `option=value`; the value is YAML.

    Raises:
        UserError: the text is not of this form.
    """
    option, raw = split_change(text)
    return option, read_value(option, raw)


def split_change(text: str) -> tuple[str, str]:
    """Take `option=value` apart.

    Raises:
        UserError: the text is not of this form.
    """
    option, equals, raw = text.partition("=")
    if not equals or not all(option.strip().split(".")):
        raise UserError(f"{text!r} is not of the form option=value, e.g. training.lr=0.05.")
    return option.strip(), raw.strip()


def read_value(option: str, text: str) -> Any:
    """The value of an option from its text; names and paths are texts, whatever they look like.

    Raises:
        OptionError: the text is not YAML.
    """
    try:
        value = parse_yaml(text)
    except ValueError as error:
        raise OptionError(
            f"{shown(f'{option}={text}')}: {shown(text)} is not a YAML value ({error}).",
            option=option,
            value=text,
        ) from None
    is_text = option.rpartition(".")[2] in TEXTS
    return text if is_text and isinstance(value, bool | int | float) else value


def apply_changes(
    mapping: Mapping[str, Any], changes: Iterable[Change], *, folder: Path
) -> tuple[dict[str, Any], list[str]]:
    """Apply changes, in order, to a copy of a mapping.

    A change of method.name drops the options that the new method lacks. A change of network, dataset or
    redraw rule drops the arguments of the one before that the new one lacks. The notes name what was dropped.

    Args:
        mapping: options as read from a file or preset.
        changes: dotted options with their values.
        folder: where a relative data.path starts.
    Returns:
        The changed mapping, and notes to show to the user.
    Raises:
        OptionError: there is no such method, or an option is set inside a value that has no options.
    """
    changed: dict[str, Any] = copy.deepcopy(dict(mapping))
    notes: list[str] = []
    for option, value in changes:
        notes += change(changed, option, copy.deepcopy(value), folder=folder)
    return changed, notes


def change(mapping: dict[str, Any], option: str, value: Any, *, folder: Path) -> list[str]:
    """Make one change in a mapping itself; arguments and errors as `apply_changes`. Returns the notes."""
    keys, notes = option.split("."), list[str]()
    before = _extension_options(mapping, keys)
    section = _put(mapping, keys, value)
    if keys == ["method", "name"] and isinstance(value, str):
        known = method_options_class(value).model_fields
        notes = _drop(section, [key for key in section if key not in known], value)
    elif before and isinstance(value, str):
        now = _extension_options(mapping, keys)
        notes = _drop(section, [key for key in section if key in before and key not in now], value)
    if keys[0] == "data":
        anchor_data_path(mapping, folder)
    return notes


def _put(mapping: dict[str, Any], keys: list[str], value: Any) -> dict[str, Any]:
    """Set one option; returns the section that holds it."""
    inner = mapping
    for key in keys[:-1]:
        step = inner.setdefault(key, {})
        if key == "rule" and isinstance(step, str):
            step = inner[key] = {"name": step}  # a rule may be written as its name alone
        if not isinstance(step, dict):
            option = ".".join(keys)
            said = f"There is no option {option!r}: {key!r} is {step!r}, which has no options of its own."
            raise OptionError(said, option=option, value=value, wrong="unknown")
        inner = step
    inner[keys[-1]] = value
    return inner


def _drop(section: dict[str, Any], foreign: list[str], name: str) -> list[str]:
    for key in foreign:
        del section[key]
    return [f"dropped {', '.join(foreign)}: {name} has no such option"] if foreign else []


def _extension_options(mapping: Mapping[str, Any], keys: list[str]) -> set[str]:
    """The arguments of the entry that is chosen at `keys` now; none where `keys` is no choice of an entry."""
    catalog = _CATALOG_AT.get(tuple(keys))
    if catalog is None:
        return set()
    value: Any = mapping
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    entry = catalog.get(value) if isinstance(value, str) else None
    return {argument.name for argument in entry.arguments} if entry else set()


_CATALOG_AT: Mapping[tuple[str, ...], Mapping[str, Entry]] = {
    ("data", "dataset"): DATASETS,
    ("model", "name"): MODELS,
    ("method", "rule", "name"): RULES,
}

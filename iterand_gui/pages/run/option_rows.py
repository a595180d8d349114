"""The options of one run as a table shows them: all that are stored, the changed ones marked. No Qt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from iterand_engine.config.yaml import write_yaml
from iterand_engine.results.differences import value_text
from iterand_gui.forms.specs import CHOOSING, METHOD, RULE, Spec, specs

PRECISION: Final = "compute.precision"
_DEFAULT_METHOD = "iterand"
_UNKNOWN = "not known"


@dataclass(frozen=True)
class OptionRow:
    """One option of a run. `default` is empty where none is known, as of a disabled extension."""

    path: str
    value: str
    default: str
    is_changed: bool
    help: str


def option_rows(config: Mapping[str, object]) -> tuple[OptionRow, ...]:
    """The options of a stored configuration, in its order."""
    known = _known(config)
    return tuple(_row(path, value, known.get(path)) for path, value in _flat(config))


def yaml_of(config: Mapping[str, object]) -> str:
    """A stored configuration as the text of a file that makes the same run."""
    return write_yaml(_plain(config))


def _row(path: str, value: object, spec: Spec | None) -> OptionRow:
    if spec is None:
        return OptionRow(path, value_text(value), "", False, "")
    default = _DEFAULT_METHOD if spec.path == METHOD else _default(spec)
    # Which arithmetic `auto` means is fixed when the run is made: nobody changed it.
    fixed = path == PRECISION
    unit = f" {spec.unit}" if spec.unit and value is not None and not isinstance(value, str) else ""
    said = f"{value_text(default)}, fixed when the run was made" if fixed else value_text(default)
    return OptionRow(path, value_text(value) + unit, said, value != default and not fixed, spec.help)


def _default(spec: Spec) -> object:
    if spec.path == RULE and isinstance(spec.default, Mapping):
        return spec.default.get("name")
    return spec.default


def _known(config: Mapping[str, object]) -> dict[str, Spec]:
    """What is declared of a configuration's options; nothing where a choice of it is not in use any more."""
    chosen = {}
    for path, entries in CHOOSING.items():
        value: object = config
        for key in path.split("."):
            value = value.get(key) if isinstance(value, Mapping) else None
        name = value.get("name") if isinstance(value, Mapping) else value
        if path == RULE and name is None:
            name = next(iter(entries))  # methods without a rule
        if name not in entries:
            return {}
        chosen[path] = (str(name),)
    found = {spec.path: spec for spec in specs(chosen)}
    if RULE in found:  # stored as a mapping with the rule's arguments beside its name
        found[f"{RULE}.name"] = found[RULE]
    return found


def _flat(config: Mapping[str, object], above: str = "") -> Iterator[tuple[str, object]]:
    for key, value in config.items():
        path = f"{above}{key}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{path}.")
        else:
            yield path, value


def _plain(value: object) -> object:
    """Mappings and lists as YAML writes them."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value

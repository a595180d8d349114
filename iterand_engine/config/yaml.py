"""YAML as users write configurations: 1e-3 is a number, a date is text, and a key given twice is an error.

Names and paths are texts, whatever they look like. Everything else is plain safe YAML (PyYAML reads 1e-3 as
text, and of two equal keys it silently takes the last).
"""

from __future__ import annotations

import re
from typing import Any

import yaml

TEXTS = frozenset({"name", "path"})  # keys whose plain values are texts, e.g. `name: 1e3`; null stays null
_FLOAT, _STR, _DATE = (f"tag:yaml.org,2002:{kind}" for kind in ("float", "str", "timestamp"))
_NUMBERS = {_FLOAT, "tag:yaml.org,2002:int", "tag:yaml.org,2002:bool"}
_LINE_BREAKS = {"\x85", "\u2028", "\u2029"}
_EXPONENT_WITHOUT_POINT = re.compile(r"[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+")


class _Loader(yaml.SafeLoader):
    """A subclass, so that the constructors added below do not change other users of SafeLoader."""


class _Dumper(yaml.SafeDumper):
    """Quotes each text that `_Loader` would read as something else."""


class YamlError(ValueError):
    """A text is not YAML; `line`, from 1, says where, or is None where that is not known."""

    def __init__(self, sentence: str, line: int | None = None) -> None:
        super().__init__(sentence)
        self.line = line


def parse_yaml(text: str) -> Any:
    """Read one YAML document.

    Raises:
        YamlError: it is not YAML, or a mapping has a key twice; the text is one line with the place.
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise YamlError(f"{where}{error.problem}", mark.line + 1 if mark else None) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # e.g. a date that does not exist
        raise YamlError(str(error).partition("\n")[0]) from None


def write_yaml(value: Any, **options: Any) -> str:
    """Write a value as YAML that `parse_yaml` reads back as it is; mappings keep their order.

    Args:
        value: of plain JSON values.
        options: of PyYAML's dump.
    """
    text = str(yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, **options))
    if set(text) & _LINE_BREAKS:  # which YAML reads as spaces unless they are escaped
        return str(yaml.dump(value, Dumper=_Dumper, sort_keys=False, **options))
    return text


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[str] = set()
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise yaml.constructor.ConstructorError(None, None, "a key must be a name", key.start_mark)
        if key.value in seen:
            problem = f"the key {key.value!r} is given twice"
            raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
        seen.add(key.value)
        if key.value in TEXTS and value.tag in _NUMBERS:
            value.tag = _STR
    loader.flatten_mapping(node)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
for _kind in (_Loader, _Dumper):
    _kind.add_implicit_resolver(_FLOAT, _EXPONENT_WITHOUT_POINT, list("-+0123456789"))
_Loader.yaml_implicit_resolvers = {
    start: [(tag, pattern) for tag, pattern in found if tag != _DATE]
    for start, found in _Loader.yaml_implicit_resolvers.items()
}

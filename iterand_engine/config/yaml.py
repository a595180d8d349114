"""YAML as users write configurations: 1e-3 is a number, and a key that is given twice is an error.

Everything else is plain safe YAML (PyYAML reads 1e-3 as text, and of two equal keys it silently takes the
last).
"""

from __future__ import annotations

import re
from typing import Any

import yaml

_EXPONENT_WITHOUT_POINT = re.compile(r"[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+")


class _Loader(yaml.SafeLoader):
    """A subclass, so that the constructors added below do not change other users of SafeLoader."""


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


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[str] = set()
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise yaml.constructor.ConstructorError(None, None, "a key must be a name", key.start_mark)
        if key.value in seen:
            problem = f"the key {key.value!r} is given twice"
            raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
        seen.add(key.value)
    loader.flatten_mapping(node)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT_WITHOUT_POINT, list("-+0123456789"))

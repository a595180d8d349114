"""What can be written next in the filter line: fields with their operator, and the values of some. No Qt."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from iterand_engine.config.catalog import DATASETS, METHODS, MODELS
from iterand_engine.results.filter_fields import ALIASES, COLUMNS, Field, FieldKind, option_fields
from iterand_engine.store import RunState

_CONDITION = re.compile(r"(?P<field>[^\s:=<>!]+)(?P<order>!=|[:=])(?P<value>\S*)$")
_WORD = re.compile(r"\S*$")
_EQUAL = {"seed", "epoch"}  # numbers that one looks for rather than compares
_DEVICE_KINDS = ("cpu", "cuda")
_ALIASES_OF = {field: alias for alias, field in ALIASES.items()}


class Completions:
    """Knows the fields as they are now; made anew when an extension brought others."""

    def __init__(self) -> None:
        options = option_fields()
        names = [key.rpartition(".")[2] for key in options]
        short = {
            name: field
            for name, field in zip(names, options.values(), strict=True)
            if names.count(name) == 1 and name not in COLUMNS
        }
        columns = {_ALIASES_OF.get(key, key): field for key, field in COLUMNS.items()}
        self._fields: dict[str, Field] = {**columns, **short}
        self._whole = {key: field for key, field in options.items() if "." in key}

    def for_text(self, text: str, *, asked: bool = False) -> tuple[int, list[str]]:
        """What may stand in place of the word that ends a text.

        Args:
            text: of the line up to the cursor.
            asked: whether the user asked for it, so that fields are offered before a letter is typed.
        Returns:
            Where the word begins, and what may replace it; nothing where it is whole, or begins nothing.
        """
        found = _CONDITION.search(text)
        if found is not None:
            offered = _matching(self._values(found["field"].lower()), found["value"])
            return found.start("value"), [] if offered == [found["value"]] else offered
        word = _WORD.search(text)
        start = word.start() if word is not None else len(text)
        typed = text[start:]
        if len(typed) < 2 and not asked:
            return start, []
        return start, self._conditions(typed.lower())

    def _conditions(self, typed: str) -> list[str]:
        known: Mapping[str, Field] = self._whole if "." in typed else self._fields
        begins = sorted(name for name in known if name.lower().startswith(typed))
        within = sorted(name for name in known if f"_{typed}" in name.lower())
        return [f"{name}{_order(name, known[name])}" for name in (*begins, *within)]

    def _values(self, name: str) -> Sequence[str]:
        match name:
            case "state":
                return [state.value for state in RunState]
            case "method" | "method.name":
                return list(METHODS)
            case "model" | "model.name":
                return list(MODELS)
            case "dataset" | "data.dataset":
                return list(DATASETS)
            case "device_kind":
                return _DEVICE_KINDS
        field = self._fields.get(name) or self._whole.get(name)
        return ("true", "false") if field is not None and field.kind is FieldKind.TRUTH else ()


def _matching(values: Iterable[str], typed: str) -> list[str]:
    return [value for value in values if value.startswith(typed.lower())]


def _order(name: str, field: Field) -> str:
    return ">=" if field.kind is FieldKind.NUMBER and name not in _EQUAL else ":"

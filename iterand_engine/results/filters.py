"""The filter line, the same in the window, on the command line and in Python: `width>=0.5 method:iterand`.

A text is parsed once to a frozen `Filter`, which then judges runs without database and torch. Words must be
in the name, conditions compare fields (see `filter_fields`), and all must hold; `find_runs` reads the runs
that meet a filter. The validation accuracy is that of the last epoch, also for a run that has not finished.
Test accuracy is no field. See docs/filters.md.
"""

from __future__ import annotations

import math
import operator
import re
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from iterand_engine.errors import UserError, suggestion
from iterand_engine.results.filter_fields import Field, FieldKind, find_field
from iterand_engine.store.records import RunState

if TYPE_CHECKING:
    from iterand_engine.store import Reader, RunRow
    from iterand_engine.store.records import Json

Value = int | float | str | bool | None
_EQUAL, _UNEQUAL = "=", "!="
_ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_TRUTHS = {"true": True, "false": False}
_NULL = "null"
_NUMBERS, _LISTS = (int, float), (list, tuple)  # isinstance is slower with a union
_TERM = re.compile(
    r"""
    (?P<quoted> "[^"]*" | '[^']*' ) (?= \s | $ )
    | (?P<word> (?!["']) (?: (?!!=) [^\s:=<>] )+ )
      (?: \s* (?P<operator> != | <= | >= | [:=<>] )
          \s* (?P<value> (?: "[^"]*" | '[^']*' ) (?= \s | $ ) | [^\s"'] \S* )? )?
    """,
    re.VERBOSE,
)


@dataclass(frozen=True)
class Condition:
    """One comparison of a field's value with `wanted`; `order` is one of < <= > >= = !=."""

    field: Field
    order: str
    wanted: Value

    def holds(self, row: RunRow, config: Mapping[str, object], now: float) -> bool:
        """Return whether a run meets the condition; arguments as in `Filter.matches`.

        An absent value equals only `null`, and is neither smaller nor larger than anything. A list meets a
        comparison if one of its values does. `!=` is true exactly when `=` is false.
        """
        value = self.field.read(row, config, now)
        if self.order == _EQUAL:
            return self._equals(value)
        if self.order == _UNEQUAL:
            return not self._equals(value)
        return self._compares(value)

    def _equals(self, value: object) -> bool:
        # The usual types come first, here and below: this runs for every run at every keystroke.
        wanted = self.wanted
        if isinstance(value, str):
            text = value.casefold()
            if self.field.kind is FieldKind.ID and isinstance(wanted, str):
                return text.startswith(wanted)
            return text == wanted
        if value is None or isinstance(value, _NUMBERS):
            return value == wanted and isinstance(value, bool) == isinstance(wanted, bool)
        if isinstance(value, Mapping):  # a redraw rule with arguments, an exception for some layers
            return self._equals(value.get("name", value.get("match")))
        if isinstance(value, _LISTS):
            return any(map(self._equals, value)) if value else wanted is None
        raise TypeError(f"a configuration holds {value!r}")

    def _compares(self, value: object) -> bool:
        if isinstance(value, _NUMBERS) and not isinstance(value, bool):
            return _ORDERS[self.order](value, self.wanted)
        return isinstance(value, _LISTS) and any(map(self._compares, value))


@dataclass(frozen=True)
class Filter:
    """A parsed filter: a run meets it if its name has every word (casefolded) and every condition holds."""

    words: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()

    def matches(self, row: RunRow, config: Mapping[str, object], now: float) -> bool:
        """Return whether a run meets the filter.

        Args:
            row: the run.
            config: its configuration as stored.
            now: seconds since 1970, for its age.
        """
        for condition in self.conditions:  # a loop, because all() takes twice as long
            if not condition.holds(row, config, now):
                return False
        if not self.words:
            return True
        name = row.name.casefold()
        return all(word in name for word in self.words)


def parse(text: str) -> Filter:
    """Read a filter line.

    Args:
        text: words and conditions with spaces between; an empty text means every run.
    Raises:
        UserError: a field is unknown, a value does not fit its field, or quotes do not close.
    """
    words: list[str] = []
    conditions: list[Condition] = []
    rest = text.strip()
    while rest:
        term = _TERM.match(rest)
        if term is None:
            raise UserError(_not_a_term(rest))
        rest = rest[term.end() :].lstrip()
        if term["quoted"] is not None:
            words.append(term["quoted"][1:-1].casefold())
        elif term["operator"] is None:
            words.append(term["word"].casefold())
        else:
            conditions.append(_condition(term["word"], term["operator"], term["value"], rest))
    return Filter(tuple(words), tuple(conditions))


def find_runs(
    reader: Reader, wanted: Filter, *, ids: Collection[str] | None = None
) -> list[tuple[RunRow, Json]]:
    """Find the runs that meet a filter, newest first, each with its configuration.

    Args:
        reader: the store's.
        wanted: the filter.
        ids: search only these.
    """
    now = time.time()
    found = reader.runs_with_configs(ids=ids)
    return [(row, config) for row, config in found if wanted.matches(row, config, now)]


def _not_a_term(rest: str) -> str:
    if rest[0] in "\"'":
        return f"The quotes in the filter at {_start(rest)} must close, with a space or the end after them."
    return f"The filter has no field before {_start(rest)}: write e.g. width>=0.5, or put the text in quotes."


def _condition(name: str, order: str, value: str | None, rest: str) -> Condition:
    field = find_field(name)
    if value is None:
        if rest:  # only quotes that do not close are no value
            raise UserError(_not_a_term(rest))
        raise UserError(f"The filter {name}{order} needs a value, e.g. {name}{order}{_example(field)}.")
    if value[0] in ":=<>" or value.startswith(_UNEQUAL):
        raise UserError(
            f"The filter {name}{order}{value} has an unknown operator; allowed: : = != < <= > >=, "
            "and a value that begins with one of these in quotes."
        )
    order = _EQUAL if order == ":" else order
    if value == _NULL and order not in _ORDERS:
        return Condition(field, order, None)
    plain = value[1:-1] if value[0] in "\"'" else value
    wanted = _ordered(field, name, order, plain) if order in _ORDERS else _equal(field, name, plain)
    return Condition(field, order, wanted)


def _ordered(field: Field, name: str, order: str, text: str) -> float:
    if field.kind not in (FieldKind.NUMBER, FieldKind.EITHER):
        raise UserError(
            f"The filter {name}{order}{text} compares numbers, which {field.key} is not; use : or != there."
        )
    return _number(field, name, text)


def _equal(field: Field, name: str, text: str) -> Value:
    match field.kind:
        case FieldKind.NUMBER:
            return _number(field, name, text)
        case FieldKind.EITHER:
            number = _number_or_none(text)
            return text.casefold() if number is None else number
        case FieldKind.TRUTH:
            if text.lower() not in _TRUTHS:
                raise UserError(f"The filter {name}:{text} cannot be; {field.key} is true or false.")
            return _TRUTHS[text.lower()]
        case FieldKind.STATE:
            if text.lower() not in list(RunState):
                states = [state.value for state in RunState]
                near = suggestion(text, states)
                raise UserError(f"There is no state {text!r}{near} (states: {', '.join(states)}).")
            return text.lower()
        case FieldKind.TEXT | FieldKind.ID:
            return text.casefold()


def _number(field: Field, name: str, text: str) -> float:
    number = _number_or_none(text)
    if number is None:
        raise UserError(f"{text!r} in the filter is no number, and {field.key} is one: e.g. {name}>=0.5.")
    return number


def _number_or_none(text: str) -> float | None:
    try:
        return int(text)  # not float: seeds must be equal to the last digit
    except ValueError:
        pass
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _example(field: Field) -> str:
    examples = {FieldKind.NUMBER: "0.5", FieldKind.TRUTH: "true", FieldKind.STATE: "running"}
    return examples.get(field.kind, '"some text"')


def _start(text: str) -> str:
    return repr(text if len(text) <= 30 else f"{text[:30]}...")

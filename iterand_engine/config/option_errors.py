"""Says in one sentence what is wrong with an option: which, its value, and what is allowed. Torch-free."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from iterand_engine.config.options import allowed, describe, plain_types, takes_real_number
from iterand_engine.errors import OptionError, first_of, suggestion

_SHOWN = 200  # characters of a value in a sentence
_DECIMAL_COMMA = re.compile(r"([-+]?[0-9]+),([0-9]+)")


def option_error(error: ValidationError, model: type[BaseModel], section: str = "") -> OptionError:
    """The first mistake that a validation found; its `others` are the rest.

    Args:
        error: what pydantic raised.
        model: the class that was validated.
        section: the option that holds the class, e.g. "method"; empty for the whole configuration.
    """
    return first_of(_option_error(one, model, section) for one in error.errors(include_url=False))


@dataclass(frozen=True)
class _Place:
    """Where an error is: its dotted path, the option if it is one, and the class that would declare it."""

    path: str
    field: FieldInfo | None
    owner: type[BaseModel] | None

    def inner(self, name: str) -> _Place:
        fields = self.owner.model_fields if self.owner else {}
        path = f"{self.path}.{name}" if self.path else name
        return _Place(path, fields.get(name), _nested(fields[name]) if name in fields else None)


def _place(model: type[BaseModel], loc: tuple[int | str, ...], section: str) -> _Place:
    """Follow pydantic's location, leaving out the tags that it adds for each type of a union."""
    place = _Place(section, None, model)
    for part in loc:
        if isinstance(part, int):
            place = replace(place, path=f"{place.path}[{part}]")
        elif place.owner is not None:
            place = place.inner(part)
    return place


def _did_you_mean(model: type[BaseModel], name: str) -> str:
    """A clause that names the options of this name in any section; an empty text where there is none."""
    found = [info.path for info in describe(model) if info.path.endswith(f".{name}")]
    return f"; did you mean {' or '.join(map(repr, found))}?" if found else ""


def _option_error(error: ErrorDetails, model: type[BaseModel], section: str) -> OptionError:
    """Turn one error of pydantic's into a sentence: what, the value, what is allowed."""
    place, value = _place(model, error["loc"], section), error["input"]
    match error["type"]:
        case "value_error" if isinstance(raised := error["ctx"]["error"], OptionError):
            return raised
        case "extra_forbidden" | "invalid_key":
            return _unknown_option(error, model, section)
        case "missing":
            said = f"The option {place.path!r} is missing; give it a value ({_said(place)})."
            return OptionError(said, option=place.path, allowed=_said(place), wrong="missing")
        case "truth_value":
            said = f"{place.path} is {shown(value)}, a truth value; allowed: {_said(place)}."
            return OptionError(
                said, option=place.path, value=value, allowed=_said(place), wrong="truth value"
            )
        case "kind" if isinstance(value, str) and place.field and takes_real_number(place.field):
            return decimal_comma(place.path, value) or wrong_value(place.path, value, _said(place))
        case "half_character":
            return wrong_value(place.path, value, f"text, which has no character {error['ctx']['half']}")
        case "finite_number":
            return wrong_value(place.path, value, _said(place).replace("a number", "a finite number"))
        case _:
            return wrong_value(place.path, value, _said(place, error["msg"]))


def wrong_value(option: str, value: object, allowed: str) -> OptionError:
    """The error of an option whose value is not allowed.

    Args:
        option: its dotted path.
        value: what was given.
        allowed: in words, without a full stop.
    """
    said = f"{option} is {shown(value)}; allowed: {allowed}."
    return OptionError(said, option=option, value=value, allowed=allowed)


def _unknown_option(error: ErrorDetails, model: type[BaseModel], section: str) -> OptionError:
    name, above = str(error["loc"][-1]), _place(model, error["loc"][:-1], section)
    known = list(above.owner.model_fields) if above.owner else []
    path = above.inner(name).path
    near = suggestion(name, known) or _did_you_mean(model, name)
    said = f"Unknown option {path!r}{near} (known here: {', '.join(known)})."
    return OptionError(said, option=path, value=error["input"], allowed=", ".join(known), wrong="unknown")


def shown(value: Any) -> str:
    """A value as a configuration file writes it, its beginning where it is long: null, true, 'text', 3."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _said(place: _Place, otherwise: str = "see docs/configuration.md") -> str:
    return allowed(place.field) if place.field else otherwise


def decimal_comma(option: str, text: str) -> OptionError | None:
    """The error of a text like `0,1` for a real number, which has two meanings; None of any other text."""
    found = _DECIMAL_COMMA.fullmatch(text.strip())
    if found is None:
        return None
    whole, digits = found.groups()
    two = f"[{whole}, {int(digits)}]"
    said = f"{option} is {text.strip()!r}: write {whole}.{digits} for one number, or {two} for two values."
    return OptionError(said, option=option, value=text, allowed=f"{whole}.{digits} or {two}")


def _nested(field: FieldInfo) -> type[BaseModel] | None:
    kinds = plain_types(field.annotation)
    return next((k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)), None)

"""How an option is declared: once, with its default, bounds, unit and help.

Files, the command line, the window's form and the documentation all read these declarations. Errors of
validation become one sentence each here. Torch-free.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Literal, TypeGuard, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError

from iterand_engine.errors import suggestion


class Options(BaseModel):
    """Base of every options class: immutable, no unknown keys, no NaN, no true/false for a number."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, validate_default=True)

    @model_validator(mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, value: Any) -> Any:
        if isinstance(value, Mapping):
            for name, field in cls.model_fields.items():
                if isinstance(value.get(name), bool) and bool not in _plain_types(field.annotation):
                    raise PydanticCustomError(
                        "truth_value",
                        "{path}: {value} is a truth value",
                        {"path": name, "value": str(value[name]).lower(), "option": name},
                    )
        return value


def option(default: Any = ..., *, help: str, unit: str | None = None) -> Any:
    """Declare an option: a pydantic field with help and unit for every surface.

    Args:
        default: its value where none is given; `...` makes it required.
        help: one line, without a full stop.
        unit: what the number counts, e.g. "steps".
    """
    return Field(default, description=help, json_schema_extra={"unit": unit} if unit else None)


@dataclass(frozen=True)
class OptionInfo:
    """One option as a form or a reference page shows it."""

    path: str  # dotted, e.g. method.sparsity
    help: str
    unit: str | None
    default: Any
    allowed: str
    choices: tuple[str, ...]
    annotation: Any


def describe(model: type[BaseModel], prefix: str = "") -> Iterator[OptionInfo]:
    """Walk the options of a class and of the classes nested in it, in declaration order."""
    for name, field in model.model_fields.items():
        path = f"{prefix}{name}"
        nested = field.annotation
        if _is_section(nested):
            yield from describe(nested, f"{path}.")
            continue
        extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        unit = extra.get("unit")
        yield OptionInfo(
            path=path,
            help=field.description or "",
            unit=unit if isinstance(unit, str) else None,
            default=field.get_default(call_default_factory=True) if not field.is_required() else None,
            allowed=allowed(field),
            choices=_choices(field),
            annotation=field.annotation,
        )


def _is_section(annotation: Any) -> TypeGuard[type[Options]]:
    """Whether an option is a group of options (a redraw rule, which takes any arguments, is a value)."""
    is_options = isinstance(annotation, type) and issubclass(annotation, Options)
    return is_options and annotation.model_config.get("extra") == "forbid"


def allowed(field: FieldInfo) -> str:
    """Say in words which values an option takes, e.g. `a number, 0 <= value < 1`."""
    choices = _choices(field)
    if choices:
        return " | ".join(choices)
    kinds = _plain_types(field.annotation)
    text = "a number" if float in kinds else "a whole number" if int in kinds else ""
    if not text:
        names = {bool: "true | false", str: "text", type(None): "null"}
        return " | ".join(names.get(kind, kind.__name__) for kind in kinds)
    bounds = _bounds(field)
    literals = "".join(f"{value} | " for value in _literals(field.annotation))
    null = " | null" if type(None) in kinds else ""
    return f"{literals}{text}{bounds}{null}"


def sentence(error: ErrorDetails, model: type[BaseModel]) -> str:
    """Turn one validation error into a sentence: what, the value, what is allowed."""
    path = ".".join(str(part) for part in error["loc"])
    field, owner = _find_field(model, error["loc"])
    kind, value = error["type"], error["input"]
    if kind == "extra_forbidden":
        known = owner.model_fields if owner else {}
        name = str(error["loc"][-1])
        return f"Unknown option {path!r}{suggestion(name, known)} (known here: {', '.join(known) or 'none'})."
    if kind == "missing":
        said = allowed(field) if field else "see docs/configuration.md"
        return f"The option {path!r} is missing; give it a value ({said})."
    if kind == "truth_value":
        option_path = f"{path}.{error['ctx']['option']}" if path else str(error["ctx"]["option"])
        inner, _ = _find_field(model, (*error["loc"], error["ctx"]["option"]))
        said = allowed(inner) if inner else "a number"
        return f"{option_path} is {error['ctx']['value']}, a truth value; allowed: {said}."
    if kind == "value_error":
        return f"{path}: {error['ctx']['error']}" if path else str(error["ctx"]["error"])
    said = allowed(field) if field else error["msg"]
    return f"{path} is {value!r}; allowed: {said}."


def first_sentence(error: ValidationError, model: type[BaseModel]) -> str:
    """The first validation error as a sentence, with the number of the others."""
    errors = error.errors(include_url=False)
    text = sentence(errors[0], model)
    others = len(errors) - 1
    return text if not others else f"{text} ({others} more like it.)"


def _find_field(
    model: type[BaseModel], loc: tuple[int | str, ...]
) -> tuple[FieldInfo | None, type[BaseModel] | None]:
    field: FieldInfo | None = None
    owner: type[BaseModel] | None = model
    for part in loc:
        if isinstance(part, int) or owner is None:
            continue
        if part not in owner.model_fields:
            return field if field and part not in ("function-before", "function-after") else None, owner
        field = owner.model_fields[part]
        nested = [
            k for k in _plain_types(field.annotation) if isinstance(k, type) and issubclass(k, BaseModel)
        ]
        if nested:
            owner = nested[0]
    return field, owner


def _plain_types(annotation: Any) -> tuple[Any, ...]:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _plain_types(get_args(annotation)[0])
    if origin in (Union, UnionType, tuple, list):
        return tuple(kind for part in get_args(annotation) if part is not ... for kind in _plain_types(part))
    if origin is Literal:
        return (str,)
    return (annotation,)


def _literals(annotation: Any) -> tuple[str, ...]:
    origin = get_origin(annotation)
    if origin is Literal:
        return tuple(str(value) for value in get_args(annotation))
    if origin in (Union, UnionType, Annotated):
        return tuple(value for part in get_args(annotation) for value in _literals(part))
    return ()


def _choices(field: FieldInfo) -> tuple[str, ...]:
    kinds = _plain_types(field.annotation)
    if not {int, float} & set(kinds) and _literals(field.annotation):
        return _literals(field.annotation)
    extra = field.json_schema_extra
    names = extra.get("choices") if isinstance(extra, dict) else None
    return tuple(str(name) for name in names) if isinstance(names, list) else ()


def _bounds(field: FieldInfo) -> str:
    metadata = [*field.metadata, *_nested_metadata(field.annotation)]
    low = high = ""
    for item in metadata:
        parts = item.metadata if isinstance(item, FieldInfo) else [item]
        for bound in parts:
            match bound:
                case annotated_types.Ge(ge=value):
                    low = f"{value} <= "
                case annotated_types.Gt(gt=value):
                    low = f"{value} < "
                case annotated_types.Le(le=value):
                    high = f" <= {value}"
                case annotated_types.Lt(lt=value):
                    high = f" < {value}"
    return f", {low}value{high}" if low or high else ""


def _nested_metadata(annotation: Any) -> list[Any]:
    if get_origin(annotation) is Annotated:
        return list(get_args(annotation)[1:])
    if get_origin(annotation) in (Union, UnionType):
        return [item for part in get_args(annotation) for item in _nested_metadata(part)]
    return []

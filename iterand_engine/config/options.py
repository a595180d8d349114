"""Declare options: each once, with its default, bounds, unit and help.

Files, the command line, the window's form and the documentation all read these declarations. Torch-free.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeGuard, TypeVar, Union, get_args, get_origin

import annotated_types
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    create_model,
    field_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError, to_jsonable_python

from iterand_engine.machine.plain_text import half_character_in
from iterand_engine.machine.yaml import number_of

S = TypeVar("S", bound="Options")
ArgumentKind = Literal["int", "float", "bool", "str", "choice"]
ArgumentValue = bool | int | float | str
Bound = int | float | None


@dataclass(frozen=True)
class Argument:
    """One option of an entry of the catalog; an extension's is read from its signature and stored as JSON.

    `ge`, `gt`, `le` and `lt` bound a number as pydantic's fields of these names do; `choices` are the texts
    that a choice takes. `born` is as in `option`, for an argument that a built-in entry gets after its
    release; None, as in all extensions, makes the argument count in every group key.
    """

    name: str
    kind: ArgumentKind
    default: ArgumentValue
    help: str = ""
    ge: Bound = None
    gt: Bound = None
    le: Bound = None
    lt: Bound = None
    choices: tuple[str, ...] = ()
    born: ArgumentValue | None = None


class Options(BaseModel):
    """Base of every options class: immutable, no unknown keys, no NaN, no true/false for a number."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, validate_default=True)

    @classmethod
    def allowed_text(cls) -> str:
        """The clause that sentences use for a value of this class: `a mapping with ...`."""
        return f"a mapping with {', '.join(cls.model_fields)}"

    @field_validator("*", mode="before")
    @classmethod
    def _as_it_is_written(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse what pydantic would take for a number or a truth value though it is written as neither.

        Half of a character, which stands for bytes that are no text (in the name of a file), is refused too.
        """
        if isinstance(value, str) and (half := half_character_in(value)) is not None:
            raise PydanticCustomError("half_character", "half of a character", {"half": half})
        kinds, literals = _scalar_kinds(cls, str(info.field_name))
        if kinds == {bool}:
            if isinstance(value, str) and value.lower() in _TRUTH_WORDS:
                return _TRUTH_WORDS[value.lower()]
            if not isinstance(value, bool):
                raise PydanticCustomError("kind", "not a truth value")
        elif kinds & {int, float}:
            if isinstance(value, bool) and bool not in kinds:
                raise PydanticCustomError("truth_value", "a truth value")
            number = number_of(value) if isinstance(value, str) and value not in literals else value
            is_none = number is None and value is not None
            if is_none or (isinstance(number, float) and float not in kinds):
                raise PydanticCustomError("kind", "not a number of this kind")
            return number
        return value


@cache
def _scalar_kinds(options: type[Options], name: str) -> tuple[set[Any], tuple[str, ...]]:
    """The types of an option that takes no list, other than null and literals, and the literals."""
    annotation = options.model_fields[name].annotation
    if get_origin(annotation) in (tuple, list):
        return set(), ()
    return set(plain_types(annotation)) - {NoneType, str}, _literals(annotation)


def takes_real_number(field: FieldInfo) -> bool:
    """Whether an option's value is a single number that need not be whole."""
    return get_origin(field.annotation) not in (tuple, list) and float in plain_types(field.annotation)


@dataclass(frozen=True)
class Choices:
    """Marks an option, in `Annotated`, that takes one of these names; the mapping may grow later."""

    names: Mapping[str, object]


_TRUTH_WORDS = {"yes": True, "on": True, "no": False, "off": False}
_RELEASED = object()  # of options that every group key has


def option(default: Any = ..., *, help: str, unit: str | None = None, born: Any = _RELEASED) -> Any:
    """Declare an option: a pydantic field with help and unit, which files, command line and form show.

    Args:
        default: its value where none is given; `...` makes it required.
        help: one line, without a full stop.
        unit: what the number counts, e.g. "steps".
        born: for an option that is added after a release: the value with which a run behaves as it did
            without the option, in practice its first default. A run that has this value keeps the group key
            that it would have without the option; `born` never changes.
    """
    extra: dict[str, Any] = {"unit": unit} if unit else {}
    if born is not _RELEASED:
        extra["born"] = to_jsonable_python(born)
    return Field(default, description=help, json_schema_extra=extra or None)


def is_neutral(field: FieldInfo, value: object) -> bool:
    """Whether a value, as plain JSON, is the one that the option was born with."""
    extra = field.json_schema_extra
    return isinstance(extra, dict) and "born" in extra and extra["born"] == value


def counts_always(field: FieldInfo) -> bool:
    """Whether every group key has the option, because it was there from the first release on."""
    extra = field.json_schema_extra
    return not (isinstance(extra, dict) and "born" in extra)


def with_arguments(base: type[S], arguments: tuple[Argument, ...], name: str | None = None) -> type[S]:
    """The options class of a choice with arguments: those of a section, and one for each argument.

    Args:
        base: the section's options.
        arguments: of the entry of the catalog; none gives `base` itself where there is no `name`.
        name: replaces the value and default of the option `name`, as methods need.
    Returns:
        One class for equal arguments, so that equal configurations compare equal.
    """
    return base if name is None and not arguments else _extended(base, arguments, name)


@cache
def _extended(base: type[S], arguments: tuple[Argument, ...], name: str | None) -> type[S]:
    fields: dict[str, Any] = {}
    if name is not None:
        fields["name"] = (Literal[name], option(name, help=base.model_fields["name"].description or ""))
    for argument in arguments:
        born = _RELEASED if argument.born is None else argument.born
        fields[argument.name] = (
            _annotation(argument),
            option(argument.default, help=argument.help, born=born),
        )
    made: type[S] = create_model(base.__name__, __base__=base, __doc__=base.__doc__, **fields)
    return made


def _annotation(argument: Argument) -> Any:
    bounds = Field(ge=argument.ge, gt=argument.gt, le=argument.le, lt=argument.lt)
    match argument.kind:
        case "choice":
            return Literal[argument.choices]
        case "int":
            return Annotated[int, bounds]
        case "float":
            return Annotated[float, bounds]
        case "bool":
            return bool
        case "str":
            return str


@dataclass(frozen=True)
class OptionInfo:
    """One option as a form or a reference page shows it."""

    path: str  # dotted, e.g. method.sparsity
    help: str
    unit: str | None
    required: bool
    default: Any  # None where the option is required
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
            required=field.is_required(),
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
    if get_origin(field.annotation) in (tuple, list):
        return _allowed_list(field.annotation)
    kinds = plain_types(field.annotation)
    null = " | null" if type(None) in kinds else ""
    text = "a number" if float in kinds else "a whole number" if int in kinds else ""
    if not text:
        names = {bool: "true | false", str: "text"}
        said = (names.get(kind) or _options_text(kind) for kind in kinds if kind is not type(None))
        return " | ".join(said) + null
    literals = "".join(f"{value} | " for value in _literals(field.annotation))
    return f"{literals}{text}{_bounds(field)}{null}"


def _allowed_list(annotation: Any) -> str:
    element = get_args(annotation)[0]
    each = allowed(FieldInfo.from_annotation(element))
    if int in plain_types(element):
        return f"a list of whole numbers, each{each.removeprefix('a whole number').lstrip(',')}"
    return f"a list, each {each}"


def _options_text(kind: Any) -> str:
    if isinstance(kind, type) and issubclass(kind, Options):
        return kind.allowed_text()
    return str(kind.__name__)


def plain_types(annotation: Any) -> tuple[Any, ...]:
    origin = get_origin(annotation)
    if origin is Annotated:
        return plain_types(get_args(annotation)[0])
    if origin in (Union, UnionType, tuple, list):
        return tuple(kind for part in get_args(annotation) if part is not ... for kind in plain_types(part))
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
    kinds = plain_types(field.annotation)
    if not {int, float} & set(kinds) and _literals(field.annotation):
        return _literals(field.annotation)
    return next((tuple(item.names) for item in field.metadata if isinstance(item, Choices)), ())


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

"""Read the options of an extension's entry from the signature of its function or class.

Every argument after those that the program itself passes becomes an option: it needs a type and a default.
Types are int, float, bool, str and Literal of texts, also in Annotated with a pydantic Field for bounds and
help. Help may also stand in the docstring, as `name: text`. Torch-free.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from inspect import Parameter
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from iterand_engine.config.extension_code import DeclarationError
from iterand_engine.config.option_errors import option_error
from iterand_engine.config.options import Argument, ArgumentKind, Bound, Options, with_arguments

_KINDS: dict[type, ArgumentKind] = {int: "int", float: "float", bool: "bool", str: "str"}
_EXAMPLES = {int: "4", float: "0.1", bool: "False", str: "'soft'"}
_ALLOWED = "int, float, bool, str, Literal['a', 'b'], or Annotated[float, Field(ge=0, le=1)]"
_POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
_VARIABLE = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


def arguments_of(
    function: Callable[..., Any], first: Sequence[str], taken: Collection[str]
) -> tuple[Argument, ...]:
    """Read the options of a function or class.

    Args:
        function: as the user wrote it.
        first: the arguments that the program passes, which come before the options.
        taken: names that no option may have.
    Raises:
        DeclarationError: says which argument breaks which rule.
    """
    parameters = _parameters(function)
    given = [one.name for one in parameters[: len(first)] if one.kind in _POSITIONAL]
    if given != list(first):
        raise DeclarationError(
            f"{function.__name__} must take ({', '.join(first)}) before its options, and takes "
            f"({', '.join(one.name for one in parameters)})"
        )
    return tuple(_argument(function, one, taken) for one in parameters[len(first) :])


def takes_none(function: Callable[..., Any], name: str) -> bool:
    """Whether the argument `name` may be None, by its type or default.

    Raises:
        DeclarationError: it has no type.
    """
    (parameter,) = (one for one in _parameters(function) if one.name == name)
    annotation = _annotation(function, parameter)
    kinds = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    if annotation is Parameter.empty:
        raise DeclarationError(
            f"the argument {name!r} of {function.__name__} has no type; write `{name}: Path | None`, or "
            f"`{name}: Path` where it is required"
        )
    return parameter.default is None or NoneType in kinds


def _parameters(function: Callable[..., Any]) -> list[Parameter]:
    try:
        return list(inspect.signature(function).parameters.values())
    except NameError as error:  # annotations are evaluated here from Python 3.14 on
        raise DeclarationError(f"a type of {function.__name__} is not known here ({error})") from None


def _annotation(function: Callable[..., Any], parameter: Parameter) -> Any:
    """The type of one argument; others may name what is imported for type checkers only."""
    if not isinstance(parameter.annotation, str):
        return parameter.annotation
    try:
        return eval(parameter.annotation, vars(sys.modules[function.__module__]))
    except (NameError, AttributeError, TypeError, SyntaxError) as error:
        raise DeclarationError(
            f"the type of the argument {parameter.name!r} of {function.__name__} is "
            f"{parameter.annotation!r}, which is not known here ({error})"
        ) from None


def _argument(function: Callable[..., Any], parameter: Parameter, taken: Collection[str]) -> Argument:
    name, what = parameter.name, f"the option {parameter.name!r} of {function.__name__}"
    if parameter.kind in _VARIABLE:
        raise DeclarationError(
            f"{function.__name__} takes {parameter}; options are named one by one, each with type and default"
        )
    if parameter.kind is Parameter.POSITIONAL_ONLY:
        raise DeclarationError(f"{what} must not stand before `/`, because options are given by name")
    if name in taken or name.startswith(("_", "model_")) or hasattr(Options, name):
        raise DeclarationError(f"{what} has a name that is taken; give it another")
    annotation = _annotation(function, parameter)
    if annotation is Parameter.empty:
        kind = type(parameter.default) if type(parameter.default) in _KINDS else float
        default = _EXAMPLES[kind] if parameter.default is Parameter.empty else repr(parameter.default)
        raise DeclarationError(f"{what} has no type; write e.g. `{name}: {kind.__name__} = {default}`")
    typed = _typed(annotation, what)
    if parameter.default is Parameter.empty:
        example = repr(typed.choices[0]) if typed.choices else _EXAMPLES[_type_of(typed.kind)]
        raise DeclarationError(f"{what} has no default; write e.g. `{name}: ... = {example}`")
    help_text = typed.help or _help_in_docstring(function, name)
    bounds = {bound: getattr(typed, bound) for bound in ("ge", "gt", "le", "lt")}
    argument = Argument(name, typed.kind, parameter.default, help_text, **bounds, choices=typed.choices)
    return replace(argument, default=_checked_default(argument, what))


@dataclass
class _Typed:
    """What one argument's annotation declares: the kind of its values, help, choices and bounds."""

    kind: ArgumentKind
    help: str = ""
    choices: tuple[str, ...] = ()
    ge: Bound = None
    gt: Bound = None
    le: Bound = None
    lt: Bound = None


def _typed(annotation: Any, what: str) -> _Typed:
    base, *metadata = get_args(annotation) if get_origin(annotation) is Annotated else (annotation,)
    if get_origin(base) is Literal and all(isinstance(choice, str) for choice in get_args(base)):
        typed = _Typed("choice", choices=get_args(base))
    elif base in _KINDS:
        typed = _Typed(_KINDS[base])
    else:
        shown = base.__name__ if isinstance(base, type) else str(base).replace("typing.", "")
        raise DeclarationError(f"{what} has the type {shown}; allowed: {_ALLOWED}")
    for item in metadata:
        if isinstance(item, FieldInfo):
            typed.help = item.description or typed.help
        for bound in item.metadata if isinstance(item, FieldInfo) else [item]:
            _add_bound(typed, bound, what)
    return typed


def _add_bound(typed: _Typed, bound: Any, what: str) -> None:
    found = next(
        (
            (name, getattr(bound, name))
            for kind, name in (
                (annotated_types.Ge, "ge"),
                (annotated_types.Gt, "gt"),
                (annotated_types.Le, "le"),
                (annotated_types.Lt, "lt"),
            )
            if isinstance(bound, kind)
        ),
        None,
    )
    if found is None or typed.kind not in ("int", "float"):
        raise DeclarationError(f"{what} is bounded by {bound!r}; allowed are ge, gt, le and lt, for numbers")
    setattr(typed, *found)


def _type_of(kind: ArgumentKind) -> type:
    return next(one for one, name in _KINDS.items() if name == kind)


def _checked_default(argument: Argument, what: str) -> Any:
    """The default as the option takes it, e.g. 1 as 1.0 for a float."""
    options = with_arguments(Options, (argument,))
    try:
        return getattr(options.model_validate({argument.name: argument.default}), argument.name)
    except ValidationError as error:
        said = str(option_error(error, options)).rstrip(".")
        raise DeclarationError(f"the default of {what} does not fit: {said}") from None


def _help_in_docstring(function: Callable[..., Any], name: str) -> str:
    found = re.search(rf"^\s*{name}\s*:\s*(\S.*)$", inspect.getdoc(function) or "", re.MULTILINE)
    return found[1].strip().rstrip(".") if found else ""

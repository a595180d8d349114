"""What an extension imports: decorators that declare its entries, and the classes that it works with.

    from iterand_engine.extending import Redraw, dataset, method, model, redraw_rule

A decorator records the function or class it decorates while the program runs the file, and returns it
unchanged; in a file that is run as a plain script it records nothing. See docs/extending.md. Torch is
imported with the first class that needs it.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar, overload

from pydantic import Field

from iterand_engine.config.catalog import METHODS
from iterand_engine.config.extension_code import CodeKind, Declaration, DeclarationError, running
from iterand_engine.config.method_options import DenseOptions, EdgePopupOptions, IteRandOptions, MethodOptions
from iterand_engine.config.run_config import DataConfig, ModelConfig, method_options_class
from iterand_engine.data.content import ArrayContent, FolderContent, ImageArrays, ImageFiles, image_files
from iterand_engine.extensions.signatures import arguments_of, takes_none

if TYPE_CHECKING:
    from iterand_engine.models.spec import InputSpec, scaled
    from iterand_engine.pruning.methods.base import Method, RedrawEvent
    from iterand_engine.pruning.methods.base import RunPlan as Plan
    from iterand_engine.pruning.methods.dense import Dense
    from iterand_engine.pruning.methods.edge_popup import EdgePopup
    from iterand_engine.pruning.methods.iterand import IteRand
    from iterand_engine.pruning.redraw_rules import Redraw, RedrawSite

__all__ = [
    "ArrayContent",
    "Dense",
    "DenseOptions",
    "EdgePopup",
    "EdgePopupOptions",
    "Field",
    "FolderContent",
    "ImageArrays",
    "ImageFiles",
    "InputSpec",
    "IteRand",
    "IteRandOptions",
    "Method",
    "MethodOptions",
    "Plan",
    "Redraw",
    "RedrawEvent",
    "RedrawSite",
    "dataset",
    "image_files",
    "method",
    "model",
    "redraw_rule",
    "scaled",
]

T = TypeVar("T", bound=Callable[..., Any])
_METHOD = "iterand_engine.pruning.methods.base:Method"
_TORCH_NAMES: Mapping[str, str] = {
    "Dense": "iterand_engine.pruning.methods.dense",
    "EdgePopup": "iterand_engine.pruning.methods.edge_popup",
    "InputSpec": "iterand_engine.models.spec",
    "IteRand": "iterand_engine.pruning.methods.iterand",
    "Method": "iterand_engine.pruning.methods.base",
    "Plan": "iterand_engine.pruning.methods.base:RunPlan",
    "Redraw": "iterand_engine.pruning.redraw_rules",
    "RedrawEvent": "iterand_engine.pruning.methods.base",
    "RedrawSite": "iterand_engine.pruning.redraw_rules",
    "scaled": "iterand_engine.models.spec",
}
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,59}")


class Decorator:
    """Declares one kind of entry: `@model`, or with another name or label `@model(name="tiny")`."""

    def __init__(self, kind: CodeKind, read: Callable[[Any, str], dict[str, Any]]) -> None:
        """Make the decorator of a kind.

        Args:
            kind: of the entries it declares.
            read: takes the decorated object and its name, and returns the fields of `Declaration` that only
                this kind has.
        """
        self._kind, self._read = kind, read

    @overload
    def __call__(self, target: T, /) -> T: ...

    @overload
    def __call__(self, /, *, name: str | None = None, label: str | None = None) -> Callable[[T], T]: ...

    def __call__(
        self, target: T | None = None, /, *, name: str | None = None, label: str | None = None
    ) -> T | Callable[[T], T]:
        """Declare the function or class that follows.

        Args:
            target: the function or class.
            name: in files and on the command line; by default that of `target`, in small letters with `-`.
            label: on screens; by default made from the name.
        Raises:
            DeclarationError: the target, its signature or the name breaks the contract; says how.
        """
        line = sys._getframe(1).f_lineno

        def declare(what: T) -> T:
            file = running()
            if file is not None:
                called = _name(what, name)
                facts = self._read(what, called)
                text = label or called.replace("-", " ").capitalize()
                file.add(Declaration(self._kind, called, text, line, **facts), what)
            return what

        return declare if target is None else declare(target)


def _name(target: Any, given: str | None) -> str:
    if not callable(target) or not hasattr(target, "__name__"):
        raise DeclarationError(f"a decorator stands before a function or class, not {target!r:.60}")
    name = given
    if name is None:
        name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", target.__name__).strip("_").replace("_", "-").lower()
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise DeclarationError(
            f"the name {name!r} is not valid; allowed: small letters, digits, - and ., e.g. my-net"
        )
    return name


def _model(build: Any, name: str) -> dict[str, Any]:
    return {"arguments": arguments_of(build, ("width_factor", "spec"), ModelConfig.model_fields)}


def _dataset(read: Any, name: str) -> dict[str, Any]:
    arguments = arguments_of(read, ("path",), DataConfig.model_fields)
    return {"arguments": arguments, "needs_path": not takes_none(read, "path")}


def _rule(rule: Any, name: str) -> dict[str, Any]:
    return {"arguments": arguments_of(rule, ("layer",), ("name",))}


def _method(made: Any, name: str) -> dict[str, Any]:
    parents = [f"{parent.__module__}:{parent.__qualname__}" for parent in getattr(made, "__mro__", ())]
    if _METHOD not in parents:
        raise DeclarationError(
            f"{made.__name__} must be a class derived from IteRand, EdgePopup, Dense or Method"
        )
    if inspect.isabstract(made):
        raise DeclarationError(
            f"{made.__name__} does not define {', '.join(sorted(made.__abstractmethods__))}"
        )
    by_target = {entry.target: entry.name for entry in METHODS.values() if entry.origin is None}
    base = next((by_target[parent] for parent in parents if parent in by_target), "")
    taken = (method_options_class(base) if base else MethodOptions).model_fields
    arguments = arguments_of(made, ("module", "options", "plan"), taken)
    if made.has_masks not in (True, False, None):
        raise DeclarationError(f"has_masks of {made.__name__} is {made.has_masks!r}; allowed: True or False")
    return {"arguments": arguments, "base": base, "has_masks": made.has_masks}


model = Decorator("model", _model)
dataset = Decorator("dataset", _dataset)
redraw_rule = Decorator("rule", _rule)
method = Decorator("method", _method)


if not TYPE_CHECKING:  # a checker would take any name at all for one of ours

    def __getattr__(name: str) -> object:
        if name not in _TORCH_NAMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module, _, known_there_as = _TORCH_NAMES[name].partition(":")
        return getattr(import_module(module), known_there_as or name)

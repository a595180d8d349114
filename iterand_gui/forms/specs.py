"""Which options a form shows and how it describes each, read from the engine's declarations alone. No Qt.

The chosen dataset, network, method and redraw rule decide which options exist: each method and each extension
may declare its own. An option that the engine declares appears here without further work.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import NoneType
from typing import Any, Final, get_args

from pydantic import BaseModel

from iterand_engine.config.catalog import DATASETS, METHODS, MODELS, RULES, Entry
from iterand_engine.config.options import OptionInfo, Options, describe, with_arguments
from iterand_engine.config.run_config import (
    RunConfig,
    data_options_class,
    method_options_class,
    model_options_class,
)

DATASET: Final = "data.dataset"
PATH: Final = "data.path"
MODEL: Final = "model.name"
METHOD: Final = "method.name"
RULE: Final = "method.rule"
NAME: Final = "name"  # of the run
CHOOSING: Final[Mapping[str, Mapping[str, Entry]]] = {
    DATASET: DATASETS,
    MODEL: MODELS,
    METHOD: METHODS,
    RULE: RULES,
}
Chosen = Mapping[str, tuple[str, ...]]  # by the options of CHOOSING, what is chosen there
_SYMBOL = re.compile(r"(\w{1,6}): ")


@dataclass(frozen=True)
class Spec:
    """One option as a field shows it. `literal`: its text is no YAML; `nullable`: it may be empty."""

    path: str
    help: str
    unit: str
    allowed: str
    choices: tuple[str, ...]
    default: Any
    literal: bool
    nullable: bool

    @property
    def section(self) -> str:
        """The section it stands in; empty for those of the run itself."""
        return self.path.partition(".")[0] if "." in self.path else ""

    @property
    def label(self) -> str:
        """What it is called beside its field, with the paper's symbol where its help begins with one."""
        above, _, last = self.path.rpartition(".")
        words = (above if last == "name" and above else last).replace("_", " ")
        symbol = _SYMBOL.match(self.help)
        return f"{words} ({symbol[1]})" if symbol else words

    @property
    def searched(self) -> str:
        """The text that a search looks into."""
        return " ".join((self.path, self.label, self.help, self.unit, *self.choices)).casefold()


@dataclass(frozen=True)
class OptionSection:
    """A section of a configuration file: its name there, its title and what it is about."""

    name: str
    title: str
    help: str


def sections() -> tuple[OptionSection, ...]:
    """The sections in the order of a file, that of the run's own options first."""
    nested = {name: field.annotation for name, field in RunConfig.model_fields.items()}
    named = [
        OptionSection(name, name.capitalize(), (kind.__doc__ or "").strip())
        for name, kind in nested.items()
        if isinstance(kind, type) and issubclass(kind, BaseModel)
    ]
    return (OptionSection("", "Run", "What the run is called."), *named)


def specs(chosen: Chosen) -> tuple[Spec, ...]:
    """The options that runs of these choices have, in the order of a file; those of several choices together.

    Args:
        chosen: names that are in the catalogs.
    """
    own: Mapping[str, list[type[Options]]] = {
        "data": [data_options_class(name) for name in chosen[DATASET]],
        "model": [model_options_class(name) for name in chosen[MODEL]],
        "method": [method_options_class(name) for name in chosen[METHOD]],
    }
    declared = list(describe(RunConfig))
    found: dict[str, Spec] = {}
    for section in RunConfig.model_fields:
        for options in own.get(section, ()):
            _add(found, describe(options, f"{section}."))
        if section not in own:
            _add(found, (info for info in declared if info.path.partition(".")[0] == section))
    return tuple(_with_rule_arguments(found.values(), chosen[RULE]))


def _add(found: dict[str, Spec], infos: Iterable[OptionInfo]) -> None:
    for info in infos:
        found.setdefault(info.path, _spec(info))


def _with_rule_arguments(found: Iterable[Spec], rules: tuple[str, ...]) -> Iterator[Spec]:
    for spec in found:
        yield spec
        if spec.path == RULE and len(rules) == 1:  # a rule that varies is written whole
            arguments = with_arguments(Options, RULES[rules[0]].arguments)
            yield from map(_spec, describe(arguments, f"{RULE}."))


def _spec(info: OptionInfo) -> Spec:
    choices = tuple(CHOOSING.get(info.path, info.choices))
    if info.annotation is bool:
        choices = ("false", "true")
    kinds = get_args(info.annotation) or (info.annotation,)
    return Spec(
        path=info.path,
        help=info.help,
        unit=info.unit or "",
        allowed=" | ".join(choices) if info.path == METHOD else info.allowed,
        choices=choices,
        # One field for the method, whichever it is: each method's class has its own name as default.
        default=None if info.path == METHOD else _plain(info.default),
        literal={kind for kind in kinds if kind is not NoneType} == {str} and not choices,
        nullable=NoneType in kinds,
    )


def _plain(default: object) -> Any:
    """A default as it stands in a file."""
    if isinstance(default, BaseModel):
        return default.model_dump(mode="json")
    return [_plain(one) for one in default] if isinstance(default, tuple) else default

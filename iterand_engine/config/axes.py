"""Read options with several values from texts: `training.lr=0.1,0.3` and seeds like `1-5`. Torch-free."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from yaml import SequenceNode

from iterand_engine.config.catalog import DATASETS, METHODS, MODELS, RULES
from iterand_engine.config.method_options import rule_options_class
from iterand_engine.config.option_errors import decimal_comma, wrong_value
from iterand_engine.config.options import takes_real_number
from iterand_engine.config.run_config import (
    RunConfig,
    data_options_class,
    method_options_class,
    model_options_class,
)
from iterand_engine.config.sets import Change, apply_changes, read_value, split_change
from iterand_engine.errors import OptionError, UserError
from iterand_engine.machine.yaml import YamlError, compose_yaml

MAX_RUNS = 10_000  # what lists and the window stay fluid with
SEED = "training.seed"
# By section the option that decides which others there are, and the class that declares those.
CHOICES = {"method": "method.name", "model": "model.name", "data": "data.dataset"}
_CLASSES: Mapping[str, Callable[[str], type[BaseModel]]] = {
    "method": method_options_class,
    "model": model_options_class,
    "data": data_options_class,
}
_CHOICES: Mapping[str, Iterable[str]] = {"method": METHODS, "model": MODELS, "data": DATASETS}
_FIRST = {*CHOICES, *CHOICES.values()}
_SEED = "(0|[1-9][0-9]{0,18})"
_SEEDS = re.compile(rf"{_SEED}(?:-{_SEED})?")


@dataclass(frozen=True)
class Axis:
    """An option with its different values."""

    option: str
    values: tuple[object, ...]

    @property
    def first(self) -> Change:
        """The change to its first value."""
        return self.option, self.values[0]


def read_values(text: str) -> tuple[str, tuple[object, ...]]:
    """Read `option=value,value`: the option and its values, in the order given.

    Raises:
        UserError: the text is not of this form.
    """
    option, raw = split_change(text)
    # A name is for people and may hold commas.
    pieces = (raw,) if option == "name" else split_option(option, raw)
    return option, tuple(read_value(option, piece) for piece in pieces)


def make_axes(changes: Mapping[str, Sequence[object]], folder: Path) -> tuple[list[Axis], list[Axis]]:
    """Separate options with one value from those with several.

    Args:
        changes: by dotted option its values, at least one.
        folder: where a relative data.path starts.
    Returns:
        The options with one value, and those with several. Options that decide which others exist come first,
        the seed comes last, and the rest keep the order given.
    Raises:
        UserError: there is no such option, or the options that vary do not make a product.
    """
    ordered = sorted(changes, key=lambda option: (option not in _FIRST, option == SEED))
    found = [_axis(option, changes[option], folder) for option in ordered]
    several = [axis for axis in found if len(axis.values) > 1]
    _check_axes(several, ordered)
    return [axis for axis in found if len(axis.values) == 1], several


def foreign_options(axes: Sequence[Axis]) -> dict[str, dict[str, set[str]]]:
    """For each section whose choice varies, by choice: the options that only other choices of it have.

    Raises:
        UserError: there is no such choice.
    """
    by_option = {axis.option: axis for axis in axes}
    foreign = {}
    for section, option in CHOICES.items():
        if option in by_option:
            choices = [str(value) for value in by_option[option].values]
            own = {choice: set(_CLASSES[section](choice).model_fields) for choice in choices}
            known = set().union(*own.values())
            foreign[section] = {choice: known - options for choice, options in own.items()}
    return foreign


def split_values(text: str) -> tuple[str, ...]:
    """Split the text behind `option=` at its commas, but not inside brackets, braces or quotes.

    Raises:
        UserError: a value between commas is missing, or a bracket or quote does not end.
    """
    if "," not in text:
        return (text,)
    inside = f"[{text}\n]"  # the line break ends a comment
    try:
        node = compose_yaml(inside)
    except YamlError:
        node = None
    if not isinstance(node, SequenceNode) or text.rstrip().endswith(","):
        raise UserError(
            f"{text!r} is not a list of values with commas between them; a text that holds a comma or a"
            " bracket needs quotes, a list of numbers brackets."
        )
    return tuple(inside[part.start_mark.index : part.end_mark.index] for part in node.value)


def split_option(option: str, text: str) -> tuple[str, ...]:
    """As `split_values`, for an option; a real number takes `[0, 1]` as two values, and `0,1` is refused.

    Raises:
        OptionError: as `split_values`, or the text may mean one number or two.
    """
    try:
        pieces = split_values(text)
        if "," not in text or not _takes_real_number(option):
            return pieces
        if error := decimal_comma(option, text):
            raise error
        only = pieces[0].strip()
        return split_values(only[1:-1]) if len(pieces) == 1 and only.startswith("[") else pieces
    except OptionError:
        raise
    except UserError as error:
        raise OptionError(f"{option}: {error}", option=option, value=text) from None


def _takes_real_number(option: str) -> bool:
    """Whether an option of this name, of any choice that has it, is a real number."""
    above, _, name = option.rpartition(".")
    section = RunConfig.model_fields.get(above)
    classes: Iterable[Any] = [section.annotation] if section is not None else []
    if above in _CLASSES:
        classes = map(_CLASSES[above], _CHOICES[above])
    elif above == "method.rule":
        classes = map(rule_options_class, RULES)
    fields = (options.model_fields.get(name) for options in classes)
    return any(field is not None and takes_real_number(field) for field in fields)


def parse_seeds(text: str) -> tuple[int, ...]:
    """Read seeds: `1-5`, `1,3,7`, or both mixed; each once, in the order given.

    Raises:
        OptionError: the text is something else, or names too many.
    """
    seeds: dict[int, None] = {}
    for part in text.split(","):
        found = _SEEDS.fullmatch(part.strip())
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
        if last < first:
            raise wrong_value(SEED, text, "whole numbers like 1-5, 1,3,7 or 1-3,10")
        if last - first + len(seeds) >= MAX_RUNS:
            said = f"{SEED} is {text!r}, which names more than {MAX_RUNS:,} seeds; name fewer."
            raise OptionError(said, option=SEED, value=text, allowed=f"at most {MAX_RUNS:,} seeds")
        seeds |= dict.fromkeys(range(first, last + 1))
    return tuple(seeds)


def value_key(value: object) -> str:
    """A text that is equal for two values exactly where they are the same option value."""
    return json.dumps(value, sort_keys=True, default=str)


def _axis(option: str, values: Sequence[object], folder: Path) -> Axis:
    """An option's different values, with a relative path made absolute."""
    found: dict[str, object] = {}
    for given in values:
        value: Any = apply_changes({}, [(option, given)], folder=folder)[0]
        for key in option.split("."):
            value = value[key]
        found.setdefault(value_key(value), value)
    return Axis(option, tuple(found.values()))


def _check_axes(axes: Sequence[Axis], options: Iterable[str]) -> None:
    """Raise where the axes make no product: a whole section, an option within another axis, too many runs."""
    for axis in axes:
        inner = next((option for option in options if option.startswith(f"{axis.option}.")), None)
        if "." not in axis.option or inner:
            what = f"and {inner} is set as well" if inner else "but is a whole section"
            said = f"{axis.option} has {len(axis.values)} values {what}; only single options take several."
            raise OptionError(said, option=axis.option, value=axis.values)
    number = math.prod(len(axis.values) for axis in axes)
    if number > MAX_RUNS:
        counts = " x ".join(f"{len(axis.values)} values of {axis.option}" for axis in axes)
        raise UserError(f"{counts} are {number:,} runs; allowed at once: {MAX_RUNS:,}, so give fewer values.")

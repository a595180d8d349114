"""The values of a form: one text for each option, checked by the engine. No Qt.

A text is what would stand behind `option=` on the command line, so `0.25, 0.5, 1` are three values; texts
need no quotes, and an empty text is null where that is allowed. Each text is read once; from then on there
are values.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iterand_engine.config.axes import SEED, parse_seeds, split_values, value_key
from iterand_engine.config.options import wrong_value
from iterand_engine.config.run_config import RunConfig
from iterand_engine.config.sets import apply_changes
from iterand_engine.config.yaml import parse_yaml, write_yaml
from iterand_engine.errors import OptionError, UserError, upwards
from iterand_gui.forms.specs import CHOOSING, METHOD, NAME, RULE, Chosen, Spec, specs

Json = Mapping[str, Any]
Changes = Mapping[str, tuple[object, ...]]  # by dotted option its values
WHOLE = ""  # the place of a problem that belongs to no single option
_VALUES_CHECKED = 24  # of each option; whoever makes the runs checks all
_SEEDS = re.compile(r"(?=.*-)\d+(-\d+)?(\s*,\s*\d+(-\d+)?)*")
_ABSENT = object()


@dataclass(frozen=True)
class Checked:
    """The result of reading the texts.

    `config` is that of the first values, where all is well; `changes` are the values of all texts that can be
    read; `problems` one sentence by option (`WHOLE`: of no single one); `combinations` the number of runs
    before equal ones are made one.
    """

    config: RunConfig | None
    changes: Changes
    problems: Mapping[str, str]
    combinations: int


@dataclass(frozen=True)
class FormState:
    """The state of a form.

    `base` and `changes` are what `sweeps.plan` takes, where there are no problems. `config` is that of the
    first run, or None; `problems` and `combinations` as in `Checked`.
    """

    base: Mapping[str, Any]
    changes: Changes
    config: RunConfig | None
    problems: Mapping[str, str]
    combinations: int


@dataclass(frozen=True)
class Entries:
    """What stands in a form, to be brought back: where it started, and the texts that were changed."""

    base: Mapping[str, Any]
    texts: Mapping[str, str]


def complete(mapping: Json) -> dict[str, Any]:
    """The whole configuration that a partial one means, as plain values.

    Raises:
        UserError: the mapping is not a configuration.
    """
    return RunConfig.from_mapping(mapping).to_mapping()


def base_value(base: Json, spec: Spec) -> Any:
    """What an option is in a complete configuration; where that has no such option, its default."""
    value: Any = base
    for key in spec.path.split("."):
        value = value.get(key, _ABSENT) if isinstance(value, Mapping) else _ABSENT
    if spec.path == RULE and isinstance(value, Mapping):
        return value["name"]  # its arguments are fields of their own
    return spec.default if value is _ABSENT else value


def choices_of(base: Json, texts: Mapping[str, str]) -> Chosen:
    """What is chosen where that decides about other options; the base's where a text names nothing known."""
    return {path: _chosen(base, path, texts.get(path, "")) for path in CHOOSING}


def _chosen(base: Json, path: str, text: str) -> tuple[str, ...]:
    known = CHOOSING[path]
    named = [part.strip().strip("\"'") for part in text.split(",")]
    value: Any = base
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    before = value.get("name") if isinstance(value, Mapping) else value
    fallback = str(before) if before in known else next(iter(known))
    return tuple(dict.fromkeys(name for name in named if name in known)) or (fallback,)


def text_of(spec: Spec, value: object) -> str:
    """A single value as the text of its field."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value).removesuffix(".0")
    if isinstance(value, str):
        plain = spec.path == NAME or not spec.literal or _reads_as_one(value)
        return value if plain else json.dumps(value, ensure_ascii=False)
    return _flow(value)


def values_of(spec: Spec, text: str) -> tuple[object, ...]:
    """The different values of a text, in their order.

    Raises:
        UserError: it is no list of values, or a value is not of a form that can be read.
    """
    text = text.strip()
    if spec.path == NAME:
        return (text or None,)
    text = text.rstrip(" ,")  # more is about to be typed
    if spec.path == SEED and _SEEDS.fullmatch(text):
        return parse_seeds(text)
    values = (_value(spec, part.strip()) for part in split_values(text))
    return tuple({value_key(value): value for value in values}.values())


def _value(spec: Spec, part: str) -> object:
    if not part or (spec.nullable and part in ("null", "~")):
        return None if spec.nullable else ""
    if spec.literal and part[0] not in "\"'":
        return part
    try:
        return parse_yaml(part)
    except ValueError:
        raise wrong_value(spec.path, part, spec.allowed) from None


def _reads_as_one(text: str) -> bool:
    try:
        return len(split_values(text)) == 1 and text[:1] not in ('"', "'")
    except UserError:
        return False


def same(spec: Spec, text: str, value: object) -> bool:
    """Whether a text means just this one value."""
    try:
        return values_of(spec, text) == (value,)
    except UserError:
        return False


def varying(state: FormState) -> dict[str, str]:
    """The options that have several values, with those as a text, the seed last."""
    several = {option: values for option, values in state.changes.items() if len(values) > 1}
    ordered = sorted(several, key=lambda option: option == SEED)
    return {option: ", ".join(map(_written, several[option])) for option in ordered}


def _written(value: object) -> str:
    return value if isinstance(value, str) else str(_flow(value))


def _flow(value: object) -> str:
    text = write_yaml(value, default_flow_style=True, width=math.inf)
    return text.removesuffix("\n...\n").strip()


def check(base: Json, texts: Mapping[str, str], folder: Path) -> Checked:
    """Ask the engine about a form.

    Args:
        base: a complete configuration.
        texts: of the options that differ from it, by dotted path; those that a chosen method lacks count
            for the others only.
        folder: what a relative data.path is seen from.
    """
    return _Check(base, folder).of(texts)


class _Check:
    """Checks a form once and collects a sentence for each option that is wrong."""

    def __init__(self, base: Json, folder: Path) -> None:
        self._base = base
        self._folder = folder
        self._problems: dict[str, str] = {}

    def of(self, texts: Mapping[str, str]) -> Checked:
        chosen = choices_of(self._base, texts)
        changes: dict[str, tuple[object, ...]] = {}
        for spec in specs(chosen):
            try:
                if spec.path in texts:
                    changes[spec.path] = values_of(spec, texts[spec.path])
            except UserError as error:
                self._note(spec.path, error)
        configs = [self._of_method(changes, {**chosen, METHOD: (method,)}) for method in chosen[METHOD]]
        config = None if self._problems else configs[0]
        return Checked(config, changes, self._problems, math.prod(map(len, changes.values())))

    def _of_method(self, every: Changes, chosen: Chosen) -> RunConfig | None:
        """Look at the options of one method: first at the first values together, then at each further one."""
        own = [spec.path for spec in specs(chosen)]
        changes = {path: every[path] for path in own if path in every}
        if METHOD in changes:
            known = CHOOSING[METHOD]
            unknown = [n for n in changes[METHOD] if not (isinstance(n, str) and n in known)]
            changes[METHOD] = (*unknown, *chosen[METHOD])
        values = {path: changed[0] for path, changed in changes.items()}
        config = self._first(values, own)
        for path in values if config is not None else ():
            for value in changes[path][1:_VALUES_CHECKED]:
                try:
                    self._config({**values, path: value})
                except UserError as error:
                    self._note(path, error)
        return config

    def _first(self, values: dict[str, object], own: Sequence[str]) -> RunConfig | None:
        """The configuration of the values that go together; others are noted and taken out of `values`."""
        while True:
            try:
                return self._config(values)
            except OptionError as error:
                wrong = {path for one in error.every for path in self._blamed(one, values, own)}
                sections = {path.partition(".")[0] for path in wrong}
                # What is wrong may be what another option of the section makes of it.
                removed = wrong & set(values) or {p for p in values if p.partition(".")[0] in sections}
            except UserError as error:
                self._note(WHOLE, error)
                return None
            if not removed:
                return None
            for path in removed:
                del values[path]

    def _blamed(self, error: OptionError, values: Json, own: Sequence[str]) -> list[str]:
        """The options that a mistake is about: the one that was changed here, else the first."""
        about = [_field_of(option, own) for option in (error.option, *error.beside)]
        place = next((path for path in about if path in values), about[0])
        self._note(place, error)
        return about

    def _note(self, path: str, error: UserError) -> None:
        self._problems.setdefault(path, beside_field(path, error))

    def _config(self, values: Mapping[str, object]) -> RunConfig:
        ordered = sorted(values, key=lambda path: path != METHOD)  # it takes options with it
        changes = [(path, values[path]) for path in ordered]
        return RunConfig.from_mapping(apply_changes(self._base, changes, folder=self._folder)[0])


def _field_of(option: str, own: Sequence[str]) -> str:
    """The option that has a field: itself, or the one that holds it; itself where none does."""
    return next((each for each in upwards(option) if each in own), option)


def beside_field(path: str, error: UserError) -> str:
    """The words for an error at a field, which is named by where they stand."""
    if not isinstance(error, OptionError):
        return str(error)
    return error.called("It") if error.option == path else error.sentence

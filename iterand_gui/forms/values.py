"""The values of a form: one text for each option, and what the engine says of them. No Qt.

A text is what would stand behind `option=` on the command line, so `0.25, 0.5, 1` are three values; texts
need no quotes, and nothing at all is null where that is allowed.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from iterand_engine.config.run_config import RunConfig, apply_sets
from iterand_engine.config.yaml import parse_yaml
from iterand_engine.errors import UserError
from iterand_engine.runs.sweeps import SEED, parse_seeds, split_values
from iterand_gui.forms.specs import CHOOSING, METHOD, NAME, RULE, Chosen, Spec, specs

Json = Mapping[str, Any]
WHOLE = ""  # the place of a problem that belongs to no single option
_VALUES_CHECKED = 24  # of each option; whoever makes the runs checks all
_SEEDS = re.compile(r"(?=.*-)\d+(-\d+)?(\s*,\s*\d+(-\d+)?)*")
_PATH = re.compile(r"[a-z_]+(?:\.[a-z_0-9]+)+")
_MORE = re.compile(r" \(\d+ more to mend\.\)$")
_ABSENT = object()


@dataclass(frozen=True)
class Checked:
    """What became of the texts.

    `config` is that of the first values, where all is well; `problems` one sentence by option (`WHOLE`: of no
    single one); `combinations` the number of runs before equal ones are made one.
    """

    config: RunConfig | None
    problems: Mapping[str, str]
    combinations: int


@dataclass(frozen=True)
class FormState:
    """What a form says now.

    `base`, `sets` and `seeds` are what `sweeps.plan` takes, where there are no problems. `config` is that of
    the first run, or None; `problems` and `combinations` as in `Checked`.
    """

    base: Mapping[str, Any]
    sets: tuple[str, ...]
    seeds: tuple[int, ...]
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
        UserError: it is none.
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
    return str(yaml.safe_dump(value, default_flow_style=True, width=math.inf, sort_keys=False)).strip()


def pieces_of(spec: Spec, text: str) -> tuple[str, ...]:
    """The values of a text, each as it would stand behind `option=`.

    Raises:
        UserError: it is no list of values, or a value is not of a form that can be read.
    """
    text = text.strip()
    if spec.path == NAME:
        return (_quoted(text) if text else "null",)
    text = text.rstrip(" ,")  # more is about to be typed
    if spec.path == SEED and _SEEDS.fullmatch(text):
        return tuple(map(str, parse_seeds(text)))
    parts = [part.strip() for part in split_values(text)]
    return tuple(_piece(spec, part) for part in dict.fromkeys(parts))


def _piece(spec: Spec, part: str) -> str:
    if not part or (spec.nullable and part in ("null", "~")):
        return "null" if spec.nullable else '""'
    if spec.literal:
        return part if part[0] in "\"'" else _quoted(part)
    try:
        parse_yaml(part)
    except ValueError:
        raise UserError(f"{spec.path} is {part!r}; allowed: {spec.allowed}.") from None
    return part


def _quoted(text: str) -> str:
    """A text, in quotes where YAML would read something else."""
    try:
        plain = parse_yaml(text) == text and _reads_as_one(text)
    except ValueError:
        plain = False
    return text if plain else json.dumps(text, ensure_ascii=False)


def _reads_as_one(text: str) -> bool:
    try:
        return len(split_values(text)) == 1 and text[:1] not in ('"', "'")
    except UserError:
        return False


def same(spec: Spec, text: str, value: object) -> bool:
    """Whether a text means just this one value."""
    try:
        pieces = pieces_of(spec, text)
        return len(pieces) == 1 and parse_yaml(pieces[0]) == value
    except (UserError, ValueError):
        return False


def sets_of(base: Json, texts: Mapping[str, str]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """A form as `sweeps.plan` takes it: texts `option=value,value`, and the seeds where those are changed.

    Args:
        base, texts: as in `check`, without problems.
    """
    known = specs(choices_of(base, texts))
    pieces = {spec.path: pieces_of(spec, texts[spec.path]) for spec in known if spec.path in texts}
    seeds = tuple(int(piece) for piece in pieces.pop(SEED, ()))
    return tuple(f"{path}={','.join(parts)}" for path, parts in pieces.items()), seeds


def varying(state: FormState) -> dict[str, tuple[str, ...]]:
    """The options that have several values, with those; as a form of several runs says it."""
    texts = dict(one.split("=", 1) for one in state.sets)
    values = {path: tuple(split_values(text)) for path, text in texts.items()}
    return {path: v for path, v in (values | {SEED: tuple(map(str, state.seeds))}).items() if len(v) > 1}


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
    """One look at a form; collects a sentence for each option that is wrong."""

    def __init__(self, base: Json, folder: Path) -> None:
        self._base = base
        self._folder = folder
        self._problems: dict[str, str] = {}

    def of(self, texts: Mapping[str, str]) -> Checked:
        chosen = choices_of(self._base, texts)
        pieces: dict[str, tuple[str, ...]] = {}
        for spec in sorted(specs(chosen), key=lambda spec: spec.path != METHOD):
            try:
                if spec.path in texts:
                    pieces[spec.path] = pieces_of(spec, texts[spec.path])
            except UserError as error:
                self._problems[spec.path] = _plain(error)
        configs = [self._of_method(pieces, {**chosen, METHOD: (method,)}) for method in chosen[METHOD]]
        config = None if self._problems else configs[0]
        return Checked(config, self._problems, math.prod(map(len, pieces.values())))

    def _of_method(self, all_pieces: Mapping[str, tuple[str, ...]], chosen: Chosen) -> RunConfig | None:
        """Find every option that is wrong, by leaving out those that are known to be."""
        own = {spec.path for spec in specs(chosen)}
        pieces = {path: parts for path, parts in all_pieces.items() if path in own}
        if METHOD in pieces:
            unknown = [name for name in pieces[METHOD] if name not in CHOOSING[METHOD]]
            pieces[METHOD] = (*unknown, *chosen[METHOD])
        values = {path: parts[0] for path, parts in pieces.items()}
        while (sentence := self._problem(values)) is not None:
            culprit = self._culprit(values, sentence)
            named = [path for path in _PATH.findall(sentence) if path in own]
            place = next((path for path in named if path in values), named[0] if named else culprit)
            self._problems.setdefault(place or WHOLE, sentence)
            if culprit is None:
                return None
            del values[culprit]
        for path in list(values):
            for piece in pieces[path][1:_VALUES_CHECKED]:
                sentence = self._problem({**values, path: piece})
                if sentence is not None:
                    self._problems.setdefault(path, sentence)
        return self._config(values)

    def _culprit(self, values: Mapping[str, str], sentence: str) -> str | None:
        """The value that is wrong by itself, else the one named first, else the last one that was set."""
        fixed = {METHOD: values[METHOD]} if METHOD in values else {}
        alone = (path for path in values if self._problem({**fixed, path: values[path]}) == sentence)
        named = (path for path in _PATH.findall(sentence) if path in values)
        return next(alone, None) or next(named, None) or next(reversed(list(values)), None)

    def _problem(self, values: Mapping[str, str]) -> str | None:
        try:
            self._config(values)
        except UserError as error:
            return _plain(error)
        return None

    def _config(self, values: Mapping[str, str]) -> RunConfig:
        sets = [f"{path}={piece}" for path, piece in values.items()]
        return RunConfig.from_mapping(apply_sets(self._base, sets, folder=self._folder)[0])


def _plain(error: UserError) -> str:
    return _MORE.sub("", str(error)).replace("--seeds", SEED)

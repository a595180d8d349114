"""YAML as users write it; all YAML of the program is read and written here.

It is data and nothing else: null, true and false, numbers, texts, lists and mappings. What YAML 1.1 takes
for something else than a person sees (`010` for 8, `1_000`, `1:30` for 90, `yes`, a date) is a text, and an
option that wants a number refuses texts. Tags are refused, and so is what is too long, too deep or too much,
within a second: the texts come from other people's folders too. Names and paths are texts, whatever they
look like.
"""

from __future__ import annotations

import math
import re
import stat
from pathlib import Path
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.constructor import ConstructorError, SafeConstructor
from yaml.cyaml import CParser  # type: ignore[attr-defined]  # it is there; the stubs do not say so
from yaml.resolver import BaseResolver

from iterand_engine.errors import UserError

MAX_BYTES = 1_000_000
MAX_VALUES = 20_000  # keys count too, and what an alias stands for counts each time
MAX_DEPTH = 50
_MAX_DIGITS = 400  # of a number as it is written; the largest real number has 309
_MAX_EXACT_EXPONENT = 18  # of 1e3 and its like that are whole numbers

_WHOLE = r"[-+]?(?:0|[1-9][0-9]*)"
_WHOLE_WITH_EXPONENT = re.compile(rf"{_WHOLE}[eE]\+?[0-9]+")
_REAL = (
    rf"(?:{_WHOLE}\.[0-9]*|[-+]?\.[0-9]+)(?:[eE][-+]?[0-9]+)?|{_WHOLE}[eE][-+]?[0-9]+"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
_NUMBER = re.compile(f"{_WHOLE}|{_REAL}")
TEXTS = frozenset({"name", "path"})  # keys whose plain values are texts, e.g. `name: 1e3`; null stays null
_LINE_BREAKS = {"\x85", "\u2028", "\u2029"}
_TAG = "tag:yaml.org,2002:"
_NO_TEXTS = {f"{_TAG}{kind}" for kind in ("int", "float", "bool")}
_TOO_LONG = f"it is longer than {MAX_BYTES:,} bytes"


class YamlError(ValueError):
    """A text is not YAML as it is read here; `line`, from 1, says where, where that is known."""

    def __init__(self, sentence: str, line: int | None = None) -> None:
        super().__init__(sentence)
        self.line = line


def parse_yaml(text: str) -> Any:
    """Read one YAML document.

    Raises:
        YamlError: it is not YAML, a mapping has a key twice, or it is longer, deeper or more than is read
            here; the text is one line with the place.
    """
    return _read(text, _Loader.get_single_data)


def number_of(text: str) -> int | float | None:
    """The number that a text is, as `parse_yaml` reads numbers; None of any other text."""
    try:
        value = parse_yaml(text) if _NUMBER.fullmatch(text.strip()) else None
    except YamlError:  # too large, or too small
        return None
    return value if isinstance(value, int | float) else None


def compose_yaml(text: str) -> yaml.Node | None:
    """The nodes of one YAML document, which say where in the text each value stands; None of an empty one.

    Raises:
        YamlError: as `parse_yaml`.
    """
    node: yaml.Node | None = _read(text, _Loader.get_single_node)
    return node


def read_yaml(path: Path, what: str, advice: str = "") -> Any:
    """Read a YAML file in UTF-8.

    Args:
        path: the file.
        what: it is, for the sentence that refuses it: "The configuration".
        advice: what to do about a file that is no YAML: "repair or delete it".
    Raises:
        FileNotFoundError: there is no file.
        UserError: it cannot be read, is no regular file, or is not YAML as `parse_yaml` reads it.
    """
    named = f"{what} {str(path)!r}"
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would wait for ever
            kind = "a folder" if path.is_dir() else "not a regular file"
            raise UserError(f"{named} is {kind}: {advice or 'name a YAML file'}.")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UserError(f"Cannot read {named[0].lower()}{named[1:]}: {error.strerror}.") from None
    try:
        return parse_yaml(_decoded(content))
    except YamlError as error:
        raise UserError(f"{named} is not valid YAML: {error}{advice and f'; {advice}'}.") from None


def yaml_text(value: Any, *, flow: bool = False) -> str:
    """Plain values as YAML that `parse_yaml` reads as the same values.

    Args:
        value: null, true, false, numbers, texts, and lists and mappings of them.
        flow: on one line, without a line break at its end.
    """
    text = _dumped(value, flow, allow_unicode=True)
    if set(text) & _LINE_BREAKS:  # which YAML reads as spaces unless they are escaped
        text = _dumped(value, flow, allow_unicode=False)
    return text.removesuffix("\n").removesuffix("\n...") if flow else text


def _dumped(value: Any, flow: bool, *, allow_unicode: bool) -> str:
    width = math.inf if flow else 80
    return str(
        yaml.dump(
            value,
            Dumper=_Dumper,
            sort_keys=False,
            allow_unicode=allow_unicode,
            default_flow_style=flow,
            width=width,
        )
    )


def _decoded(content: bytes) -> str:
    if len(content) > MAX_BYTES:
        raise YamlError(_TOO_LONG)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise YamlError(f"byte {error.start + 1} is not UTF-8; save it as UTF-8") from None


class _Loader(Composer, CParser, SafeConstructor, BaseResolver):
    """libyaml finds the events; nodes are made of them here, within limits."""

    def __init__(self, text: str) -> None:
        CParser.__init__(self, text)
        Composer.__init__(self)
        SafeConstructor.__init__(self)
        BaseResolver.__init__(self)
        self._values = 0
        self._depth = 0
        self._sizes: dict[str, int] = {}  # by anchor the number of values that it stands for

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """As in every loader; what goes over a limit is refused before it is made."""
        event: Any = self.peek_event()
        tag = getattr(event, "tag", None)
        if tag is not None:
            said = f"the tag {tag.replace(_TAG, '!!')} is not allowed; write the value alone"
            raise _refused(said, event)
        name = event.anchor
        is_alias = isinstance(event, yaml.AliasEvent)
        if is_alias and name in self.anchors and name not in self._sizes:
            raise _refused(f"the alias *{name} stands inside of what it names", event)
        before = self._values
        self._values += self._sizes.get(name, 1) if is_alias else 1
        if self._values > MAX_VALUES:
            raise _refused(f"there are more than {MAX_VALUES:,} values", event)
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _refused(f"values are nested more than {MAX_DEPTH} deep", event)
        node = super().compose_node(parent, index)
        self._depth -= 1
        if name is not None and not is_alias:
            self._sizes[name] = self._values - before
        return node


def _read(text: str, look: Any) -> Any:
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise YamlError(_TOO_LONG)
    try:
        return look(_Loader(text))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        last = text.count("\n", 0, len(text.rstrip())) + 1  # libyaml sees the end one line further on
        line = min(mark.line + 1, last) if mark else None
        column = f", column {mark.column + 1}" if mark and mark.line + 1 == line else ""
        where = f"line {line}{column}: " if mark else ""
        raise YamlError(f"{where}{error.problem}", line) from None
    except UnicodeEncodeError:
        raise YamlError("it holds half of a character (a lone surrogate)") from None
    except yaml.YAMLError as error:
        raise YamlError(str(error).partition("\n")[0]) from None


def _refused(problem: str, at: Any) -> ConstructorError:
    return ConstructorError(None, None, problem, at.start_mark)


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[str] = set()
    for at, (key, value) in enumerate(node.value):
        if not isinstance(key, yaml.ScalarNode):
            raise _refused("a key must be a name", key)
        if key.value in seen:
            raise _refused(f"the key {key.value!r} is given twice", key)
        seen.add(key.value)
        if key.value in TEXTS and value.tag in _NO_TEXTS:
            node.value[at] = key, yaml.ScalarNode(f"{_TAG}str", value.value, value.start_mark, value.end_mark)
    loader.flatten_mapping(node)
    return loader.construct_mapping(node, deep=True)


def _whole(loader: _Loader, node: yaml.ScalarNode) -> int:
    return int(_digits(node))


def _real(loader: _Loader, node: yaml.ScalarNode) -> float | int:
    text = _digits(node)
    if _WHOLE_WITH_EXPONENT.fullmatch(text):
        whole, exponent = re.split("[eE]", text)
        if int(exponent) <= _MAX_EXACT_EXPONENT:
            zeros: int = 10 ** int(exponent)
            return int(whole) * zeros
    if text[-3:].lower() in ("inf", "nan"):
        return float(text.replace(".", ""))
    value: float = float(text)
    if math.isinf(value) or (value == 0 and re.search("[1-9]", re.split("[eE]", text)[0])):
        raise _refused(f"the number {text} is too {'large' if value else 'small'} to be held", node)
    return value


def _digits(node: yaml.ScalarNode) -> str:
    text = str(node.value)
    if len(text) > _MAX_DIGITS:
        raise _refused(f"a number has {len(text):,} characters; allowed: {_MAX_DIGITS}", node)
    return text


class _Dumper(yaml.SafeDumper):
    """Puts quotes around the texts that would be read as numbers here."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_DIGITS_AND_SIGNS = list("-+.0123456789")
_RESOLVERS: tuple[tuple[str, str, list[str]], ...] = (
    ("null", "~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", "true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", _WHOLE, _DIGITS_AND_SIGNS),
    ("float", _REAL, _DIGITS_AND_SIGNS),
    ("merge", "<<", ["<"]),
)
for _name, _pattern, _first in _RESOLVERS:
    _Loader.add_implicit_resolver(f"{_TAG}{_name}", re.compile(rf"(?:{_pattern})\Z"), _first)
_Dumper.add_implicit_resolver(f"{_TAG}float", re.compile(rf"(?:{_REAL})\Z"), _DIGITS_AND_SIGNS)
_CONSTRUCTORS: tuple[tuple[str, Any], ...] = (
    (f"{_TAG}int", _whole),
    (f"{_TAG}float", _real),
    (f"{_TAG}merge", SafeConstructor.construct_yaml_str),  # << where nothing is merged
    (BaseResolver.DEFAULT_MAPPING_TAG, _mapping),
)
for _name, _construct in _CONSTRUCTORS:
    _Loader.add_constructor(_name, _construct)

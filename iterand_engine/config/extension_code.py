"""Run an extension file of the user's, and only where that is allowed.

A file is read once, its hash compared, and the very bytes that were hashed are executed; nothing is cached on
disk. A process can run only the hashes that it was permitted to run. Workers, the probe and the checks get
such permission, and nothing else does; the window and the command line know only declarations. Torch-free.
"""

from __future__ import annotations

import hashlib
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from iterand_engine.config.options import Argument
from iterand_engine.errors import UserError, concerning

CodeKind = Literal["model", "dataset", "method", "rule"]
WORDS: Mapping[CodeKind, str] = {
    "model": "model",
    "dataset": "dataset",
    "method": "method",
    "rule": "redraw rule",
}
FOLDER = "extensions"


class ExtensionError(Exception):
    """An extension broke its contract; the text is one sentence that says where."""


class DeclarationError(Exception):
    """A decorator refuses the function or class it decorates; the text says why, without the place."""


@dataclass(frozen=True)
class Source:
    """An extension file with one content: its name, the content's sha256, and its absolute path."""

    file: str
    sha256: str
    path: Path

    def at(self, line: int | None) -> str:
        """A line of the file, or the file itself, as sentences name it: `extensions/a.py, line 4`."""
        where = f"{FOLDER}/{self.file}"
        return where if line is None else f"{where}, line {line}"


@dataclass(frozen=True)
class Declaration:
    """What one decorator declares.

    `line` is the decorator's. Of a method, `base` is the built-in method whose options it inherits ("" where
    there is none), and `has_masks` what its class states (None: it states nothing, or it was declared
    before classes stated this). Of a dataset, `needs_path` is whether data.path is required.
    """

    kind: CodeKind
    name: str
    label: str
    line: int
    arguments: tuple[Argument, ...] = ()
    base: str = ""
    needs_path: bool = False
    has_masks: bool | None = None


@dataclass(frozen=True)
class Origin:
    """Where an entry of the catalog was declared."""

    source: Source
    kind: CodeKind
    line: int

    def __str__(self) -> str:
        return self.source.at(self.line)


@dataclass
class Loaded:
    """A file that was run: what it declares, and the functions and classes behind it."""

    source: Source
    declarations: list[Declaration] = field(default_factory=list)
    targets: dict[tuple[CodeKind, str], Callable[..., Any]] = field(default_factory=dict)

    def add(self, declaration: Declaration, target: Callable[..., Any]) -> None:
        """Add one declaration.

        Raises:
            DeclarationError: the file declares this name already.
        """
        key = declaration.kind, declaration.name
        if key in self.targets:
            raise DeclarationError(
                f"the {WORDS[declaration.kind]} {declaration.name!r} is declared twice; give one of them "
                "another name, e.g. by name= in its decorator"
            )
        self.targets[key] = target
        self.declarations.append(declaration)


class _State:
    """What this process may run, has run, and is running now."""

    permitted: frozenset[str] = frozenset()
    loaded: dict[Source, Loaded] = {}  # noqa: RUF012 - one for the whole process, on purpose
    running: Loaded | None = None


def sha256_of(content: bytes) -> str:
    """The hash by which the content of an extension is known, as hex digits."""
    return hashlib.sha256(content).hexdigest()


@contextmanager
def permitted(hashes: Iterable[str]) -> Iterator[None]:
    """Let this process run files with these hashes for as long as the context lasts."""
    before = _State.permitted
    _State.permitted = before | frozenset(hashes)
    try:
        yield
    finally:
        _State.permitted = before


def is_permitted(hashes: Iterable[str]) -> bool:
    """Whether this process may run files with all of these hashes now."""
    return _State.permitted >= frozenset(hashes)


def running() -> Loaded | None:
    """The file that is being run now, where declarations go; None where a file is run as a plain program."""
    return _State.running


def target_of(origin: Origin, name: str) -> Callable[..., Any]:
    """The function or class behind an extension's entry.

    Raises:
        RuntimeError: this process may not run the file.
        UserError: the file is gone, changed or fails, or declares something else now.
    """
    loaded = load(origin.source)
    if (origin.kind, name) not in loaded.targets:
        raise UserError(
            f"{origin.source.at(None)} did not declare the {WORDS[origin.kind]} {name!r} this time; what a "
            "file declares must not depend on anything but its text."
        )
    return loaded.targets[origin.kind, name]


def load(source: Source) -> Loaded:
    """Run a file, at most once in a process; errors as `target_of`."""
    if source in _State.loaded:
        return _State.loaded[source]
    if source.sha256 not in _State.permitted:
        raise RuntimeError(f"an extension must not run in this process: {source.path}")
    with concerning("extension"):
        loaded = _run(source, _read(source))
    _State.loaded[source] = loaded
    return loaded


def _read(source: Source) -> bytes:
    try:
        content = source.path.read_bytes()
    except OSError as error:
        raise UserError(f"Cannot read the extension {str(source.path)!r}: {error.strerror}.") from None
    if sha256_of(content) != source.sha256:
        raise UserError(
            f"{str(source.path)!r} changed since it was enabled; look at it and run "
            f"`iterand extensions enable {source.file}`."
        )
    return content


def _run(source: Source, content: bytes) -> Loaded:
    module = ModuleType(_module_name(source))
    module.__file__ = str(source.path)
    loaded = Loaded(source)
    before, _State.running = _State.running, loaded
    sys.modules[module.__name__] = module  # dataclasses and pickling look it up
    try:
        exec(compile(content, str(source.path), "exec", dont_inherit=True), module.__dict__)
    except (Exception, SystemExit) as error:  # an extension may raise anything
        del sys.modules[module.__name__]
        raise UserError(_failed(source, error)) from error
    finally:
        _State.running = before
    return loaded


def _module_name(source: Source) -> str:
    place = sha256_of(str(source.path).encode())[:8]
    return f"iterand_extension.{source.path.stem}_{source.sha256[:8]}_{place}"


def _failed(source: Source, error: BaseException) -> str:
    """One sentence about a file that cannot be run, with its line."""
    if isinstance(error, SyntaxError) and error.filename == str(source.path):
        return f"{source.at(error.lineno)}: {error.msg}."
    lines = [line for path, line, _ in _frames(error) if path == str(source.path)]
    where = source.at(lines[-1] if lines else None)
    if isinstance(error, DeclarationError):
        return f"{where}: {error}."
    advice = ""
    if isinstance(error, ImportError):
        advice = " (an extension is one file: what it imports must be installed)"
    return f"{where}: {type(error).__name__}: {_first_line(error)}{advice}."


def kind_of(value: object) -> str:
    """The type of a value that an extension returned, in words: nothing, a list, an int."""
    name = type(value).__name__
    return "nothing" if value is None else f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def explained(error: BaseException) -> str | None:
    """One sentence that says where in an extension an error arose; None where it arose in none."""
    if isinstance(error, ExtensionError):
        return str(error)
    sources = {str(source.path): source for source in _State.loaded}
    places = [place for place in _frames(error) if place[0] in sources]
    if not places:
        return None
    path, line, function = places[-1]
    return f"{sources[path].at(line)}, in {function}: {type(error).__name__}: {_first_line(error)}."


def _frames(error: BaseException) -> list[tuple[str, int, str]]:
    """File, line and function of each step that led to an error, outermost first."""
    return [
        (frame.f_code.co_filename, line, frame.f_code.co_name)
        for frame, line in traceback.walk_tb(error.__traceback__)
    ]


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".") or "no message"

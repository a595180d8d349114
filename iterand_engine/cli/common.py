"""Shared by the commands: the workspace option, an open store, the two outputs, numbers for users."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from iterand_engine.cli.table import CliTable
from iterand_engine.cli.words import as_typed, note_workspace
from iterand_engine.machine import texts
from iterand_engine.machine.plain_text import unfit_in, visible
from iterand_engine.machine.settings import Settings
from iterand_engine.machine.workspace import (
    Workspace,
    existing_workspace_dir,
    find_workspace_dir,
    open_workspace_dir,
)
from iterand_engine.store.records import Locked

if TYPE_CHECKING:
    from iterand_engine.store import Store

WorkspaceOption = Annotated[
    Path | None,
    typer.Option(
        "--workspace",
        metavar="DIR",
        help="Folder of runs and data; else ITERAND_WORKSPACE, else the user's data folder.",
        show_default=False,
        callback=note_workspace,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
RunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help="A run's id, the beginning of its id, or its name.")
]


@dataclass(frozen=True)
class Opened:
    """A workspace with its open store, and its settings at that time."""

    workspace: Workspace
    store: Store
    settings: Settings


def workspace_at(folder: Path | None) -> Workspace:
    """Open the workspace of a command that adds something, or make it, with a notice if the user named it.

    What only looks, or changes what is there, takes `existing_workspace_dir`: a folder that was mistyped
    becomes no workspace.

    Args:
        folder: as given by `--workspace`.
    Raises:
        UserError: the folder cannot be used.
    """
    is_new = folder is not None and not find_workspace_dir(folder).root.exists()
    workspace = open_workspace_dir(folder)
    if is_new:
        say(f"There was no workspace {workspace.root}: a new one was made there.")
    return workspace


@contextmanager
def opened(folder: Path | None, *, names_entries: bool = True, makes: bool = False) -> Iterator[Opened]:
    """Open a workspace and its store for one command, with its enabled extensions in the catalogs.

    Args:
        folder: as given by `--workspace`.
        names_entries: whether the command can name a method, model, dataset or option; if not, the catalogs
            are not imported, which would double the time of a list of runs.
        makes: whether the command makes a workspace where there is none.
    Raises:
        UserError: the folder or its database cannot be used.
    """
    from iterand_engine.store import Store

    workspace = workspace_at(folder) if makes else existing_workspace_dir(folder)
    settings = Settings.load(workspace)
    with Store.open(workspace, makes=makes or workspace.is_laid_out) as store:
        needs_entries = names_entries or store.was_upgraded
        with _extensions(workspace) if needs_entries else nullcontext():
            if store.was_upgraded:
                _complete_upgrade(store, settings)
            yield Opened(workspace, store, settings)


def _extensions(workspace: Workspace) -> AbstractContextManager[object]:
    from iterand_engine.extensions.active import activated

    return activated(workspace)


def _complete_upgrade(store: Store, settings: Settings) -> None:
    # Only after an upgrade, so that other commands do not import the code that reads data.
    from iterand_engine.machine.settings import data_roots
    from iterand_engine.runs.fingerprints import fill_fingerprints

    fill_fingerprints(store, data_roots(store.workspace, settings))


@contextmanager
def results_alone() -> Iterator[None]:
    """Keep stdout for results while extensions may run: what they print goes to stderr."""
    with redirect_stdout(sys.stderr):
        yield


def say(text: str, end: str = "\n") -> None:
    """Print a notice on stderr; a closed terminal is no error."""
    with suppress(OSError):
        print(as_typed(text), end=end, file=sys.stderr, flush=True)


def result(text: str) -> None:
    """Print a result on stdout."""
    print(as_typed(text), flush=True)


def log_result(text: str) -> None:
    """Print a piece of a log on stdout, with its own line ends; what a terminal obeys is made visible."""
    print(visible(text.replace("\r\n", "\n")), end="", flush=True)


def json_result(text: str) -> None:
    """Print a result for programs on stdout; what a terminal would obey or cannot show is escaped as JSON."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    is_plain = unfit_in(text, lines=True) is None and _can_be_written(text, encoding)
    print(text if is_plain else "".join(map(_json_escaped, text)), flush=True)


def _can_be_written(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _json_escaped(character: str) -> str:
    """A character as it may stand in JSON of ASCII; only texts hold others, and JSON's own line ends stay."""
    return character if character == "\n" or " " <= character <= "~" else json.dumps(character)[1:-1]


def show_table(table: CliTable) -> None:
    """Print a table on stdout, with its full width where that is no terminal."""
    table.show()


def make_table(*columns: str, right: tuple[str, ...] = ()) -> CliTable:
    """Make an empty table.

    Args:
        columns: the headings of the columns.
        right: the headings of the columns with numbers, which are aligned right.
    """
    return CliTable(columns, right)


def add_row(table: CliTable, *cells: object, lines: bool = False) -> None:
    """Add a row; its cells are shown as plain text, on several lines only where `lines` allows them."""
    table.add([as_typed(str(cell), lines=lines) for cell in cells])


def share(value: float | Locked | None) -> str:
    """Format an accuracy (0-1) for users: 91.24 %, `locked`, or - if there is none."""
    if isinstance(value, Locked):
        return str(value)
    return _or_dash(texts.percent(value))


def plain_share(value: float | Locked | None) -> str:
    """Format an accuracy (0-1) for programs: 0.9124, `locked`, or `nan` if there is none."""
    if isinstance(value, Locked):
        return str(value)
    return f"{math.nan if value is None else value:.4f}"


def duration(seconds: float) -> str:
    """Format a length of time in its two largest units: 3 h 12 min, 41 s; - if it is not known."""
    return _or_dash(texts.duration(seconds, in_full=True))


def size(count_bytes: float | None) -> str:
    """Format a number of bytes: 11.6 MB (decimal, as for disks); - if it is not known."""
    return _or_dash(texts.size(count_bytes, tenths=True))


def _or_dash(text: str) -> str:
    """Replace the long dash, which a terminal may not have."""
    return "-" if text == texts.MISSING else text

"""What the commands share: the workspace option, an open store, the two outputs, numbers for people."""

from __future__ import annotations

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
from iterand_engine.machine.settings import Settings
from iterand_engine.machine.workspace import Workspace, open_workspace_dir
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
    """A workspace with its store open, and its settings as they were then."""

    workspace: Workspace
    store: Store
    settings: Settings


def workspace_at(folder: Path | None) -> Workspace:
    """The workspace of a command, which is made where there is none; if it was named, that is told.

    Args:
        folder: as given by `--workspace`.
    Raises:
        UserError: the folder cannot be used.
    """
    is_new = folder is not None and not folder.exists()
    workspace = open_workspace_dir(folder)
    if is_new:
        say(f"There was no workspace {workspace.root}: a new one was made there.")
    return workspace


@contextmanager
def opened(folder: Path | None, *, names_entries: bool = True) -> Iterator[Opened]:
    """Open a workspace and its store for one command; its enabled extension code can be named meanwhile.

    Args:
        folder: as given by `--workspace`.
        names_entries: whether a method, model, dataset or option can be named at all; if not, the catalogs
            are not imported, which takes as long as all else that lists runs.
    Raises:
        UserError: the folder or its database cannot be used.
    """
    from iterand_engine.store import Store

    workspace = workspace_at(folder)
    settings = Settings.load(workspace)
    with Store.open(workspace) as store:
        needs_entries = names_entries or store.was_upgraded
        with _extensions(workspace) if needs_entries else nullcontext():
            if store.was_upgraded:
                _complete_upgrade(store, settings)
            yield Opened(workspace, store, settings)


def _extensions(workspace: Workspace) -> AbstractContextManager[object]:
    from iterand_engine.extensions.active import activated

    return activated(workspace)


def _complete_upgrade(store: Store, settings: Settings) -> None:
    # Once for a workspace, so that no other command loads what reads data.
    from iterand_engine.machine.settings import data_roots
    from iterand_engine.runs.fingerprints import fill_fingerprints

    fill_fingerprints(store, data_roots(store.workspace, settings))


@contextmanager
def results_alone() -> Iterator[None]:
    """Keep stdout for results while extension code may run: what it prints goes to stderr."""
    with redirect_stdout(sys.stderr):
        yield


def say(text: str) -> None:
    """Tell the user something on stderr; a closed terminal ends nothing."""
    with suppress(OSError):
        print(as_typed(text), file=sys.stderr, flush=True)


def result(text: str) -> None:
    """Print a result for people on stdout."""
    print(as_typed(text), flush=True)


def json_result(text: str) -> None:
    """Print a result for programs on stdout, as it is."""
    print(text, flush=True)


def show_table(table: CliTable) -> None:
    """Print a table on stdout, in full where nobody looks at it."""
    table.show()


def make_table(*columns: str, right: tuple[str, ...] = ()) -> CliTable:
    """A plain table.

    Args:
        columns: their headings.
        right: the headings of those that hold numbers.
    """
    return CliTable(columns, right)


def add_row(table: CliTable, *cells: object) -> None:
    """Add a row whose cells are shown as plain text."""
    table.add([as_typed(str(cell)) for cell in cells])


def share(value: float | Locked | None) -> str:
    """An accuracy for people: 91.24 %, `locked`, or - where there is none."""
    if isinstance(value, Locked):
        return str(value)
    return _or_dash(texts.percent(value))


def plain_share(value: float | Locked | None) -> str:
    """An accuracy for programs: 0.9124, `locked`, or `nan` where there is none."""
    if isinstance(value, Locked):
        return str(value)
    return f"{math.nan if value is None else value:.4f}"


def duration(seconds: float) -> str:
    """A length of time in its two largest units: 3 h 12 min, 41 s; - where it is not known."""
    return _or_dash(texts.duration(seconds, in_full=True))


def size(count_bytes: float | None) -> str:
    """A number of bytes: 11.6 MB (decimal, as disks are sold); - where it is not known."""
    return _or_dash(texts.size(count_bytes, tenths=True))


def _or_dash(text: str) -> str:
    """A terminal may have no long dash."""
    return "-" if text == texts.MISSING else text

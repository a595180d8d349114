"""`iterand delete`, `undelete` and `clean`: put runs into the trash and back, and free disk space."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Annotated

import typer

from iterand_engine.cli.common import (
    Opened,
    WorkspaceOption,
    add_row,
    duration,
    make_table,
    opened,
    result,
    say,
    show_table,
    size,
)
from iterand_engine.cli.which_runs import RUNS_HELP, meant_runs
from iterand_engine.errors import UserError
from iterand_engine.machine import own_files
from iterand_engine.machine.disk_use import DiskUse, LargeThing, largest, measure_run
from iterand_engine.machine.texts import counted
from iterand_engine.runs.trash import TrashEntry, disk_use, empty, entries, undelete_runs
from iterand_engine.store.dialect import READ_ERRORS
from iterand_engine.store.maintenance import compact
from iterand_engine.store.trash import discard

LISTED = 20  # entries of the trash; of the rest only the number is shown
LARGEST = 10
LARGE_BYTES = 1_000_000
SHORT_ID = 8


def delete(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help=RUNS_HELP)],
    workspace: WorkspaceOption = None,
) -> None:
    """Put runs into the trash, with their files, until `iterand clean` empties it."""
    with opened(workspace) as at:
        run_ids = meant_runs(at, runs)
        sizes = (sum(measure_run(at.workspace, run_id).values()) for run_id in run_ids)
        amount = f"{counted(len(run_ids), 'run')} ({size(sum(sizes))})"
        discard(at.store, run_ids)
    result(f"Deleted {amount}; `iterand undelete` brings back, `iterand clean` frees the space.")


def undelete(
    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUN...]", help="Runs by id, beginning of an id, or name; none: list them."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that are in the trash.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Bring runs back from the trash; alone: list what is in it."""
    if everything and runs:
        raise UserError("Name the runs to bring back, or say --all.")
    with opened(workspace) as at:
        if not runs and not everything:
            _show_trash(entries(at.workspace, at.store), disk_use(at.workspace, at.store))
            return
        if everything:
            run_ids = [one.run_id for one in entries(at.workspace, at.store) if one.deleted_at is not None]
        else:
            run_ids = list(dict.fromkeys(at.store.reader.resolve_discarded(run) for run in runs or ()))
        _report(undelete_runs(at.workspace, at.store, run_ids))
    result(f"Brought back {counted(len(run_ids), 'run')}.")


def clean(
    yes: Annotated[bool, typer.Option("--yes", help="Empty the trash without asking.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list; remove nothing.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """List what is large; empty the trash, remove what killed writers left, make the database smaller."""
    with opened(workspace) as at:
        use = disk_use(at.workspace, at.store)
        found = sorted(entries(at.workspace, at.store), key=lambda entry: -use.trash.get(entry.run_id, 0))
        _show_trash(found, use)
        _show_largest(at, largest(use, LARGEST, LARGE_BYTES))
        _report([f"Cannot look into {place}." for place in use.unreadable])
        if use.parts:
            result(f"\nLeft by writers that were killed: {_parts(use)}")
        if dry_run:
            return
        if found or use.parts:
            _remove(at, found, use, yes)
        _compact(at)


def _remove(at: Opened, found: Sequence[TrashEntry], use: DiskUse, yes: bool) -> None:
    parts = _parts(use)
    freed = f"{counted(len(found), 'run')} ({size(_trash_bytes(found, use))})"
    freed = " and ".join([freed] * bool(found) + [parts] * bool(use.parts))
    if not yes and not _agreed(freed):
        result("Nothing was removed.")
        return
    for path in use.parts:
        own_files.remove(path)
    _report(empty(at.workspace, at.store, found))
    left = {entry.run_id for entry in entries(at.workspace, at.store)}
    gone = [entry for entry in found if entry.run_id not in left]
    if use.parts:
        result(f"Removed {parts}.")
    if found:
        result(f"Removed {counted(len(gone), 'run')} ({size(_trash_bytes(gone, use))}).")


def _parts(use: DiskUse) -> str:
    return f"{counted(len(use.parts), 'half-written file')} ({size(sum(use.parts.values()))})"


def _compact(at: Opened) -> None:
    try:
        freed = compact(at.store)
    except READ_ERRORS as error:
        say(f"The database could not be made smaller ({error}); nothing in it is lost.")
        return
    if freed is None:
        say("The database is in use, so its free room stays: `iterand clean` at another time gives it back.")
    elif freed:
        result(f"The database is {size(freed)} smaller.")


def _agreed(what: str) -> bool:
    """Ask the user; any other answer than yes means no.

    Raises:
        UserError: there is no terminal to ask in.
    """
    if not _somebody_is_there():
        raise UserError(f"Nobody can be asked here, so {what} stayed: add --yes to remove that.")
    say(f"Remove {what} for good? [y/N] ", end="")
    try:
        answer = sys.stdin.readline()
    except KeyboardInterrupt:
        answer = ""
    if not answer:  # the line of the question is not ended yet
        say("")
    return answer.strip().lower() in ("y", "yes")


def _somebody_is_there() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _show_trash(found: Sequence[TrashEntry], use: DiskUse) -> None:
    if not found:
        result("The trash is empty.")
        return
    result(f"Trash: {counted(len(found), 'run')}, {size(_trash_bytes(found, use))}")
    table = make_table("id", "name", "state", "deleted", "size", right=("deleted", "size"))
    now = time.time()
    for entry in found[:LISTED]:
        age = "-" if entry.deleted_at is None else f"{duration(now - entry.deleted_at)} ago"
        name, state = (entry.row.name, entry.row.state) if entry.row else ("(removed before)", "-")
        add_row(table, entry.run_id[:SHORT_ID], name, state, age, size(use.trash.get(entry.run_id, 0)))
    show_table(table)
    if rest := found[LISTED:]:
        result(f"and {len(rest)} more, {size(_trash_bytes(rest, use))}")


def _show_largest(at: Opened, things: Sequence[LargeThing]) -> None:
    if not things:
        return
    ids = [thing.name for thing in things if thing.what == "run"]
    names = {row.id: row.name for row in at.store.reader.runs(ids=ids)}
    result("\nAlso large, and left alone:")
    table = make_table("what", "size", "to free it", right=("size",))
    for thing in things:
        what, remedy = _described(thing, names.get(thing.name))
        add_row(table, what, size(thing.size_bytes), remedy)
    show_table(table)


def _described(thing: LargeThing, run_name: str | None) -> tuple[str, str]:
    """Name a large thing, and say how to remove it."""
    match thing.what:
        case "run" if run_name is None:
            return f"runs/{thing.name}, of no run", "remove the folder"
        case "run":
            short = thing.name[:SHORT_ID]
            return f"run {short} {run_name}", f"iterand delete {short}"
        case "data":
            return f"data/{thing.name}", "remove it, if no run needs it any more"
        case "backup":
            return f"{thing.name}, the database before an upgrade", "remove the file"


def _trash_bytes(found: Sequence[TrashEntry], use: DiskUse) -> int:
    return sum(use.trash.get(entry.run_id, 0) for entry in found)


def _report(problems: Sequence[str]) -> None:
    for problem in problems:
        say(problem)

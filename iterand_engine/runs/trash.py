"""Deleted runs and their files: `runs/<id>` goes to `trash/<id>` and back, until the trash is emptied.

The store decides: the files of a run that it shows belong in `runs/`, those of any other in the trash.
Nothing is locked. Whoever changes a run's place in the store moves its files and looks again after that, so
of two that work on one run the last leaves the files where they belong. A crash between the two steps leaves
a deleted run's files in `runs/`, or files in the trash of a run that the store has forgotten; never a run
that is shown without its files. `mend` puts the first right; emptying the trash takes the second along.

Limits: a folder goes by renaming, so `runs/` and `trash/` are on one disk. Links are moved and removed as
what they are and never followed; below `runs/` nothing is ever removed. Torch-free.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from iterand_engine.errors import UserError
from iterand_engine.machine.workspace import Workspace, is_run_id
from iterand_engine.store import RunRow, Store, trash


@dataclass(frozen=True)
class TrashEntry:
    """A deleted run, or (`row` None) files of a run that the store no longer knows."""

    run_id: str
    row: RunRow | None
    deleted_at: float | None


def delete_runs(workspace: Workspace, store: Store, run_ids: Sequence[str]) -> list[str]:
    """Put runs into the trash; the store shows them no more.

    Args:
        workspace, store: the runs'.
        run_ids: which; all or none.
    Returns:
        A sentence for each run whose files stay in `runs/` for now; the next command tries again.
    Raises:
        UserError: a run is not there, or is being trained.
    """
    trash.discard(store, run_ids)
    return mend(workspace, store, run_ids)


def undelete_runs(workspace: Workspace, store: Store, run_ids: Sequence[str]) -> list[str]:
    """Take runs out of the trash again.

    Args:
        workspace, store: the runs'.
        run_ids: which, all of them deleted; all or none.
    Returns:
        As `mend`, and one for each run whose files are gone.
    Raises:
        UserError: a run is not in the trash (any more), or its files cannot be moved.
    """
    try:
        # Files first: a run that is shown has its files, whenever this ends.
        for run_id in run_ids:
            _move(workspace.trash_dir / run_id, workspace.run_dir(run_id))
        trash.restore(store, run_ids)
    except BaseException:
        mend(workspace, store, run_ids)
        raise
    problems = mend(workspace, store, run_ids)
    started = [row for row in store.reader.runs(ids=run_ids) if row.started_at is not None]
    return problems + [
        f"The files of run {row.id} ({row.name}) are not in the trash any more; only its results came back."
        for row in started
        if not workspace.run_dir(row.id).is_dir()
    ]


def mend(workspace: Workspace, store: Store, run_ids: Iterable[str] = ()) -> list[str]:
    """Move files to where the store wants them: those that an earlier command left elsewhere, and others.

    Args:
        workspace, store: the runs'.
        run_ids: runs that were just deleted or taken back.
    Returns:
        A sentence for each run whose files cannot be moved.
    """
    deleted = (entry.row.id for entry in store.reader.discarded())
    waiting = list(dict.fromkeys((*deleted, *_names(workspace), *run_ids)))
    problems: list[str] = []
    while waiting:  # until there is nothing to move: others may be at it too
        visible = _visible(store, waiting)
        moved = []
        for run_id in waiting:
            places = workspace.run_dir(run_id), workspace.trash_dir / run_id
            try:
                if _move(*(reversed(places) if run_id in visible else places)):
                    moved.append(run_id)
            except UserError as error:
                problems.append(str(error))
        waiting = moved
    return problems


def entries(workspace: Workspace, store: Store) -> list[TrashEntry]:
    """What is in the trash, the last deleted first, then files of runs that the store no longer knows."""
    found = [TrashEntry(entry.row.id, entry.row, entry.deleted_at) for entry in store.reader.discarded()]
    found.sort(key=lambda entry: entry.deleted_at or 0.0, reverse=True)
    ours = {entry.run_id for entry in found} | _visible(store, _names(workspace))
    return found + [TrashEntry(name, None, None) for name in _names(workspace) if name not in ours]


def empty(
    workspace: Workspace,
    store: Store,
    wanted: Iterable[TrashEntry],
    before_entry: Callable[[], None] = lambda: None,
) -> list[str]:
    """Remove things of the trash for good: the runs from the store, then their files.

    Args:
        workspace, store: the trash's.
        wanted: what, as `entries` listed it; what left the trash since is left alone.
        before_entry: called before each thing is removed; what it raises ends the emptying.
    Returns:
        A sentence for each whose files could not be removed, or moved to the trash before.
    Raises:
        UserError: a run was taken out of the trash just now.
    """
    asked = {entry.run_id for entry in wanted}
    problems = mend(workspace, store)
    chosen = [entry for entry in entries(workspace, store) if entry.run_id in asked]
    # One that could not be moved stays a deleted run, else nothing would know about its files.
    chosen = [entry for entry in chosen if not os.path.lexists(workspace.run_dir(entry.run_id))]
    for entry in chosen:
        before_entry()
        if entry.row is not None:  # one by one, so that those who train can write between
            trash.forget(store, [entry.run_id])
        try:
            _remove(workspace.trash_dir / entry.run_id)
        except OSError as error:
            problems.append(f"Cannot remove all of {error.filename or entry.run_id} ({_why(error)}).")
    return problems


def _move(source: Path, target: Path) -> bool:
    """Rename a folder; False where it is not there (any more).

    Raises:
        UserError: it cannot be moved.
    """
    try:
        if not os.path.lexists(source):
            return False
        target.parent.mkdir(exist_ok=True)
        # A folder is never renamed over one that holds something, and looking first would take a folder that
        # another moves just now for two; a link or file would replace what it meets.
        if (source.is_symlink() or source.is_file()) and os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, "it exists")
        os.rename(source, target)
    except FileNotFoundError:
        return False
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EISDIR):
            raise UserError(
                f"There are files of one run in {source} and in {target}: move one of the two elsewhere."
            ) from None
        if error.errno == errno.EXDEV:
            raise UserError(
                f"Cannot move {source} to {target.parent}, which is on another disk: put both folders on one."
            ) from None
        raise UserError(
            f"Cannot move {source} to {target.parent} ({_why(error)}): `iterand clean --dry-run` tries again."
        ) from None
    return True


def _remove(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)


def _visible(store: Store, run_ids: Sequence[str]) -> set[str]:
    return {row.id for row in store.reader.runs(ids=run_ids)}


def _names(workspace: Workspace) -> list[str]:
    """The runs whose files are in the trash; whatever else someone put there is none of ours."""
    try:
        return sorted(name for name in os.listdir(workspace.trash_dir) if is_run_id(name))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _why(error: OSError) -> str:
    return error.strerror or str(error)

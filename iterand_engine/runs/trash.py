"""The trash: what is in it, taking runs out of it again, and emptying it for good.

The store alone decides: a deleted run's files stay in `runs/<id>` until the trash is emptied. Emptying notes
in the store that a run's removal begins, removes the files, then lets the store forget the run; so a run that
is shown has its files, and what a crash leaves is still in the trash, where the next emptying removes it.

Workspaces of older versions may have files of deleted runs in `trash/<id>`. They count, are removed, and move
back to `runs/<id>` with the run; those of a run that the store no longer knows are listed until then.

Links are moved and removed as what they are and never followed. Torch-free.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from iterand_engine.errors import UserError
from iterand_engine.machine.disk_use import DiskUse, measure
from iterand_engine.machine.workspace import Workspace, is_run_id
from iterand_engine.store import RunRow, Store, trash


@dataclass(frozen=True)
class TrashEntry:
    """A deleted run, or (`row` None) files of a run that the store no longer knows.

    `deleted_at` is None where an emptying has begun with it: it cannot be taken back.
    """

    run_id: str
    row: RunRow | None
    deleted_at: float | None


def undelete_runs(workspace: Workspace, store: Store, run_ids: Sequence[str]) -> list[str]:
    """Take runs out of the trash again.

    Args:
        workspace, store: the runs'.
        run_ids: which, all of them deleted; all or none.
    Returns:
        A sentence for each run whose files are gone.
    Raises:
        UserError: a run is not in the trash (any more), or its files cannot be moved.
    """
    trash.restore(store, run_ids, lambda run_id: _bring_back(workspace, run_id))
    _remove_if_empty(workspace.trash_dir)
    started = [row for row in store.reader.runs(ids=run_ids) if row.started_at is not None]
    return [
        f"The files of run {row.id} ({row.name}) are not there any more; only its results came back."
        for row in started
        if not workspace.run_dir(row.id).is_dir()
    ]


def entries(workspace: Workspace, store: Store) -> list[TrashEntry]:
    """What is in the trash, the last deleted first, then files of runs that the store no longer knows."""
    found = [TrashEntry(one.row.id, one.row, one.deleted_at) for one in store.reader.discarded()]
    try:
        names = sorted(name for name in os.listdir(workspace.trash_dir) if is_run_id(name))
    except (FileNotFoundError, NotADirectoryError):
        return found
    known = {entry.run_id for entry in found} | {row.id for row in store.reader.runs(ids=names)}
    return found + [TrashEntry(name, None, None) for name in names if name not in known]


def disk_use(workspace: Workspace, store: Store, before_folder: Callable[[], None] = lambda: None) -> DiskUse:
    """What a workspace takes on the disk, with the files of deleted runs as trash.

    Args:
        workspace, store: which.
        before_folder: called before each folder is read; what it raises ends the measurement.
    """
    deleted = {one.row.id for one in store.reader.discarded()}
    return measure(workspace, before_folder, deleted=deleted)


def empty(
    workspace: Workspace,
    store: Store,
    wanted: Iterable[TrashEntry],
    before_entry: Callable[[], None] = lambda: None,
) -> list[str]:
    """Remove things of the trash for good: the runs' files, and all that the store has of them.

    Args:
        workspace, store: the trash's.
        wanted: what, as `entries` listed it; what left the trash since is left alone.
        before_entry: called before each thing is removed; what it raises ends the emptying.
    Returns:
        A sentence for each whose files could not be removed; it stays in the trash.
    Raises:
        UserError: a run was taken out of the trash just now.
    """
    asked = {entry.run_id for entry in wanted}
    problems = []
    for entry in entries(workspace, store):
        if entry.run_id not in asked:
            continue
        before_entry()
        folders = [workspace.trash_dir / entry.run_id]
        if entry.row is not None:  # one by one, so that those who train can write between
            trash.give_up(store, entry.run_id)
            folders.append(workspace.run_dir(entry.run_id))
        try:
            for folder in folders:
                _remove(folder)
        except OSError as error:
            problems.append(f"Cannot remove all of {error.filename or entry.run_id} ({_why(error)}).")
            continue
        if entry.row is not None:
            trash.forget(store, [entry.run_id])
    _remove_if_empty(workspace.trash_dir)
    return problems


def _bring_back(workspace: Workspace, run_id: str) -> None:
    """Move what an older version put in `trash/<id>` to `runs/<id>`; nothing to do where it is not there.

    Raises:
        UserError: it cannot be moved, or there is something in `runs/<id>` as well.
    """
    source, target = workspace.trash_dir / run_id, workspace.run_dir(run_id)
    if not os.path.lexists(source):
        return
    # Nobody else makes the folder meanwhile: the run is in the trash, and the store is locked.
    if os.path.lexists(target):
        raise UserError(
            f"There are files of one run in {source} and in {target}: move one of the two elsewhere."
        )
    try:
        os.rename(source, target)
    except OSError as error:
        raise UserError(
            f"Cannot move {source} to {target} ({_why(error)}): move it there yourself and try again."
        ) from None


def _remove(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):  # it holds something, is a link, or is not there
        folder.rmdir()


def _why(error: OSError) -> str:
    return error.strerror or str(error)

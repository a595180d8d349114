"""The trash: its entries, taking runs out of it, and emptying it.

The store alone decides which runs are in the trash: their files stay in `runs/<id>` until it is emptied.
Emptying marks in the store that a run's removal begins, removes the files, and then deletes the run from the
store. So every run that is shown has its files, and the rest of a removal that crashed is still in the trash,
where the next emptying removes it.

Workspaces of older versions may have files of deleted runs in `trash/<id>`. They count as trash, are removed
with the run, and move back to `runs/<id>` with it. Those of a run that the store no longer has are entries
too.

Links are moved and removed as links, and never followed. Torch-free.
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
    """A deleted run, or (`row` None) files of a run that the store no longer has.

    `deleted_at` is None once its permanent removal has begun: it cannot be restored.
    """

    run_id: str
    row: RunRow | None
    deleted_at: float | None


def undelete_runs(workspace: Workspace, store: Store, run_ids: Sequence[str]) -> list[str]:
    """Take runs out of the trash again.

    Args:
        workspace, store: the runs'.
        run_ids: the runs, all of them deleted; all or none are restored.
    Returns:
        A sentence for each run whose files are gone.
    Raises:
        UserError: a run is not in the trash, or its files cannot be moved.
    """
    trash.restore(store, run_ids, lambda run_id: _bring_back(workspace, run_id))
    _remove_if_empty(workspace.trash_dir)
    started = [row for row in store.reader.runs(ids=run_ids) if row.started_at is not None]
    return [
        f"The files of run {row.id} ({row.name}) no longer exist; only its results came back."
        for row in started
        if not workspace.run_dir(row.id).is_dir()
    ]


def entries(workspace: Workspace, store: Store) -> list[TrashEntry]:
    """List the trash: deleted runs, the last deleted first, then files of unknown runs."""
    found = [TrashEntry(one.row.id, one.row, one.deleted_at) for one in store.reader.discarded()]
    try:
        names = sorted(name for name in os.listdir(workspace.trash_dir) if is_run_id(name))
    except (FileNotFoundError, NotADirectoryError):
        return found
    known = {entry.run_id for entry in found} | {row.id for row in store.reader.runs(ids=names)}
    return found + [TrashEntry(name, None, None) for name in names if name not in known]


def disk_use(workspace: Workspace, store: Store, before_folder: Callable[[], None] = lambda: None) -> DiskUse:
    """Measure the disk space of a workspace, with the files of deleted runs as trash.

    Args:
        workspace, store: the workspace with its open store.
        before_folder: called before each folder is read; an error that it raises ends the measurement.
    """
    deleted = {one.row.id for one in store.reader.discarded()}
    return measure(workspace, before_folder, deleted=deleted)


def empty(
    workspace: Workspace,
    store: Store,
    wanted: Iterable[TrashEntry],
    before_entry: Callable[[], None] = lambda: None,
) -> list[str]:
    """Remove entries of the trash permanently: the runs' files, and everything that the store has of them.

    Args:
        workspace, store: the trash's.
        wanted: the entries, as `entries` listed them; those that left the trash since are left alone.
        before_entry: called before each entry is removed; an error that it raises ends the emptying.
    Returns:
        A sentence for each entry whose files could not be removed; it stays in the trash.
    Raises:
        UserError: a run was taken out of the trash during the call.
    """
    asked = {entry.run_id for entry in wanted}
    problems = []
    for entry in entries(workspace, store):
        if entry.run_id not in asked:
            continue
        before_entry()
        folders = [workspace.trash_dir / entry.run_id]
        if entry.row is not None:  # one by one, so that trainings can write in between
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
    """Move the files that an older version put in `trash/<id>` to `runs/<id>`, if there are any.

    Raises:
        UserError: they cannot be moved, or `runs/<id>` has files as well.
    """
    source, target = workspace.trash_dir / run_id, workspace.run_dir(run_id)
    if not os.path.lexists(source):
        return
    # No other process makes the folder meanwhile: the run is in the trash, and the store is locked.
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
    with suppress(OSError):  # the folder holds something, is a link, or does not exist
        folder.rmdir()


def _why(error: OSError) -> str:
    return error.strerror or str(error)

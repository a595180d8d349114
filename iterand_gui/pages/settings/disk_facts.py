"""What the Disk section shows: sizes by kind, the trash, and what else is large, read in one go. No Qt."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from iterand_engine.machine.disk_use import DiskKind, DiskUse, LargeThing, largest
from iterand_engine.machine.texts import age, counted, size
from iterand_engine.machine.workspace import Workspace
from iterand_engine.runs import trash
from iterand_engine.runs.trash import TrashEntry
from iterand_engine.store import RunRow, Store
from iterand_gui.live.tasks import Control

LARGEST = 10
LARGE_BYTES = 1_000_000
_SHORT_ID = 8

KINDS = {
    DiskKind.CHECKPOINTS: ("Checkpoints", "what stopped runs go on from; a finished run keeps none"),
    DiskKind.MASKS: ("Masks", "the masks of epochs"),
    DiskKind.NETWORKS: ("Networks", "best and final weights of runs"),
    DiskKind.EXPORTS: ("Exports", "what was exported from runs"),
    DiskKind.LOGS: ("Logs", "of runs and slots"),
    DiskKind.DATA: ("Datasets", "in this workspace; folders elsewhere are not counted"),
    DiskKind.DATABASE: ("Database", "runs and everything they recorded, and copies made before upgrades"),
    DiskKind.TRASH: ("Trash", "deleted runs"),
    DiskKind.OTHER: ("Other", "settings, configurations, extensions"),
}


@dataclass(frozen=True)
class Trashed:
    """One thing of the trash as a person sees it."""

    entry: TrashEntry
    name: str
    state: str
    deleted: str
    size_bytes: int


@dataclass(frozen=True)
class Large:
    """Something outside the trash that takes much; `run_id` where it is a run that can be deleted."""

    what: str
    remedy: str
    size_bytes: int
    run_id: str | None


@dataclass(frozen=True)
class DiskFacts:
    """One measurement. `trash` and `large` have the largest first."""

    use: DiskUse
    trash: tuple[Trashed, ...]
    large: tuple[Large, ...]

    @property
    def trash_bytes(self) -> int:
        """What emptying the trash frees."""
        return sum(one.size_bytes for one in self.trash)

    @property
    def by_kind(self) -> list[tuple[DiskKind, int]]:
        """The kinds there are any files of, the largest first."""
        found = [(kind, count_bytes) for kind, count_bytes in self.use.by_kind.items() if count_bytes]
        return sorted(found, key=lambda pair: -pair[1])


def read(workspace: Workspace, store: Store, control: Control) -> DiskFacts:
    """Measure a workspace.

    Args:
        workspace, store: which.
        control: ends the measurement where a person does not wait for it.
    """
    use = trash.disk_use(workspace, store, control.check)
    entries = trash.entries(workspace, store)
    now = time.time()
    trashed = [_trashed(entry, use.trash.get(entry.run_id, 0), now) for entry in entries]
    things = largest(use, LARGEST, LARGE_BYTES)
    runs = {row.id: row for row in store.reader.runs(ids=[t.name for t in things if t.what == "run"])}
    return DiskFacts(
        use,
        tuple(sorted(trashed, key=lambda one: -one.size_bytes)),
        tuple(_large(thing, runs.get(thing.name)) for thing in things),
    )


def empty_trash(workspace: Workspace, store: Store, wanted: Sequence[Trashed], control: Control) -> str:
    """Remove things of the trash for good; says how much was freed, and what could not be removed.

    Args:
        workspace, store: the trash's.
        wanted: what a person saw and agreed to.
        control: said before each thing; ends the emptying where it is cancelled.
    """
    done = 0

    def before_entry() -> None:
        nonlocal done
        control.report(done, len(wanted))
        done += 1

    problems = trash.empty(workspace, store, [one.entry for one in wanted], before_entry)
    left = {entry.run_id for entry in trash.entries(workspace, store)}
    gone = [one for one in wanted if one.entry.run_id not in left]
    freed = size(sum(one.size_bytes for one in gone))
    return " ".join([f"{counted(len(gone), 'run')} removed, {freed} freed.", *problems])


def _trashed(entry: TrashEntry, size_bytes: int, now: float) -> Trashed:
    if entry.row is None:
        return Trashed(entry, f"{entry.run_id[:_SHORT_ID]}, removed before", "", "", size_bytes)
    name = f"{entry.row.name}, seed {entry.row.seed}"
    return Trashed(entry, name, str(entry.row.state), age(entry.deleted_at, now), size_bytes)


def _large(thing: LargeThing, row: RunRow | None) -> Large:
    match thing.what:
        case "run" if row is None:
            what, remedy = f"runs/{thing.name}", "Belongs to no run: remove the folder."
        case "run" if row is not None and row.state.is_live:
            what, remedy = f"{row.name}, seed {row.seed}", f"A run, {row.state}: stop it first."
        case "run":
            assert row is not None  # the first case
            what, remedy = f"{row.name}, seed {row.seed}", f"A run, {row.state}: move it to the trash."
        case "data":
            what, remedy = f"data/{thing.name}", "A dataset: remove it if no run needs it any more."
        case "backup":
            what, remedy = thing.name, "The database before an upgrade: remove the file."
    run_id = row.id if row is not None and not row.state.is_live else None
    return Large(what, remedy, thing.size_bytes, run_id)

"""The values that the store takes and gives: plain frozen dataclasses, no database and no torch.

Limits: `RunRow` has no test accuracy on purpose; that leaves the store through `Reader.test_accuracies`.
Times are seconds since 1970 by the database's clock; steps count optimiser updates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from iterand_engine.machine.processes import ProcessIdentity

if TYPE_CHECKING:  # commands that only list runs must not import numpy
    import numpy as np
    from numpy.typing import NDArray

SeriesAxis = Literal["step", "epoch", "clock", "event"]
Level = Literal["info", "warning", "error"]
# How a run ended, or came back to the queue: `lost` (its process died or never started), `disk` (the system
# refused an operation, or a file is damaged), `program` (a defect of it). The sentence for users is `reason`.
EndKind = Literal[
    "finished",
    "stopped",
    "out_of_memory",
    "device",
    "extension",
    "data",
    "diverged",
    "lost",
    "disk",
    "program",
    "other",
]
Json = Mapping[str, object]


class RunState(StrEnum):
    """The state of a run. The last two are derived when a run is read, and never stored."""

    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    STOPPED = "stopped"
    FAILED = "failed"
    DIVERGED = "diverged"
    INTERRUPTED = "interrupted"
    FINISHED = "finished"
    STOPPING = "stopping"
    STALLED = "stalled"

    @property
    def is_live(self) -> bool:
        """Whether a process trains the run now or is about to."""
        return self in (RunState.STARTING, RunState.RUNNING, RunState.STOPPING, RunState.STALLED)

    @property
    def is_resumable(self) -> bool:
        """Whether the run can be queued again to continue from its last checkpoint."""
        return self in (RunState.STOPPED, RunState.INTERRUPTED, RunState.FAILED)


class Locked(StrEnum):
    """Replaces a test accuracy that the workspace's lock withholds; prints as `locked`."""

    LOCKED = "locked"


@dataclass(frozen=True)
class ExtensionUse:
    """The file of an extension that a run uses, with the hash of its content at that time."""

    file: str
    sha256: str


@dataclass(frozen=True)
class NewRun:
    """A run that is to be stored. `config` is the whole resolved configuration as plain JSON values.

    `id` is a UUID chosen beforehand, for a run whose files must exist before a worker can see the row.
    `fingerprint` identifies the data; `behaviour` has the tags in the group key, see `runs.group_key`.
    """

    name: str
    config: Json
    group_key: str
    seed: int
    device_kind: str
    precision: str
    program_version: str
    git_commit: str | None = None
    total_steps: int | None = None
    extensions: tuple[ExtensionUse, ...] = ()
    id: str | None = None
    fingerprint: str | None = None
    behaviour: Mapping[str, int] | None = None


@dataclass(frozen=True)
class RunRow:
    """One run as a table shows it.

    `state` is derived and is what the user sees; `stored_state` is in the row. `step` counts the updates
    done; `elapsed_s` is training time over all starts. `rewind` rises whenever the series are cut back.
    `val_accuracy` is that of the ended run, `accuracy_so_far` that of its last epoch, also before its end.
    `queue_rank` orders the queue, lower is sooner, and is None outside it; a queued run is `waiting` while a
    process waits to train it itself. `device_errors` counts the starts that a broken device ended.
    `fingerprint` is None for a run of an earlier schema whose data has not been read since. `end_kind` and
    `reason` are None until the run first ends, and stay with a run that comes back to the queue.
    """

    id: str
    name: str
    state: RunState
    stored_state: RunState
    stop_requested: bool
    waiting: bool
    queue_rank: float | None
    created_at: float
    started_at: float | None
    ended_at: float | None
    elapsed_s: float
    step: int
    epoch: int
    total_steps: int | None
    dataset: str
    model: str
    method: str
    width_factor: float
    seed: int
    group_key: str
    fingerprint: str | None
    precision: str
    device_kind: str
    program_version: str
    git_commit: str | None
    val_accuracy: float | None
    accuracy_so_far: float | None
    final_digest: str | None
    end_kind: EndKind | None
    reason: str | None
    device_errors: int
    test_unlocked: bool
    owner: ProcessIdentity | None
    heartbeat_at: float | None
    last_step_at: float | None
    revision: int
    rewind: int
    tags: tuple[str, ...]


@dataclass(frozen=True)
class Environment:
    """The environment of one start of a run: platform, packages, device and threads, as its worker saw it."""

    start: int
    at: float
    snapshot: Json


@dataclass(frozen=True)
class RunDetail(RunRow):
    """One run with its configuration, the environment of each start (oldest first), extensions and notes.

    `behaviour` has the tags in its group key, by name; see `runs.group_key`.
    """

    config: Json
    behaviour: Mapping[str, int]
    environments: tuple[Environment, ...]
    extensions: tuple[ExtensionUse, ...]
    notes: str


@dataclass(frozen=True)
class DiscardedRun:
    """A run in the trash, and since when; None once its permanent removal has begun."""

    row: RunRow
    deleted_at: float | None


@dataclass(frozen=True)
class SweepRow:
    """A sweep: the configuration its runs share, what varies, and its runs that are not in the trash.

    `axes` maps an option's dotted key to its list of values, in the order given. `ended_at` is set once
    none of its runs is queued or live, see `sweeps.sweeps_ended_by`.
    """

    id: str
    name: str
    created_at: float
    base: Json
    axes: Json
    run_ids: tuple[str, ...]
    ended_at: float | None


@dataclass(frozen=True, order=True)
class SlotKey:
    """A place on a device: `host` as in a ProcessIdentity, `device` its id, `position` 0, 1, ... on it."""

    host: str
    device: str
    position: int


@dataclass(frozen=True)
class SlotPlace:
    """A slot that the machine offers, with or without a row in the store."""

    key: SlotKey
    device_name: str
    device_kind: str


@dataclass(frozen=True)
class SlotRow:
    """The present state of a slot.

    `holder` is the process that drains the queue for it, and `held` says whether that process lives. `run_id`
    is the run that occupies the slot, while that is live. `closed_reason` is set while the slot is closed.
    """

    key: SlotKey
    device_name: str
    device_kind: str
    holder: ProcessIdentity | None
    held: bool
    run_id: str | None
    message: str | None
    closed_reason: str | None
    program: str | None
    started_at: float | None


@dataclass(frozen=True)
class Claim:
    """A run taken for a slot; a process must adopt its owner token within a minute."""

    run_id: str
    token: str
    key: SlotKey


@dataclass(frozen=True)
class SeriesInfo:
    """A declared series with `points` stored points, each one value or one value per layer."""

    name: str
    axis: SeriesAxis
    layers: tuple[str, ...] | None
    points: int


@dataclass(frozen=True)
class Series:
    """Recorded values of a series. Positions are steps on every axis; `axis` says what one point stands for.

    Shapes: steps int64 (n,); values float32 (n,) or, with `layers`, (n, len(layers)). `first` is the index of
    the first point here within the whole series, and `rewind` the run's counter at the time of the query.
    """

    run_id: str
    name: str
    axis: SeriesAxis
    layers: tuple[str, ...] | None
    steps: NDArray[np.int64]
    values: NDArray[np.float32]
    first: int
    rewind: int


@dataclass(frozen=True)
class Changes:
    """Changes since the last poll: the new revision by run id, and the ids that are gone."""

    revisions: Mapping[str, int]
    removed: frozenset[str]


@dataclass(frozen=True)
class TimedRun:
    """A run's configuration, its updates, and the seconds they took over all of its starts.

    The seconds include evaluation, recording and saving.
    """

    config: Json
    steps: int
    elapsed_s: float


@dataclass(frozen=True)
class Event:
    """A message of a run. `id` rises, so a reader can ask for later messages."""

    id: int
    at: float
    level: Level
    step: int | None
    text: str


@dataclass(frozen=True)
class PublishedCheckpoint:
    """A published checkpoint: all points before `step` are stored. `relpath` is relative to the workspace."""

    step: int
    epoch: int
    relpath: str
    sha256: str
    kind: str
    at: float

"""The one database through which training, commands and the window speak (torch-free).

`Store` opens a workspace's database and gives connections, nothing else. Changes are functions that take the
store: `runs` makes, claims and stops runs, `queue` orders them, and `slots`, `sweeps`, `labels` and `trash`
are named for what they change. Queries are the methods of `Store.reader`, one object because `Reader` is a
protocol that other stores can implement. The process that owns a run writes it through `Recorder`. Modules
that need the database are imported on first use. See docs/store.md.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from iterand_engine.store.reading import ChangeFeed, Reader
from iterand_engine.store.records import (
    Changes,
    Claim,
    DiscardedRun,
    EndKind,
    Environment,
    Event,
    ExtensionUse,
    Level,
    Locked,
    NewRun,
    PublishedCheckpoint,
    RunDetail,
    RunRow,
    RunState,
    Series,
    SeriesAxis,
    SeriesInfo,
    SlotKey,
    SlotPlace,
    SlotRow,
    SweepRow,
    TimedRun,
)

if TYPE_CHECKING:
    from iterand_engine.store.recorder import Recorder
    from iterand_engine.store.store import Store
    from iterand_engine.store.watcher import ChangeWatcher

__all__ = [
    "ChangeFeed",
    "ChangeWatcher",
    "Changes",
    "Claim",
    "DiscardedRun",
    "EndKind",
    "Environment",
    "Event",
    "ExtensionUse",
    "Level",
    "Locked",
    "NewRun",
    "PublishedCheckpoint",
    "Reader",
    "Recorder",
    "RunDetail",
    "RunRow",
    "RunState",
    "Series",
    "SeriesAxis",
    "SeriesInfo",
    "SlotKey",
    "SlotPlace",
    "SlotRow",
    "Store",
    "SweepRow",
    "TimedRun",
]

_HOMES = {  # names that need the database: the records alone must load without SQLAlchemy
    "ChangeWatcher": "watcher",
    "Recorder": "recorder",
    "Store": "store",
}

if not TYPE_CHECKING:  # with `__getattr__` a type checker would accept every name

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

"""The one database through which training, commands and the window speak (torch-free).

`Store` opens a workspace's database and makes, claims and stops runs; `Recorder` is how the process that owns
a run writes it; `queries` reads. What needs the database is imported when it is first used.
See docs/store.md.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from iterand_engine.store.records import (
    Axis,
    Checkpoint,
    Claim,
    DiscardedRun,
    EndKind,
    Environment,
    Event,
    ExtensionUse,
    Level,
    Locked,
    NewRun,
    RunDetail,
    RunRow,
    RunState,
    Series,
    SeriesInfo,
    SlotKey,
    SlotPlace,
    SlotRow,
    SweepRow,
)

if TYPE_CHECKING:
    from iterand_engine.store import queries
    from iterand_engine.store.dialect import Changes, ChangeWatcher
    from iterand_engine.store.recorder import Recorder
    from iterand_engine.store.store import Store

__all__ = [
    "Axis",
    "ChangeWatcher",
    "Changes",
    "Checkpoint",
    "Claim",
    "DiscardedRun",
    "EndKind",
    "Environment",
    "Event",
    "ExtensionUse",
    "Level",
    "Locked",
    "NewRun",
    "Recorder",
    "RunDetail",
    "RunRow",
    "RunState",
    "Series",
    "SeriesInfo",
    "SlotKey",
    "SlotPlace",
    "SlotRow",
    "Store",
    "SweepRow",
    "queries",
]

_HOMES = {  # all that needs the database: records alone are read without SQLAlchemy
    "ChangeWatcher": "dialect",
    "Changes": "dialect",
    "Recorder": "recorder",
    "Store": "store",
}

if not TYPE_CHECKING:  # a checker would take any name at all for one of ours

    def __getattr__(name: str) -> object:
        if name == "queries":
            return import_module(f"{__name__}.queries")
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

"""The one database through which training, commands and the window speak (torch-free).

`Store` opens a workspace's database and makes, claims and stops runs; `Recorder` is how the process that owns
a run writes it; `queries` reads. See docs/store.md.
"""

from __future__ import annotations

from iterand_engine.store import queries
from iterand_engine.store.dialect import Changes, ChangeWatcher
from iterand_engine.store.recorder import Recorder
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

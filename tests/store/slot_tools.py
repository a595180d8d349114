"""Places, processes, points and short words that tests of the store share."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from iterand_engine.machine import processes
from iterand_engine.machine.processes import ProcessIdentity
from iterand_engine.store import (
    Claim,
    Recorder,
    RunState,
    SlotKey,
    SlotPlace,
    SlotRow,
    slots,
)
from iterand_engine.store.runs import adopt_run

if TYPE_CHECKING:
    from tests.store.conftest import Place

Until = Callable[[Callable[[], object]], None]
HERE = processes.current()
GONE = replace(HERE, start_ticks=HERE.start_ticks - 1)
ELSEWHERE = ProcessIdentity("elsewhere", 1, 1, "boot")
CPU = SlotPlace(SlotKey(HERE.host, "cpu", 0), "a processor", "cpu")
CPU_2 = SlotPlace(SlotKey(HERE.host, "cpu", 1), "a processor", "cpu")
GPU_A = SlotPlace(SlotKey(HERE.host, "GPU-aaaa-1", 0), "a card", "cuda")
GPU_B = SlotPlace(SlotKey(HERE.host, "GPU-abbb-2", 0), "a card", "cuda")


def hold(place: Place, at: SlotPlace = CPU, identity: ProcessIdentity = HERE) -> str | None:
    return slots.hold(
        place.store,
        at.key,
        device_name=at.device_name,
        device_kind=at.device_kind,
        identity=identity,
        program="0.1.0",
    )


def held(place: Place, at: SlotPlace = CPU, identity: ProcessIdentity = HERE) -> str:
    token = hold(place, at, identity)
    assert token is not None
    return token


def only_slot(place: Place) -> SlotRow:
    (row,) = place.store.reader.slots()
    return row


def next_id(place: Place, at: SlotPlace, token: str) -> str | None:
    claim = slots.claim_next(place.store, at.key, token)
    assert claim is None or claim.key == at.key
    return claim.run_id if claim else None


def adopt(place: Place, claim: Claim | list[SlotRow] | None) -> Claim:
    assert isinstance(claim, Claim)
    adopt_run(place.store, claim.run_id, claim.token, HERE, {"threads": 1})
    return claim


def finish(place: Place, claim: Claim, state: RunState = RunState.FINISHED) -> None:
    with Recorder(place.store, claim.run_id, claim.token) as recorder:
        recorder.finish(state, reason=None if state is RunState.FINISHED else "so it is")


def ramp(first: int, count: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Steps from `first` on, and their sevenths."""
    steps = np.arange(first, first + count)
    return steps, (steps / 7).astype(np.float32)


def change(place: Place, statement: str) -> None:
    with closing(sqlite3.connect(place.workspace.db_path)) as other, other:
        other.execute(statement)


def state(place: Place, run_id: str) -> RunState:
    return place.store.reader.run(run_id).state

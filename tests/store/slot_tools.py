"""Places, processes and short words for tests of slots."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from iterand_engine.machine import processes
from iterand_engine.machine.processes import ProcessIdentity
from iterand_engine.store import (
    Claim,
    NewRun,
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


def change(place: Place, statement: str) -> None:
    with closing(sqlite3.connect(place.workspace.db_path)) as other, other:
        other.execute(statement)


def state(place: Place, run_id: str) -> RunState:
    return place.store.reader.run(run_id).state


def asking_for(name: str, kind: str, device: str | None) -> NewRun:
    config: dict[str, object] = {
        "data": {"dataset": "digits"},
        "model": {"name": "conv2", "width_factor": 0.5},
        "method": {"name": "iterand"},
    }
    if device is not None:
        config["compute"] = {"device": device}
    return NewRun(name, config, "group", 1, kind, "fp32", "0.1.0")

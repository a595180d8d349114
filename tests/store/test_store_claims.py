"""Whatever slots, waiters, deaths and errors meet: one run a place, the queue in its order, nobody starved.

A model on plain lists says what each claim must give.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from iterand_engine.errors import UserError
from iterand_engine.machine.processes import ProcessIdentity
from iterand_engine.machine.workspace import open_workspace_dir
from iterand_engine.store import (
    Claim,
    NewRun,
    Recorder,
    RunState,
    SlotKey,
    SlotPlace,
    Store,
    queue,
    slots,
    states,
    trash,
)
from iterand_engine.store.runs import adopt_run, create_run, request_stop, settle_runs

if TYPE_CHECKING:
    pass

# On another machine, so that a test decides by heartbeats who lives.
FARM = "farm"
PLACES = (
    SlotPlace(SlotKey(FARM, "cpu", 0), "a processor", "cpu"),
    SlotPlace(SlotKey(FARM, "cpu", 1), "a processor", "cpu"),
    SlotPlace(SlotKey(FARM, "GPU-a", 0), "a card", "cuda"),
)
WANTS = {
    "cpu": ("cpu", "cpu"),
    "any card": ("cuda", "cuda"),
    "card a": ("cuda", "GPU-a"),
    "card b": ("cuda", "GPU-b"),  # a GPU that no place has
}
EXAMPLES = 15
LIVE = (RunState.STARTING, RunState.RUNNING)
ENDED = (RunState.STOPPED, RunState.FAILED, RunState.INTERRUPTED)
DEAD = states.STALE_AFTER_S + 1


def suits(choice: str, place: SlotPlace) -> bool:
    return place.device_kind == WANTS[choice][0] and choice != "card b"


@dataclass
class Known:
    """What the model knows of a run."""

    choice: str
    state: RunState = RunState.QUEUED
    token: str = ""
    waiter: ProcessIdentity | None = None
    lost_starts: int = 0
    device_errors: int = 0
    place: SlotPlace | None = None


@dataclass
class KnownSlot:
    """What the model knows of a place."""

    token: str = ""
    lives: bool = False
    closed: bool = False


@dataclass
class Model:
    """Runs by id, the queue, and the slots."""

    runs: dict[str, Known] = field(default_factory=dict)
    queue: list[str] = field(default_factory=list)
    slots: dict[SlotPlace, KnownSlot] = field(
        default_factory=lambda: {place: KnownSlot() for place in PLACES}
    )

    def occupant(self, place: SlotPlace) -> str | None:
        found = [id_ for id_ in self.having(*LIVE) if self.runs[id_].place == place]
        assert len(found) <= 1
        return found[0] if found else None

    def having(self, *states: RunState) -> list[str]:
        return [id_ for id_, run in self.runs.items() if run.state in states]

    def waiting(self) -> list[str]:
        return [id_ for id_ in self.queue if self.runs[id_].waiter]

    def suited(self, place: SlotPlace) -> list[str]:
        return [id_ for id_ in self.queue if suits(self.runs[id_].choice, place)]

    def enter(self, run_id: str, first: bool) -> None:
        """Into the queue; a waiter at the head stands behind the waiters that are there."""
        if run_id in self.queue:
            self.queue.remove(run_id)
        at = len(self.queue) if not first else 0
        if first and self.runs[run_id].waiter:
            ordinary = (number for number, id_ in enumerate(self.queue) if not self.runs[id_].waiter)
            at = next(ordinary, len(self.queue))
        self.queue.insert(at, run_id)
        self.runs[run_id].state = RunState.QUEUED

    def leave(self, run_id: str, state: RunState, place: SlotPlace | None = None) -> None:
        if run_id in self.queue:
            self.queue.remove(run_id)
        run = self.runs[run_id]
        run.state, run.waiter, run.place = state, None, place


class Slots(RuleBasedStateMachine):
    """The store beside the model."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        self.store = store
        with store.writing() as connection:
            for table in ("slot", "run"):
                connection.exec_driver_sql(f"DELETE FROM {table}")
        self.model = Model()
        self.processes = 0

    def process(self) -> ProcessIdentity:
        self.processes += 1
        return ProcessIdentity(FARM, self.processes, 1, "boot")

    def change(self, statement: str, *values: object) -> None:
        with closing(sqlite3.connect(self.store.workspace.db_path)) as other, other:
            other.execute(statement, values)

    def pick(self, data: st.DataObject, *wanted: RunState) -> str:
        return data.draw(st.sampled_from(self.model.having(*wanted)))

    @initialize(choices=st.lists(st.sampled_from(sorted(WANTS)), min_size=2, max_size=5), waits=st.booleans())
    def begin(self, choices: list[str], waits: bool) -> None:
        """A queue and slots that may look into it, so that most sequences come to claims."""
        for place in PLACES:
            self.hold(place)
        for number, choice in enumerate(choices):
            self.make(choice, first=False, waits=waits and number == 0)

    @rule(choice=st.sampled_from(sorted(WANTS)), first=st.booleans(), waits=st.booleans())
    def make(self, choice: str, first: bool, waits: bool) -> None:
        kind, device = WANTS[choice]
        config = {
            "data": {"dataset": "x"},
            "model": {"name": "x", "width_factor": 1},
            "method": {"name": "x"},
            "compute": {"device": device},
        }
        waiter = self.process() if waits else None
        new = NewRun(choice, config, "g", 1, kind, "fp32", "0")
        run_id = create_run(self.store, new, waiter, first)
        self.model.runs[run_id] = Known(choice, waiter=waiter)
        self.model.enter(run_id, first)

    @rule(place=st.sampled_from(PLACES))
    def hold(self, place: SlotPlace) -> None:
        slot = self.model.slots[place]
        names = {"device_name": place.device_name, "device_kind": place.device_kind}
        if slot.closed and not slot.lives:
            with pytest.raises(UserError, match="is closed"):
                slots.hold(self.store, place.key, **names, identity=self.process(), program="0")
            return
        token = slots.hold(self.store, place.key, **names, identity=self.process(), program="0")
        assert (token is None) == slot.lives
        if token is not None:
            slot.token, slot.lives = token, True

    @rule(place=st.sampled_from(PLACES))
    def kill_holder(self, place: SlotPlace) -> None:
        key, past = place.key, f"heartbeat_at = heartbeat_at - {DEAD}"
        self.change(f"UPDATE slot SET {past} WHERE device = ? AND position = ?", key.device, key.position)
        self.model.slots[place].lives = False

    @rule(place=st.sampled_from(PLACES))
    def claim_next(self, place: SlotPlace) -> None:
        slot = self.model.slots[place]
        if not slot.lives:
            return
        found = self.model.suited(place)
        free = not slot.closed and self.model.occupant(place) is None
        expected = found[0] if free and found and self.model.runs[found[0]].waiter is None else None
        claim = slots.claim_next(self.store, place.key, slot.token)
        assert (claim and claim.run_id) == expected
        self.claimed(claim, place)

    @precondition(lambda self: self.model.waiting())
    @rule(data=st.data())
    def claim_waiting(self, data: st.DataObject) -> None:
        run_id = data.draw(st.sampled_from(self.model.waiting()))
        expected = None
        for place in PLACES:
            suited = self.model.suited(place)
            before = suited[: suited.index(run_id)] if run_id in suited else []
            hindered = any(self.model.runs[id_].waiter for id_ in before)
            free = not self.model.slots[place].closed and self.model.occupant(place) is None
            if run_id in suited and free and not hindered:
                expected = place
                break
        claim = slots.claim_waiting(self.store, run_id, PLACES)
        assert (claim.key if isinstance(claim, Claim) else None) == (expected.key if expected else None)
        if isinstance(claim, Claim):
            self.claimed(claim, expected)

    def claimed(self, claim: Claim | None, place: SlotPlace | None) -> None:
        if claim is not None:
            self.model.leave(claim.run_id, RunState.STARTING, place)
            self.model.runs[claim.run_id].token = claim.token

    @precondition(lambda self: self.model.having(RunState.STARTING))
    @rule(data=st.data())
    def adopt(self, data: st.DataObject) -> None:
        run_id = self.pick(data, RunState.STARTING)
        run = self.model.runs[run_id]
        adopt_run(self.store, run_id, run.token, self.process(), {})
        run.state, run.lost_starts = RunState.RUNNING, 0

    @precondition(lambda self: self.model.having(RunState.RUNNING))
    @rule(data=st.data(), how=st.sampled_from([RunState.FINISHED, RunState.STOPPED, RunState.FAILED]))
    def end(self, data: st.DataObject, how: RunState) -> None:
        run_id = self.pick(data, RunState.RUNNING)
        with Recorder(self.store, run_id, self.model.runs[run_id].token) as recorder:
            recorder.finish(how, reason="so it is")
        self.model.leave(run_id, how)

    @precondition(lambda self: self.model.having(RunState.RUNNING))
    @rule(data=st.data(), seen=st.booleans())
    def die(self, data: st.DataObject, seen: bool) -> None:
        """A worker dies; its slot's process sees it, or anybody settles."""
        run_id = self.pick(data, RunState.RUNNING)
        self.change(f"UPDATE run SET heartbeat_at = heartbeat_at - {DEAD} WHERE id = ?", run_id)
        if seen:
            queue.died(self.store, run_id, self.model.runs[run_id].token, "it was killed", "")
        self.model.leave(run_id, RunState.INTERRUPTED)

    @precondition(lambda self: self.model.having(RunState.STARTING))
    @rule(data=st.data(), seen=st.booleans())
    def lose_start(self, data: st.DataObject, seen: bool) -> None:
        """A worker dies before it adopts its run, or never comes."""
        run_id = self.pick(data, RunState.STARTING)
        run = self.model.runs[run_id]
        if seen:
            queue.died(self.store, run_id, run.token, "it was killed", "")
        else:
            self.change("UPDATE run SET owner_deadline = 0 WHERE id = ?", run_id)
            assert run_id in settle_runs(self.store)
        run.lost_starts += 1
        if run.lost_starts > 2:
            self.model.leave(run_id, RunState.FAILED)
        else:
            self.model.enter(run_id, first=True)

    @precondition(lambda self: self.model.having(RunState.RUNNING))
    @rule(data=st.data())
    def break_device(self, data: st.DataObject) -> None:
        run_id = self.pick(data, RunState.RUNNING)
        run = self.model.runs[run_id]
        if run.place is None or not self.model.slots[run.place].lives:
            return
        slot = self.model.slots[run.place]
        with Recorder(self.store, run_id, run.token) as recorder:
            recorder.finish(RunState.INTERRUPTED, reason="an ECC error")
        state = slots.device_error(self.store, run.place.key, slot.token, run_id, "an ECC error")
        run.device_errors += 1
        slot.closed = True
        if run.device_errors > 2:
            self.model.leave(run_id, RunState.FAILED)
        else:
            self.model.enter(run_id, first=True)
        assert state is run.state

    @precondition(lambda self: any(slot.closed for slot in self.model.slots.values()))
    @rule()
    def reopen(self) -> None:
        closed = [place.key for place, slot in self.model.slots.items() if slot.closed]
        assert slots.reopen(self.store, FARM, None) == sorted(closed)
        for slot in self.model.slots.values():
            slot.closed = False

    @precondition(lambda self: self.model.having(*ENDED, RunState.QUEUED))
    @rule(data=st.data(), first=st.booleans(), waits=st.booleans())
    def enqueue(self, data: st.DataObject, first: bool, waits: bool) -> None:
        run_id = self.pick(data, *ENDED, RunState.QUEUED)
        run = self.model.runs[run_id]
        waiter = self.process() if waits and run.waiter is None else None
        queue.enqueue(self.store, [run_id], first=first, waiter=waiter)
        if run.state is not RunState.QUEUED:
            run.lost_starts = run.device_errors = 0
        kept = run.waiter
        run.waiter = waiter  # a waiter that is kept does not stand behind others: somebody moved its run
        self.model.enter(run_id, first)
        run.waiter = waiter or kept

    @precondition(lambda self: self.model.queue)
    @rule(data=st.data(), how=st.sampled_from(["stop", "withdraw", "kill waiter", "discard"]))
    def take_out(self, data: st.DataObject, how: str) -> None:
        run_id = self.pick(data, RunState.QUEUED)
        if how == "kill waiter":
            self.change(f"UPDATE run SET heartbeat_at = heartbeat_at - {DEAD} WHERE id = ?", run_id)
            self.model.runs[run_id].waiter = None
            return
        match how:
            case "stop":
                request_stop(self.store, run_id)
            case "withdraw":
                queue.withdraw(self.store, run_id, RunState.STOPPED)
            case _:
                trash.discard(self.store, [run_id])
        self.model.leave(run_id, RunState.STOPPED)
        if how == "discard":
            del self.model.runs[run_id]

    @rule(place=st.sampled_from(PLACES), idle=st.booleans())
    def release(self, place: SlotPlace, idle: bool) -> None:
        slot = self.model.slots[place]
        if not slot.lives:
            return
        expected = not idle or slot.closed or not self.model.suited(place)
        assert slots.release(self.store, place.key, slot.token, only_if_idle=idle) is expected
        slot.lives = not expected

    @rule(place=st.sampled_from(PLACES))
    def vacate(self, place: SlotPlace) -> None:
        slots.vacate(self.store, place.key)

    @invariant()
    def the_store_agrees(self) -> None:
        rows = {row.id: row for row in self.store.reader.runs()}
        assert {id_: row.state for id_, row in rows.items()} == {
            id_: run.state if run.state is not RunState.RUNNING else RunState.STARTING
            for id_, run in self.model.runs.items()
        }
        assert [row.id for row in self.store.reader.queued()] == self.model.queue
        for id_, run in self.model.runs.items():
            assert rows[id_].waiting == (run.waiter is not None)
            assert rows[id_].device_errors == run.device_errors
            assert (rows[id_].queue_rank is not None) == (run.state is RunState.QUEUED)
        found = {row.key: row for row in self.store.reader.slots()}
        for place, slot in self.model.slots.items():
            row = found.get(place.key)
            assert (row.run_id if row else None) == self.model.occupant(place)
            assert (row is not None and row.held) == slot.lives
            assert (row is not None and row.closed_reason is not None) == slot.closed


@pytest.fixture
def store(tmp_path: Path, empty_database: bytes) -> Iterator[Store]:
    workspace = open_workspace_dir(tmp_path)
    workspace.db_path.write_bytes(empty_database)
    with Store.open(workspace) as store:
        yield store


def test_that_no_sequence_of_claims_and_deaths_breaks_a_promise(store: Store) -> None:
    class Machine(Slots):
        def __init__(self) -> None:
            super().__init__(store)

    run_state_machine_as_test(Machine, settings=settings(max_examples=EXAMPLES, stateful_step_count=30))

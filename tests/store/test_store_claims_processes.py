"""Real processes fight for one place: two that hold slots and one that waits to train its own runs."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from iterand_engine.store import RunState
from tests.patience import PATIENCE_S

if TYPE_CHECKING:
    from tests.store.conftest import Place

# Holds the one place there is as often as it can, and trains what it gets; a file shows two at once.
SLOT = """
from iterand_engine.store import SlotKey, slots
me = processes.current()
key, busy = SlotKey(me.host, "cpu", 0), Path(sys.argv[3])
names = {"device_name": "x", "device_kind": "cpu", "identity": me, "program": "0"}
print("ready", flush=True)
while not Path(sys.argv[2]).exists():
    time.sleep(0.01)
def train(claim):
    adopt_run(store, claim.run_id, claim.token, me, {})
    busy.touch(exist_ok=False)
    with Recorder(store, claim.run_id, claim.token) as recorder:
        time.sleep(0.002)
        busy.unlink()
        recorder.finish(RunState.FINISHED)
"""
HOLDER = """
done = 0
while any(row.stored_state is not RunState.FINISHED for row in store.reader.runs()):
    token = slots.hold(store, key, **names)
    while token is not None and done % 3 != 2:
        claim = slots.claim_next(store, key, token)
        if claim is not None:
            train(claim)
            done += 1
        elif slots.release(store, key, token, only_if_idle=True):
            token = None
    if token is not None:
        slots.release(store, key, token, only_if_idle=False)
        done += 1
    time.sleep(0.01)
"""
WAITER = """
from iterand_engine.store import Claim, SlotPlace
config = {"data": {"dataset": "x"}, "model": {"name": "x", "width_factor": 1}, "method": {"name": "x"}}
for number in range(4):
    new = NewRun("waited", config, "g", 1, "cpu", "fp32", "0")
    run_id = create_run(store, new, me, True)
    while not isinstance(claim := slots.claim_waiting(store, run_id, [SlotPlace(key, "x", "cpu")]), Claim):
        time.sleep(0.01)
    train(claim)
    slots.vacate(store, key)
"""


def test_that_processes_that_fight_for_one_place_never_share_it(place: Place, tmp_path: Path) -> None:
    go, busy = tmp_path / "go", tmp_path / "busy"
    made = [place.new_run(f"run-{number}") for number in range(12)]
    children = [place.child(SLOT + script, str(go), str(busy)) for script in (HOLDER, HOLDER, WAITER)]
    _await_all(children)
    go.touch()
    assert [child.wait(timeout=PATIENCE_S) for child in children] == [0, 0, 0]
    rows = {row.id: row for row in place.store.reader.runs()}
    assert len(rows) == 12 + 4
    assert {row.state for row in rows.values()} == {RunState.FINISHED}
    started = [rows[run_id].started_at or 0.0 for run_id in made]
    assert started == sorted(started)
    assert not [row for row in place.store.reader.slots() if row.run_id or row.held]


def _await_all(children: list[subprocess.Popen[str]]) -> None:
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"

"""The queue at work: `iterand queue` starts a slot that trains, `iterand work` drains in the foreground."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from iterand_engine.machine import processes
from iterand_engine.store import RunState
from iterand_engine.store import slots as store_slots
from iterand_engine.store.records import SlotKey
from tests.command_line import (
    config_file,
    did,
    finished,
    iterand,
    on_a_terminal,
    opened,
    queued,
    start,
    typed,
    until,
)
from tests.paths import ROOT
from tests.patience import PATIENCE_S


def test_that_queueing_starts_a_slot_that_trains_and_imports_no_torch_itself(
    workspace_dir: Path, tmp_path: Path
) -> None:
    script = """
import sys
from iterand_engine.cli import main
try:
    main(["queue", *sys.argv[1:]])
finally:
    assert "torch" not in sys.modules
"""
    config = config_file(tmp_path, training={"epochs": 1})
    done = subprocess.run(
        [sys.executable, "-c", script, str(config), "--workspace", str(workspace_dir)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.stdout.splitlines()[1:] == ["started slot 0 of cpu"], done.stderr
    look = f"{typed('top', workspace_dir)} shows how it goes."
    assert done.stderr.splitlines() == ["Looking at memory and disk ...", look]
    with opened(workspace_dir) as (_, store):
        until(lambda: {run.state for run in store.reader.runs()} == {RunState.FINISHED})
        until(lambda: not any(slot.held for slot in store.reader.slots()))


def test_that_work_drains_the_queue_in_the_foreground(no_slots: Path, tmp_path: Path) -> None:
    did(no_slots, "queue", config_file(tmp_path, training={"epochs": 1}))
    did(no_slots, "settings", "set", "cpu_slot", "true")
    (run,) = queued(no_slots)
    done = finished(start("work", "--workspace", no_slots))
    assert (done.code, done.out) == (0, f"run {run.id} finished\n"), done.err
    assert f"run {run.id} starts on" in done.err
    assert done.err.splitlines()[-1] == "1 finished"
    idle = did(no_slots, "work", "--device", "cpu")
    assert (idle.out, idle.err.splitlines()[-1]) == ("", "Nothing was trained.")


def test_that_an_interrupt_of_work_saves_and_stops_its_run(no_slots: Path, tmp_path: Path) -> None:
    did(no_slots, "queue", config_file(tmp_path, training={"epochs": 100_000}), "--seeds", "1,2")
    did(no_slots, "settings", "set", "cpu_slot", "true")
    first, second = queued(no_slots)
    with opened(no_slots) as (_, store), on_a_terminal("work", "--workspace", no_slots) as (process, seen):
        until(lambda: store.reader.run(first.id).step > 0)
        until(lambda: f"{first.id[:8]} {first.name}, seed 1" in seen())
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 130
        until(lambda: f"run {first.id} stopped" in seen())
        assert store.reader.checkpoints(first.id)
        assert store.reader.run(second.id).state is RunState.QUEUED


def test_that_work_fails_and_says_what_is_left_where_a_slot_is_closed(no_slots: Path, tmp_path: Path) -> None:
    did(no_slots, "queue", config_file(tmp_path))
    did(no_slots, "settings", "set", "cpu_slot", "true")
    key = SlotKey(processes.host_id(), "cpu", 0)
    with opened(no_slots) as (_, store):
        names = {"device_name": "CPU", "device_kind": "cpu", "program": "1"}
        token = store_slots.hold(store, key, identity=processes.current(), **names)
        assert token is not None
        store_slots.close(store, key, token, "an ECC error")
        store_slots.release(store, key, token, only_if_idle=False)
    done = iterand("work", "--workspace", no_slots)
    assert (done.code, done.out) == (1, "")
    assert done.err.splitlines()[-1].startswith(
        "1 run is still queued: Slot 0 of cpu is closed: an ECC error"
    )


def test_that_work_names_the_devices_there_are(no_slots: Path) -> None:
    done = iterand("work", "--workspace", no_slots)
    assert (done.code, done.out) == (2, "")
    assert "There is no slot on this machine (devices with slots: none)" in done.err
    did(no_slots, "settings", "set", "cpu_slot", "true")
    done = iterand("work", "--device", "GPU-1", "--workspace", no_slots)
    assert "There is no slot on GPU-1 on this machine (devices with slots: cpu)" in done.err

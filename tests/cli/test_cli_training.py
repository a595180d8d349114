"""`iterand train` and `resume`: result lines, exit codes, stops, and what is left in log and store."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from iterand_engine.machine.resources import resource
from iterand_engine.runs import train
from iterand_engine.store import RunState
from iterand_engine.store.runs import claim_run, request_stop
from tests.command_line import (
    STEPS_PER_EPOCH,
    config_file,
    finished,
    iterand,
    only_run,
    opened,
    start,
    typed,
    until,
)
from tests.hooks import hooks
from tests.paths import ROOT

ENDLESS = {"epochs": 100_000, "lr": 0.1}


def test_that_training_ends_with_one_line_on_stdout_and_progress_on_stderr(
    workspace_dir: Path, tmp_path: Path
) -> None:
    done = finished(start("train", config_file(tmp_path), "--workspace", workspace_dir))
    assert done.code == 0, done.err
    assert re.fullmatch(r"run [0-9a-f-]{36} finished val_acc=\d\.\d{4} test_acc=\d\.\d{4}\n", done.out)
    assert re.search(r"^epoch 1/2 step \d+/16 loss .* images/s", done.err, re.MULTILINE)
    run = only_run(workspace_dir)
    assert run is not None
    assert (run.id, run.state, run.step, run.epoch) == (done.run_id, RunState.FINISHED, 16, 2)
    assert f"val_acc={run.val_accuracy:.4f}" in done.out


def test_that_signals_save_and_stop_and_that_what_follows_is_bit_identical(
    workspace_dir: Path, tmp_path: Path
) -> None:
    first = start("train", config_file(tmp_path, training=ENDLESS), "--workspace", workspace_dir)
    until(lambda: (run := only_run(workspace_dir)) is not None and run.step > STEPS_PER_EPOCH + 1)
    first.send_signal(signal.SIGINT)
    interrupted = finished(first)
    stopped_at = _stopped_at(interrupted.out)
    assert interrupted.code == 130, interrupted.err
    resume = typed(f"resume {interrupted.run_id[:8]}", workspace_dir)
    assert f"{resume} goes on" in interrupted.err

    second = start("resume", interrupted.run_id[:8], "--workspace", workspace_dir)
    until(lambda: (run := only_run(workspace_dir)) is not None and run.step > stopped_at)
    second.send_signal(signal.SIGTERM)
    terminated = finished(second)
    assert terminated.code == 130, terminated.err
    assert terminated.run_id == interrupted.run_id
    assert _stopped_at(terminated.out) > stopped_at

    steps = min(_stopped_at(terminated.out), stopped_at + 5)
    again = iterand("reproduce", terminated.run_id, "--steps", str(steps), "--workspace", workspace_dir)
    assert (again.code, again.out) == (0, f"bit-identical up to step {steps}\n")


def _stopped_at(out: str) -> int:
    match = re.fullmatch(r"run [0-9a-f-]{36} stopped step=(\d+)\n", out)
    assert match, out
    return int(match[1])


def test_that_a_request_in_the_store_stops_training(workspace_dir: Path, tmp_path: Path) -> None:
    def ask() -> None:
        until(lambda: (run := only_run(workspace_dir)) is not None and run.step > 0)
        with opened(workspace_dir) as (_, store):
            request_stop(store, store.reader.runs()[0].id)

    asking = threading.Thread(target=ask)
    asking.start()
    done = iterand("train", config_file(tmp_path, training=ENDLESS), "--workspace", workspace_dir)
    asking.join()
    assert done.code == 130
    assert _stopped_at(done.out) > 0
    run = only_run(workspace_dir)
    assert run is not None
    assert run.state is RunState.STOPPED


def test_that_a_second_interrupt_leaves_at_once() -> None:
    script = """
import signal, sys, time
from iterand_engine.machine.signals import StopSignals
with StopSignals() as signals:
    print("ready", flush=True)
    while not signals.requested:
        time.sleep(0.01)
    print("asked", flush=True)
    while True:
        time.sleep(0.01)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=ROOT, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "asked\n"
    process.send_signal(signal.SIGINT)
    done = finished(process)
    assert (done.code, done.err) == (130, "")


def test_that_a_loss_that_is_not_finite_ends_as_diverged_with_the_reason(
    workspace_dir: Path, tmp_path: Path
) -> None:
    config = config_file(tmp_path, training={"lr": 1e30}, method={"name": "dense"})
    done = iterand("train", config, "--workspace", workspace_dir)
    assert done.code == 1
    assert re.fullmatch(r"run \S+ diverged step=\d+\n", done.out)
    assert "not finite at step" in done.err
    assert "not finite at step" in iterand("log", done.run_id, "--workspace", workspace_dir).out


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ValueError("no such thing"), "This is a defect of the program (ValueError: no such thing)."),
        (OSError(28, "No space left on device"), "The system refused ([Errno 28] No space left on device)"),
        (MemoryError("cannot allocate 8 GiB"), "Out of memory (cannot allocate 8 GiB): lower training"),
    ],
)
def test_that_what_is_not_the_users_mistake_is_told_in_a_sentence_and_kept_in_the_log(
    workspace_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, sentence: str
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(train, "build_task", fail)
    done = iterand("train", config_file(tmp_path), "--workspace", workspace_dir)
    assert done.code == 1
    assert done.out == f"run {done.run_id} failed step=0\n"
    assert sentence in done.err
    assert "Traceback" not in done.err
    assert str(workspace_dir / "runs" / done.run_id / "worker.log") in done.err
    log = iterand("log", done.run_id, "--workspace", workspace_dir).out
    assert "Traceback" in log
    run = only_run(workspace_dir)
    assert run is not None
    assert run.state is RunState.FAILED


def test_that_a_resumed_run_goes_on_to_the_same_end(workspace_dir: Path, tmp_path: Path) -> None:
    config = config_file(tmp_path)
    whole = iterand("train", config, "--workspace", workspace_dir)
    parts = _stopped_before_the_end(config, workspace_dir)
    resumed = iterand("resume", parts, "--workspace", workspace_dir)
    assert resumed.code == 0, resumed.err
    assert "goes on from step 11" in resumed.err
    assert resumed.out.split()[2:] == whole.out.split()[2:]
    with opened(workspace_dir) as (_, store):
        digests = {store.reader.run(run_id).final_digest for run_id in (parts, whole.run_id)}
    assert len(digests) == 1


def test_that_a_run_whose_data_went_away_stays_resumable(workspace_dir: Path, tmp_path: Path) -> None:
    digits = tmp_path / "digits.npz"
    shutil.copy(resource("datasets", "digits.npz"), digits)
    config = config_file(tmp_path, data={"dataset": "npz", "path": "digits.npz"})
    run_id = _stopped_before_the_end(config, workspace_dir)
    digits.rename(tmp_path / "elsewhere.npz")
    refused = iterand("resume", run_id, "--workspace", workspace_dir)
    assert (refused.code, refused.out) == (2, f"run {run_id} stopped step=11\n")
    assert f"Cannot read data.path '{digits}'" in refused.err
    (tmp_path / "elsewhere.npz").rename(digits)
    assert iterand("resume", run_id, "--workspace", workspace_dir).code == 0


def test_that_a_run_whose_data_changed_is_refused_until_the_data_is_back(
    workspace_dir: Path, tmp_path: Path
) -> None:
    digits = tmp_path / "digits.npz"
    shutil.copy(resource("datasets", "digits.npz"), digits)
    config = config_file(tmp_path, data={"dataset": "npz", "path": "digits.npz"})
    run_id = _stopped_before_the_end(config, workspace_dir)
    before = digits.read_bytes()
    with np.load(digits) as arrays:
        changed = dict(arrays)
    changed["train_images"] = changed["train_images"].copy()
    changed["train_images"].flat[0] ^= 1
    np.savez(digits, **changed)
    refused = iterand("resume", run_id, "--workspace", workspace_dir)
    assert (refused.code, refused.out) == (2, f"run {run_id} stopped step=11\n")
    assert f"was made for other data than data.path '{digits}' has now" in refused.err
    digits.write_bytes(before)
    assert iterand("resume", run_id, "--workspace", workspace_dir).code == 0


def _stopped_before_the_end(config: Path, folder: Path) -> str:
    from iterand_engine.cli import common
    from iterand_engine.cli import train as training
    from iterand_engine.config.run_config import load_yaml

    with common.opened(folder, makes=True) as at:
        run_id = training.new_run(at, load_yaml(config))
        around = hooks(should_stop=lambda step: step == 11)
        train.work(at.workspace, at.store, run_id, claim_run(at.store, run_id), around)
    return run_id


def test_that_changed_options_are_named_where_a_method_lacks_them(
    workspace_dir: Path, tmp_path: Path
) -> None:
    words = ("--set", "method.name=edge-popup", "--set", "training.epochs=1", "--set", "name=short one")
    done = iterand("train", config_file(tmp_path), *words, "--workspace", workspace_dir)
    assert done.code == 0
    assert "dropped randomize_every: edge-popup has no such option" in done.err
    run = only_run(workspace_dir)
    assert run is not None
    assert (run.name, run.method, run.step) == ("short one", "edge-popup", STEPS_PER_EPOCH)


@pytest.mark.parametrize("module", ["app", "runs"])
def test_that_a_command_that_is_interrupted_while_it_is_loaded_leaves_without_a_word(module: str) -> None:
    # The import of a command takes most of a second; Ctrl+C comes in the middle of it.
    script = f"""
import importlib.abc, signal, sys
class Interrupted(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "iterand_engine.cli.{module}":
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Interrupted())
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
from iterand_engine.cli import main
main(["runs"])
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=ROOT, stderr=subprocess.PIPE
    )
    done = finished(process)
    assert (done.code, done.out, done.err) == (130, "", "")

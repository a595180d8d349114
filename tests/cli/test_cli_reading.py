"""Commands that look: `runs`, `show`, `log`, `presets`, `settings`, `unlock`; for people and for programs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from iterand_engine.config.presets import presets
from iterand_engine.machine import processes
from iterand_engine.machine.run_log import RunLog, log_path, read_from
from iterand_engine.machine.settings import Settings
from iterand_engine.store import NewRun, Recorder, RunState, Store
from iterand_engine.store.runs import adopt_run, claim_run, create_run
from iterand_engine.version import __version__
from tests.command_line import TINY, Done, config_file, iterand, opened, until
from tests.paths import ROOT
from tests.patience import PATIENCE_S


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A workspace with one finished run, and its id."""
    folder = tmp_path_factory.mktemp("trained")
    done = iterand("train", config_file(folder, name="[red]one[/red]"), "--workspace", folder / "ws")
    assert done.code == 0, done.err
    return folder / "ws", done.run_id


def a_run(store: Store, name: str = "made") -> str:
    """A queued run that nobody trains."""
    compute = {**TINY["compute"], "precision": "fp32"}
    config = {**TINY, "compute": compute, "name": name}
    return create_run(store, NewRun(name, config, "key", 1, "cpu", "fp32", __version__))


def printed_json(*words: str | Path) -> dict[str, Any]:
    done = iterand(*words, "--json")
    assert done.code == 0, done.err
    parsed: dict[str, Any] = json.loads(
        done.out, parse_constant=lambda word: pytest.fail(f"{word} is not JSON")
    )
    return parsed


def test_that_runs_json_lists_the_newest_first(workspace_dir: Path) -> None:
    with opened(workspace_dir) as (_, store):
        made = [a_run(store, name) for name in ("first", "second", "third")]
    listed = printed_json("runs", "--workspace", workspace_dir)
    assert listed["schema_version"] == 1
    assert [run["id"] for run in listed["runs"]] == made[::-1]
    first = listed["runs"][-1]
    assert {
        key: first[key] for key in ("name", "state", "step", "epoch", "method", "width_factor", "seed")
    } == {
        "name": "first",
        "state": "queued",
        "step": 0,
        "epoch": 0,
        "method": "iterand",
        "width_factor": 0.0625,
        "seed": 1,
    }
    assert (first["val_accuracy"], first["test_accuracy"], first["test_locked"]) == (None, None, False)


def test_that_show_json_keeps_its_contract(trained: tuple[Path, str]) -> None:
    folder, run_id = trained
    shown = printed_json("show", run_id, "--workspace", folder)
    assert {key: shown[key] for key in ("schema_version", "id", "name", "state", "step", "epoch")} == {
        "schema_version": 1,
        "id": run_id,
        "name": "[red]one[/red]",
        "state": "finished",
        "step": 16,
        "epoch": 2,
    }
    assert shown["config"]["method"]["randomize_every"] == 5
    assert set(shown["results"]) >= {"val_accuracy", "test_accuracy"}
    assert 0 <= shown["results"]["test_accuracy"] <= 1
    assert {"loss", "accuracy", "lr", "mask_flips", "mask_distance", "redrawn", "val_accuracy"} <= set(
        shown["series"]
    )
    assert len(shown["final_digest"]) == 64
    with opened(folder) as (_, store):
        assert shown["series"]["loss"] == store.reader.series(run_id, "loss").values[-1]


def test_that_numbers_that_are_none_become_null_and_a_live_step_shows(workspace_dir: Path) -> None:
    with opened(workspace_dir) as (_, store):
        run_id = a_run(store)
        token = claim_run(store, run_id)
        adopt_run(store, run_id, token, processes.current(), {"threads": 1})
        with Recorder(store, run_id, token) as recorder:
            recorder.declare("val_accuracy", "epoch")
            recorder.append("val_accuracy", [3], [0.5])
            recorder.declare("revived", "event")
            recorder.append("revived", [4], [float("nan")])
            recorder.progress(7, 1, 16)
            recorder.drain()
            shown = printed_json("show", run_id, "--workspace", workspace_dir)
    assert (shown["state"], shown["step"], shown["epoch"]) == ("running", 7, 1)
    assert shown["series"] == {"val_accuracy": 0.5, "revived": None}
    assert shown["results"]["val_accuracy"] == 0.5


def test_that_text_of_the_user_is_shown_as_it_is(trained: tuple[Path, str]) -> None:
    folder, run_id = trained
    for words in (("runs",), ("show", run_id[:8]), ("log", "[red]one[/red]")):
        assert "[red]one[/red]" in iterand(*words, "--workspace", folder).out


def test_that_a_table_that_is_piped_is_not_cut(workspace_dir: Path) -> None:
    name = "a-name-" * 12
    with opened(workspace_dir) as (_, store):
        a_run(store, name)
    assert name in iterand("runs", "--workspace", workspace_dir).out


def test_that_the_lock_shows_a_test_accuracy_nowhere_until_a_run_is_unlocked(
    trained: tuple[Path, str],
) -> None:
    folder, run_id = trained
    accuracy = printed_json("show", run_id, "--workspace", folder)["results"]["test_accuracy"]
    forms = {repr(accuracy), f"{accuracy:.4f}", f"{100 * accuracy:.2f} %"}
    ways = (("runs",), ("runs", "--json"), ("show", run_id), ("show", run_id, "--json"), ("log", run_id))

    def seen() -> list[str]:
        outputs = [iterand(*way, "--workspace", folder).out for way in ways]
        return [out for out in outputs if any(form in out for form in forms)]

    assert len(seen()) == 4  # the log never has it
    assert iterand("settings", "set", "test_lock", "true", "--workspace", folder).code == 0
    try:
        assert seen() == []
        assert "locked" in iterand("runs", "--workspace", folder).out
        assert printed_json("runs", "--workspace", folder)["runs"][0]["test_accuracy"] is None
        assert printed_json("show", run_id, "--workspace", folder)["results"]["test_locked"] is True
        assert iterand("unlock", run_id[:8], "--workspace", folder).out == f"run {run_id} unlocked\n"
        assert len(seen()) == 4
        with opened(folder) as (_, store):
            assert store.reader.run(run_id).test_unlocked
    finally:
        iterand("settings", "set", "test_lock", "false", "--workspace", folder)


def test_that_training_under_the_lock_says_locked(workspace_dir: Path, tmp_path: Path) -> None:
    iterand("settings", "set", "test_lock", "true", "--workspace", workspace_dir)
    config = config_file(tmp_path, method={"name": "dense"}, training={"epochs": 1})
    done = iterand("train", config, "--workspace", workspace_dir)
    assert done.out.endswith(" test_acc=locked\n")


def test_that_following_a_log_shows_what_is_added_and_ends_with_the_run(workspace_dir: Path) -> None:
    with opened(workspace_dir) as (workspace, store):
        run_id = a_run(store)
        workspace.make_run_dir(run_id)
        token = claim_run(store, run_id)
        adopt_run(store, run_id, token, processes.current(), {})
        followed: list[Done] = []
        follower = threading.Thread(
            target=lambda: followed.append(iterand("log", run_id, "-f", "--workspace", workspace_dir))
        )
        with (
            Recorder(store, run_id, token) as recorder,
            RunLog(log_path(workspace, run_id), pytest.fail) as log,
        ):
            follower.start()
            for line in ("one", "two [red]", "Traceback:\n  deep"):
                log.line(line)
            recorder.finish(RunState.STOPPED)
            log.line("the last word")
        follower.join(PATIENCE_S)
    said = [line.partition(" ")[2].partition(" ")[2] or line for line in followed[0].out.splitlines()]
    assert [word for word in said if word != "deep"] == ["one", "two [red]", "Traceback:", "the last word"]


def test_that_a_line_that_is_being_written_is_left_for_later(tmp_path: Path) -> None:
    path = tmp_path / "worker.log"
    assert read_from(path, 0) == ("", 0)
    path.write_bytes("größer\nhal".encode())
    assert read_from(path, 0) == ("größer\n", 9)
    path.write_bytes("größer\nhalb\n".encode())
    assert read_from(path, 9) == ("halb\n", 14)


def test_that_a_run_without_a_log_is_said_to_have_none(workspace_dir: Path) -> None:
    with opened(workspace_dir) as (_, store):
        run_id = a_run(store)
    done = iterand("log", run_id, "--workspace", workspace_dir)
    assert (done.code, done.out) == (0, "")
    assert "has no log" in done.err


def test_that_a_log_that_cannot_be_written_is_said_once_and_ends_nothing(tmp_path: Path) -> None:
    reported: list[str] = []
    with RunLog(tmp_path / "missing" / "worker.log", reported.append) as log:
        log.line("one")
        log.line("two")
    assert len(reported) == 1
    assert "cannot be written" in reported[0]


def test_that_settings_are_listed_read_and_changed(workspace_dir: Path, tmp_path: Path) -> None:
    at = ("--workspace", workspace_dir)
    listed = iterand("settings", *at).out.splitlines()
    assert listed[:2] == ["data_roots: []", "test_lock: false"]
    assert [line.partition(":")[0] for line in listed] == list(Settings.model_fields)
    assert iterand("settings", "set", "data_roots", tmp_path, *at).out == f"data_roots: {tmp_path}\n"
    assert iterand("settings", "get", "data_roots", *at).out == f"{tmp_path}\n"
    # The folder counts also where it is named before the verb.
    assert iterand("settings", *at, "set", "test_lock", "yes").out == "test_lock: true\n"
    with opened(workspace_dir) as (workspace, _):
        assert Settings.load(workspace) == Settings(data_roots=(tmp_path,), test_lock=True)


def test_that_presets_are_all_listed() -> None:
    listed = iterand("presets").out
    assert all(f"{name} " in listed for name in presets())


def test_that_the_workspace_comes_from_the_environment_where_none_is_named(
    workspace_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(workspace_dir) as (_, store):
        run_id = a_run(store)
    monkeypatch.setenv("ITERAND_WORKSPACE", str(workspace_dir))
    assert run_id[:8] in iterand("runs").out


def test_that_looking_does_not_import_torch(trained: tuple[Path, str]) -> None:
    folder, run_id = trained
    script = """
import sys
from iterand_engine.cli import main
folder, run_id = sys.argv[1:]
for words in ("--version", "--help", "runs", "runs --json", f"show {run_id}", f"log {run_id}", "presets",
              "settings", f"unlock {run_id}", "data list", "queue", "top", "stop --all", "undelete"):
    try:
        main([*words.split(), *(["--workspace", folder] if not words.startswith("--") else [])])
    except SystemExit as ending:
        assert ending.code == 0, words
    assert "torch" not in sys.modules, words
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder), run_id],
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert __version__ in done.stdout


def test_that_waiting_helpers_fail_where_nothing_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.command_line.PATIENCE_S", 0.1)
    with pytest.raises(AssertionError, match="in vain"):
        until(lambda: False)

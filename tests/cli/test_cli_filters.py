"""Filters on the command line: which runs are listed or meant, and what is said where none is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from iterand_engine.config.run_config import RunConfig
from iterand_engine.machine import processes
from iterand_engine.machine.workspace import open_workspace_dir
from iterand_engine.store import NewRun, Recorder, Store
from iterand_engine.store.runs import adopt_run, claim_run, create_run
from iterand_engine.version import __version__
from tests.command_line import iterand


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with three runs, the newest of which is under way with an accuracy."""
    folder = tmp_path_factory.mktemp("filtered")
    with Store.open(open_workspace_dir(folder)) as store:
        for name, method, width in (
            ("plain", "dense", 1.0),
            ("my narrow", "iterand", 0.25),
            ("wide", "iterand", 1.0),
        ):
            model = {"name": "conv2", "width_factor": width}
            config = RunConfig.from_mapping({"name": name, "model": model, "method": {"name": method}})
            new = NewRun(name, config.to_mapping(), "key", 1, "cpu", "fp32", __version__)
            run_id = create_run(store, new)
        token = claim_run(store, run_id)
        adopt_run(store, run_id, token, processes.current(), {})
        with Recorder(store, run_id, token) as recorder:
            recorder.declare("val_accuracy", "epoch")
            recorder.append("val_accuracy", [7], [0.5])
            recorder.progress(8, 1, 16)
    return folder


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ((), ["wide", "my narrow", "plain"]),
        (("method:iterand",), ["wide", "my narrow"]),
        (("method:iterand", "width>=0.5"), ["wide"]),
        (("method:iterand width>=0.5",), ["wide"]),
        (("NARROW",), ["my narrow"]),
        (("name:'my narrow'",), ["my narrow"]),
        (("state:queued", "sparsity:null"), ["plain"]),
        (("val_accuracy>0.4",), ["wide"]),
        (("nothing",), []),
    ],
)
def test_that_the_runs_that_a_filter_finds_are_listed(
    folder: Path, words: tuple[str, ...], names: list[str]
) -> None:
    done = iterand("runs", *words, "--json", "--workspace", folder)
    assert done.code == 0, done.err
    assert [run["name"] for run in json.loads(done.out)["runs"]] == names
    table = iterand("runs", *words, "--workspace", folder).out
    assert [name for name in ("wide", "my narrow", "plain") if name in table] == names


def test_that_the_accuracy_so_far_is_listed(folder: Path) -> None:
    (wide,) = json.loads(iterand("runs", "wide", "--json", "--workspace", folder).out)["runs"]
    assert wide["val_accuracy"] == 0.5
    assert "50.00 %" in iterand("runs", "wide", "--workspace", folder).out
    shown = json.loads(iterand("show", "wide", "--json", "--workspace", folder).out)
    assert shown["results"]["val_accuracy"] == 0.5


def test_that_finding_nothing_and_having_nothing_are_told_apart(folder: Path, workspace_dir: Path) -> None:
    assert "No run meets this filter" in iterand("runs", "nothing", "--workspace", folder).out
    assert "There are no runs in" in iterand("runs", "--workspace", workspace_dir).err
    with Store.open(open_workspace_dir(workspace_dir)):
        assert "There are no runs yet" in iterand("runs", "--workspace", workspace_dir).out


def test_that_a_wrong_filter_is_a_users_mistake(folder: Path) -> None:
    done = iterand("runs", "widht>=0.5", "--workspace", folder)
    assert (done.code, done.out) == (2, "")
    assert "no field 'widht'; did you mean 'width'?" in done.err
    assert len(done.err.splitlines()) == 1


@pytest.fixture
def three(workspace_dir: Path) -> Path:
    """A workspace with three queued runs, the oldest first: a at width 0.25, b at 0.5, `lr=0.1` at 1."""
    with Store.open(open_workspace_dir(workspace_dir)) as store:
        for name, width in (("a", 0.25), ("b", 0.5), ("lr=0.1", 1.0)):
            config = RunConfig.from_mapping({"name": name, "model": {"name": "conv2", "width_factor": width}})
            create_run(store, NewRun(name, config.to_mapping(), "key", 1, "cpu", "fp32", __version__))
    return workspace_dir


def in_state(folder: Path, state: str) -> list[str]:
    """Names of the runs that stand so, the newest first."""
    done = iterand("runs", f"state:{state}", "--json", "--workspace", folder)
    return [run["name"] for run in json.loads(done.out)["runs"]]


def test_that_commands_for_several_runs_take_a_filter(three: Path) -> None:
    here = ("--workspace", three)
    assert iterand("stop", "width<=0.5", *here).out.count(" stopped\n") == 2
    assert (in_state(three, "stopped"), in_state(three, "queued")) == (["b", "a"], ["lr=0.1"])
    assert iterand("stop", "width>0", *here).out.count(" stopped\n") == 1  # what has ended is left out
    assert iterand("settings", "set", "cpu_slot", "false", *here).code == 0
    assert "queued 2 runs" in iterand("queue", "--resume", "width>=0.25", "width<1", *here).out
    assert [run["name"] for run in queued(three)] == ["a", "b"]
    assert "moved run" in iterand("move", "width:0.5", "--first", *here).out
    assert [run["name"] for run in queued(three)] == ["b", "a"]
    assert iterand("unlock", "width:1", *here).out.count(" unlocked\n") == 1
    assert "Deleted 2 runs" in iterand("delete", "state:queued", *here).out
    assert "Brought back 2 runs" in iterand("undelete", "--all", *here).out
    assert in_state(three, "stopped") == ["lr=0.1", "b", "a"]


def queued(folder: Path) -> list[dict[str, object]]:
    """The queue, its head first."""
    found: list[dict[str, object]] = json.loads(iterand("queue", "--json", "--workspace", folder).out)["runs"]
    return found


def test_that_a_name_is_no_condition_whatever_it_has_in_it(three: Path) -> None:
    assert iterand("stop", "lr=0.1", "--workspace", three).out.count(" stopped\n") == 1
    assert in_state(three, "stopped") == ["lr=0.1"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("a", "width:0.5"), "'a' names a run and 'width:0.5' is a condition: give one or the other."),
        (("widht:1",), "no field 'widht'; did you mean 'width'?"),
        (("width:7",), "No run that this is for meets the filter 'width:7'; `iterand runs --workspace "),
        (("lr=0.1", "nobody"), "No run has the name 'nobody'"),
    ],
)
def test_that_nothing_is_done_where_it_is_not_clear_which_runs_are_meant(
    three: Path, words: tuple[str, ...], said: str
) -> None:
    for command in (("stop",), ("delete",), ("move", "--first"), ("queue", "--resume"), ("unlock",)):
        done = iterand(*command, *words, "--workspace", three)
        assert (done.code, done.out) == (2, "")
        assert said in done.err
    assert len(in_state(three, "queued")) == 3


def test_that_a_filter_of_runs_that_stand_otherwise_says_how_they_stand(three: Path) -> None:
    done = iterand("queue", "--resume", "width<=0.5", "--workspace", three)
    assert done.code == 2
    assert "meets the filter 'width<=0.5'; the 2 that meet it are queued." in done.err

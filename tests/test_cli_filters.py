"""`iterand runs FILTER...`: which runs it lists, and what it says where none is found or it is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from iterand_engine import __version__, processes
from iterand_engine.config import RunConfig
from iterand_engine.store import NewRun, Recorder, Store
from iterand_engine.workspace import open_workspace_dir
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
            run_id = store.create_run(new)
        token = store.claim(run_id)
        store.adopt(run_id, token, processes.current(), {})
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
    assert "There are no runs yet" in iterand("runs", "--workspace", workspace_dir).out


def test_that_a_wrong_filter_is_a_users_mistake(folder: Path) -> None:
    done = iterand("runs", "widht>=0.5", "--workspace", folder)
    assert (done.code, done.out) == (2, "")
    assert "no field 'widht'; did you mean 'width'?" in done.err
    assert len(done.err.splitlines()) == 1

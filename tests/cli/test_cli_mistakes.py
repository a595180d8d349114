"""Every mistake of a user is answered by one sentence on stderr and exit code 2, without a traceback."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from iterand_engine.machine import own_files, processes
from iterand_engine.store import NewRun, Recorder, RunState
from iterand_engine.store.runs import adopt_run, claim_run, create_run
from iterand_engine.version import __version__
from tests.command_line import TINY, Done, config_file, iterand, opened


def refused(done: Done) -> str:
    """The one sentence; fails where the command did not end as a user's mistake should."""
    assert done.code == 2, (done.out, done.err)
    assert "Traceback" not in done.err
    lines = done.err.strip().splitlines()
    assert len(lines) == 1, done.err
    return lines[0]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train"], "Nothing says what to train"),
        (["train", "a.yaml", "--preset", "quickstart"], "are both given"),
        (["train", "missing.yaml"], "Cannot read the configuration 'missing.yaml'"),
        (["train", "--preset", "quickstar"], "did you mean 'quickstart'?"),
        (["train", "--preset", "quickstart", "--set", "training.lr"], "not of the form option=value"),
        (["train", "--preset", "quickstart", "--set", "training.lrr=1"], "did you mean"),
        (["train", "--preset", "quickstart", "--set", "method.sparsity=1"], "method.sparsity"),
        (["train", "--preset", "quickstart", "--set", "method.randomize_every=0"], "method.randomize_every"),
        (["train", "--preset", "quickstart", "--set", "model.width_factor=17"], "model.width_factor"),
        (["train", "--preset", "quickstart", "--set", "model.name=conv5"], "There is no model 'conv5'"),
        (["train", "--preset", "quickstart", "--set", "data.dataset=npz"], "data.path is missing"),
        (["train", "--preset", "quickstart", "--set", "compute.device=GPU-zzz"], "no such GPU"),
        (["train", "--preset", "cifar10-conv6-dense"], "run `iterand data fetch cifar10 --workspace "),
        (["resume", "nobody"], "No run has the name 'nobody'"),
        (["show", "nobody"], "No run has the name 'nobody'"),
        (["log", "nobody"], "No run has the name 'nobody'"),
        (["unlock", "nobody"], "No run has the name 'nobody'"),
        (["reproduce", "nobody"], "No run has the name 'nobody'"),
        (["export", "nobody", "--format", "masks", "--out", "x"], "No run has the name 'nobody'"),
        (["settings", "get", "test_lok"], "did you mean 'test_lock'?"),
        (["settings", "set", "test_lock", "maybe"], "Setting test_lock cannot be 'maybe'"),
        (["settings", "set", "data_roots", "/no/such/folder"], "there is no such folder"),
        (["data", "fetch", "cifar"], "did you mean 'cifar10'?"),
        (["data", "fetch", "imagenet"], "cannot be downloaded from here"),
        (["data", "fetch", "digits"], "nothing to download"),
    ],
)
def test_that_a_mistake_is_answered_in_one_sentence(workspace_dir: Path, words: list[str], said: str) -> None:
    with opened(workspace_dir):
        pass  # somebody trained here before
    assert said in refused(iterand(*words, "--workspace", workspace_dir))
    with opened(workspace_dir) as (_, store):
        assert store.reader.runs() == []  # nothing was made


_LOOKS = [
    *(["runs"], ["show", "x"], ["log", "x"], ["top", "--once"], ["queue"], ["clean"], ["work"]),
    *(["stop", "x"], ["delete", "x"], ["resume", "x"], ["queue", "--resume", "x"], ["settings"]),
    *(["export", "x", "--format", "masks", "--out", "y"], ["data", "list"], ["extensions", "list"]),
]


@pytest.mark.parametrize("words", _LOOKS, ids=" ".join)
def test_that_looking_makes_no_workspace(tmp_path: Path, words: list[str]) -> None:
    folder = tmp_path / "mistyped"
    said = refused(iterand(*words, "--workspace", folder))
    assert said.startswith(f"There is no workspace {folder}: name the folder of one that exists.")
    assert not folder.exists()


@pytest.mark.parametrize("words", [["runs"], ["show", "x"], ["queue"], ["stop", "x"]], ids=" ".join)
def test_that_looking_makes_no_database(tmp_path: Path, words: list[str]) -> None:
    said = refused(iterand(*words, "--workspace", tmp_path))
    assert said == f"There are no runs in {tmp_path} yet: nothing was trained in this workspace."
    assert not (tmp_path / "iterand.db").exists()


def test_that_the_users_own_place_need_not_exist_to_list_what_there_is() -> None:
    for words in (["data", "list"], ["settings"], ["presets"]):
        assert iterand(*words).code == 0
    assert "There are no runs" in refused(iterand("runs"))


def test_that_a_new_workspace_is_noted_once(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    reported = f"There was no workspace {folder}: a new one was made there."
    assert reported in iterand("settings", "set", "test_lock", "true", "--workspace", folder).err
    assert reported not in iterand("settings", "set", "test_lock", "false", "--workspace", folder).err


def test_that_usage_errors_have_the_same_exit_code(workspace_dir: Path) -> None:
    assert iterand("nope").code == 2
    assert iterand("show").code == 2
    assert iterand("runs", "--jsn").code == 2
    assert iterand("export", "x", "--format", "masks", "--workspace", workspace_dir).code == 2


def test_that_a_file_with_a_mistake_is_refused_by_name(workspace_dir: Path, tmp_path: Path) -> None:
    dense = config_file(tmp_path, method={"name": "dense", "sparsity": 0.5})
    assert "sparsity" in refused(iterand("train", dense, "--workspace", workspace_dir))
    broken = tmp_path / "broken.yaml"
    broken.write_text("a: [1,")
    assert "is not valid YAML" in refused(iterand("train", broken, "--workspace", workspace_dir))


def test_that_a_workspace_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "is a file" in refused(iterand("runs", "--workspace", tmp_path / "file"))


def test_that_a_mistake_found_while_training_is_stored_with_the_run(
    workspace_dir: Path, tmp_path: Path
) -> None:
    config = config_file(tmp_path, model={"width_factor": 0.001})
    done = iterand("train", config, "--workspace", workspace_dir)
    assert done.code == 2
    assert done.out == f"run {done.run_id} failed step=0\n"
    with opened(workspace_dir) as (_, store):
        run = store.reader.run(done.run_id)
    assert run.state is RunState.FAILED
    assert run.reason is not None
    assert run.reason in done.err


def test_that_a_name_that_several_runs_have_is_refused_with_their_ids(workspace_dir: Path) -> None:
    with opened(workspace_dir) as (_, store):
        made = [
            create_run(store, NewRun("twin", {**TINY, "name": "twin"}, "key", 1, "cpu", "fp32", __version__))
            for _ in range(2)
        ]
    sentence = refused(iterand("show", "twin", "--workspace", workspace_dir))
    assert all(run_id in sentence for run_id in made)


@pytest.mark.parametrize("state", [RunState.FINISHED, RunState.RUNNING])
def test_that_only_a_run_that_nobody_trains_and_that_has_not_ended_is_resumed(
    workspace_dir: Path, state: RunState
) -> None:
    with opened(workspace_dir) as (_, store):
        run_id = create_run(
            store, NewRun("one", {**TINY, "name": "one"}, "key", 1, "cpu", "fp32", __version__)
        )
        token = claim_run(store, run_id)
        adopt_run(store, run_id, token, processes.current(), {})
        with Recorder(store, run_id, token) as recorder:
            recorder.progress(1, 0, 16)
            recorder.drain()
            if state is RunState.FINISHED:
                recorder.finish(state)
            sentence = refused(iterand("resume", run_id, "--workspace", workspace_dir))
    assert f"Run {run_id} is {state}" in sentence


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "No space left on device ('settings.yaml'): make room on the disk, and try again."),
        (
            errno.EROFS,
            "Read-only file system ('settings.yaml'): correct the permissions or use another place",
        ),
    ],
)
def test_that_what_the_system_refuses_is_one_sentence(
    workspace_dir: Path, monkeypatch: pytest.MonkeyPatch, number: int, said: str
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number), "settings.yaml")

    monkeypatch.setattr(own_files, "write", refuse)
    done = iterand("settings", "set", "test_lock", "true", "--workspace", workspace_dir)
    assert refused(done).startswith(said)
    preset = ("--preset", "quickstart", "--workspace", workspace_dir)
    assert refused(iterand("train", *preset)).startswith(said)


def test_that_another_error_of_the_system_is_a_defect(
    workspace_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EBADF, "Bad file descriptor")

    monkeypatch.setattr(own_files, "write", fail)
    done = iterand("settings", "set", "test_lock", "true", "--workspace", workspace_dir)
    assert done.code == 1
    assert "Traceback" in done.err

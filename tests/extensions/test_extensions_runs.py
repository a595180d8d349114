"""Runs with extensions: they run their own copy, if it is what this user enabled."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from iterand_engine.config.catalog import extension_entries
from iterand_engine.config.run_config import RunConfig
from iterand_engine.errors import ExitCode, UserError
from iterand_engine.extensions.active import activated, allowed, run_code
from iterand_engine.extensions.files import disable, named_file
from iterand_engine.extensions.trust import Trust
from iterand_engine.machine.workspace import Workspace, open_workspace_dir
from iterand_engine.preflight import contract_runs
from iterand_engine.results.filter_fields import find_field
from iterand_engine.runs.adopt import adopted
from iterand_engine.runs.make import make_run
from iterand_engine.store import ExtensionUse, RunState
from iterand_engine.store.runs import claim_run
from tests.command_line import TINY, Done, config_file, finished, iterand, opened, start, typed
from tests.extension_code import (
    DATA,
    HEAD,
    METHOD,
    NET,
    RULE,
    SIGNATURES,
    enable_here,
    reason_of,
    train,
    trusted,
    write,
)

pytestmark = pytest.mark.usefixtures("no_entries_left")

RULE_RUN: Mapping[str, Any] = {"method": {"name": "iterand", "randomize_every": 5, "rule": "mine"}}


def queued(workspace: Workspace, **sections: Mapping[str, Any]) -> str:
    """Make a tiny run without training it; returns its id."""
    mapping = {name: {**options, **sections.get(name, {})} for name, options in TINY.items()}
    with opened(workspace.root) as (_, store), activated(workspace):
        return make_run(workspace, store, RunConfig.from_mapping({**mapping, "training": {"epochs": 1}}))


def trained(workspace: Workspace, run_id: str) -> Done:
    return iterand("resume", run_id, "--now", "--workspace", workspace.root)


def refused(workspace: Workspace, run_id: str) -> str:
    """What `iterand resume` says that does not take up a run."""
    done = trained(workspace, run_id)
    assert done.code == ExitCode.USER
    return done.err


def refusal_of_worker(workspace: Workspace, run_id: str) -> str:
    """What a worker says that does not take up a run."""
    with opened(workspace.root) as (_, store):
        token = claim_run(store, run_id)
        with pytest.raises(UserError) as refused, adopted(store, run_id, token):
            pass
    return str(refused.value)


def test_that_a_run_uses_what_is_declared_and_keeps_a_copy(workspace: Workspace) -> None:
    for name, text in {"net.py": NET, "rule.py": RULE, "data.py": DATA, "method.py": METHOD}.items():
        trusted(workspace, name, text)
    done = train(
        workspace,
        data={"dataset": "noise", "classes": 4, "train_limit": 48},
        model={"name": "tiny", "depth": 2},
        method={"name": "mine", "randomize_every": 2, "rule": {"name": "mine", "rate": 0.5}},
    )
    assert done.code == 0, done.err
    folder = workspace.run_dir(done.run_id)
    copies = {path.name: path.read_text() for path in (folder / "extensions").iterdir()}
    assert copies == {"net.py": NET, "rule.py": RULE, "data.py": DATA, "method.py": METHOD}
    with opened(workspace.root) as (_, store):
        run = store.reader.run(done.run_id)
    assert [use.file for use in run.extensions] == sorted(copies)
    assert run.config["model"]["depth"] == 2  # type: ignore[index]
    assert "classes: 4" in (folder / "config.yaml").read_text()
    found = iterand("runs", "depth:2 rule.rate:0.5 classes>3 temperature:1", "--workspace", workspace.root)
    assert done.run_id[:8] in found.out


def test_that_a_run_without_extension_code_has_no_copy(workspace: Workspace) -> None:
    trusted(workspace, "net.py", NET)
    run_id = queued(workspace)
    assert not (workspace.run_dir(run_id) / "extensions").exists()
    with opened(workspace.root) as (_, store):
        assert store.reader.run(run_id).extensions == ()


def test_that_a_run_goes_on_with_its_copy_whatever_becomes_of_the_file(workspace: Workspace) -> None:
    trusted(workspace, "net.py", NET)
    run_ids = [queued(workspace, model={"name": "tiny"}) for _ in range(3)]
    write(workspace, "net.py", "raise SystemExit('the edited file was run')")
    assert trained(workspace, run_ids[0]).code == 0
    disable(workspace, "net.py")
    assert trained(workspace, run_ids[1]).code == 0
    trusted(workspace, "net.py", NET.replace("tiny", "other"))
    assert trained(workspace, run_ids[2]).code == 0
    again = iterand("reproduce", run_ids[2], "--workspace", workspace.root)
    assert "bit-identical" in again.out, again.err


def test_that_edited_code_makes_another_group(workspace: Workspace) -> None:
    def group(run_id: str) -> str:
        with opened(workspace.root) as (_, store):
            return store.reader.run(run_id).group_key

    trusted(workspace, "net.py", NET)
    trusted(workspace, "data.py", DATA)
    first, second = (queued(workspace, model={"name": "tiny"}) for _ in range(2))
    trusted(workspace, "net.py", NET + "# edited")
    third = queued(workspace, model={"name": "tiny"})
    assert group(first) == group(second) != group(third)


def test_that_a_copy_that_was_tampered_with_is_not_run(workspace: Workspace, tmp_path: Path) -> None:
    trusted(workspace, "net.py", NET)
    run_id = queued(workspace, model={"name": "tiny"})
    marker = tmp_path / "ran"
    copy = workspace.run_dir(run_id) / "extensions" / "net.py"
    copy.write_text(f"open({str(marker)!r}, 'w').close()\n{NET}")
    for refuse in (refused, refusal_of_worker):
        assert "is not the code that was enabled" in refuse(workspace, run_id)
    assert reason_of(workspace, run_id)[0] is RunState.FAILED
    copy.unlink()
    assert "Cannot read the extension" in trained(workspace, run_id).err
    (tmp_path / "net.py").write_text(NET)
    copy.symlink_to(tmp_path / "net.py")
    assert "is a link to" in trained(workspace, run_id).err
    assert not marker.exists()


def test_that_a_copied_workspace_runs_extension_code_only_once_it_is_enabled_there(
    workspace: Workspace, tmp_path: Path
) -> None:
    trusted(workspace, "net.py", NET)
    run_id = queued(workspace, model={"name": "tiny"})
    write(workspace, "net.py", NET + "# edited later")
    shutil.copytree(workspace.root, tmp_path / "copy")
    copy = open_workspace_dir(tmp_path / "copy")
    path = copy.run_dir(run_id) / "extensions" / "net.py"
    reason = (
        f"Run {run_id} uses an extension that you never enabled in this workspace: look at "
        f"runs/{run_id}/extensions/net.py and run "
    )
    said = f"{reason}`iterand extensions enable {path}`."
    told = f"{reason}{typed(f'extensions enable {path}', copy.root)}."
    # before it is queued or waits for a slot, and by whoever is to train it all the same
    assert refused(copy, run_id) == f"{told}\n"
    requeued = iterand("queue", "--resume", run_id, "--workspace", copy.root)
    assert (requeued.code, requeued.err) == (ExitCode.USER, f"{told}\n")
    assert reason_of(copy, run_id) == (RunState.QUEUED, None)
    assert refusal_of_worker(copy, run_id) == said
    assert reason_of(copy, run_id) == (RunState.FAILED, said)
    # the file of that name is another by now: enabling it does not help the run
    enable_here(copy, "net.py")
    assert trained(copy, run_id).code == ExitCode.USER
    enable_here(copy, str(path))
    assert trained(copy, run_id).code == 0


def test_that_a_path_never_means_another_file_of_that_name(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusted(workspace, "net.py", NET)
    run_id = queued(workspace, model={"name": "tiny"})
    disable(workspace, "net.py")
    write(workspace, "net.py", NET + "# edited later")
    monkeypatch.chdir(tmp_path)
    # as docs/extending.md names a copy: seen from the workspace
    copy = enable_here(workspace, f"runs/{run_id}/extensions/net.py").source
    assert copy is not None
    assert copy.path == workspace.run_dir(run_id) / "extensions" / "net.py"
    assert Trust.load(workspace).of("net.py").enabled is None
    for text in (f"runs/{run_id}/extensions/rule.py", "elsewhere/net.py"):
        with pytest.raises(UserError, match=f"There is no file '{text}', neither seen from here nor from"):
            enable_here(workspace, text)
    assert named_file(workspace, "extensions/net.py") == workspace.extensions_dir / "net.py"


def test_that_enabling_a_copy_enables_nothing_for_new_runs(workspace: Workspace, tmp_path: Path) -> None:
    trusted(workspace, "net.py", NET)
    run_id = queued(workspace, model={"name": "tiny"})
    disable(workspace, "net.py")
    enable_here(workspace, str(workspace.run_dir(run_id) / "extensions" / "net.py"))
    with activated(workspace):
        assert extension_entries() == ()


def test_that_a_field_of_extension_code_that_is_off_is_refused_with_its_name(workspace: Workspace) -> None:
    trusted(workspace, "rule.py", RULE)
    with activated(workspace):
        find_field("method.rule.rate")
    disable(workspace, "rule.py")
    with (
        activated(workspace),
        pytest.raises(UserError, match=r"may have it \(mine\): see `iterand"),
    ):
        find_field("method.rule.rate")


def test_that_a_row_cannot_name_a_file_elsewhere(workspace: Workspace) -> None:
    for name in ("../net.py", "/etc/passwd", "a/b.py", "net.txt"):
        uses = [ExtensionUse(name, "0" * 64)]
        run_id = "00000000-0000-0000-0000-000000000000"
        with (
            pytest.raises(UserError, match="which is not a valid file name"),
            run_code(workspace, run_id, uses),
        ):
            pass


def test_that_a_run_whose_row_hides_its_code_finds_none(workspace: Workspace) -> None:
    """The catalogs of a worker hold what the run was made with and nothing else."""
    trusted(workspace, "net.py", NET)
    with activated(workspace), run_code(workspace, "00000000-0000-0000-0000-000000000000", []):
        assert extension_entries() == ()


def test_that_extension_code_hides_a_built_in_name_only_while_its_run_lasts(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from iterand_engine.config.catalog import MODELS, Entry

    trusted(workspace, "net.py", NET)
    run_id = queued(workspace, model={"name": "tiny"})
    monkeypatch.setitem(MODELS, "tiny", Entry("tiny", "Tiny of an upgrade", "x:y"))
    assert trained(workspace, run_id).code == 0
    assert MODELS["tiny"].label == "Tiny of an upgrade"


def test_that_no_run_is_made_of_a_file_that_changes_meanwhile(workspace: Workspace) -> None:
    trusted(workspace, "net.py", NET)
    config = RunConfig
    with opened(workspace.root) as (_, store), activated(workspace):
        made = config.from_mapping({**TINY, "model": {"name": "tiny"}})
        write(workspace, "net.py", NET + "#")
        with pytest.raises(UserError, match="is not the code that was enabled: it changed since then"):
            make_run(workspace, store, made)
        assert store.reader.runs() == []
    assert list(workspace.runs_dir.iterdir()) == []


def test_that_a_run_that_cannot_be_stored_leaves_no_files(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*_: object) -> str:
        assert len(list(workspace.runs_dir.iterdir())) == 1  # a worker could have found its files
        raise UserError("The database has been locked.")

    monkeypatch.setattr("iterand_engine.runs.make.create_run", locked)
    with opened(workspace.root) as (_, store), pytest.raises(UserError, match="locked"):
        make_run(workspace, store, RunConfig.from_mapping(TINY))
    assert list(workspace.runs_dir.iterdir()) == []


def test_that_only_the_training_process_runs_extension_code(workspace: Workspace, tmp_path: Path) -> None:
    marker = tmp_path / "pids"
    note = f"import os\nwith open({str(marker)!r}, 'a') as marker: marker.write(f'{{os.getpid()}} ')\n"
    trusted(workspace, "net.py", note + NET)
    trusted(workspace, "data.py", note + DATA)
    marker.unlink()
    place = ("--workspace", workspace.root)
    path = config_file(tmp_path, model={"name": "tiny"}, data={"dataset": "noise", "train_limit": None})
    run_id = queued(workspace, model={"name": "tiny"}, data={"dataset": "noise", "train_limit": None})
    for words in (["runs", "depth>0"], ["show", run_id], ["queue"], ["extensions", "list"], ["log", run_id]):
        assert iterand(*words, *place).code == 0, words
    assert not marker.exists()
    process = start("train", path, "--now", *place)
    assert finished(process).code == 0
    assert set(marker.read_text().split()) == {str(process.pid)} != {str(os.getpid())}


def test_that_a_rule_cannot_touch_what_it_is_given(workspace: Workspace) -> None:
    """In place it changes copies; the run equals one whose rule changes nothing."""
    body = "    return Redraw(layer.chance(0.3))\n"
    tampering = "    layer.weight.zero_(); layer.score.fill_(7); layer.mask.logical_not_()\n"
    digests = []
    for text in (f"{SIGNATURES['rule']}\n{body}", f"{SIGNATURES['rule']}\n{tampering}{body}"):
        trusted(workspace, "mine.py", HEAD + text)
        done = train(workspace, **RULE_RUN)
        with opened(workspace.root) as (_, store):
            digests.append(store.reader.run(done.run_id).final_digest)
    assert digests[0] == digests[1] is not None


def test_that_a_dataset_of_extension_code_may_be_a_folder_that_needs_its_path(
    workspace: Workspace, tmp_path: Path
) -> None:
    images = tmp_path / "images"
    images.mkdir()
    rng = np.random.default_rng(0)
    for number in range(40):
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(images / f"{number}.png")
    text = (
        "    names = sorted(file.name for file in path.iterdir())\n"
        "    part = image_files(path, names, [number % 2 for number in range(len(names))])\n"
        "    return FolderContent(part, part, ('even', 'odd'))\n"
    )
    imports = "from pathlib import Path\n"
    trusted(workspace, "mine.py", f"{HEAD}{imports}@dataset\ndef mine(path: Path):\n{text}")
    done = train(workspace, data={"dataset": "mine", "train_limit": None})
    assert (done.code, "data.path is missing" in done.err) == (ExitCode.USER, True)
    done = train(workspace, data={"dataset": "mine", "train_limit": None, "path": str(images)})
    assert done.code == 0, done.err


def test_that_what_extension_code_prints_is_no_result(workspace: Workspace, tmp_path: Path) -> None:
    trusted(workspace, "net.py", NET.replace("        super()", "        print('hello')\n        super()", 1))
    done = train(workspace, model={"name": "tiny"}, method={"name": "dense"})
    assert done.code == 0, done.err
    assert done.out == f"run {done.run_id} {done.out.partition(done.run_id)[2].strip()}\n"
    assert "hello" in done.err
    again = iterand("reproduce", done.run_id, "--workspace", workspace.root)
    assert (again.code, again.out.count("\n"), "hello" in again.err) == (0, 1, True)
    config = config_file(tmp_path, model={"name": "tiny"})
    timed = iterand("measure", config, "--json", "--steps", "1", "--workspace", workspace.root)
    assert json.loads(timed.out)["steps"] == 1
    assert "hello" in timed.err


def test_that_a_rule_that_leaves_fails_its_run(workspace: Workspace) -> None:
    trusted(workspace, "mine.py", HEAD + SIGNATURES["rule"] + "\n    import sys; sys.exit(0)\n")
    done = train(workspace, **RULE_RUN)
    assert done.code == ExitCode.FAILED
    state, reason = reason_of(workspace, done.run_id)
    assert state is RunState.FAILED
    assert reason is not None
    assert reason.startswith("extensions/mine.py, line ")
    assert reason.endswith("SystemExit: 0.")


def test_that_training_with_extension_code_resumes_exactly(workspace: Workspace) -> None:
    trusted(workspace, "mine.py", HEAD + SIGNATURES["rule"] + "\n    return Redraw(layer.chance(0.3))\n")
    with allowed(workspace):
        config = RunConfig.from_mapping({**TINY, **RULE_RUN, "training": {"epochs": 2, "batch_size": 32}})
        whole = contract_runs.train(config, torch_seed=1)
        stopped = contract_runs.train(config, torch_seed=2, stop_at=11)
        resumed = contract_runs.train(config, torch_seed=3, start=stopped.saved[-1])
    assert whole.trainer.position.step == 16
    assert contract_runs.difference(whole.trainer, resumed.trainer) is None
    assert contract_runs.difference(whole.trainer, stopped.trainer) is not None

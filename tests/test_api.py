"""`open_workspace` gives what was recorded, changes nothing, keeps to the test lock, and needs no torch."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import iterand_engine
from iterand_engine import OpenWorkspace, open_workspace
from iterand_engine.config.run_config import RunConfig
from iterand_engine.errors import UserError
from iterand_engine.machine import processes
from iterand_engine.machine.settings import Settings
from iterand_engine.machine.workspace import Workspace, open_workspace_dir
from iterand_engine.results.epoch_masks import EpochMasks, write_epoch
from iterand_engine.results.stored_mask import pack_kept
from iterand_engine.store import Locked, NewRun, Recorder, RunState, Store
from iterand_engine.store.runs import adopt_run, claim_run, create_run, unlock_runs
from tests.command_line import config_file, finished, start
from tests.paths import ROOT

PAGE = ROOT / "docs" / "python.md"
LAYERS = ("convs.0.weight", "head.weight")
STEPS = np.arange(6, dtype=np.int64)
LOSS = np.array([2.0, 1.5, np.nan, 1.0, 0.5, 0.25], dtype=np.float32)
FLIPS = np.linspace(0, 1, 6, dtype=np.float32).reshape(3, 2)
MASK = np.arange(24).reshape(2, 3, 4) % 3 == 0


@dataclass(frozen=True)
class Recorded:
    """A workspace with three runs: a dense one that is queued, a finished one with masks, one under way."""

    workspace: Workspace
    dense: str
    done: str
    under_way: str


def new_run(store: Store, name: str, method: str, width: float, seed: int) -> str:
    """A run with a complete configuration."""
    sections = {"data": {"dataset": "digits"}, "model": {"name": "conv2", "width_factor": width}}
    config = RunConfig.from_mapping(
        {"name": name, **sections, "method": {"name": method}, "training": {"seed": seed}}
    )
    new = NewRun(name, config.to_mapping(), f"group-{width}", seed, "cpu", "fp32", "0.1.0")
    return create_run(store, new)


def take(store: Store, run_id: str) -> Recorder:
    """Start a run for this process."""
    token = claim_run(store, run_id)
    adopt_run(store, run_id, token, processes.current(), {"threads": 1})
    return Recorder(store, run_id, token)


def record(workspace: Workspace) -> Recorded:
    """Fill a workspace."""
    with Store.open(workspace) as store:
        dense = new_run(store, "plain", "dense", 0.25, 1)
        done = new_run(store, "wide", "iterand", 1.0, 1)
        with take(store, done) as recorder:
            record_series(recorder)
            recorder.progress(6, 2, 6)
            recorder.event("warning", "Something happened.", 3)
            recorder.finish(RunState.FINISHED, val_accuracy=0.75, test_accuracy=0.625)
        under_way = new_run(store, "narrow", "iterand", 0.5, 2)
        with take(store, under_way) as recorder:
            recorder.declare("val_accuracy", "epoch")
            recorder.append("val_accuracy", [4], [0.5])
            recorder.progress(5, 1, 10)
    folder = workspace.make_run_dir(done) / "masks"
    first = masks(0, MASK)
    write_epoch(folder, first, None)
    write_epoch(folder, masks(1, ~MASK), first)
    return Recorded(workspace, dense, done, under_way)


def record_series(recorder: Recorder) -> None:
    """Series on every axis, with layers and without."""
    recorder.declare("loss", "step")
    recorder.append("loss", STEPS, LOSS)
    recorder.declare("mask_flips.layers", "step", LAYERS)
    recorder.append("mask_flips.layers", STEPS[::2], FLIPS)
    recorder.declare("val_accuracy", "epoch")
    recorder.append("val_accuracy", [2, 5], [0.25, 0.75])
    recorder.declare("images_per_s", "clock")
    recorder.append("images_per_s", [1, 1, 4], [10.0, 20.0, 30.0])


def masks(epoch: int, mask: np.ndarray[Any, np.dtype[np.bool_]]) -> EpochMasks:
    """Masks of one layer."""
    return EpochMasks(epoch, {LAYERS[0]: pack_kept(mask)}, {})


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """Made once: nothing here may change it."""
    return record(open_workspace_dir(tmp_path_factory.mktemp("api") / "workspace"))


@pytest.fixture
def ws(recorded: Recorded) -> Iterator[OpenWorkspace]:
    with open_workspace(recorded.workspace.root) as ws:
        yield ws


class FakeFrame:
    """As much of a DataFrame as the tests look at, where pandas is not installed."""

    def __init__(self, columns: dict[str, Any]) -> None:
        assert len({len(column) for column in columns.values()}) == 1
        self._columns = columns
        self.columns = list(columns)

    def __getitem__(self, name: str) -> Any:
        return self._columns[name]


@pytest.fixture
def pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real one where it is installed."""
    if importlib.util.find_spec("pandas") is None:
        fake = ModuleType("pandas")
        fake.DataFrame = FakeFrame  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "pandas", fake)


def test_that_runs_come_newest_first_and_by_filter(ws: OpenWorkspace, recorded: Recorded) -> None:
    assert [run.id for run in ws.runs()] == [recorded.under_way, recorded.done, recorded.dense]
    assert [run.id for run in ws.runs("width>=0.5 method:iterand")] == [recorded.under_way, recorded.done]
    assert [run.id for run in ws.runs("name:plain sparsity:null")] == [recorded.dense]
    assert ws.runs("nothing of this name") == []
    with pytest.raises(UserError, match="did you mean 'width'"):
        ws.runs("widht>1")


def test_that_a_filter_and_a_run_speak_of_the_accuracy_so_far(ws: OpenWorkspace, recorded: Recorded) -> None:
    assert ws.run("narrow").val_accuracy == 0.5
    assert [run.id for run in ws.runs("val_accuracy<0.6")] == [recorded.under_way]
    assert [run.id for run in ws.runs("val_accuracy:null")] == [recorded.dense]


def test_that_a_run_is_found_by_name_id_or_its_beginning(ws: OpenWorkspace, recorded: Recorded) -> None:
    for text in ("wide", recorded.done, recorded.done[:13]):
        assert ws.run(text).id == recorded.done
    with pytest.raises(UserError, match=r"No run has the name 'wied'.*did you mean 'wide'"):
        ws.run("wied")


def test_that_a_run_tells_how_it_stood(ws: OpenWorkspace, recorded: Recorded) -> None:
    run = ws.run("wide")
    assert (run.name, run.state, run.seed, run.step, run.epoch) == ("wide", RunState.FINISHED, 1, 6, 2)
    assert (run.val_accuracy, run.test_accuracy) == (0.75, 0.625)
    assert run.config["method"]["randomize_every"] == 300
    assert RunConfig.from_mapping(run.config).to_mapping() == run.config
    assert [(event.level, event.step, event.text) for event in run.events] == [
        ("warning", 3, "Something happened.")
    ]
    assert [dict(start.snapshot) for start in run.environments] == [{"threads": 1}]
    assert run.folder == recorded.workspace.run_dir(recorded.done)
    assert repr(run) == f"<run {recorded.done[:8]} wide: finished, step 6>"
    plain = ws.run("plain")
    assert (plain.state, plain.val_accuracy, plain.test_accuracy) == (RunState.QUEUED, None, None)


def test_that_the_test_lock_is_kept_and_looked_at_each_time(tmp_path: Path, pandas: None) -> None:
    workspace = open_workspace_dir(tmp_path)
    run_id = record(workspace).done
    with open_workspace(tmp_path) as ws:
        run = ws.run(run_id)
        Settings(test_lock=True).save(workspace)
        assert str(run.test_accuracy) == "locked"
        assert isinstance(run.test_accuracy, Locked)
        assert list(ws.frame("wide", ["test_accuracy"])["test_accuracy"]) == ["locked"]
        assert not hasattr(run.row, "test_accuracy")
        with Store.open(workspace) as store:
            unlock_runs(store, [run_id])
        assert ws.run(run_id).test_accuracy == 0.625


def test_that_series_are_numpy_arrays(ws: OpenWorkspace) -> None:
    run = ws.run("wide")
    assert run.series_names == ("loss", "mask_flips.layers", "val_accuracy", "images_per_s")
    loss = run.series("loss")
    assert [str(array.dtype) for array in (loss.steps, loss.values)] == ["int64", "float32"]
    assert (loss.layers, loss.axis) == (None, "step")
    np.testing.assert_array_equal(loss.steps, STEPS)
    np.testing.assert_array_equal(loss.values, LOSS)
    flips = run.series("mask_flips.layers")
    assert flips.layers == LAYERS
    np.testing.assert_array_equal(flips.values, FLIPS)
    with pytest.raises(UserError, match="no series 'lose'; did you mean 'loss'"):
        run.series("lose")


def test_that_what_is_recorded_meanwhile_is_read(tmp_path: Path) -> None:
    workspace = open_workspace_dir(tmp_path)
    with Store.open(workspace) as store:
        run_id = new_run(store, "live", "dense", 1.0, 1)
        with open_workspace(tmp_path) as ws, take(store, run_id) as recorder:
            recorder.declare("loss", "step")
            for count in (1, 2):
                recorder.append("loss", [count], [0.5])
                recorder.progress(count, 0, 10)
                recorder.drain()
                run = ws.run("live")
                assert (run.state, run.step, len(run.series("loss").steps)) == (
                    RunState.RUNNING,
                    count,
                    count,
                )


def test_that_masks_are_bool_arrays_by_epoch(ws: OpenWorkspace) -> None:
    run = ws.run("wide")
    assert run.mask_epochs == [0, 1]
    for epoch, expected in ((None, ~MASK), (1, ~MASK), (0, MASK)):
        found = run.mask(epoch)
        assert list(found) == [LAYERS[0]]
        assert found[LAYERS[0]].dtype == np.bool_
        np.testing.assert_array_equal(found[LAYERS[0]], expected)
    with pytest.raises(UserError, match="There are no masks of epoch 7"):
        run.mask(7)
    with pytest.raises(UserError, match="has no masks: it is dense"):
        ws.run("plain").mask()


def test_that_a_frame_of_runs_has_the_fields_asked_for(
    ws: OpenWorkspace, recorded: Recorded, pandas: None
) -> None:
    fields = ["name", "width", "training.seed", "sparsity", "val_accuracy", "test_accuracy"]
    frame = ws.frame("method:iterand", fields)
    assert list(frame.columns) == fields
    assert [list(frame[name]) for name in fields[:5]] == [
        *(["narrow", "wide"], [0.5, 1.0], [2, 1], [0.6, 0.6], [0.5, 0.75]),
    ]
    unfinished, finished = frame["test_accuracy"]
    assert finished == 0.625
    assert unfinished is None or np.isnan(unfinished)  # as pandas has it
    whole = ws.frame()
    assert list(whole["id"]) == [recorded.under_way, recorded.done, recorded.dense]
    assert {"state", "dataset", "val_accuracy", "test_accuracy"} <= set(whole.columns)
    with pytest.raises(UserError, match="no field 'nmae'; did you mean 'name'"):
        ws.frame("", ["nmae"])


def test_that_a_frame_of_series_is_aligned_by_step(ws: OpenWorkspace, pandas: None) -> None:
    run, nan = ws.run("wide"), np.nan
    frame = run.frame()
    assert list(frame.columns) == ["step", "loss", "val_accuracy"]
    np.testing.assert_array_equal(frame["step"], STEPS)
    np.testing.assert_array_equal(frame["loss"], LOSS)
    np.testing.assert_array_equal(frame["val_accuracy"], [nan, nan, 0.25, nan, nan, 0.75])
    layers = run.frame(["mask_flips.layers"])
    assert list(layers.columns) == ["step", *(f"mask_flips.layers[{layer}]" for layer in LAYERS)]
    np.testing.assert_array_equal(layers["step"], [0, 2, 4])
    np.testing.assert_array_equal(layers[f"mask_flips.layers[{LAYERS[1]}]"], FLIPS[:, 1])
    clock = run.frame(["images_per_s", "val_accuracy"])
    np.testing.assert_array_equal(clock["step"], [1, 2, 4, 5])
    np.testing.assert_array_equal(clock["images_per_s"], [20.0, nan, 30.0, nan])
    assert list(ws.run("plain").frame()["step"]) == []


def test_that_the_absence_of_pandas_is_said(ws: OpenWorkspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)  # as if it were not installed
    for ask in (ws.frame, ws.run("wide").frame):
        with pytest.raises(UserError, match=r"Frames need pandas, which is not installed: install it"):
            ask()


def test_that_a_pandas_that_lacks_something_is_not_taken_for_absent(
    ws: OpenWorkspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "pandas.py").write_text("import no_such_module")
    monkeypatch.delitem(sys.modules, "pandas", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        ws.frame()


def test_that_opening_makes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"There is no workspace .*nowhere: name"):
        open_workspace(tmp_path / "nowhere")
    with pytest.raises(UserError, match="There are no runs in"):
        open_workspace(tmp_path)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="is a file"):
        open_workspace(tmp_path / "file")


def test_that_the_workspace_of_the_environment_is_opened(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ITERAND_WORKSPACE", str(recorded.workspace.root))
    with open_workspace() as ws:
        assert ws.root == recorded.workspace.root
        assert repr(ws) == f"<workspace {ws.root}>"


def test_that_reading_changes_no_file(ws: OpenWorkspace, recorded: Recorded) -> None:
    def content() -> dict[Path, bytes]:
        files = (path for path in recorded.workspace.root.rglob("*") if path.is_file())
        return {path: path.read_bytes() for path in files if not path.name.endswith(("-wal", "-shm"))}

    before = content()
    for run in ws.runs("age_s>0"):
        for name in run.series_names:
            run.series(name)
        assert run.events is not None
    assert content() == before


def test_that_a_closed_workspace_says_so(recorded: Recorded) -> None:
    with open_workspace(recorded.workspace.root) as ws:
        run = ws.run("wide")
    ws.close()
    assert (run.name, run.config["model"]["name"]) == ("wide", "conv2")  # what was read stays
    for ask in (ws.runs, lambda: run.series("loss"), lambda: run.events):
        with pytest.raises(UserError, match="was closed: open it again"):
            ask()
    assert repr(ws).endswith(", closed>")


def test_that_the_door_opens_when_it_is_used_and_never_imports_torch(recorded: Recorded) -> None:
    script = """
import sys
import iterand_engine
assert iterand_engine.__version__
assert [name for name in sys.modules if name.startswith("iterand_engine.")] == ["iterand_engine.version"]
assert {"open_workspace", "Run", "__version__"} <= set(dir(iterand_engine))
with iterand_engine.open_workspace(sys.argv[1]) as ws:
    run = ws.run("wide")
    run.series("loss"), run.mask(), run.events, run.environments, run.test_accuracy, ws.runs("width>0 lr>0")
heavy = {"torch", "torchvision", "pandas", "alembic"} & set(sys.modules)
sys.exit(f"imported {heavy}" if heavy else 0)
"""
    command = [sys.executable, "-c", script, str(recorded.workspace.root)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_that_other_names_are_no_attributes_of_the_package() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'open_workspaces'"):
        iterand_engine.open_workspaces  # type: ignore[attr-defined]  # noqa: B018


def test_that_the_code_in_the_page_runs_over_a_trained_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], pandas: None
) -> None:
    monkeypatch.chdir(tmp_path)
    config = config_file(tmp_path, model={"width_factor": 0.5})
    trained = finished(start("train", config, "--workspace", "my-workspace"))
    assert trained.code == 0, trained.err
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        exec(block, names)
    said = capsys.readouterr().out
    assert f"{trained.run_id} conv2-x0.5-iterand finished 1 16 0." in said
    assert "after 16 steps" in said
    assert "fc3.weight keeps 0.5 and differs in" in said
    assert list(names["table"].columns)[1] == "width"
    assert list(names["curves"].columns) == ["step", "loss", "accuracy", "val_accuracy"]

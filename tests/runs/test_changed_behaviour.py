"""A run whose data is read differently by now is not trained on as if nothing had happened."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from iterand_engine.config.run_config import RunConfig
from iterand_engine.errors import UserError
from iterand_engine.machine.workspace import Workspace
from iterand_engine.runs import group_key
from iterand_engine.runs.adopt import adopted, prepare
from iterand_engine.runs.make import make_runs
from iterand_engine.runs.reproduce import reproduce_run
from iterand_engine.store import RunState, Store
from iterand_engine.store.runs import claim_run
from tests.command_line import TINY

SAID = "its data is read differently since: 16 bits are scaled to 8"


@pytest.fixture
def earlier(workspace: Workspace, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A run on a folder of images, made by a version that knew no changes of meaning."""
    for part in ("train", "test"):
        for label in ("a", "b"):
            folder = tmp_path / "images" / part / label
            folder.mkdir(parents=True)
            for number in range(8):
                Image.fromarray(np.full((8, 8, 3), number, np.uint8)).save(folder / f"{number}.png")
    data = {"dataset": "image-folder", "path": str(tmp_path / "images"), "augmentation": "none"}
    with monkeypatch.context() as patch:
        patch.setattr(group_key, "BEHAVIOURS", ())
        (run_id,) = make_runs(workspace, store, [RunConfig.from_mapping({**TINY, "data": data})])
    return run_id


def test_that_a_run_of_an_earlier_version_is_refused_with_what_changed(store: Store, earlier: str) -> None:
    token = claim_run(store, earlier)
    with pytest.raises(UserError, match=SAID), adopted(store, earlier, token):
        pytest.fail("it was taken over")
    run = store.reader.run(earlier)
    assert (run.state, run.end_kind) == (RunState.FAILED, "data")
    assert "Train its configuration anew" in str(run.reason)


def test_that_it_is_not_reproduced_either(
    workspace: Workspace, store: Store, earlier: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(group_key, "BEHAVIOURS", ())
        from iterand_engine.runs.train import work

        work(workspace, store, earlier, claim_run(store, earlier))
    with pytest.raises(UserError, match=SAID):
        reproduce_run(workspace, store, earlier)


def test_that_a_run_of_this_version_and_of_other_data_go_on(workspace: Workspace, store: Store) -> None:
    (run_id,) = make_runs(workspace, store, [RunConfig.from_mapping(TINY)])
    assert not [note for note in prepare(store, run_id).notes if "read differently" in note]

"""The code in docs/store.md runs and reads what was recorded."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pytest

from iterand_engine.store import Recorder, RunState
from tests.paths import ROOT

if TYPE_CHECKING:
    from tests.store.conftest import Place

PAGE = ROOT / "docs" / "store.md"


def test_that_the_code_in_the_page_reads_a_series(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_id, token = place.started_run("cifar10-resnet18")
    values = np.arange(6000, dtype=np.float32)
    with Recorder(place.store, run_id, token) as recorder:
        recorder.declare("loss", "step")
        recorder.append("loss", np.arange(6000), values)
        recorder.finish(RunState.FINISHED, val_accuracy=0.75)
    monkeypatch.chdir(place.workspace.root.parent)
    place.workspace.root.rename("my-workspace")
    with_program, alone = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, object] = {"run_id": run_id}
    exec(with_program, names)
    exec(alone, names)
    assert np.array_equal(np.asarray(names["values"]), values)
    assert np.array_equal(np.asarray(names["steps"]), np.arange(6000))
    assert "finished 0 0.75" in capsys.readouterr().out

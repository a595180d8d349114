"""The code in docs/store.md runs and reads what was recorded."""

from __future__ import annotations

import re
from pathlib import Path
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
    monkeypatch.chdir(place.workspace.root.parent)
    Path("my-workspace").symlink_to(place.workspace.root)
    with_program, alone = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, object] = {"run_id": run_id}
    steps = np.arange(20_006)
    steps[20_000:] += [0, 300, 301, 500, 501, 900]
    values = steps.astype(np.float32)

    def read_alone() -> None:
        exec(alone, names)
        assert np.array_equal(np.asarray(names["values"]), values)
        assert np.array_equal(np.asarray(names["steps"]), steps)

    with Recorder(place.store, run_id, token) as recorder:
        recorder.declare("loss", "step")
        for part in (slice(0, 20_000), slice(20_000, 20_006)):
            recorder.append("loss", steps[part], values[part])
            recorder.drain()
        read_alone()
        recorder.finish(RunState.FINISHED, val_accuracy=0.75)
    exec(with_program, names)
    read_alone()
    assert "finished 0 0.75" in capsys.readouterr().out

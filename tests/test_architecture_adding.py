"""The table "to add X touch Y" of docs/architecture.md, by adding one of each to a copy of the program.

Every addition is a set of edits, one a file; how many files there are is the table's promise. The grown copy
then downloads, trains and lists in a process of its own, and what was added appears where people look.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.paths import ROOT

Edits = Mapping[str, Callable[[str], str]]  # by file: its text before (nothing for a new one) to that after
CATALOG = "iterand_engine/config/catalog.py"


def before(anchor: str, added: str) -> Callable[[str], str]:
    """Put a text before another that the file has exactly once."""

    def edit(text: str) -> str:
        assert text.count(anchor) == 1, anchor
        return text.replace(anchor, added + anchor)

    return edit


def instead(old: str, new: str) -> Callable[[str], str]:
    """Replace a text that the file has exactly once."""

    def edit(text: str) -> str:
        assert text.count(old) == 1, old
        return text.replace(old, new)

    return edit


def new_file(content: str) -> Callable[[str], str]:
    """Make a file that is not there yet."""

    def edit(text: str) -> str:
        assert not text
        return content

    return edit


READER = '''"""Images of one grey level each, 64 to train on and 16 to test."""

from pathlib import Path

import numpy as np

from iterand_engine.data.content import ArrayContent, ImageArrays


def levels(path: Path) -> ArrayContent:
    """Read the file."""
    images = np.load(path)
    labels = (images[:, 0, 0] > 127).astype(np.int64)
    train, test = ImageArrays(images[:64], labels[:64]), ImageArrays(images[64:], labels[64:])
    return ArrayContent(train, test, ("dark", "light"))
'''
METHOD = '''"""Edge-popup that keeps its first masks for some steps."""

from iterand_engine.pruning.methods.edge_popup import EdgePopup


class Patient(EdgePopup):
    """Selects anew only after `patience` steps."""

    def __init__(self, module, options, plan, *, patience):
        super().__init__(module, options, plan)
        self._patience = patience

    def before_step(self, step):
        if step == 0 or step >= self._patience:
            self.select()
'''
NEW_METHOD = (
    '    MethodEntry("iterand", "IteRand", f"{_METHODS}.iterand:IteRand", f"{_OPTIONS}:IteRandOptions"'
)


def dataset(url: str, md5: str) -> Edits:
    """Its reader, and its entry: what it is, where it is looked for, and what is downloaded."""
    entry = f"""\
    DatasetEntry("levels", "Grey levels", f"{{_DATA}}.levels:levels", "arrays",
                 2, 32, 1, 64, 16, "levels-v1", 82_048,
                 downloads=(Download("levels.npy", ({url!r},), {md5!r}),),
                 files=Layout(("levels",), (DataForm("levels.npy"),))),
"""
    return {
        "iterand_engine/data/readers/levels.py": new_file(READER),
        CATALOG: before('    DatasetEntry("mnist"', entry),
    }


def method() -> Edits:
    """Its file, and its entry with its option, written like that of IteRand."""

    def entry(text: str) -> str:
        found = re.search(rf"^{re.escape(NEW_METHOD)}.*\n", text, re.MULTILINE)
        assert found, "the entry that the new one is made like"
        options = 'arguments=(Argument("patience", "int", 3, "steps before masks change", ge=0),)'
        line = found[0].replace('"iterand", "IteRand"', '"patient", "Patient"').rstrip().removesuffix("),")
        line = line.replace(".iterand:IteRand", ".patient:Patient").replace("IteRandOptions", "ScoreOptions")
        return text.replace(found[0], f"{found[0]}{line}, {options}),\n")

    return {"iterand_engine/pruning/methods/patient.py": new_file(METHOD), CATALOG: entry}


def metric() -> Edits:
    """Where it is measured, and its declaration."""
    field = "    gpu_share: float | None\n    threads: int = field(default_factory=threading.active_count)\n"

    def measured(text: str) -> str:
        text = instead(
            "from dataclasses import dataclass\n",
            "import threading\nfrom dataclasses import dataclass, field\n",
        )(text)
        return instead("    gpu_share: float | None\n", field)(text)

    return {
        "iterand_engine/training/clock.py": measured,
        "iterand_engine/config/metrics.py": before(
            '    Metric("gpu_share"',
            '    Metric("threads", "Threads of the process", Unit.COUNT, "clock"),\n',
        ),
    }


def option() -> Edits:
    """Its declaration, and what heeds it."""
    declared = '    least_lr: float = option(0.0, help="the rate never falls below this", born=0.0)\n'
    return {
        "iterand_engine/config/run_config.py": before("    warmup_epochs: Annotated", declared),
        "iterand_engine/training/optimizer.py": instead(
            "            return config.lr\n", "            return max(config.lr, config.least_lr)\n"
        ),
    }


SCRIPT = r"""
import io, json, sys
from contextlib import redirect_stdout
from pathlib import Path

from iterand_engine.cli import main
from iterand_engine.cli.option_docs import configuration_page
from iterand_engine.store import Store
from iterand_engine.machine.workspace import open_workspace_dir
from iterand_gui.forms.specs import specs
from iterand_gui.pages.compare.metrics import METRICS
from iterand_gui.pages.run.panels import PANELS

def iterand(*words):
    said = io.StringIO()
    with redirect_stdout(said):
        try:
            main([*words])
        except SystemExit as ending:
            assert not ending.code, (words, ending.code)
    return said.getvalue()

folder = "made"
at = ("--workspace", folder)
open_workspace_dir(Path(folder))
found = {"list": iterand("data", "list", *at), "fetch": iterand("data", "fetch", "levels", *at)}
trained = iterand("train", sys.argv[1], *at)
run_id = trained.split()[1]
found["show"] = json.loads(iterand("show", run_id, "--json", *at))
with Store.open(open_workspace_dir(Path(folder))) as store:
    found["series"] = {
        name: store.reader.series(run_id, name).values.tolist() for name in ("threads", "lr")
    }
found["docs"] = configuration_page()
chosen = {"data.dataset": ("levels",), "model.name": ("conv2",), "method.name": ("patient",)}
chosen["method.rule"] = ()
found["specs"] = [spec.path for spec in specs(chosen)]
found["panels"] = {panel.key: panel.title for panel in PANELS}
found["compared"] = {metric.name: metric.label for metric in METRICS}
print(json.dumps(found))
"""
RUN = {
    "data": {"dataset": "levels", "augmentation": "none"},
    "model": {"name": "conv2", "width_factor": 0.05},
    "method": {"name": "patient", "patience": 1},
    "training": {"epochs": 1, "batch_size": 32, "lr": 0.0, "schedule": "constant", "least_lr": 0.25},
    "compute": {"device": "cpu", "precision": "fp32", "threads": 1},
}


def grow(tree: Path, edits: Edits) -> int:
    """Apply edits to a copy of the program; the number of files touched."""
    for name, edit in edits.items():
        path = tree / name
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        path.write_text(edit(text), encoding="utf-8")
    return len(edits)


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a copy of the program with one more of each says and does; `files` by kind are those touched."""
    pytest.importorskip("PySide6")
    tree = tmp_path_factory.mktemp("tree")
    for name in ("iterand_engine", "iterand_gui", "resources"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    served, content = tree / "served.npy", io.BytesIO()
    levels = np.linspace(0, 255, 80).astype(np.uint8).reshape(20, 4).T.reshape(80, 1, 1)
    np.save(content, np.broadcast_to(levels, (80, 32, 32)))
    served.write_bytes(content.getvalue())
    md5 = hashlib.md5(content.getvalue(), usedforsecurity=False).hexdigest()
    edits = {
        "dataset": dataset(served.as_uri(), md5),
        "method": method(),
        "metric": metric(),
        "option": option(),
    }
    files = {kind: grow(tree, each) for kind, each in edits.items()}
    (tree / "run.yaml").write_text(json.dumps(RUN), encoding="utf-8")
    environment = {
        **os.environ,
        "PYTHONPATH": str(tree),
        "OMP_NUM_THREADS": "1",
        "QT_QPA_PLATFORM": "offscreen",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, "run.yaml"],
        cwd=tree,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {"files": files, **json.loads(done.stdout.splitlines()[-1])}


def test_that_a_dataset_is_two_files(grown: dict[str, Any]) -> None:
    assert grown["files"]["dataset"] == 2
    line = next(line for line in grown["list"].splitlines() if line.startswith("levels"))
    assert re.search(r"Grey levels +no +82\.0 kB", line)
    assert "(iterand data fetch levels)" in line
    assert grown["fetch"].startswith("levels is in ")
    assert grown["show"]["config"]["data"]["dataset"] == "levels"
    assert grown["show"]["state"] == "finished"


def test_that_a_method_with_an_option_is_two_files(grown: dict[str, Any]) -> None:
    assert grown["files"]["method"] == 2
    assert grown["show"]["config"]["method"]["patience"] == 1
    assert {"method.patience", "method.sparsity"} <= set(grown["specs"])
    assert "### `name: patient`" in grown["docs"]
    row = next(line for line in grown["docs"].splitlines() if line.startswith("| `method.patience` |"))
    assert row.startswith("| `method.patience` | `3` |")
    assert row.endswith("| steps before masks change |")


def test_that_a_metric_is_two_files(grown: dict[str, Any]) -> None:
    assert grown["files"]["metric"] == 2
    assert grown["series"]["threads"][-1] >= 1
    assert grown["panels"]["threads"] == "Threads of the process"
    assert grown["compared"]["threads"] == "Threads of the process"


def test_that_an_option_is_one_file_and_what_heeds_it(grown: dict[str, Any]) -> None:
    assert grown["files"]["option"] == 2
    assert set(grown["series"]["lr"]) == {0.25}
    assert "training.least_lr" in grown["specs"]
    assert "| `training.least_lr` | `0.0` |" in grown["docs"]

"""What a start of the window loads, in a process of its own: little, nothing of torch, and Qt last."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from iterand_engine.machine.workspace import open_workspace_dir
from iterand_engine.store import Store
from iterand_gui.pages import PAGES
from tests.gui.recorded_runs import recorded
from tests.paths import ROOT

# Starts the window as `iterand-gui` does, and closes it once its table has a row and a module is there.
START = """
import gc, json, sys
from pathlib import Path
from iterand_gui.shell import app

make_application = app.make_application
app._STARTED_MS = 0

def watched():
    application = make_application()
    from PySide6.QtCore import QTimer
    from PySide6.QtWidgets import QTreeView
    timer = QTimer(application, interval=10)

    def look():
        views = [view for window in application.topLevelWidgets() for view in window.findChildren(QTreeView)]
        has_rows = any(view.accessibleName() == "Runs" and view.model().rowCount() for view in views)
        if has_rows and sys.argv[2] in sys.modules and gc.get_freeze_count():
            timer.stop()
            maps = Path("/proc/self/maps")
            mapped = maps.read_text() if maps.exists() else ""
            figures = {"torch_mapped": "libtorch" in mapped, "collects_anywhere": gc.isenabled()}
            print(json.dumps({"modules": list(sys.modules), **figures}))
            application.closeAllWindows()

    timer.timeout.connect(look)
    timer.start()
    return application

app.make_application = watched
sys.exit(app.main(["--workspace", sys.argv[1]]))
"""


@dataclass(frozen=True)
class Started:
    """Modules in their order; whether torch's libraries are mapped, and Python's collector runs anywhere."""

    modules: tuple[str, ...]
    torch_mapped: bool
    collects_anywhere: bool


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("started")
    with Store.open(open_workspace_dir(folder / "workspace")) as store:
        recorded(store)
    return folder


def start(folder: Path, until: str) -> Started:
    """Start the window until a module is loaded."""
    places = {name: str(folder) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")}
    done = subprocess.run(
        [sys.executable, "-c", START, str(folder / "workspace"), until],
        cwd=ROOT,
        env={**os.environ, **places, "QT_QPA_PLATFORM": "offscreen"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    return Started(tuple(figures["modules"]), figures["torch_mapped"], figures["collects_anywhere"])


@pytest.fixture(scope="module")
def started(folder: Path) -> Started:
    return start(folder, "iterand_gui.pages.runs")


def test_that_the_window_maps_nothing_of_torch(started: Started) -> None:
    assert not started.torch_mapped
    assert not [name for name in started.modules if name.partition(".")[0] in ("torch", "torchvision")]


def test_that_the_collector_runs_in_the_windows_thread_alone(started: Started) -> None:
    assert not started.collects_anywhere  # but was begun: what the start made is frozen


@pytest.mark.parametrize(
    "name", ["alembic", "mako", "scipy", "pyqtgraph", "qtawesome", "qtpy", "typer", "rich", "PIL"]
)
def test_that_a_start_loads_nothing_that_only_some_need(started: Started, name: str) -> None:
    assert "iterand_gui.pages.runs" in started.modules
    assert name not in started.modules


def test_that_only_the_page_in_view_is_loaded(started: Started) -> None:
    others = ("new", "run", "compare", "settings")
    assert not {f"iterand_gui.pages.{page}" for page in others} & set(started.modules)


def test_that_pages_and_plots_are_loaded_when_the_window_stands(folder: Path) -> None:
    later = start(folder, "iterand_gui.pages.settings")
    assert {"pyqtgraph", *(f"iterand_gui.pages.{page.key}" for page in PAGES)} <= set(later.modules)
    assert not later.torch_mapped


def test_that_everything_else_is_loaded_before_qt(started: Started) -> None:
    # PySide6 reads the source of each module that is imported after it, which slows the start down.
    ours = {*sys.stdlib_module_names, "PySide6", "shiboken6", "shibokensupport", "iterand_gui", "__main__"}
    after = started.modules[started.modules.index("PySide6") :]
    assert [name for name in after if name.partition(".")[0] not in ours] == []

"""Where no window can be shown: the program says why, and its process becomes the headless demo."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from iterand_gui.shell.no_display import QT_PACKAGES, no_display, why_not
from tests.paths import ROOT
from tests.patience import PATIENCE_S

# Stands for Python when the demo is to be started, and prints how.
SHOWS_ITS_ARGUMENTS = '#!/bin/sh\necho "started: $*"\nexit 7\n'
WINDOW = """
import sys
sys.executable, blocked = sys.argv[1], sys.argv[2]
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if blocked and name.startswith(blocked):
            raise ImportError("libEGL.so.1: cannot open shared object file")
sys.meta_path.insert(0, Blocker())
from iterand_gui.shell.app import main
sys.exit(main(sys.argv[3:]))
"""
UNREACHABLE = {"DISPLAY": ":45678"}


@pytest.mark.parametrize(
    ("environ", "platform", "shows"),
    [
        ({}, "linux", False),
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({"QT_QPA_PLATFORM": "offscreen"}, "linux", True),
        ({}, "darwin", True),
        ({}, "win32", True),
    ],
)
def test_that_a_session_without_a_display_is_known(
    environ: dict[str, str], platform: str, shows: bool
) -> None:
    assert (no_display(environ, platform) is None) == shows


@pytest.mark.parametrize(
    ("environ", "blocked", "why"),
    [
        pytest.param({}, "", "no display (DISPLAY and WAYLAND_DISPLAY are not set)", id="none"),
        pytest.param(UNREACHABLE, "", "", id="unreachable"),  # why depends on the machine's libraries
        pytest.param(
            {"QT_QPA_PLATFORM": "paper"}, "", "Could not find the Qt platform plugin", id="platform"
        ),
        pytest.param(UNREACHABLE, "PySide6", "Qt cannot be loaded (libEGL.so.1", id="library"),
    ],
)
def test_that_the_demo_runs_where_there_can_be_no_window(
    environ: dict[str, str], blocked: str, why: str, tmp_path: Path
) -> None:
    stand_in = tmp_path / "python"
    stand_in.write_text(SHOWS_ITS_ARGUMENTS)
    stand_in.chmod(0o755)
    workspace = tmp_path / "of the demo"
    own = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY")}
    own.pop("QT_QPA_PLATFORM", None)
    done = subprocess.run(
        [sys.executable, "-c", WINDOW, str(stand_in), blocked, "--workspace", str(workspace)],
        cwd=ROOT,
        env={**own, **environ},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.stdout == f"started: -m iterand_engine.cli demo --workspace {workspace}\n"
    assert done.returncode == 7
    (said,) = done.stderr.splitlines()
    assert said.startswith("There is no window: ")
    assert why in said
    assert said.endswith("The demo runs without one.")
    assert not workspace.exists()


def test_that_an_unreachable_display_is_distinguished_from_missing_libraries() -> None:
    connected = "could not connect to display :9"
    plugin = 'Could not load the Qt platform plugin "xcb" in "" even though it was found.'
    assert why_not([connected, plugin], {"DISPLAY": ":9"}) == "the display ':9' cannot be reached"
    assert why_not([plugin], {"DISPLAY": ":9"}).endswith(f"install {QT_PACKAGES}")

"""Walks all views of a window and prints what is wrong; a program, so that the screen can have another scale.

QT_SCALE_FACTOR=2 python -m tests.gui.walk_views WORKSPACE ARRANGEMENT.json
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from benchmarks.screenshots.controls import double_keys, double_menu_keys, unnamed
from benchmarks.screenshots.cut_texts import cut_texts
from benchmarks.screenshots.empty_plots import empty_plots
from benchmarks.screenshots.views import EMPTY_VIEWS, VIEWS, Stage
from iterand_gui.session.remembered import Remembered
from iterand_gui.shell.app import Workbench, make_application

NARROWEST_PX, HEIGHT_PX = 1200, 720
_STILL_S, _DRAWN_WITHIN_S = 0.2, 20.0
_CHECKS = (cut_texts, empty_plots, unnamed, double_keys, double_menu_keys)


def wrong_in(stage: Stage) -> list[str]:
    """What is wrong in what the window shows."""
    window = stage.window
    found = [wrong for check in _CHECKS for wrong in check(window)]
    if (least := window.minimumSizeHint().width()) > NARROWEST_PX:
        found.append(f"the window cannot be narrower than {least} px")
    return found


def still_wrong_in(stage: Stage) -> list[str]:
    """What is wrong once all is drawn: what is empty or cut only until its data have come is not."""
    deadline_s = time.monotonic() + _DRAWN_WITHIN_S
    stage.rest(_STILL_S)
    while (found := wrong_in(stage)) and time.monotonic() < deadline_s:
        stage.rest(_STILL_S)
    return found


def main() -> None:
    """Print the scale of the screen and what is wrong, by view, as JSON."""
    folder, arrangement = sys.argv[1:]
    application = make_application()
    workbench = Workbench(application, Remembered(Path(arrangement)))
    workbench.open(Path(folder))
    window = workbench.window
    assert window is not None
    window.resize(NARROWEST_PX, HEIGHT_PX)
    found: dict[str, list[str]] = {}
    try:
        stage = Stage(window)
        for view in VIEWS if window.session.watcher.runs else EMPTY_VIEWS:
            view.arrange(stage)
            stage.until(lambda: not window.session.jobs.running, "work in the background")
            found[view.name] = still_wrong_in(stage)
    finally:
        workbench.close()
    print(json.dumps({"scale": window.devicePixelRatioF(), "found": found}))


if __name__ == "__main__":
    main()

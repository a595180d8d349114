"""Takes the pictures: opens the real window on a workspace, brings it to each view, in light and dark.

    python -m benchmarks.screenshots.take WORKSPACE FOLDER

A process of its own, because the scale of a screen is fixed once Qt has started. It prints the faults of
each view (cut texts, empty plots), a line each.
"""

from __future__ import annotations

import sys
from pathlib import Path

from PySide6.QtGui import QCursor

from benchmarks.screenshots.cut_texts import cut_texts
from benchmarks.screenshots.empty_plots import empty_plots, plots_in_view
from benchmarks.screenshots.views import EMPTY_VIEWS, VIEWS, Stage, View, is_training
from iterand_gui.look.theme import ThemeChoice
from iterand_gui.session.remembered import Remembered, default_path
from iterand_gui.shell.app import Workbench, make_application
from iterand_gui.shell.command_palette import CommandPalette

SIZE_PX = (1366, 768)
_STILL_S = 1.6  # until plots are drawn finely and messages have gone


def take_all(workspace: Path, folder: Path, only: list[str]) -> list[str]:
    """Take the pictures and return the faults, a sentence each.

    Args:
        workspace: whose runs are shown; of one without runs other views are taken.
        folder: where the pictures go, as VIEW-THEME.png.
        only: names of views, or none for all.
    """
    application = make_application()
    workbench = Workbench(application, Remembered(default_path()))
    workbench.open(workspace)
    window = workbench.window
    assert window is not None
    window.setGeometry(0, 0, *SIZE_PX)
    QCursor.setPos(SIZE_PX[0] - 2, SIZE_PX[1] - 2)  # nothing is hovered
    problems = []
    try:
        stage = Stage(window)
        views = VIEWS if window.session.watcher.runs else EMPTY_VIEWS
        if views is VIEWS:
            stage.until(lambda: is_training(stage), "the run that goes on")
        for theme in (ThemeChoice.LIGHT, ThemeChoice.DARK):
            window.choose_theme(theme.value)
            for view in views:
                if not only or view.name in only:
                    problems += [
                        f"{view.name}-{theme}: {wrong}" for wrong in _take(stage, view, theme, folder)
                    ]
    finally:
        workbench.close()
    return problems


def _take(stage: Stage, view: View, theme: ThemeChoice, folder: Path) -> list[str]:
    view.arrange(stage)
    stage.until(lambda: not stage.window.session.jobs.running, "work in the background")
    stage.rest(_STILL_S)
    window = stage.window
    window.grab().save(str(folder / f"{view.name}-{theme}.png"))
    problems = [*cut_texts(window), *empty_plots(window)]
    if (count := plots_in_view(window)) < view.plots:
        problems.append(f"{count} plots are in view instead of {view.plots}")
    for child in window.findChildren(CommandPalette):
        child.hide()
    return problems


def main() -> None:
    """Take the pictures that the command line asks for."""
    workspace, folder, *only = sys.argv[1:]
    Path(folder).mkdir(parents=True, exist_ok=True)
    problems = take_all(Path(workspace), Path(folder), only)
    print("\n".join(problems))


if __name__ == "__main__":
    main()

"""The composition root: the one file that sees all parts. Starts the window; with none possible, the demo.

Limits: with no display nothing of Qt is loaded.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from iterand_engine.errors import ExitCode, UserError
from iterand_engine.machine import own_files
from iterand_engine.machine.supported import require_supported
from iterand_engine.machine.workspace import named_workspace, open_workspace_dir
from iterand_gui.live import collector
from iterand_gui.shell.no_display import QT_PACKAGES, become_demo, demo_instead_of_abort, no_display

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication

    from iterand_gui.session.remembered import Remembered
    from iterand_gui.shell.main_window import MainWindow


# What the first page needs of the engine and of other packages; a test compares.
_BEFORE_QT = (
    "iterand_engine.results.mask_export",
    "iterand_engine.results.filters",
    "iterand_engine.results.next_steps",
    "iterand_engine.config.presets",
    "iterand_engine.preflight.probe_client",
    "iterand_engine.slots.drain",
    "iterand_engine.results.series_csv",
    "iterand_engine.store.labels",
    "iterand_engine.results.sweep_grid",
    "iterand_engine.runs.sweeps",
    "iterand_engine.runs.trash",
    "platformdirs",
    "sqlalchemy.dialects.sqlite",
)
_STARTED_MS = 3_000
_IDLE_MS = 500  # after the first reading of the store


def main(arguments: Sequence[str] | None = None) -> int:
    """Open the window and return the exit code when it was closed.

    Args:
        arguments: the words after `iterand-gui`; those of the process by default.
    """
    require_supported()
    options = _parser().parse_args(arguments)
    for_demo = () if options.workspace is None else ("--workspace", str(options.workspace))
    why = no_display(os.environ, sys.platform)
    if why is not None:
        become_demo(why, for_demo)
    collector.put_off()
    _import_before_qt()
    try:
        with demo_instead_of_abort(for_demo):
            application = make_application()
    except ImportError as error:
        become_demo(f"Qt cannot be loaded ({error}); on Debian or Ubuntu install {QT_PACKAGES}", for_demo)
    try:
        return _run(application, options.workspace)
    except UserError as error:
        print(error, file=sys.stderr)
        return int(ExitCode.USER)


def _import_before_qt() -> None:
    """Import other packages before Qt: PySide6 reads the source of every module that is imported after it.

    PySide6 looks for its own users that way, which takes more than a tenth of the start.
    """
    for name in _BEFORE_QT:
        import_module(name)


def _import_later(application: QApplication) -> None:
    """Import plots and all pages, one in each turn of the event loop: nobody waits at the first plot.

    Not in a thread: PySide keeps its classes in a table that Qt looks into without Python's lock.
    """
    from PySide6.QtCore import QTimer

    from iterand_gui.pages import PAGES

    names = iter(["iterand_gui.plots.curve_scene", *(entry.target.partition(":")[0] for entry in PAGES)])
    timer = QTimer(application, interval=0)

    def one_more() -> None:
        name = next(names, None)
        if name is not None:
            import_module(name)
        else:
            timer.stop()

    timer.timeout.connect(one_more)
    timer.start()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="iterand-gui", description="The window of the IteRand workbench.")
    parser.add_argument(
        "--workspace",
        type=Path,
        metavar="DIR",
        help="folder of runs and data; else ITERAND_WORKSPACE, else the one opened last",
    )
    return parser


def _run(application: QApplication, workspace: Path | None) -> int:
    from PySide6.QtCore import Qt, QTimer

    from iterand_gui.session.remembered import Remembered, default_path

    QTimer.singleShot(_STARTED_MS, application, lambda: collector.begin(application))
    workbench = Workbench(application, Remembered(default_path()))
    workbench.open(workspace or workbench.last_workspace())
    idle = QTimer(application, singleShot=True, interval=_IDLE_MS)
    idle.timeout.connect(lambda: _import_later(application))
    if workbench.window is not None:
        workbench.window.session.watcher.runs_changed.connect(
            idle.start, Qt.ConnectionType.SingleShotConnection
        )
    code = application.exec()
    workbench.close()
    return code


def make_application() -> QApplication:
    """The process's Qt application, with its names."""
    from PySide6.QtWidgets import QApplication

    running = QApplication.instance()
    application = running if isinstance(running, QApplication) else QApplication(sys.argv[:1])
    application.setApplicationName("iterand")
    application.setApplicationDisplayName("IteRand workbench")
    application.setDesktopFileName("iterand")
    return application


class Workbench:
    """The one window and its workspace; a switch of the workspace makes both anew."""

    def __init__(self, application: QApplication, memory: Remembered) -> None:
        from iterand_gui.look.theme import Theme, ThemeChoice, run_colours

        self._memory = memory
        self._theme = Theme(application)
        chosen = memory.text("theme")
        self._theme.choose(ThemeChoice(chosen) if chosen in list(ThemeChoice) else ThemeChoice.SYSTEM)
        colours = memory.mapping("run_colours").items()
        run_colours().restore({key: number for key, number in colours if isinstance(number, int)})
        self.window: MainWindow | None = None

    def last_workspace(self) -> Path:
        """The workspace to begin with: ITERAND_WORKSPACE, the one opened last, or the user's own."""
        if not os.environ.get("ITERAND_WORKSPACE"):
            for folder in self._memory.texts("workspaces")[:1]:
                if Path(folder).is_dir():
                    return Path(folder)
        return named_workspace().root

    def open(self, folder: Path) -> None:
        """Show a workspace in place of the one shown.

        Raises:
            UserError: it cannot be used; the one shown stays.
        """
        from iterand_gui.session.session import Session
        from iterand_gui.shell.main_window import MainWindow

        workspace = open_workspace_dir(folder)
        session = Session(workspace, memory=self._memory)
        old, self.window = self.window, MainWindow(session, self._memory, self._theme)
        sys.excepthook = DefectReporter(self.window, workspace.root / "window.log")
        self.window.workspace_asked.connect(self.switch)
        self._memory.note_workspace(workspace.root)
        if old is not None:
            self.window.setGeometry(old.geometry())
            old.close()
            old.deleteLater()
        self.window.show()

    def switch(self, folder: str) -> None:
        """Open another workspace, or show why it cannot be opened."""
        try:
            self.open(Path(folder))
        except UserError as error:
            if self.window is not None:
                self.window.session.messages.error(str(error))

    def close(self) -> None:
        """Close the window and delete it."""
        if self.window is not None:
            self.window.close()
            self.window = None
        sys.excepthook = sys.__excepthook__


class DefectReporter:
    """The excepthook: a defect is shown in one sentence, written to a log, and ends nothing."""

    def __init__(self, window: MainWindow, path: Path) -> None:
        self._window, self._path = window, path

    def __call__(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        """Called by Python for what nobody caught."""
        if isinstance(error, KeyboardInterrupt):
            self._window.close()
            return
        text = "".join(traceback.format_exception(kind, error, trace))
        sys.stderr.write(text)
        try:
            with own_files.open_to_append(self._path) as file:
                file.write(text.encode("utf-8", "backslashreplace"))
        except (OSError, UserError):
            pass  # it went to stderr
        if isinstance(error, UserError):
            self._window.session.messages.error(str(error))
        else:
            self._window.session.messages.error(
                f"This is a defect of the program ({kind.__name__}: {error}); {self._path} has the details."
            )

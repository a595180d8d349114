"""Starts the window as `iterand-gui` does, says when its table had rows, and closes it.

    python start.py WORKSPACE ROWS [--stalls]

Prints one JSON object: moments by the monotonic clock of the machine (so of the parent as well), and the
processor time used until then. With `--stalls` the event loop is watched too, which makes the start
slower. Imports nothing before the window but what it must.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication

    from benchmarks.window.clock import StallMonitor

IDLE_MS = 500  # after all rows are there


def main() -> int:
    """Start, look, close."""
    said = {"began": time.monotonic()}
    from iterand_gui.shell import app

    make_application = app.make_application

    def watched_application() -> QApplication:
        made = make_application()
        said["application"] = time.monotonic()
        _watch(made, int(sys.argv[2]), said)
        return made

    vars(app)["make_application"] = watched_application
    return app.main(["--workspace", sys.argv[1]])


def _watch(application: QApplication, rows: int, said: dict[str, float]) -> None:
    """Note when rows of the table were painted, and when all are there."""
    from PySide6.QtCore import QEvent, QObject, QTimer
    from PySide6.QtWidgets import QTreeView, QWidget

    from iterand_gui.shell.main_window import MainWindow

    class Watch(QObject):
        view: QTreeView

        def follow(self, page: QWidget) -> None:
            view = page.findChild(QTreeView)
            assert isinstance(view, QTreeView)
            self.view = view
            view.viewport().installEventFilter(self)

        def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 (Qt)
            if event.type() == QEvent.Type.Paint and self.view.model().rowCount():
                watched.removeEventFilter(self)
                QTimer.singleShot(0, self, self._painted)
            return False

        def _painted(self) -> None:
            self._note("painted")
            self._timer = QTimer(self, interval=5)
            self._timer.timeout.connect(self._look)
            self._timer.start()

        def _look(self) -> None:
            if getattr(self.view.model(), "counts")[1] >= rows:  # noqa: B009 - a name that QTreeView's has not
                self._note("all")
                self._timer.stop()
                QTimer.singleShot(IDLE_MS, self, self._end)

        def _note(self, what: str) -> None:
            said[what], said[f"{what}_cpu"] = time.monotonic(), time.process_time()

        def _end(self) -> None:
            _print(said, stalls)
            application.closeAllWindows()

    watch, show_page = Watch(application), MainWindow.show_page
    stalls: StallMonitor | None = None
    if "--stalls" in sys.argv:
        from benchmarks.window.clock import StallMonitor

        stalls = StallMonitor(application)
        stalls.start()

    def watched_show(window: MainWindow, key: str) -> QWidget:
        page = show_page(window, key)
        watch.follow(page)
        return page

    MainWindow.show_page = watched_show  # type: ignore[assignment, method-assign]


def _print(said: dict[str, float], stalls: StallMonitor | None) -> None:
    import json

    if stalls is not None:
        longest = stalls.stop()
        said |= {"stall": longest.late_s, "stall_worked": longest.worked_s}
    print(json.dumps(said), flush=True)


if __name__ == "__main__":
    sys.exit(main())

"""The line at the bottom: queue, what works beside the window, free disk and problems.

Limits: free disk is read in the background, twice a minute.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QLabel, QPushButton, QStatusBar, QWidget

from iterand_engine.machine.texts import counted, size
from iterand_gui.look import theme
from iterand_gui.look.plain import plain

if TYPE_CHECKING:
    from iterand_engine.store import SlotRow
    from iterand_gui.session.session import Session

DISK_EVERY_MS = 30_000
LOW_DISK_BYTES = 5_000_000_000


class StatusBar(QStatusBar):
    """Shows queue, jobs, problems and free disk of the workspace in words."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._asked_disk = False
        self.setAccessibleName("Status")
        self.setSizeGripEnabled(False)
        self._queue = self._label("Queue")
        self._work = self._label("Work in the background")
        self._disk = self._label("Free disk space")
        self._problems = QPushButton(self)
        self._problems.setFlat(True)
        self._problems.setIcon(theme.icon("warning", "warn"))
        self._problems.setAccessibleName("Problems")
        self._problems.hide()
        self._problems.clicked.connect(self._warn_of_problems)
        self._of_slots: tuple[str, ...] = ()
        self._of_runs: tuple[str, ...] = ()
        self._of_disk: tuple[str, ...] = ()
        self.addWidget(self._queue)
        self.addWidget(self._work, 1)
        self.addPermanentWidget(self._problems)
        self.addPermanentWidget(self._disk)
        session.watcher.overview_changed.connect(self._show_queue)
        session.watcher.slots_changed.connect(self.show_slots)
        session.jobs.changed.connect(self._show_work)
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._ask_disk)
        self._timer.start(DISK_EVERY_MS)
        QTimer.singleShot(0, self, self._ask_disk)

    def show_slots(self, slots: Sequence[SlotRow]) -> None:
        """Show the problems of slots that are closed or held."""
        self._of_slots = tuple(
            f"Slot {slot.key.position} of {slot.device_name}: {slot.closed_reason or slot.message}"
            for slot in slots
            if slot.closed_reason or slot.message
        )
        self._show_problems()

    @property
    def problems(self) -> tuple[str, ...]:
        """One sentence for each problem: of slots, then of runs, then of the disk."""
        return (*self._of_slots, *self._of_runs, *self._of_disk)

    def _show_problems(self) -> None:
        self._problems.setVisible(bool(self.problems))
        self._problems.setText(counted(len(self.problems), "problem"))
        self._problems.setToolTip(plain("\n".join(self.problems)))

    def _label(self, name: str) -> QLabel:
        label = QLabel(self)
        label.setTextFormat(theme.PLAIN)
        label.setAccessibleName(name)
        label.setContentsMargins(theme.SPACE_S, 0, theme.SPACE_S, 0)
        return label

    def _show_queue(self, running: int, queued: int) -> None:
        counts = ((running, "running"), (queued, "queued"))
        busy = ", ".join(f"{count:,} {word}" for count, word in counts if count)
        goes_on = "it goes on" if running + queued == 1 else "they go on"
        self._queue.setText(f"{busy}; {goes_on} when this window is closed" if busy else "Nothing queued")
        self._queue.setToolTip(
            plain("File > Stop all runs saves and stops them." if running or queued else "")
        )
        count = len(self._session.watcher.interrupted)
        were = "run was" if count == 1 else "runs were"
        self._of_runs = (f"{count} {were} interrupted: Runs has Resume all.",) if count else ()
        self._show_problems()

    def _show_work(self) -> None:
        running = self._session.jobs.running
        self._work.setText(f"{running[-1].title}..." if running else "")

    def _ask_disk(self) -> None:
        if self._asked_disk:
            return
        self._asked_disk = True
        root = self._session.workspace.root
        job = self._session.jobs.run(lambda _: shutil.disk_usage(root).free, "Look at the disk")
        job.succeeded.connect(self._show_disk)
        job.ended.connect(self._disk_asked)

    def _disk_asked(self) -> None:
        self._asked_disk = False

    def _show_disk(self, free_bytes: int) -> None:
        self._disk.setText(f"{size(free_bytes)} free")
        low = free_bytes < LOW_DISK_BYTES
        sentence = f"{size(free_bytes)} of disk are left: Settings, Disk shows what can be freed."
        self._of_disk = (sentence,) if low else ()
        self._show_problems()

    def _warn_of_problems(self) -> None:
        for sentence in self.problems:
            self._session.messages.warn(sentence)

"""The line at the bottom: queue, what works beside the window, free disk and problems.

Limits: free disk is asked in the background, twice a minute.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QLabel, QPushButton, QStatusBar, QWidget

from iterand_gui import theme
from iterand_gui.format import size

if TYPE_CHECKING:
    from iterand_engine.store import SlotRow
    from iterand_gui.session import Session

DISK_EVERY_MS = 30_000
LOW_DISK_BYTES = 5_000_000_000


class StatusBar(QStatusBar):
    """Shows how the workspace stands, in words."""

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
        self._problems.clicked.connect(self._tell_problems)
        self._sentences: tuple[str, ...] = ()
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
        """Tell problems: slots that are closed or held."""
        self._sentences = tuple(
            f"Slot {slot.key.position} of {slot.device_name}: {slot.closed_reason or slot.message}"
            for slot in slots
            if slot.closed_reason or slot.message
        )
        self._problems.setVisible(bool(self._sentences))
        count = len(self._sentences)
        self._problems.setText(f"{count} problem" if count == 1 else f"{count} problems")
        self._problems.setToolTip("\n".join(self._sentences))

    def _label(self, name: str) -> QLabel:
        label = QLabel(self)
        label.setTextFormat(theme.PLAIN)
        label.setAccessibleName(name)
        label.setContentsMargins(theme.SPACE_S, 0, theme.SPACE_S, 0)
        return label

    def _show_queue(self, running: int, queued: int) -> None:
        busy = f"{running} running, {queued} queued; they go on when this window is closed"
        self._queue.setText(busy if running or queued else "Nothing queued")
        self._queue.setToolTip("File > Stop all runs saves and stops them." if running or queued else "")

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
        self._disk.setToolTip("Little space is left: Settings shows what can be freed." if low else "")

    def _tell_problems(self) -> None:
        for sentence in self._sentences:
            self._session.messages.warn(sentence)

"""Why a run ended early, with the last lines of its log, below the head of the Run page."""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from iterand_engine.machine.run_log import last_lines, log_path
from iterand_engine.store import RunRow, RunState
from iterand_gui.live.tasks import Control
from iterand_gui.look import theme
from iterand_gui.session.session import Session
from iterand_gui.widgets.run_badge import Picture

LINES: Final = 4
# In these a person asks why; of a run that was stopped or has finished there is nothing to explain.
EXPLAINED: Final = (RunState.FAILED, RunState.DIVERGED, RunState.INTERRUPTED)
_UNSAID: Final = {
    RunState.FAILED: "The run failed; its log may say why.",
    RunState.DIVERGED: "The loss or a trained value was no longer finite.",
    RunState.INTERRUPTED: "The process that trained it is gone: ended from outside, or with the machine.",
}


class Outcome(QFrame):
    """Hidden unless a run failed, diverged, was interrupted, or could not go on.

    Args:
        session: the window's.
        parent: of the widget.
    """

    log_asked = Signal()

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(parent)
        self._session = session
        self._shown: tuple[str, RunState, str | None] | None = None
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.setAutoFillBackground(True)
        self.setBackgroundRole(QPalette.ColorRole.Base)
        self._picture, self._reason, self._lines = Picture(self), QLabel(self), QLabel(self)
        for label in (self._reason, self._lines):
            label.setTextFormat(theme.PLAIN)
            label.setTextInteractionFlags(theme.SELECTABLE)
        self._reason.setWordWrap(True)
        self._reason.setAccessibleName("How it ended")
        self._lines.setAccessibleName("Last lines of the log")
        self._lines.setFont(theme.fixed_font())
        self._lines.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        self._lines.setMinimumWidth(1)
        button = QPushButton(theme.icon("log"), "Show the log", self)
        button.clicked.connect(self.log_asked)
        texts = QVBoxLayout()
        texts.setSpacing(theme.SPACE_XS)
        texts.addWidget(self._reason)
        texts.addWidget(self._lines)
        row = QHBoxLayout(self)
        row.setContentsMargins(theme.SPACE_M, theme.SPACE_S, theme.SPACE_M, theme.SPACE_S)
        row.setSpacing(theme.SPACE_S)
        row.addWidget(self._picture, 0, Qt.AlignmentFlag.AlignTop)
        row.addLayout(texts, 1)
        row.addWidget(button, 0, Qt.AlignmentFlag.AlignTop)
        self.hide()

    @property
    def text(self) -> str:
        """The reason and the lines."""
        return "\n".join(filter(None, (self._reason.text(), self._lines.text())))

    def show_run(self, row: RunRow) -> None:
        """Explain how a run stands, where there is something to explain."""
        stands = (row.id, row.state, row.reason)
        if stands == self._shown:
            return
        self._shown = stands
        explained = row.state in EXPLAINED
        said = row.reason or _UNSAID.get(row.state, "")
        ended = explained or (row.state is RunState.STOPPED and bool(row.reason))
        self.setVisible(ended and bool(said))
        self._reason.setText(said)
        self._picture.show_icon(theme.state_icon(row.state))
        self._lines.clear()
        self._lines.hide()
        if explained and row.state is not RunState.DIVERGED:
            self._read(row.id)

    def _read(self, run_id: str) -> None:
        path = log_path(self._session.workspace, run_id)

        def work(_: Control) -> tuple[str, str]:
            return run_id, last_lines(path, count=LINES)

        self._session.readings.run(work, "Read the log").succeeded.connect(self._show_lines)

    def _show_lines(self, found: tuple[str, str]) -> None:
        run_id, lines = found
        if self._shown is not None and self._shown[0] == run_id:
            self._lines.setText(lines)
            self._lines.setVisible(bool(lines))

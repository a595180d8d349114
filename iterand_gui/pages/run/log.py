"""The Log tab: what the worker wrote, while it writes, and the messages of the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QKeySequence, QPalette, QShortcut
from PySide6.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QSplitter,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from iterand_engine.machine import texts
from iterand_engine.machine.run_log import log_path
from iterand_engine.store import Event, RunRow, RunState
from iterand_gui.live.store_reader import RunEvents
from iterand_gui.live.store_watcher import Subscription
from iterand_gui.live.tasks import Control
from iterand_gui.look import theme
from iterand_gui.look.plain import plain
from iterand_gui.pages.run.log_reader import LogNews, read_news
from iterand_gui.pages.run.log_view import LogView
from iterand_gui.pages.run.tab import RunTab
from iterand_gui.pages.run.tables import TextCell, TextTable
from iterand_gui.session.command import Command, Json
from iterand_gui.session.session import Session

LOOK_EVERY_MS: Final = 400
_MESSAGES_AT_ONCE = 5
_ICONS: Final[dict[str, tuple[str, theme.Role]]] = {
    "info": ("info", "accent"),
    "warning": ("warning", "warn"),
    "error": ("error", "bad"),
}


class LogTab(RunTab):
    """The log of the current run."""

    key = "log"
    title = "L&og"

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(session, parent)
        self._position = 0
        self._subscription: Subscription | None = None
        self._events: list[Event] = []
        self._is_reading = self._is_unreadable = False
        self.view = LogView(self)
        self.messages = TextTable("Messages of the run", ("Time", "Level", "Step", "Message"), self)
        self.search, self._found = QLineEdit(self), QLabel(self)
        self.follow = QCheckBox("Follo&w", self)
        self._split = QSplitter(Qt.Orientation.Vertical, self)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(LOOK_EVERY_MS)
        self._timer.timeout.connect(self._look)
        self._set_up()
        self._lay_out()

    def enter(self, row: RunRow) -> None:
        """Read, and go on while the run may write."""
        self._say_empty(row)
        self._events, self._is_unreadable = [], False
        self._subscription = self.session.watcher.subscribe([row.id], [], events=True)
        self._subscription.messages_arrived.connect(self._take_events)
        self._look()

    def leave(self) -> None:
        self._timer.stop()
        if self._subscription is not None:
            self._subscription.close()
            self._subscription = None

    def forget(self) -> None:
        self._position, self._events = 0, []
        self.view.forget()
        self.messages.hide()
        self.messages.show_rows(())
        self._show_found()

    def run_changed(self, row: RunRow) -> None:
        """Its last words come with its end."""
        if not self._timer.isActive():
            self._timer.start()
        self._say_empty(row)

    # Reading: one look at a time.

    def _look(self) -> None:
        row = self.row
        if row is None or self._is_reading or self._is_unreadable:
            return
        self._is_reading = True
        run_id, position = row.id, self._position
        path = log_path(self.session.workspace, run_id)

        def work(_: Control) -> LogNews:
            return read_news(path, run_id, position)

        job = self.session.readings.run(work, "Read the log")
        job.succeeded.connect(self._take)
        job.failed.connect(self._cannot_read)
        job.ended.connect(self._looked)

    def _looked(self) -> None:
        self._is_reading = False
        row = self.row
        if row is not None and self.isVisible() and (row.state.is_live or row.state is RunState.QUEUED):
            self._timer.start()

    def _cannot_read(self, sentence: str) -> None:
        """Said once; the next time the tab comes into view, it is tried again."""
        self._is_unreadable = True
        self.session.messages.error(sentence)

    def _take(self, news: LogNews) -> None:
        if news.run_id != self.run_id:
            QTimer.singleShot(0, self, self._look)  # another run was chosen meanwhile
            return
        if news.is_anew:
            self.view.forget()
            if news.is_cut:
                self.view.append(("... older lines are in the file",), "")
        self._position = news.position
        self.view.append(news.lines, news.unfinished)
        if news.lines:
            self._show_found()
        if news.has_more:
            QTimer.singleShot(0, self, self._look)

    def _take_events(self, said: tuple[RunEvents, ...]) -> None:
        self._events += [event for of_run in said if of_run.run_id == self.run_id for event in of_run.events]
        self.messages.show_rows([_message_cells(event) for event in self._events])
        if self._events:
            self._show_messages()

    def _show_messages(self) -> None:
        """Give them the room of a few lines; a person may give them more."""
        if not self.messages.isVisible():
            self.messages.show()
            rows = min(len(self._events), _MESSAGES_AT_ONCE)
            height = theme.ROW_PX * (rows + 1) + theme.SPACE_S
            self._split.setSizes([height, max(height, self._split.height() - height)])
        self.messages.scrollToBottom()

    def _say_empty(self, row: RunRow) -> None:
        waits = row.state in (RunState.QUEUED, RunState.STARTING)
        said = (
            "The log begins when the run does."
            if waits
            else "There is no log: it was deleted, or never written."
        )
        self.view.setPlaceholderText(said)

    # Searching.

    def find_next(self) -> None:
        """Go to the next place of what is searched."""
        self.view.find_text(self.search.text(), backwards=False)

    def find_previous(self) -> None:
        """Go to the place before."""
        self.view.find_text(self.search.text(), backwards=True)

    def start_search(self) -> None:
        """Put the keyboard into the search line."""
        self.search.setFocus()
        self.search.selectAll()

    def _search_changed(self) -> None:
        self._show_found()
        self.view.find_text(self.search.text(), backwards=False, from_here=True)

    def _show_found(self) -> None:
        wanted = self.search.text()
        count = self.view.count(wanted) if wanted else 0
        self._found.setText(texts.counted(count, "place") if wanted else "")

    # Look.

    def _set_up(self) -> None:
        self.search.setPlaceholderText("Find in the log")
        self.search.setAccessibleName("Find in the log")
        self.search.setToolTip("Enter goes to the next place, Shift+Enter to the one before (Ctrl+F)")
        self.search.setClearButtonEnabled(True)
        self.search.setMaximumWidth(320)
        self.search.textChanged.connect(self._search_changed)
        self.search.returnPressed.connect(self.find_next)
        self._found.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        self._found.setTextFormat(theme.PLAIN)
        self.follow.setChecked(True)
        self.follow.setToolTip("Keep the newest lines in view")
        self.follow.toggled.connect(self.view.set_follow)
        self.view.follow_changed.connect(self.follow.setChecked)
        within = Qt.ShortcutContext.WidgetWithChildrenShortcut
        QShortcut(QKeySequence(QKeySequence.StandardKey.Find), self, self.start_search, context=within)
        QShortcut(QKeySequence("Shift+Return"), self, self.find_previous, context=within)
        QShortcut(QKeySequence("F3"), self, self.find_next, context=within)

    def _lay_out(self) -> None:
        bar = QHBoxLayout()
        bar.setSpacing(theme.SPACE_S)
        bar.addWidget(self.search, 1)
        for name, icon, slot in (
            ("Place before (Shift+Enter)", "caret-up", self.find_previous),
            ("Next place (Enter)", "caret-down", self.find_next),
        ):
            button = QToolButton(self)
            button.setIcon(theme.icon(icon))
            button.setAutoRaise(True)
            button.setToolTip(plain(name))
            button.setAccessibleName(name)
            button.clicked.connect(slot)
            bar.addWidget(button)
        bar.addWidget(self._found)
        bar.addStretch(1)
        bar.addWidget(self.follow)
        self._split.addWidget(self.messages)
        self._split.addWidget(self.view)
        self._split.setChildrenCollapsible(False)
        self._split.setHandleWidth(theme.SPACE_S)
        self._split.setStretchFactor(1, 1)
        self.messages.hide()
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.SPACE_M, theme.SPACE_S, theme.SPACE_M, theme.SPACE_M)
        column.setSpacing(theme.SPACE_S)
        column.addLayout(bar)
        column.addWidget(self._split, 1)

    def commands(self) -> list[Command]:
        return [Command("Find in the log", self.start_search, "Ctrl+F")]

    def save_state(self) -> Json:
        """Whether it follows and wraps."""
        return {"follow": self.follow.isChecked()}

    def restore_state(self, state: Mapping[str, object]) -> None:
        self.follow.setChecked(state.get("follow") is not False)
        self.search.clear()


def _message_cells(event: Event) -> list[TextCell]:
    icon, role = _ICONS[event.level]
    first, _, more = event.text.partition("\n")
    step = "" if event.step is None else texts.whole(event.step)
    return [
        TextCell(texts.moment(event.at)),
        TextCell(event.level, icon=icon, role=role),
        TextCell(step),
        TextCell(f"{first} ..." if more else first, event.text, whole=event.text),
    ]

"""The Run page: the current run of the selection, live: its head, and tabs for curves, layers, options, log.

Hidden, it listens to nothing; a tab out of view reads nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QStackedWidget, QTabWidget, QVBoxLayout, QWidget

from iterand_engine.machine import texts
from iterand_engine.results.next_steps import StepKind
from iterand_engine.store import RunRow
from iterand_gui.live.store_reader import RunsChange
from iterand_gui.live.tasks import Control
from iterand_gui.look import theme
from iterand_gui.look.plain import without_mnemonic
from iterand_gui.pages.base import Page
from iterand_gui.pages.run.configuration import ConfigurationTab
from iterand_gui.pages.run.curves import CurvesTab
from iterand_gui.pages.run.header import RunHeader
from iterand_gui.pages.run.layers import LayersTab
from iterand_gui.pages.run.log import LogTab
from iterand_gui.pages.run.outcome import Outcome
from iterand_gui.pages.run.tab import RunTab
from iterand_gui.plots.link import PlotLink
from iterand_gui.session.command import Command, Json
from iterand_gui.session.next_steps import do
from iterand_gui.session.session import Session
from iterand_gui.widgets.empty_state import EmptyState, Offer
from iterand_gui.widgets.folder import show_folder

_LONGEST = 40  # characters of a name on a button


class RunPage(Page):
    """Shows one run. `take` takes the key of a tab."""

    title = "Run"
    icon = "run"

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self._is_shown = False
        self._row: RunRow | None = None
        self._test = ""
        link = PlotLink(self)
        self._empty = EmptyState("run", self)
        self.header = RunHeader(self)
        self.outcome = Outcome(session, self)
        self._tabs = QTabWidget(self)
        self._tabs.setDocumentMode(True)
        self._tabs.setAccessibleName("Views of the run")
        self._tabs.tabBar().setAccessibleName("Views of the run")
        self.tabs: tuple[RunTab, ...] = (
            CurvesTab(session, link, self._tabs),
            LayersTab(session, link, self._tabs),
            ConfigurationTab(session, self._tabs),
            LogTab(session, self._tabs),
        )
        for tab in self.tabs:
            self._tabs.addTab(tab, tab.title)
        self._lay_out()
        self._tab: RunTab = self.tabs[0]
        self._tabs.currentChanged.connect(self._turn)
        self.header.chosen.connect(self._do)
        self.outcome.log_asked.connect(self._show_log)

    @property
    def tab(self) -> RunTab:
        return self._tab

    def show_tab(self, key: str) -> None:
        """Turn to a tab: curves, layers, configuration or log."""
        for number, tab in enumerate(self.tabs):
            if tab.key == key:
                self._tabs.setCurrentIndex(number)

    def showing(self) -> None:
        """Listen, and show the current run as it stands by now."""
        self._is_shown = True
        self.session.selection.changed.connect(self._selected)
        self.session.watcher.runs_changed.connect(self._runs_changed)
        self.session.settings_changed.connect(self._ask_test)
        self._show_current()
        self._tab.showing()

    def hiding(self) -> None:
        self._is_shown = False
        self.session.selection.changed.disconnect(self._selected)
        self.session.watcher.runs_changed.disconnect(self._runs_changed)
        self.session.settings_changed.disconnect(self._ask_test)
        self._tab.hiding()

    def take(self, what: object) -> None:
        """Turn to a tab, by its key."""
        if isinstance(what, str):
            self.show_tab(what)

    def commands(self) -> list[Command]:
        """The next steps of the run, what its tab can do, and the ways to the tabs."""
        ways = [
            Command(f"Show {tab.title.replace('&', '').lower()} of the run", self._shower(tab.key))
            for tab in self.tabs
        ]
        if self._row is None:
            return []
        steps = [Command(step.words, self._doer(step.kind)) for step in self.header.steps]
        own = [
            Command("Open the folder of the run", self._open_folder),
            Command("Copy the id of the run", self._copy_id),
        ]
        return [*steps, *self._tab.commands(), *ways, *own]

    def save_state(self) -> Json:
        """The tab in view, and what each of them remembers."""
        return {"tab": self._tab.key, **{tab.key: tab.save_state() for tab in self.tabs}}

    def restore_state(self, state: Mapping[str, object]) -> None:
        """Take a remembered state up again."""
        for tab in self.tabs:
            own = state.get(tab.key)
            tab.restore_state(own if isinstance(own, Mapping) else {})
        key = state.get("tab")
        self.show_tab(key if isinstance(key, str) else self.tabs[0].key)

    # Which run.

    def _selected(self, _ids: object) -> None:
        self._show_current()

    def _runs_changed(self, change: RunsChange) -> None:
        current = self.session.selection.current
        if (
            self._row is None
            or change.is_all
            or current in change.removed
            or any(row.id == current for row in change.rows)
        ):
            self._show_current()

    def _show_current(self) -> None:
        watcher, current = self.session.watcher, self.session.selection.current
        row = watcher.runs.get(current or "")
        before, self._row = self._row, row
        for tab in self.tabs:
            tab.show_run(row)
        if row is None:
            self._say_empty(current)
            return
        if before is None or _is_other_result(before, row):
            self._test = self._test if before is not None and before.id == row.id else ""
            self._ask_test()
        config = watcher.configs.get(row.id, {})
        self.header.show_run(row, config, self._test)
        self.outcome.show_run(row)
        self._stack.setCurrentWidget(self._content)

    def _say_empty(self, current: str | None) -> None:
        watcher, actions = self.session.watcher, self.session.actions
        self._stack.setCurrentWidget(self._empty)
        if not watcher.has_read:
            self._empty.say("Reading the workspace")
            return
        go = Offer("&Go to Runs", lambda: actions.show_page.emit("runs"))
        if current is not None:
            text = "It was moved to the trash, from where the Runs page takes it back."
            self._empty.say("This run is not here any more", text, (go,))
            return
        if not watcher.runs:
            make = Offer("&New run", lambda: actions.open_new.emit(None))
            self._empty.say(
                "There is no run yet", "Make one on the New page; it is shown here live.", (make,)
            )
            return
        newest = max(watcher.runs.values(), key=lambda row: (row.state.is_live, row.created_at))
        name = newest.name if len(newest.name) <= _LONGEST else f"{newest.name[:_LONGEST]}..."
        show = Offer(f"&Show {without_mnemonic(name)}", lambda: self.session.selection.set([newest.id]))
        text = "Choose one on the Runs page; the newest one chosen there is shown here."
        self._empty.say("No run is chosen", text, (show, go))

    # Test accuracy: the store knows the lock.

    def _ask_test(self, _settings: object = None) -> None:
        row, session = self._row, self.session
        if row is None or row.state.is_live or not row.step:
            return
        run_id, lock = row.id, session.settings.test_lock

        def work(_: Control) -> tuple[str, str]:
            found = session.store.reader.test_accuracies([run_id], lock=lock).get(run_id)
            return run_id, "" if found is None else texts.percent(found)

        session.jobs.run(work, "Read the result").succeeded.connect(self._take_test)

    def _take_test(self, found: tuple[str, str]) -> None:
        run_id, text = found
        if self._row is not None and self._row.id == run_id and text != self._test:
            self._test = text
            self._show_current()

    # What is asked for.

    def _turn(self, number: int) -> None:
        before, self._tab = self._tab, self.tabs[number]
        if self._is_shown:
            before.hiding()
            self._tab.showing()

    def _do(self, kind: StepKind) -> None:
        if self._row is not None:
            do(self.session, kind, self._row, self.session.watcher.configs.get(self._row.id, {}))

    def _doer(self, kind: StepKind) -> Callable[[], object]:
        return lambda: self._do(kind)

    def _shower(self, key: str) -> Callable[[], object]:
        return lambda: self.show_tab(key)

    def _show_log(self) -> None:
        self.show_tab("log")

    def _open_folder(self) -> None:
        if self._row is not None:
            folder = self.session.workspace.run_dir(self._row.id)
            show_folder(folder, self.session.messages)

    def _copy_id(self) -> None:
        if self._row is not None:
            QGuiApplication.clipboard().setText(self._row.id)
            self.session.messages.say("Id copied")

    def _lay_out(self) -> None:
        self._content = QWidget(self)
        column = QVBoxLayout(self._content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.header)
        explained = QVBoxLayout()
        explained.setContentsMargins(theme.SPACE_M, 0, theme.SPACE_M, theme.SPACE_S)
        explained.addWidget(self.outcome)
        column.addLayout(explained)
        column.addWidget(self._tabs, 1)
        self._stack = QStackedWidget(self)
        self._stack.addWidget(self._empty)
        self._stack.addWidget(self._content)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(self._stack)
        self.setFocusProxy(self._tabs)


def _is_other_result(before: RunRow, row: RunRow) -> bool:
    """Whether the test accuracy may be another, or may be shown by now."""
    stood = (before.id, before.state, before.test_unlocked)
    return stood != (row.id, row.state, row.test_unlocked)

"""The Runs page, the window's home: slots, filter, the table of all runs, and what is known of chosen ones.

Hidden, it listens to nothing and its table stands still; shown again, it catches up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial

from PySide6.QtCore import QPoint, Qt, QTimer, SignalInstance, Slot
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QStackedWidget, QVBoxLayout, QWidget

from iterand_engine.machine.processes import host_id
from iterand_engine.results.epoch_masks import has_masks
from iterand_engine.results.filters import Filter
from iterand_engine.store import RunState
from iterand_gui.live.store_reader import RunsChange
from iterand_gui.look import theme
from iterand_gui.look.plain import plain
from iterand_gui.pages.base import Page
from iterand_gui.pages.runs.chosen import Chosen
from iterand_gui.pages.runs.export_bar import ExportBar
from iterand_gui.pages.runs.exporter import Exporter
from iterand_gui.pages.runs.head import Head
from iterand_gui.pages.runs.lines.model import RunTableModel
from iterand_gui.pages.runs.run_actions import RunActions
from iterand_gui.pages.runs.side_panel import SidePanel
from iterand_gui.pages.runs.slot_facts import Click, SlotFacts, slot_facts
from iterand_gui.pages.runs.slot_strip import SlotStrip
from iterand_gui.pages.runs.split import PanelSplit
from iterand_gui.pages.runs.table import RunTable
from iterand_gui.pages.runs.welcome import Welcome
from iterand_gui.session.command import Command, Json
from iterand_gui.session.session import Session
from iterand_gui.widgets.empty_state import EmptyState, Offer

LOOK_AGAIN_MS = 200  # what follows the chosen runs
LOOK_SELDOM_MS = 2_000
MANY = 1_000  # chosen runs
AGES_EVERY_MS = 10_000


class RunsPage(Page):
    """Shows and chooses runs."""

    title = "Runs"
    icon = "runs"

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self._is_shown = self._is_telling = False
        self._queued = 0
        self._held: tuple[str, ...] = ()  # chosen runs, also those that a filter or the trash hides
        self._fresh: tuple[str, ...] = ()  # queued while another page was in view
        self._is_listed_anew = False
        self._looked_at: frozenset[str] = frozenset()  # the chosen runs
        self._host = host_id()
        self.model = RunTableModel(session.readings, self)
        self.strip = SlotStrip(self)
        self.table = RunTable(self.model, self)
        self.panel = SidePanel(session, self)
        self.exporter = Exporter(session, self)
        self.welcome = Welcome(session, self)
        self.nothing = EmptyState("filter", self)
        self.deeds = RunActions(session, self.exporter, self.chosen, self)
        what = "Show or hide what is known of the chosen runs"
        self.details = self._action("Details", "info", what, "Ctrl+I")
        self.details.setCheckable(True)
        self.head = self._make_head()
        self.filter = self.head.filter
        self.export_bar = ExportBar(self.exporter, self)
        self._lay_out()
        self._connect()
        self.setFocusProxy(self.table)
        self.restore_state({})

    def chosen(self) -> Chosen:
        """The chosen lines and their runs as they stand now."""
        lines = self.table.chosen_lines()
        ids = self.model.run_ids(lines[:-1]) + self.model.run_ids(lines[-1:])[::-1]
        runs = self.session.watcher.runs
        rows = [runs[run_id] for run_id in dict.fromkeys(ids) if run_id in runs]
        one = lines[0] if len(lines) == 1 else None
        return Chosen(
            len(lines),
            tuple(rows),
            self.model.group_at(one) if one is not None else None,
            self.model.sweep_at(one) if one is not None else None,
            partial(has_masks, self.session.workspace),
        )

    def showing(self) -> None:
        self._is_shown = True
        watcher, selection = self.session.watcher, self.session.selection
        for signal, slot in self._heard:
            signal.connect(slot)
        self.filter.forget_fields()
        self.model.follow(watcher)
        self._ages.start()
        self._queued = sum(row.state is RunState.QUEUED for row in watcher.runs.values())
        self._show_slots()
        if self._fresh:
            selection.set(self._fresh)
        self._fresh, self._held, self._is_listed_anew = (), selection.ids, True
        self._show_view()
        self.panel.settings_changed()
        self._look()

    def hiding(self) -> None:
        """Listen no longer; save what is being written."""
        self._is_shown = False
        self.panel.leave()
        self.model.unfollow()
        for signal, slot in self._heard:
            signal.disconnect(slot)
        self._ages.stop()
        self._look_soon.stop()

    def commands(self) -> list[Command]:
        """What can be done with the chosen runs, and with the table."""
        own = [
            Command("Filter the runs", self._find, "Ctrl+F"),
            Command("Clear the filter", self._clear_filter, enabled=lambda: bool(self.filter.text())),
            Command("Show or hide the details", self.details.toggle, "Ctrl+I"),
            Command("Choose columns", self._open_columns),
            Command("Unfold all", lambda: self.table.unfold(everything=True)),
            Command("Fold all", lambda: self.table.unfold(everything=False)),
        ]
        return [*self.deeds.commands(), *own]

    def save_state(self) -> Json:
        """Columns, order, filter, and the side panel."""
        return {
            "table": self.table.columns.save(),
            "filter": self.filter.text(),
            "details": self.details.isChecked(),
            "details_px": self._splitter.panel_px,
        }

    def restore_state(self, state: Mapping[str, object]) -> None:
        table, text, width_px = state.get("table"), state.get("filter"), state.get("details_px")
        self.table.columns.restore(table if isinstance(table, Mapping) else {})
        self.filter.set_text(text if isinstance(text, str) else "")
        self.details.setChecked(state.get("details") is not False)
        self._splitter.give_panel(width_px if isinstance(width_px, int) else None)

    # What is shown.

    @Slot(object)
    def _runs_changed(self, change: RunsChange) -> None:
        selected = self.session.selection.ids
        if not change.removed.isdisjoint(selected):
            self._report(run_id for run_id in selected if run_id not in change.removed)
        if any(card.facts is not None and card.facts.run_id for card in self.strip.cards):
            self._show_slots()
        touches = change.configs or change.removed or not self._looked_at
        if touches or any(row.id in self._looked_at for row in change.rows):
            self._look_later()
        if change.configs or change.removed or not self.session.watcher.runs:
            self._show_view()

    @Slot(int, int)
    def _overview_changed(self, _running: int, queued: int) -> None:
        if queued != self._queued:
            self._queued = queued
            self._show_slots()

    @Slot()
    def _show_slots(self, _slots: object = None) -> None:
        watcher = self.session.watcher
        self.strip.show_slots(slot_facts(watcher.slots, watcher.runs, self._queued, self._host))

    @Slot()
    def _show_view(self) -> None:
        """The welcome where there is no run, the table, or why it is empty."""
        watcher = self.session.watcher
        if watcher.has_read and not watcher.runs:
            if self._stack.currentWidget() is not self.welcome:
                self._stack.setCurrentWidget(self.welcome)
                self.welcome.look_for_gpus()
                self.setFocusProxy(self.welcome)
            return
        if self._stack.currentWidget() is not self._work:
            self._stack.setCurrentWidget(self._work)
            self.setFocusProxy(self.table)
        found, of = self.model.counts
        self.head.show_counts(found, of)
        is_empty = bool(of) and not found
        self._tables.setCurrentWidget(self.nothing if is_empty else self.table)
        if is_empty:
            clear, applied = Offer("&Clear filter", self._clear_filter), self.filter.applied
            if self.filter.problem:
                said = f"{applied} still holds, as there is a mistake in what is written now."
                self.nothing.say("No run meets the filter before this one", said, (clear,))
            else:
                self.nothing.say("No run meets this filter", applied, (clear,))

    @Slot()
    def _look(self) -> None:
        """Let actions and panel follow the chosen runs."""
        self._look_soon.stop()
        if self._is_listed_anew:
            self._choose_held()
        chosen = self.chosen()
        self._looked_at = frozenset(chosen.ids)
        self._look_soon.setInterval(LOOK_AGAIN_MS if len(chosen.rows) <= MANY else LOOK_SELDOM_MS)
        self.deeds.refresh(chosen)
        if self.panel.isVisibleTo(self):
            self.panel.show_chosen(chosen)

    # What is chosen.

    @Slot()
    def _chose(self) -> None:
        self._held = self.chosen().ids
        self._tell_chosen()
        self._look()

    def _tell_chosen(self) -> None:
        """Let other pages follow what is chosen and shown; the current run stays the current one."""
        ids = self.chosen().ids
        last = [run_id for run_id in self._held[-1:] if run_id in ids]
        self._report([*(run_id for run_id in ids if run_id not in last), *last])

    def _report(self, run_ids: Iterable[str]) -> None:
        self._is_telling = True
        self.session.selection.set(run_ids)
        self._is_telling = False

    def _choose_held(self) -> None:
        """Choose again what a filter or the trash had hidden."""
        self._is_listed_anew = False
        self.table.choose_runs(self._held)
        if self.table.selectionModel().hasSelection():
            self._tell_chosen()

    @Slot(object)
    def _selected_elsewhere(self, run_ids: tuple[str, ...]) -> None:
        if not self._is_telling:
            self._held = run_ids
            self.table.choose_runs(run_ids)
            self._look()

    @Slot(object)
    def _queued_elsewhere(self, run_ids: tuple[str, ...]) -> None:
        if not self._is_shown:
            self._fresh = run_ids

    @Slot()
    def _look_later(self) -> None:
        if not self._look_soon.isActive():
            self._look_soon.start()

    @Slot()
    def _listed_anew(self) -> None:
        self._is_listed_anew = True
        self._look_later()

    # What is asked for.

    @Slot(object)
    def _slot_clicked(self, facts: SlotFacts) -> None:
        actions = self.session.actions
        if facts.click is Click.OPEN_RUN and facts.run_id is not None:
            actions.open_run.emit(facts.run_id)
        elif facts.click is Click.START:
            actions.start_slots()
        else:
            actions.show_page.emit("settings")

    @Slot(object)
    def _started(self, run_ids: tuple[str, ...]) -> None:
        self.session.actions.open_run.emit(run_ids[0])

    @Slot()
    def _new(self) -> None:
        self.session.actions.open_new.emit(None)

    @Slot(QPoint)
    def _open_menu(self, at: QPoint) -> None:
        self.deeds.menu(self).popup(at)

    @Slot()
    def _open_columns(self) -> None:
        header = self.table.header()
        self.table.columns.menu().popup(header.mapToGlobal(header.rect().bottomLeft()))

    @Slot()
    def _find(self) -> None:
        self.filter.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.filter.selectAll()

    @Slot()
    def _clear_filter(self) -> None:
        self.filter.set_text("")
        self.table.setFocus()

    @Slot()
    def _to_table(self) -> None:
        self.table.setFocus()
        self.table.choose_something()

    @Slot(object)
    def _filter(self, wanted: Filter) -> None:
        self.model.set_filter(wanted)
        if self._is_shown:
            self._is_listed_anew = False
            self.table.choose_runs(self._held)
            self._tell_chosen()
            self._look()

    @Slot(bool)
    def _toggle_details(self, is_on: bool) -> None:
        if not is_on:
            self.panel.leave()
        self.panel.setVisible(is_on)
        self._look()

    # How it is put together.

    def _action(self, text: str, icon: str, help: str, shortcut: str) -> QAction:
        action = QAction(theme.icon(icon), text, self)
        action.setShortcut(QKeySequence(shortcut))
        action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        action.setToolTip(plain(f"{help} ({shortcut})" if shortcut else help))
        self.addAction(action)
        return action

    def _make_head(self) -> Head:
        new = QAction(theme.icon("new"), "&New", self)  # the shell listens to its key
        new.setToolTip("Make a run or a sweep (Ctrl+N)")
        new.triggered.connect(self._new)
        columns = self._action("Columns", "columns", "Choose the columns of the table", "")
        columns.triggered.connect(self._open_columns)
        actions = [new, *(self.deeds[key] for key in ("resume", "stop", "compare"))]
        return Head(actions, self.details, columns, self)

    def _connect(self) -> None:
        find = self._action("Filter", "search", "Filter the runs", "Ctrl+F")
        find.triggered.connect(self._find)
        self.details.toggled.connect(self._toggle_details)
        self.filter.filter_changed.connect(self._filter)
        self.filter.problem_changed.connect(self._show_view)
        self.filter.left.connect(self._to_table)
        self.table.choice_changed.connect(self._chose)
        for asked in (self.table.open_asked, self.table.doubleClicked):
            asked.connect(self.deeds["open"].trigger)
        self.table.delete_asked.connect(self.deeds["delete"].trigger)
        self.table.menu_asked.connect(self._open_menu)
        self.model.counts_changed.connect(self._show_view)
        self.model.modelReset.connect(self._listed_anew)
        self.model.layoutChanged.connect(self._listed_anew)
        self.session.actions.queued.connect(self._queued_elsewhere)
        self.strip.clicked.connect(self._slot_clicked)
        self.welcome.started.connect(self._started)
        self._look_soon = QTimer(self, singleShot=True, interval=LOOK_AGAIN_MS)
        self._look_soon.timeout.connect(self._look)
        self._ages = QTimer(self, interval=AGES_EVERY_MS)
        self._ages.timeout.connect(self.model.refresh_times)
        watcher, session, panel = self.session.watcher, self.session, self.panel
        self._heard: tuple[tuple[SignalInstance, Callable[..., object]], ...] = (  # while it is in view
            (watcher.runs_changed, self._runs_changed),
            (watcher.slots_changed, self._show_slots),
            (watcher.slots_changed, panel.slots_changed),
            (watcher.overview_changed, self._overview_changed),
            (session.selection.changed, self._selected_elsewhere),
            (session.settings_changed, panel.settings_changed),
            (session.extensions_changed, self.filter.forget_fields),
        )

    def _lay_out(self) -> None:
        self._tables = QStackedWidget(self)
        self._tables.addWidget(self.table)
        self._tables.addWidget(self.nothing)
        self._splitter = PanelSplit(self._tables, self.panel, self)
        self._work = QWidget(self)
        column = QVBoxLayout(self._work)
        column.setContentsMargins(theme.SPACE_M, theme.SPACE_M, theme.SPACE_M, theme.SPACE_M)
        column.setSpacing(theme.SPACE_M)
        for widget in (self.strip, self.head):
            column.addWidget(widget)
        column.addWidget(self._splitter, 1)
        column.addWidget(self.export_bar)
        self._stack = QStackedWidget(self)
        self._stack.addWidget(self._work)
        self._stack.addWidget(self.welcome)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(self._stack)

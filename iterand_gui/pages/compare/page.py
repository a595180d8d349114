"""The Compare page: the selected runs and groups in one plot and one table, live.

It follows the selection while it is in view. Hidden it wants nothing: no series, no rows, no probe.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QSplitter, QStackedWidget, QVBoxLayout, QWidget

from iterand_engine.config.metrics import Metric
from iterand_gui.live.store_reader import RunsChange
from iterand_gui.look import theme
from iterand_gui.pages.base import Page
from iterand_gui.pages.compare.entries import NOTHING, compare
from iterand_gui.pages.compare.facts import ComparedFacts
from iterand_gui.pages.compare.metrics import METRICS, metric_of
from iterand_gui.pages.compare.plot_area import PlotArea
from iterand_gui.pages.compare.plot_bar import MODES, PlotBar
from iterand_gui.pages.compare.results import Mode
from iterand_gui.pages.compare.sheet import SheetInputs, make_sheet
from iterand_gui.pages.compare.sheet_panel import SheetPanel
from iterand_gui.plots.link import SMOOTHING, PlotLink
from iterand_gui.plots.x_axis import XAxis
from iterand_gui.session.command import Command, Json
from iterand_gui.session.session import Session
from iterand_gui.widgets.empty_state import EmptyState, Offer

REFRESH_EVERY_S = 0.25  # rows of live runs change ten times a second; nobody reads that fast
_FIRST_SIZES = (400, 290)


@dataclass(frozen=True)
class ComparisonLayout:
    """How the comparison is laid out; `baseline` is the key of the pinned entry."""

    fold: bool = True
    all_options: bool = False
    baseline: str | None = None


class ComparePage(Page):
    """Shows what `session.selection` holds."""

    title = "Compare"
    icon = "compare"

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self._choice = ComparisonLayout()
        self._comparison = NOTHING
        self._is_shown = False
        self._refreshed_s = 0.0
        self._axis = XAxis.STEP
        self._facts = ComparedFacts(session, self)
        self._link = PlotLink(self)
        self.bar = PlotBar(self._link, self)
        self.area = PlotArea(session.watcher, self._link, self)
        self.panel = SheetPanel(self)
        self.empty = EmptyState("compare", self)
        self._splitter = QSplitter(Qt.Orientation.Vertical, self)
        self._stack, self._content = QStackedWidget(self), QWidget(self)
        self._timer = QTimer(self, singleShot=True)
        self._lay_out()
        self._connect()
        self._show_choice()

    # In view or not.

    def showing(self) -> None:
        """Follow the selection and the store."""
        self._is_shown = True
        self.session.selection.changed.connect(self._refresh)
        self.session.watcher.runs_changed.connect(self._runs_changed)
        self._refresh()

    def hiding(self) -> None:
        self._is_shown = False
        self.session.selection.changed.disconnect(self._refresh)
        self.session.watcher.runs_changed.disconnect(self._runs_changed)
        self._timer.stop()
        self.area.stop()
        self._facts.forget()

    def _runs_changed(self, change: RunsChange) -> None:
        chosen = set(self.session.selection.ids)
        if change.is_all or any(row.id in chosen for row in change.rows) or change.removed & chosen:
            self._refresh_soon()

    def _refresh_soon(self) -> None:
        if self._is_shown and not self._timer.isActive():
            wait_s = self._refreshed_s + REFRESH_EVERY_S - time.monotonic()
            self._timer.start(max(0, round(wait_s * 1000)))

    def _refresh(self) -> None:
        """Show the selection as it is now."""
        if not self._is_shown:
            return
        self._timer.stop()
        self._refreshed_s = time.monotonic()
        watcher = self.session.watcher
        ids = self.session.selection.ids
        rows = [watcher.runs[run_id] for run_id in ids if run_id in watcher.runs]
        self._comparison = compare(rows, watcher.configs, fold=self._choice.fold)
        if not rows:
            self._show_empty()
            return
        self._stack.setCurrentWidget(self._content)
        self._facts.want(self._comparison)
        if self.area.mode is Mode.KEPT:
            self._facts.want_kept(self._comparison)
        self.area.show_comparison(self._comparison, self._facts.known)
        self._show_sheet()

    def _show_sheet(self) -> None:
        choice = self._choice
        view = SheetInputs(self._facts.known, choice.baseline, all_options=choice.all_options)
        chosen = self.panel.view.chosen_keys()
        self.panel.model.show_sheet(make_sheet(self._comparison, view), self.area.swatches())
        if len(chosen) == 1:
            self.panel.view.pick(chosen[0])
        self.panel.show_words(self._comparison, fold=choice.fold)

    def _show_empty(self) -> None:
        self.area.stop()
        if self.session.watcher.has_read:
            text = "Select runs or groups on the Runs page: several with Ctrl or Shift."
            self.empty.say("Nothing is selected", text, [Offer("Go to &Runs", self._go_to_runs)])
        else:
            self.empty.say("Reading the workspace", "Runs and curves come in a moment.")
        self._stack.setCurrentWidget(self.empty)

    def _go_to_runs(self) -> None:
        self.session.actions.show_page.emit("runs")

    # What a person chooses.

    def choose_plot(self, mode: Mode, metric: Metric | None = None) -> None:
        self.area.choose(mode, metric or self.area.curve_metric)
        self._show_choice()
        self._refresh()

    def pin(self, key: str | None) -> None:
        """Take an entry as the baseline, or none; the one that is pinned already is let go."""
        baseline = None if key == self._choice.baseline else key
        self._choose(replace(self._choice, baseline=baseline))

    def _choose_mode(self, mode: Mode) -> None:
        self.choose_plot(mode)

    def _choose_metric(self, metric: Metric) -> None:
        self.choose_plot(Mode.CURVES, metric)

    def _choose(self, choice: ComparisonLayout) -> None:
        self._choice = choice
        self._show_choice()
        self._refresh()

    def _choose_fold(self, fold: bool) -> None:
        self._choose(replace(self._choice, fold=fold))

    def _choose_all_options(self, all_options: bool) -> None:
        self._choose(replace(self._choice, all_options=all_options))

    def _open(self, key: str) -> None:
        entry = self._comparison.get(key)
        if entry is not None:
            self.session.actions.open_run.emit(entry.lead.id)

    def _leave_out(self, keys: tuple[str, ...]) -> None:
        gone = {run_id for key in keys if (entry := self._comparison.get(key)) for run_id in entry.run_ids}
        self.session.selection.set(run_id for run_id in self.session.selection.ids if run_id not in gone)

    def _show_choice(self) -> None:
        self.bar.show_choice(self.area.mode, self.area.curve_metric, log=self.area.log)
        self.panel.show_choice(fold=self._choice.fold, all_options=self._choice.all_options)

    # What is remembered.

    def commands(self) -> list[Command]:
        """What can be plotted, and what can be done with plot and table."""
        here = bool(self._comparison.entries)
        made = [Command(f"Plot {MODES[mode].lower()}", self._chooser(mode)) for mode in Mode]
        made += [Command(f"Plot {metric.label.lower()}", self._metric_chooser(metric)) for metric in METRICS]
        view, panel = self.panel.view, self.panel
        actions = [view.pin_action, view.drop_action, view.open_action, panel.copy_csv, panel.copy_markdown]
        plot = self.area.plot
        actions += [plot.table_action, plot.save_action, plot.reset_action] if plot is not None else []
        for action in actions:
            text = action.text().replace("&", "").removesuffix(" ...")
            made.append(Command(text, action.trigger, action.shortcut().toString(), lambda: here))
        return made

    def _chooser(self, mode: Mode) -> Callable[[], object]:
        return lambda: self.choose_plot(mode)

    def _metric_chooser(self, metric: Metric) -> Callable[[], object]:
        return lambda: self.choose_plot(Mode.CURVES, metric)

    def save_state(self) -> Json:
        """What is plotted and how, the baseline, and the table's arrangement."""
        column, descending = self.panel.model.sorted_by
        return {
            "mode": self.area.mode.value,
            "metric": self.area.curve_metric.name,
            "axis": self._link.axis.value,
            "smoothing": self._link.smoothing,
            "log": self.area.logs(),
            "fold": self._choice.fold,
            "all_options": self._choice.all_options,
            "baseline": self._choice.baseline,
            "sort": [column, descending],
            "widths": self.panel.view.widths(),
            "sizes": self._splitter.sizes(),
        }

    def restore_state(self, state: Mapping[str, object]) -> None:
        """Take it up again; what is not understood is as at first."""
        mode, axis, smoothing = state.get("mode"), state.get("axis"), state.get("smoothing")
        modes, axes = {one.value: one for one in Mode}, {one.value: one for one in XAxis}
        self.area.choose(modes.get(str(mode), Mode.CURVES), metric_of(state.get("metric")))
        self._link.set_axis(axes.get(str(axis), XAxis.STEP))
        self._link.set_smoothing(smoothing if isinstance(smoothing, int) and smoothing in SMOOTHING else 0)
        self.area.set_logs(_mapping(state.get("log")))
        baseline = state.get("baseline")
        self._choice = ComparisonLayout(
            fold=state.get("fold") is not False,
            all_options=state.get("all_options") is True,
            baseline=baseline if isinstance(baseline, str) else None,
        )
        widths = _mapping(state.get("widths")).items()
        self.panel.view.set_widths({key: px for key, px in widths if isinstance(px, int) and px > 0})
        column, descending = _pair(state.get("sort"), (None, False))
        self.panel.view.order_by(column if isinstance(column, str) else None, descending=descending is True)
        sizes = _pair(state.get("sizes"), _FIRST_SIZES)
        self._splitter.setSizes([px if isinstance(px, int) and px > 0 else 1 for px in sizes])
        self._show_choice()
        self._refresh()

    # Parts.

    def _lay_out(self) -> None:
        column = QVBoxLayout(self._content)
        column.setContentsMargins(theme.SPACE_M, theme.SPACE_S, theme.SPACE_M, theme.SPACE_M)
        column.setSpacing(theme.SPACE_S)
        column.addWidget(self.bar)
        column.addWidget(self._splitter, 1)
        self._splitter.addWidget(self.area)
        self._splitter.addWidget(self.panel)
        self._splitter.setChildrenCollapsible(False)
        self._splitter.setStretchFactor(0, 3)
        self._splitter.setStretchFactor(1, 2)
        self._splitter.setSizes(list(_FIRST_SIZES))
        for widget in (self.empty, self._content):
            self._stack.addWidget(widget)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(self._stack)
        self.setFocusProxy(self.panel.view)

    def _connect(self) -> None:
        messages, view = self.session.messages, self.panel.view
        self._timer.timeout.connect(self._refresh)
        self._facts.changed.connect(self._refresh_soon)
        self._link.changed.connect(self._link_changed)
        self.bar.mode_chosen.connect(self._choose_mode)
        self.bar.metric_chosen.connect(self._choose_metric)
        self.bar.log_chosen.connect(self.area.set_log)
        self.area.log_changed.connect(self._show_choice)
        self.area.highlighted.connect(view.pick)
        self.area.failed.connect(messages.error)
        self.area.saved.connect(self._tell_saved)
        self.panel.copied.connect(messages.say)
        self.panel.fold_chosen.connect(self._choose_fold)
        self.panel.all_options_chosen.connect(self._choose_all_options)
        view.picked.connect(self.area.set_highlight)
        view.opened.connect(self._open)
        view.pin_asked.connect(self.pin)
        view.drop_asked.connect(self._leave_out)

    def _tell_saved(self, path: str) -> None:
        self.session.messages.say(f"Saved {path}")

    def _link_changed(self) -> None:
        """Another axis may need another series."""
        if self._is_shown and self._link.axis is not self._axis:
            self._axis = self._link.axis
            self._refresh()


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _pair(value: object, otherwise: tuple[object, object]) -> tuple[object, object]:
    return (value[0], value[1]) if isinstance(value, list) and len(value) == 2 else otherwise

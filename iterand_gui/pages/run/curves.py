"""The Curves tab: plots of one run over a common axis; which of them are shown is remembered."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QMouseEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QMenu,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from iterand_engine.config.metrics import CLOCK, REDRAWN
from iterand_engine.results.epoch_masks import has_masks
from iterand_engine.store import RunRow, Series
from iterand_gui.live.store_watcher import Subscription
from iterand_gui.look import theme
from iterand_gui.pages.run.panels import PANELS, Panel, known_keys, shown_panels
from iterand_gui.pages.run.plot_feed import PlotFeed
from iterand_gui.pages.run.plot_grid import PlotGrid
from iterand_gui.pages.run.positions import RunClock
from iterand_gui.pages.run.tab import RunTab
from iterand_gui.plots.controls import PlotControls
from iterand_gui.plots.link import SMOOTHING, PlotLink
from iterand_gui.plots.x_axis import XAxis
from iterand_gui.session.command import Command, Json
from iterand_gui.session.session import Session


class CurvesTab(RunTab):
    """Plots of the current run."""

    key = "curves"
    title = "&Curves"

    def __init__(self, session: Session, link: PlotLink, parent: QWidget) -> None:
        super().__init__(session, parent)
        self._link = link
        self._chosen = known_keys(())
        self._feeds: dict[str, PlotFeed] = {}
        self._subscription: Subscription | None = None
        self._clock = RunClock()
        self._marks = np.empty(0, np.int64)
        self._choose = QPushButton("Plo&ts", self)
        self._menu = _StayingMenu(self._choose)
        self._actions: dict[str, QAction] = {}
        self._grid = PlotGrid(self)
        self._set_up_bar()
        self._lay_out()

    @property
    def chosen(self) -> tuple[str, ...]:
        """Keys of the panels that are shown where a run has them."""
        return self._chosen

    def choose(self, keys: tuple[str, ...]) -> None:
        self._chosen = known_keys(keys)
        for key, action in self._actions.items():
            action.setChecked(key in self._chosen)
        self._show_panels()

    def feed(self, key: str) -> PlotFeed:
        """A panel with its plot, made when it is first needed."""
        if key not in self._feeds:
            panel = next(panel for panel in PANELS if panel.key == key)
            made = PlotFeed(panel, self._link, self)
            made.plot.saved.connect(self._saved)
            made.plot.failed.connect(self.session.messages.error)
            made.plot.hide()
            self._feeds[key] = made
        return self._feeds[key]

    # One run.

    def enter(self, row: RunRow) -> None:
        """Subscribe to what the panels show."""
        self._clock = RunClock()
        self._subscription = self.session.watcher.subscribe([row.id], self._names())
        self._subscription.arrived.connect(self._take)
        self._show_panels()

    def leave(self) -> None:
        if self._subscription is not None:
            self._subscription.close()
            self._subscription = None

    def forget(self) -> None:
        """Empty the plots, and show all of the axis."""
        self._marks = np.empty(0, np.int64)
        self._link.show_all()
        for feed in self._feeds.values():
            feed.forget()

    def run_changed(self, row: RunRow) -> None:
        """Epochs are known once the number of steps is."""
        self._show_positions(row)

    def _panels(self) -> tuple[Panel, ...]:
        return shown_panels(self._chosen, self._may_have_masks(self.row)) if self.row is not None else ()

    def _may_have_masks(self, row: RunRow) -> bool:
        return has_masks(self.session.workspace, row) is not False

    def _names(self) -> list[str]:
        """The series that the panels need, those that say where points stand first."""
        names = [REDRAWN, CLOCK, *(name for panel in self._panels() for name in panel.series)]
        return list(dict.fromkeys(names))

    def _show_panels(self) -> None:
        panels = self._panels()
        if self.row is None or self._subscription is None:
            return
        shown = {panel.key for panel in panels}
        for key, feed in self._feeds.items():
            if key not in shown:
                feed.forget()
        for panel in panels:
            self.feed(panel.key).begin(self.row.id)
        self._grid.show_plots([self.feed(panel.key).plot for panel in panels])
        masks = self._may_have_masks(self.row)
        for panel in PANELS:
            action = self._actions[panel.key]
            has = masks or not panel.of_masks
            action.setEnabled(has)
            action.setText(panel.title if has else f"{panel.title} ({self.row.method} runs have no masks)")
        self._subscription.set([self.row.id], self._names())
        self._show_positions(self.row)
        self._show_marks()

    def _take(self, parts: tuple[Series, ...]) -> None:
        row = self.row
        if row is None:
            return
        for part in parts:
            if part.run_id != row.id:
                continue
            if part.name == REDRAWN:
                self._marks = np.concatenate((self._marks[: part.first], part.steps))
            elif part.name == CLOCK:
                self._clock.take(part)
            else:
                for panel in self._panels():
                    if part.name in panel.series:
                        self.feed(panel.key).take(part)
        names = {part.name for part in parts}
        if CLOCK in names:
            self._show_positions(row)
        if names:
            self._show_marks()

    def _show_positions(self, row: RunRow) -> None:
        positions = self._clock.positions(row, self.config)
        for panel in self._panels():
            self.feed(panel.key).show_positions(positions)

    def _show_marks(self) -> None:
        for panel in self._panels():
            if panel.marked:
                self.feed(panel.key).show_marks(self._marks)

    # The bar above.

    def _set_up_bar(self) -> None:
        for panel in PANELS:
            action = self._menu.addAction(panel.title)
            action.setCheckable(True)
            action.setChecked(panel.key in self._chosen)
            action.setData(panel.key)
            action.triggered.connect(self._panel_chosen)
            self._actions[panel.key] = action
        self._choose.setMenu(self._menu)
        self._choose.setIcon(theme.icon("compare"))
        self._choose.setToolTip("Which plots are shown")

    def _lay_out(self) -> None:
        bar = QHBoxLayout()
        bar.setSpacing(theme.SPACE_S)
        bar.addWidget(self._choose)
        bar.addSpacing(theme.SPACE_S)
        bar.addWidget(PlotControls(self._link, self), 1)
        area = QScrollArea(self)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setWidget(self._grid)
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.SPACE_M, theme.SPACE_S, theme.SPACE_M, theme.SPACE_M)
        column.setSpacing(theme.SPACE_S)
        column.addLayout(bar)
        column.addWidget(area, 1)

    def _panel_chosen(self) -> None:
        keys = tuple(key for key, action in self._actions.items() if action.isChecked())
        self.choose(keys)

    def _saved(self, path: str) -> None:
        self.session.messages.say(f"Saved {path}")

    # What is remembered.

    def commands(self) -> list[Command]:
        """Showing all of the axis again."""
        return [Command("Show all of the curves", self._link.show_all)]

    def save_state(self) -> Json:
        """The panels, the axis, smoothing and logarithmic axes."""
        return {
            "panels": list(self._chosen),
            "axis": self._link.axis.value,
            "smoothing": self._link.smoothing,
            "log": [key for key, feed in self._feeds.items() if feed.plot.log],
        }

    def restore_state(self, state: Mapping[str, object]) -> None:
        panels, log = state.get("panels"), state.get("log")
        self.choose(tuple(panels) if isinstance(panels, list) else ())
        axis, smoothing = state.get("axis"), state.get("smoothing")
        self._link.set_axis(next((known for known in XAxis if known == axis), XAxis.STEP))
        self._link.set_smoothing(next((window for window in SMOOTHING if window == smoothing), 0))
        logs = log if isinstance(log, list) else []
        for panel in PANELS:
            if panel.key in logs or panel.key in self._feeds:
                self.feed(panel.key).plot.set_log(panel.key in logs)


class _StayingMenu(QMenu):
    """Stays open while entries are clicked, so that several can be chosen at once."""

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802 (Qt)
        """Change the entry below the pointer."""
        action = self.actionAt(event.position().toPoint())
        if action is not None and action.isEnabled():
            action.trigger()
        else:
            super().mouseReleaseEvent(event)

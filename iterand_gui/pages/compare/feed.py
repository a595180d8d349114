"""Brings the points of what is compared from the store into a plot, as they come and never all at one go.

While it is stopped nothing is subscribed to, and nothing is read.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal

from iterand_engine.config.metrics import CLOCK, Metric
from iterand_engine.store import Series
from iterand_gui.live.store_watcher import StoreWatcher, Subscription
from iterand_gui.look import theme
from iterand_gui.pages.compare.entries import ComparedEntry, Comparison, line_styles
from iterand_gui.pages.compare.metrics import METRICS
from iterand_gui.pages.compare.tracks import Points, Track, mean_curve, positions_of
from iterand_gui.plots.curve_plot import CurvePlot, CurveStyle
from iterand_gui.plots.group_curve import GroupCurve
from iterand_gui.plots.legend import LINES
from iterand_gui.plots.x_axis import Positions, XAxis

BUDGET_S = 0.006  # of one turn: curves are made in pieces, so that input is never held up
BATCH_S = 0.1  # means wait so long for each other at most
GROUP_EVERY_S = 0.2  # a mean is made anew as a whole, so not with each point of a live run


class CurveFeed(QObject):
    """Feeds one plot at a time.

    Args:
        watcher: brings the points.
        parent: of the object.
    """

    fed = Signal()  # points came, or it is known that there are none

    def __init__(self, watcher: StoreWatcher, parent: QObject) -> None:
        super().__init__(parent)
        self._watcher = watcher
        self._subscription: Subscription | None = None
        self._wanted: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
        self._plot: CurvePlot | None = None
        self._metric, self._axis = METRICS[0], XAxis.STEP
        self._entries: dict[str, ComparedEntry] = {}
        self._entry_of: dict[str, str] = {}
        self._tracks: dict[tuple[str, str], Track] = {}
        self._drawn_run: dict[str, str] = {}  # which run's points a curve has, where it is one run's
        self._drawn_at: dict[str, float] = {}
        self._positions: dict[float | None, Positions] = {}
        self._dirty: dict[str, None] = {}
        self._made: dict[str, GroupCurve] = {}  # means that are not in the plot yet
        self._batch_began = 0.0
        self.styles: dict[str, CurveStyle] = {}
        self._timer = QTimer(self, singleShot=True)
        self._timer.timeout.connect(self._turn)

    def use(self, plot: CurvePlot, metric: Metric) -> None:
        """Feed another plot with a metric; `show` follows."""
        self._plot, self._metric = plot, metric
        self._entries, self.styles = {}, {}
        self._dirty.clear()
        self._made.clear()
        self._drawn_run.clear()
        self._drawn_at.clear()

    def show(self, comparison: Comparison, axis: XAxis) -> None:
        """Show these entries, on an x axis; subscribes."""
        before, self._entries = self._entries, {entry.key: entry for entry in comparison.entries}
        self._axis = axis
        self._entry_of = {run.id: entry.key for entry in comparison.entries for run in entry.curve_runs}
        self._style()
        self._keep_order(before)
        for key, entry in self._entries.items():
            was = before.get(key)
            if was is None or _members(was) != _members(entry):
                self._drawn_run.pop(key, None)
                self._drawn_at.pop(key, None)
                self._made.pop(key, None)
                self._dirty[key] = None
            elif was.lead.total_steps != entry.lead.total_steps:
                self._dirty[key] = None
        self._subscribe()
        self._schedule()

    def stop(self) -> None:
        """Want nothing more; what is drawn stays."""
        self._timer.stop()
        if self._subscription is not None:
            self._subscription.close()
            self._subscription = None
        self._wanted = ((), ())
        self._tracks.clear()
        self._dirty.clear()
        self._made.clear()
        self._drawn_run.clear()
        self._drawn_at.clear()

    # What is wanted of the store.

    def _subscribe(self) -> None:
        names = (*self._metric.names, CLOCK) if self._axis is XAxis.TIME else self._metric.names
        wanted = tuple(self._entry_of), names
        if wanted == self._wanted and self._subscription is not None:
            return
        self._wanted = wanted
        keys = [(run_id, name) for run_id in wanted[0] for name in names]
        self._tracks = {key: self._tracks.get(key) or Track() for key in keys}
        if self._subscription is None:
            self._subscription = self._watcher.subscribe(*wanted)
            self._subscription.arrived.connect(self._take)
        else:
            self._subscription.set(*wanted)

    def _take(self, parts: tuple[Series, ...]) -> None:
        for part in parts:
            track, key = self._tracks.get((part.run_id, part.name)), self._entry_of.get(part.run_id)
            if track is not None and key is not None and track.take(part.first, part.steps, part.values):
                self._dirty[key] = None
        self._schedule()
        self.fed.emit()

    # What is drawn.

    def _style(self) -> None:
        numbers = (theme.run_colours().number(entry.colour_key) for entry in self._entries.values())
        lines = line_styles(numbers, len(LINES))
        before, self.styles = self.styles, {}
        for (key, entry), line in zip(self._entries.items(), lines, strict=True):
            self.styles[key] = style = CurveStyle(entry.title, entry.colour_key, line)
            if self._plot is not None and before.get(key, style) != style:
                self._plot.set_style(key, style)

    def _keep_order(self, before: Mapping[str, ComparedEntry]) -> None:
        """Have a curve for each entry in the plot, in the order of the entries."""
        plot = self._plot
        assert plot is not None
        for key in [key for key in before if key not in self._entries]:
            plot.remove(key)
            self._dirty.pop(key, None)
            self._made.pop(key, None)
        stayed = [key for key in before if key in self._entries]
        if stayed == list(self._entries)[: len(stayed)]:
            new = list(self._entries)[len(stayed) :]
        else:
            plot.clear()
            self._drawn_run.clear()
            self._drawn_at.clear()
            self._dirty |= dict.fromkeys(self._entries)
            new = list(self._entries)
        nothing = np.empty(0, np.int64), np.empty(0, np.float32)
        for key in new:
            plot.set_series(key, *nothing, style=self.styles[key])

    def _schedule(self) -> None:
        if self._dirty and not self._timer.isActive():
            wait_s = min(self._due_s(key) for key in self._dirty) - time.monotonic()
            self._timer.start(max(0, round(wait_s * 1000)))

    def _due_s(self, key: str) -> float:
        """When a curve may be made anew."""
        entry = self._entries.get(key)
        several = entry is not None and len(entry.curve_runs) > 1
        return self._drawn_at.get(key, -1.0) + GROUP_EVERY_S if several else 0.0

    def _turn(self) -> None:
        """Make curves for some milliseconds; means go into the plot together, so that it is drawn once."""
        now = time.monotonic()
        self._batch_began = self._batch_began if self._made else now
        due = [key for key in self._dirty if self._due_s(key) <= now]
        while due and time.monotonic() < now + BUDGET_S:
            key = due.pop(0)
            del self._dirty[key]
            if key in self._entries and self._make(self._entries[key]):
                self._drawn_at[key] = now
        if not due or now > self._batch_began + BATCH_S:
            self._put_means()
        self._schedule()

    def _make(self, entry: ComparedEntry) -> bool:
        """Make a curve anew; until its points come, what is drawn of it stays."""
        known = [points for run in entry.curve_runs if (points := self._points(run.id)) is not None]
        if len(entry.curve_runs) > 1 and known:
            self._made[entry.key] = mean_curve(known)
        elif known:
            assert self._plot is not None
            self._draw_run(self._plot, entry.key, entry.curve_runs[0].id, known[0])
            self._plot.set_positions(entry.key, self._positions_of(entry))
        return bool(known)

    def _put_means(self) -> None:
        made, self._made = self._made, {}
        assert self._plot is not None
        for key, curve in made.items():
            positions = self._positions_of(self._entries[key])
            self._plot.set_series(
                key, curve.steps, curve.mean, deviation=curve.deviation, positions=positions
            )

    def _points(self, run_id: str) -> Points | None:
        """The points of a run as the metric has them; None until they came."""
        track = self._tracks[run_id, self._metric.name]
        if not self._metric.over or not track.is_known:
            return track.points if track.is_known else None
        over = self._tracks[run_id, self._metric.over].values
        return (track.steps, track.values / over[0]) if len(over) and over[0] else None

    def _draw_run(self, plot: CurvePlot, key: str, run_id: str, points: Points) -> None:
        """Only what is new of a run, where the rest is drawn already."""
        changed = self._tracks[run_id, self._metric.name].take_change()
        steps, values = points
        if self._drawn_run.get(key) != run_id or changed == 0 or changed != plot.point_count(key):
            plot.set_series(key, steps, values)
            self._drawn_run[key] = run_id
        elif changed < len(steps):
            plot.extend(key, steps[changed:], values[changed:])

    def _positions_of(self, entry: ComparedEntry) -> Positions:
        """Equal ones are the same object: curves that share one are laid into columns together."""
        times = (self._tracks.get((run.id, CLOCK)) for run in entry.curve_runs)
        made = positions_of(entry.curve_runs, entry.config, [track for track in times if track is not None])
        return made if made.clock is not None else self._positions.setdefault(made.steps_per_epoch, made)


def _members(entry: ComparedEntry) -> list[str]:
    return [run.id for run in entry.curve_runs]

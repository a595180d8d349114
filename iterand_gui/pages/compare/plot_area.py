"""The plot: curves of one metric, or final accuracy over width or kept weights; one is there at a time.

Another metric is another plot, which takes the place of the one before when its points are there, so that
nothing flickers.
"""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QStackedWidget, QWidget

from iterand_engine.config.metrics import Metric, Unit
from iterand_engine.machine import texts
from iterand_gui.live.store_watcher import StoreWatcher
from iterand_gui.look import theme
from iterand_gui.pages.compare.entries import NOTHING, ComparedEntry, Comparison, line_styles
from iterand_gui.pages.compare.facts import Known
from iterand_gui.pages.compare.feed import CurveFeed
from iterand_gui.pages.compare.metrics import METRICS
from iterand_gui.pages.compare.results import Mode, line_name, result_lines
from iterand_gui.pages.compare.sheet_model import Swatch
from iterand_gui.plots.curve_plot import CurvePlot
from iterand_gui.plots.legend import LINES
from iterand_gui.plots.link import PlotLink
from iterand_gui.plots.point_lines import PointLine
from iterand_gui.plots.points_plot import PointsPlot

_NO_RESULTS = "No points yet: each run that has finished stands here as one."
_NAMED = 2  # so many reasons are said


class PlotArea(QStackedWidget):
    """Shows a comparison as a plot.

    Args:
        watcher: brings points.
        link: axis, smoothing and what is seen, of all metrics.
        parent: of the widget.
    """

    highlighted = Signal(object)  # key of an entry, str; None for none
    log_changed = Signal()
    saved = Signal(str)  # path of a file
    failed = Signal(str)  # a sentence for the user

    def __init__(self, watcher: StoreWatcher, link: PlotLink, parent: QWidget) -> None:
        super().__init__(parent)
        self.mode, self.curve_metric = Mode.CURVES, METRICS[0]
        self._link = link
        self._feed = CurveFeed(watcher, self)
        self._feed.fed.connect(self._points_came)
        self._comparison, self._known = NOTHING, Known()
        self._highlight: str | None = None
        self._log = {Mode.CURVES: False, Mode.WIDTH: False, Mode.KEPT: True}
        self._curves: CurvePlot | None = None
        self._next: CurvePlot | None = None  # takes the place of `_curves` once its points are there
        self._results: PointsPlot | None = None
        self._lines: list[PointLine] = []
        self._lines_mode = Mode.CURVES  # of which they are; none of curves

    @property
    def plot(self) -> CurvePlot | PointsPlot | None:
        """What is to be seen now."""
        return (self._next or self._curves) if self.mode is Mode.CURVES else self._results

    @property
    def log(self) -> bool:
        """Whether the axis that the mode can have so is logarithmic."""
        return self._log[self.mode]

    def set_log(self, log: bool) -> None:
        """Make it so; the y axis of curves, the x axis of results."""
        self._note_log(self.mode, log)
        self._style_plot()

    def logs(self) -> dict[str, bool]:
        """Which axes are logarithmic, by mode."""
        return {mode.value: log for mode, log in self._log.items()}

    def set_logs(self, logs: Mapping[str, object]) -> None:
        for mode, first in ((Mode.CURVES, False), (Mode.WIDTH, False), (Mode.KEPT, True)):
            log = logs.get(mode.value)
            self._log[mode] = log if isinstance(log, bool) else first
        self._style_plot()

    def choose(self, mode: Mode, metric: Metric) -> None:
        """Plot something else; `show_comparison` follows."""
        if metric is not self.curve_metric and self._next is not None:
            self._drop(self._next)
            self._next = None
        if metric is not self.curve_metric and self._curves is not None:
            self._next = self._make_curves(metric)
        self.mode, self.curve_metric = mode, metric
        if mode is not Mode.CURVES:
            self._feed.stop()

    def show_comparison(self, comparison: Comparison, known: Known) -> None:
        """Show these; takes what is needed from the store."""
        self._comparison, self._known = comparison, known
        if self.mode is Mode.CURVES:
            self._show_curves()
        else:
            self._show_results()
        self.set_highlight(self._highlight)

    def stop(self) -> None:
        """Want nothing of the store any more."""
        self._feed.stop()

    def set_highlight(self, key: str | None) -> None:
        """Let an entry stand out."""
        self._highlight = key
        entry = self._comparison.get(key)
        plot = self.plot
        if plot is not None:
            on_line = entry is not None and self.mode is not Mode.CURVES
            plot.set_highlight(self._line(entry) if on_line and entry is not None else key)

    def swatches(self) -> dict[str, Swatch]:
        """The line that each entry has in the plot."""
        if self.mode is Mode.CURVES:
            return {key: Swatch(s.colour_key, s.line or 0) for key, s in self._feed.styles.items()}
        numbers = (theme.run_colours().number(line.colour_key) for line in self._lines)
        lines = zip(self._lines, line_styles(numbers, len(LINES)), strict=True)
        by_name = {line.key: Swatch(line.colour_key, style) for line, style in lines}
        of_entries = {entry.key: by_name.get(self._line(entry)) for entry in self._comparison.entries}
        return {key: swatch for key, swatch in of_entries.items() if swatch is not None}

    # Curves.

    def _show_curves(self) -> None:
        if self._curves is None and self._next is None:
            self._next = self._make_curves(self.curve_metric)
        self._feed.show(self._comparison, self._link.axis)
        if self._next is None and self._curves is not None:
            self.setCurrentWidget(self._curves)

    def _make_curves(self, metric: Metric) -> CurvePlot:
        plot = CurvePlot(
            metric.label, metric.unit, link=self._link, empty_text=metric.empty_text, parent=self
        )
        self._connect(plot)
        plot.set_log(self._log[Mode.CURVES])
        plot.log_action.toggled.connect(self._curves_toggled)
        plot.hide()
        self._feed.use(plot, metric)
        return plot

    def _points_came(self) -> None:
        if self._next is None or self.mode is not Mode.CURVES:
            return
        before, self._curves, self._next = self._curves, self._next, None
        if before is not None and before.shows_table:
            self._curves.show_as_table(True)
        self.addWidget(self._curves)
        has_keys = before is not None and before.isAncestorOf(self.focusWidget() or self)
        self.setCurrentWidget(self._curves)
        if before is not None:
            self._drop(before)
        if has_keys:
            self._curves.setFocus()

    def _drop(self, plot: CurvePlot) -> None:
        self._link.report_extent(plot, None)
        self.removeWidget(plot)
        plot.hide()
        plot.deleteLater()

    # Results.

    def _show_results(self) -> None:
        if self._results is None:
            self._results = PointsPlot("Validation accuracy", empty_text=_NO_RESULTS, parent=self)
            self._connect(self._results)
            self._results.log_x_action.toggled.connect(self._results_toggled)
            self.addWidget(self._results)
        plot, kept = self._results, self.mode is Mode.KEPT
        self.setCurrentWidget(plot)
        lines = result_lines(self._comparison, self.mode, self._kept if kept else _width)
        self._style_plot()
        if (self.mode, lines) != (self._lines_mode, self._lines):
            self._lines_mode, self._lines = self.mode, lines
            x_name, x_unit = ("Kept weights", Unit.COUNT) if kept else ("Width factor", Unit.NUMBER)
            plot.set_lines(lines, x_name, x_unit)
        plot.set_note(self._note())

    def _kept(self, entry: ComparedEntry) -> float | None:
        return self._known.kept.get(entry.lead.group_key)

    def _note(self) -> str:
        """What is not in the plot, and why."""
        entries = self._comparison.entries
        said = []
        if self.mode is Mode.KEPT:
            asked = [entry.lead.group_key for entry in entries]
            why = list(dict.fromkeys(self._known.no_kept[key] for key in asked if key in self._known.no_kept))
            waiting = sum(key not in self._known.kept and key not in self._known.no_kept for key in asked)
            said += [f"counting the weights of {waiting}"] if waiting else []
            said += why[:_NAMED]
        open_runs = sum(len(entry.group.seeds) - entry.group.n for entry in entries)
        said += [f"{texts.counted(open_runs, 'run')} not finished"] if open_runs else []
        return "; ".join(said)

    def _line(self, entry: ComparedEntry) -> str:
        return line_name(self._comparison, entry, self.mode)

    # Both.

    def _connect(self, plot: CurvePlot | PointsPlot) -> None:
        plot.saved.connect(self.saved)
        plot.failed.connect(self.failed)
        plot.highlighted.connect(self._plot_highlighted)

    def _plot_highlighted(self, key: str | None) -> None:
        """Entries are named as their curves; a line through results stands for several."""
        if key != self._highlight and self.sender() is self.plot and self.mode is Mode.CURVES:
            self._highlight = key
            self.highlighted.emit(key)

    def _curves_toggled(self, log: bool) -> None:
        self._note_log(Mode.CURVES, log)

    def _results_toggled(self, log: bool) -> None:
        self._note_log(self.mode, log)

    def _note_log(self, mode: Mode, log: bool) -> None:
        if log != self._log[mode]:
            self._log[mode] = log
            self.log_changed.emit()

    def _style_plot(self) -> None:
        if self._curves is not None:
            self._curves.set_log(self._log[Mode.CURVES])
        if self._next is not None:
            self._next.set_log(self._log[Mode.CURVES])
        if self._results is not None and self.mode is not Mode.CURVES:
            self._results.set_log_x(self._log[self.mode])


def _width(entry: ComparedEntry) -> float | None:
    return entry.lead.width_factor

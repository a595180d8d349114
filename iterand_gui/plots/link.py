"""The state that several plots share: x axis, visible part of it, crosshair, smoothing, following.

Plots that share a link show the same stretch of the same axis. No pyqtgraph.
"""

from __future__ import annotations

import math
from weakref import WeakKeyDictionary

from PySide6.QtCore import QObject, Signal

from iterand_engine.config.metrics import Unit
from iterand_gui.plots.x_axis import XAxis

Span = tuple[float, float]
SMOOTHING = (0, 10, 30, 100, 300, 1000, 3000, 10_000)  # steps that a mean takes together; 0 is none
_STEPS_OF_VIEW = (
    40  # a view that follows jumps by this part of its width, so that the axis is not drawn anew each time
)
_RIM_SHARE = 0.005  # of the points' reach: the first and last are not to lie on the edge
_LEAST_SPAN = {XAxis.STEP: 4.0, XAxis.EPOCH: 0.01, XAxis.TIME: 0.01}

AXIS_UNITS = {XAxis.STEP: Unit.COUNT, XAxis.EPOCH: Unit.NUMBER, XAxis.TIME: Unit.SECONDS}
AXIS_NAMES = {XAxis.STEP: "Step", XAxis.EPOCH: "Epoch", XAxis.TIME: "Training time"}


def smoothing_text(window: int) -> str:
    """The name of smoothing over so many steps."""
    return f"Mean of {window:,} steps" if window else "None"


class PlotLink(QObject):
    """The common state of linked plots."""

    changed = Signal()  # the visible part, the axis or smoothing changed
    cursor_moved = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._axis = XAxis.STEP
        self._window: Span | None = None
        self._cursor: float | None = None
        self._smoothing = 0
        self._follow = True
        self._extents: WeakKeyDictionary[QObject, Span] = WeakKeyDictionary()

    @property
    def axis(self) -> XAxis:
        """The quantity on the x axis."""
        return self._axis

    def set_axis(self, axis: XAxis) -> None:
        """Show another quantity on the x axis; all of it is visible again."""
        if axis is not self._axis:
            self._axis, self._window, self._cursor = axis, None, None
            self._extents.clear()
            self.changed.emit()
            self.cursor_moved.emit()

    @property
    def smoothing(self) -> int:
        """Steps that a running mean takes together; 0 is none."""
        return self._smoothing

    def set_smoothing(self, window: int) -> None:
        """Smooth over a number of steps."""
        if window != self._smoothing:
            self._smoothing = window
            self.changed.emit()

    @property
    def follow(self) -> bool:
        """Whether a view that is zoomed in moves on with the newest points."""
        return self._follow

    def set_follow(self, follow: bool) -> None:
        """Move on with the newest points, or stay."""
        if follow != self._follow:
            self._follow = follow
            if follow:
                self._catch_up()
            self.changed.emit()

    @property
    def cursor(self) -> float | None:
        """Where the crosshair stands on the x axis; None where there is none."""
        return self._cursor

    def set_cursor(self, place: float | None) -> None:
        """Move the crosshair of all plots; None takes it away."""
        if place != self._cursor:
            self._cursor = place
            self.cursor_moved.emit()

    @property
    def extent(self) -> Span | None:
        """From the first to the last point of all plots; None where there are none."""
        if not self._extents:
            return None
        return min(low for low, _ in self._extents.values()), max(high for _, high in self._extents.values())

    @property
    def is_zoomed(self) -> bool:
        """Whether a part is shown."""
        return self._window is not None

    @property
    def view(self) -> Span:
        """The visible part of the x axis, low < high."""
        if self._window is not None:
            return self._window
        low, high = self.extent or (0.0, 1.0)
        if high <= low:
            return low - _LEAST_SPAN[self._axis] / 2, low + _LEAST_SPAN[self._axis] / 2
        rim = _RIM_SHARE * (high - low)
        return min(low, 0.0) if low < 0.1 * high else low - rim, _round_up(high + rim, high - low)

    def report_extent(self, plot: QObject, extent: Span | None) -> None:
        """Take the first and last place of a plot's points; None if it has none."""
        before = self.view
        if extent is None:
            self._extents.pop(plot, None)
        else:
            self._extents[plot] = extent
        if self._follow:
            self._catch_up()
        if self.view != before:
            self.changed.emit()

    def show(self, low: float, high: float) -> None:
        """Show a part; if it leaves the newest points out, it does not follow new ones."""
        least = _LEAST_SPAN[self._axis]
        if high - low < least:
            middle = (low + high) / 2
            low, high = middle - least / 2, middle + least / 2
        self._window = (low, high)
        extent = self.extent
        self._follow = extent is not None and low < extent[1] <= high
        self.changed.emit()

    def show_all(self) -> None:
        """Show everything, and more as it comes."""
        self._window, self._follow = None, True
        self.changed.emit()

    def zoom(self, factor: float, around: float | None = None) -> None:
        """Show more (factor above 1) or less; a place, or else the middle, stays where it is."""
        low, high = self.view
        place = (low + high) / 2 if around is None else around
        if factor > 1 and self._covers_all(factor):
            self.show_all()
        else:
            self.show(place - (place - low) * factor, place + (high - place) * factor)

    def pan(self, share: float) -> None:
        """Move the visible part by a share of its width."""
        low, high = self.view
        self.show(low + share * (high - low), high + share * (high - low))

    def _covers_all(self, factor: float) -> bool:
        low, high = self.view
        extent = self.extent or (0.0, 1.0)
        return (high - low) * factor >= 1.02 * (extent[1] - min(extent[0], 0.0))

    def _catch_up(self) -> None:
        extent = self.extent
        if self._window is None or extent is None or extent[1] <= self._window[1]:
            return
        low, high = self._window
        jump = (high - low) / _STEPS_OF_VIEW
        moved = math.ceil((extent[1] - high) / jump) * jump
        self._window = (low + moved, high + moved)


def _round_up(value: float, span: float) -> float:
    """A little more than a value, so that an axis that grows with its points is not drawn anew with each."""
    part = 10.0 ** math.floor(math.log10(span)) / 50
    return math.ceil(value / part) * part

"""Curves over steps, epochs or time: of runs, live or finished, and of groups with their deviation.

Every stored point is drawn: a column of pixels shows its least and greatest value, and the points themselves
where there is room. The cost of new points does not grow with the curve; the ticker draws.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import QMenu, QWidget

from iterand_engine.config.metrics import Unit
from iterand_engine.machine import texts
from iterand_gui.look.colours import Colours
from iterand_gui.plots.curve_data import Look
from iterand_gui.plots.curve_set import CurveSet, CurveStyle
from iterand_gui.plots.frame import Quality
from iterand_gui.plots.legend import LegendEntry
from iterand_gui.plots.link import AXIS_NAMES, SMOOTHING, PlotLink, Span, smoothing_text
from iterand_gui.plots.reduction import Steps, Values
from iterand_gui.plots.strokes import ALWAYS_WIDE_PX, Stroke, finest
from iterand_gui.plots.tables import Table
from iterand_gui.plots.x_axis import Clock, Positions, XAxis
from iterand_gui.plots.zoomed_plot import ZoomedPlot

if TYPE_CHECKING:
    from iterand_gui.plots.canvas import Canvas
    from iterand_gui.plots.curve_scene import CurveScene

__all__ = ["Clock", "CurvePlot", "CurveStyle", "PlotLink", "Positions", "Unit", "XAxis"]

# Longer than the time between live points, so that lines do not change their width with each.
_SETTLE_LIVE_S = 3.0
_SETTLE_S = 0.3


class CurvePlot(ZoomedPlot):
    """Shows curves. Positions of points are steps, also where the x axis shows epochs or time.

    Keys are those of `ZoomedPlot`, and F to follow the newest points.

    Args:
        title: what is plotted.
        unit: what the values are.
        link: shared with other plots that are to show the same stretch; None for a plot by itself.
        empty_text: shown while there are no points: what to do to see some.
        parent: of the widget.
    """

    def __init__(
        self,
        title: str,
        unit: Unit = Unit.NUMBER,
        *,
        link: PlotLink | None = None,
        empty_text: str = "No points yet",
        parent: QWidget | None = None,
    ) -> None:
        self._curves = CurveSet(unit)
        self._scene: CurveScene | None = None
        self._marks: tuple[str, Steps] | None = None
        self._is_live = False
        super().__init__(title, unit, empty_text, parent)
        self.link = link or PlotLink(self)
        self.link.changed.connect(self.changed)
        self.link.cursor_moved.connect(self.words_changed)
        self.follow_action = self._action("&Follow the newest points", "F")
        self.follow_action.setCheckable(True)
        self.follow_action.setChecked(True)
        self.follow_action.triggered.connect(self.link.set_follow)

    # Data.

    def set_series(
        self,
        key: str,
        steps: Steps,
        values: Values,
        *,
        style: CurveStyle | None = None,
        positions: Positions | None = None,
        deviation: Values | None = None,
    ) -> None:
        """Show a curve, or other points of one that is shown.

        Args:
            key: names the curve within the plot.
            steps: never falling, int64 (n,).
            values: float32 (n,); what is not finite leaves a gap.
            style: how it is called and drawn; kept from before if None, else the key is its name.
            positions: where its steps stand by epoch and time; kept from before if None.
            deviation: of the mean of a group, float32 (n,); NaN where only one run counts.
        """
        self._curves.put(key, steps, values, style, positions, deviation)
        self.changed()

    def extend(self, key: str, steps: Steps, values: Values) -> None:
        """Add points at the end of a run's curve; `set_series` replaces the curve of a group."""
        self._curves.curves[key].data.extend(steps, values)
        self._is_live = True
        self.changed()

    def cut(self, key: str, first_index: int) -> None:
        """Drop a curve's points from an index on: its run went back to a checkpoint."""
        self._curves.curves[key].data.cut(first_index)
        self.changed()

    def set_positions(self, key: str, positions: Positions) -> None:
        """Replace the places of a curve's steps by epoch and time."""
        self._curves.curves[key].positions = positions
        self.changed()

    def set_style(self, key: str, style: CurveStyle) -> None:
        """Call or draw a curve differently."""
        self._curves.curves[key].style = style
        self.changed()

    def remove(self, key: str) -> None:
        """Remove a curve; an unknown key changes nothing."""
        if key == self.highlight:
            self.set_highlight(None)
        self._curves.curves.pop(key, None)
        self.changed()

    def clear(self) -> None:
        """Remove all curves, marks and the note."""
        self.set_highlight(None)
        self._curves.curves.clear()
        self._marks = None
        self.set_note("")
        self.changed()

    def set_marks(self, key: str, steps: Steps, name: str = "") -> None:
        """Mark steps of a curve's run, such as redraws, by ticks at the bottom.

        Args:
            key: a curve of the run.
            steps: int64 (n,).
            name: said beside the title with their number, for example `redraw`; empty for nothing.
        """
        self._marks = (key, steps)
        self.set_note(texts.counted(len(steps), name) if name and len(steps) else "")
        self.changed()

    def keys(self) -> list[str]:
        """The curves that have points, in the order they came."""
        return self._curves.keys()

    def point_count(self, key: str) -> int:
        """Points of a curve; 0 for one that is not there."""
        curve = self._curves.curves.get(key)
        return len(curve.data) if curve else 0

    def drawn_values(self, key: str) -> Values:
        """The values that are drawn of a curve, empty if none; logarithms on a logarithmic axis."""
        return self._scene.line_values(key) if self._scene else np.empty(0, np.float32)

    # The visible part.

    @property
    def values(self) -> Span:
        """The visible part of the y axis; logarithms on a logarithmic one."""
        return self._scene.values if self._scene else (0.0, 1.0)

    @property
    def is_zoomed(self) -> bool:
        """Whether a part of the x axis is seen."""
        return self.link.is_zoomed

    @property
    def cursor_place(self) -> float | None:
        """Where the crosshair of all linked plots stands; None where there is none."""
        return self.link.cursor

    def set_cursor_place(self, place: float | None) -> None:
        """Move the crosshair of all linked plots."""
        self.link.set_cursor(place)

    def move_cursor(self, points: int) -> None:
        """Move the crosshair by points of the curve that stands out, else of the first."""
        key = self.highlight or next(iter(self.keys()), None)
        curve = self._curves.curves.get(key or "")
        axis, cursor = self.link.axis, self.link.cursor
        if curve is None or curve.extent(axis) is None:
            return
        step = float(curve.data.steps[-1] if cursor is None else curve.positions.steps(axis, cursor))
        index = (curve.data.nearest(step) or 0) + (points if cursor is not None else 0)
        index = min(max(index, 0), len(curve.data) - 1)
        place = float(curve.positions.places(axis, curve.data.steps[index]))
        low, high = self.link.view
        if not low <= place <= high:
            self.link.pan((place - (low + high) / 2) / (high - low))
        self.link.set_cursor(place)

    def show_places(self, low: float, high: float) -> None:
        """Show a part of the x axis in all linked plots."""
        self.link.show(low, high)

    def pan_places(self, share: float) -> None:
        """Move all linked plots along x by a share of what is seen."""
        self.link.pan(share)

    def zoom_places(self, factor: float, around: float | None) -> None:
        """Show more of the x axis (factor above 1) or less in all linked plots."""
        self.link.zoom(factor, around)

    def show_all_places(self) -> None:
        """Show all of the x axis in all linked plots."""
        self.link.show_all()

    # Called by the frame.

    def draw(self, canvas: Canvas) -> None:
        """Bring the drawing area up to date; if only the crosshair moved, draw only that."""
        from iterand_gui.plots.curve_scene import CurveScene, SceneView

        if self._scene is None:
            self._scene = CurveScene(canvas, self._curves)
        axis = self.link.axis
        if self._is_changed:
            self._curves.show_as(Look(self.log, self.link.smoothing))
            self.link.report_extent(self, self._curves.extent(axis))
            self._scene.show(SceneView(axis, self.link.view, self._values_seen), self._marks)
            self._is_changed = False
            little = self._scene.length_px <= ALWAYS_WIDE_PX
            self.apply_style(canvas, Quality.FINE if little else Quality.FAST, canvas.devicePixelRatioF())
            self.ticker.settle(self, _SETTLE_LIVE_S if self._is_live else _SETTLE_S)
        self._scene.draw_cursor(axis, self.link.cursor)
        self.follow_action.setChecked(self.link.follow)

    def apply_style(self, canvas: Canvas, quality: Quality, scale: float) -> None:
        """Draw the curves in the canvas's colours and a quality."""
        if self._scene is not None:
            stroke = Stroke.FAST if quality is Quality.FAST else finest(self._scene.length_px)
            if quality is Quality.PAPER:
                stroke = max(stroke, Stroke.WIDE)
            self._scene.set_style(stroke=stroke, highlight=self.highlight, scale=scale)

    def settle(self) -> None:
        """Draw finely, because no points came for a while."""
        super().settle()
        self._is_live = False

    def entries(self, colours: Colours) -> tuple[LegendEntry, ...]:
        """The curves as the legend has them, with their values at the crosshair or else their last ones."""
        lines, axis, cursor = self._curves.lines(), self.link.axis, self.link.cursor
        return tuple(
            LegendEntry(
                key=key,
                name=(curve := self._curves.curves[key]).style.name,
                colour=curve.colour(colours),
                line=lines[key],
                value=self._curves.value_text(key, axis, cursor),
            )
            for key in self.keys()
        )

    def table(self) -> Table:
        return self._curves.table()

    def summary(self) -> str:
        """The plot in a sentence."""
        return self._curves.summary(self.link.axis)

    def add_to_menu(self, menu: QMenu) -> None:
        menu.addAction(self.follow_action)
        axes, smoothing = menu.addMenu("&X axis"), menu.addMenu("S&moothing")
        axis_group, smoothing_group = QActionGroup(axes), QActionGroup(smoothing)
        for axis in XAxis:
            self._add_choice(axes, axis_group, AXIS_NAMES[axis], axis, axis is self.link.axis)
        for window in SMOOTHING:
            self._add_choice(
                smoothing, smoothing_group, smoothing_text(window), window, window == self.link.smoothing
            )
        axis_group.triggered.connect(self._axis_chosen)
        smoothing_group.triggered.connect(self._smoothing_chosen)

    @staticmethod
    def _add_choice(menu: QMenu, group: QActionGroup, text: str, value: object, checked: bool) -> None:
        action = group.addAction(text)
        action.setCheckable(True)
        action.setChecked(checked)
        action.setData(value)
        menu.addAction(action)

    def _axis_chosen(self, action: QAction) -> None:
        self.link.set_axis(XAxis(action.data()))

    def _smoothing_chosen(self, action: QAction) -> None:
        self.link.set_smoothing(int(action.data()))

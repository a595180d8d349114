"""Results over width factor, kept weights or the like: lines through means, with deviations, runs as dots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QMenu, QWidget

from iterand_engine.config.metrics import Unit
from iterand_engine.machine import texts
from iterand_gui.look.colours import Colours
from iterand_gui.plots.frame import Quality
from iterand_gui.plots.legend import LegendEntry, lines_apart
from iterand_gui.plots.link import Span
from iterand_gui.plots.point_lines import PointLine, RunPoint, all_places, lines_table
from iterand_gui.plots.tables import PlotColumn, Table
from iterand_gui.plots.value_range import zoomed
from iterand_gui.plots.zoomed_plot import ZoomedPlot

if TYPE_CHECKING:
    from iterand_gui.plots.canvas import Canvas
    from iterand_gui.plots.point_scene import PointScene

__all__ = ["PointLine", "PointsPlot", "RunPoint", "Unit"]


class PointsPlot(ZoomedPlot):
    """Shows lines of points. Keys are those of `ZoomedPlot`, and X for a logarithmic x axis.

    Args:
        title: what is plotted.
        unit: what the values are.
        empty_text: shown while there are no points: what to do to see some.
        parent: of the widget.
    """

    def __init__(
        self,
        title: str,
        unit: Unit = Unit.SHARE,
        *,
        empty_text: str = "No results yet",
        parent: QWidget | None = None,
    ) -> None:
        self._lines: tuple[PointLine, ...] = ()
        self._x_name, self._x_unit = "", Unit.NUMBER
        self._places_seen: Span | None = None
        self._cursor: float | None = None  # the place of some runs; on a logarithmic axis not its logarithm
        self._scene: PointScene | None = None
        super().__init__(title, unit, empty_text, parent)
        self.log_x_action = self._action("Logarithmic &x axis", "X")
        self.log_x_action.setCheckable(True)
        self.log_x_action.toggled.connect(self._forget_places)

    def set_lines(self, lines: Sequence[PointLine], x_name: str, x_unit: Unit = Unit.NUMBER) -> None:
        """Show other lines.

        Args:
            lines: in the order of the legend; those without a finite point are left out.
            x_name: name of the x axis: the quantity that differs between the runs.
            x_unit: what its values are.
        """
        if x_name != self._x_name:
            self._places_seen = self._cursor = None
        self._lines = tuple(line for line in lines if line.known)
        self._x_name, self._x_unit = x_name, x_unit
        if self.highlight not in self.keys():
            self.set_highlight(None)
        self.changed()

    def set_log_x(self, log: bool) -> None:
        """Make the x axis logarithmic; zeros and what is below are not drawn then."""
        self.log_x_action.setChecked(log)

    def keys(self) -> list[str]:
        """The lines that have points."""
        return [line.key for line in self._lines]

    # The visible part.

    @property
    def values(self) -> Span:
        """The visible part of the y axis; logarithms on a logarithmic one."""
        return self._scene.values if self._scene else (0.0, 1.0)

    @property
    def places(self) -> Span:
        """The visible part of the x axis; logarithms on a logarithmic one."""
        return self._scene.places if self._scene else (0.0, 1.0)

    @property
    def is_zoomed(self) -> bool:
        """Whether a part of the x axis is seen."""
        return self._places_seen is not None

    @property
    def cursor_place(self) -> float | None:
        """Where the crosshair stands, on a logarithmic axis the logarithm; None where there is none."""
        if self._cursor is None:
            return None
        return float(np.log10(self._cursor)) if self.log_x_action.isChecked() else self._cursor

    def set_cursor_place(self, place: float | None) -> None:
        """Move the crosshair to the points nearest to a place."""
        x = self._drawn_places()
        if place is None or not len(x):
            self._cursor = None
        else:
            on_axis = np.log10(x) if self.log_x_action.isChecked() else x
            self._cursor = float(x[np.argmin(np.abs(on_axis - place))])
        self.words_changed()

    def move_cursor(self, points: int) -> None:
        """Move the crosshair to the next place that has points, or the one before."""
        x = self._drawn_places()
        if len(x):
            at = int(np.searchsorted(x, self._cursor)) + points if self._cursor is not None else len(x) - 1
            self._cursor = float(x[min(max(at, 0), len(x) - 1)])
            self.words_changed()

    def show_places(self, low: float, high: float) -> None:
        """Show a part of the x axis; given as logarithms on a logarithmic one."""
        self._places_seen = (low, high)
        self.changed()

    def pan_places(self, share: float) -> None:
        """Move along x by a share of what is seen."""
        low, high = self.places
        self.show_places(low + share * (high - low), high + share * (high - low))

    def zoom_places(self, factor: float, around: float | None) -> None:
        """Show more of the x axis (factor above 1) or less, around a place or the middle."""
        low, high = self.places
        self.show_places(*zoomed((low, high), factor, (low + high) / 2 if around is None else around))

    def show_all_places(self) -> None:
        """Show all of the x axis."""
        self._places_seen = None

    def _forget_places(self) -> None:
        self._places_seen = None
        self.changed()

    def _drawn_places(self) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        x = all_places(self._lines)
        return x[x > 0] if self.log_x_action.isChecked() else x

    # Called by the frame.

    def draw(self, canvas: Canvas) -> None:
        """Bring the drawing area up to date."""
        from iterand_gui.plots.point_scene import Axes, PointScene

        if self._scene is None:
            self._scene = PointScene(canvas)
        if self._is_changed:
            log_x = self.log_x_action.isChecked()
            axes = Axes(self._x_name, self._x_unit, self.unit, log_x=log_x, log_y=self.log)
            self._scene.show(self._lines, axes, self._places_seen, self._values_seen)
            self._is_changed = False
            self.apply_style(canvas, Quality.FINE, canvas.devicePixelRatioF())
        self._scene.draw_cursor(self._cursor)

    def apply_style(self, canvas: Canvas, quality: Quality, scale: float) -> None:
        """Draw the lines in the canvas's colours; they are few, so always finely."""
        if self._scene is not None:
            self._scene.set_style(self.highlight, scale)

    def entries(self, colours: Colours) -> tuple[LegendEntry, ...]:
        """The lines as the legend has them, with their values where the crosshair stands."""
        styles = lines_apart(line.colour_number for line in self._lines)
        return tuple(
            LegendEntry(
                key=line.key,
                name=line.name,
                colour=QColor(colours.runs[line.colour_number]),
                line=style,
                value=line.means.text_at(self._cursor, self.unit),
            )
            for line, style in zip(self._lines, styles, strict=True)
        )

    def table(self) -> Table:
        """All means and all runs."""
        return lines_table(self._lines, PlotColumn(self._x_name, self._x_unit), self.unit)

    def summary(self) -> str:
        """The plot in a sentence."""
        if not self._lines:
            return "No points."
        runs = sum(len(line.known) for line in self._lines)
        names = ", ".join(line.name for line in self._lines)
        lines = texts.counted(len(self._lines), "line")
        return f"{lines} over {self._x_name.lower()}, {texts.counted(runs, 'run')}: {names}."

    def add_to_menu(self, menu: QMenu) -> None:
        menu.addAction(self.log_x_action)

"""Finds plots in a window on which nothing is drawn."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QColor, QImage
from PySide6.QtWidgets import QWidget

from benchmarks.screenshots.in_view import in_view, named
from iterand_gui.plots.canvas import Canvas
from iterand_gui.plots.frame import PlotFrame
from iterand_gui.plots.heat.area import HeatArea
from iterand_gui.plots.legend import LegendRole, LegendView

LEAST_CURVE_PIXELS = 20
LEAST_HEAT_COLOURS = 3
_NEAR = 60  # sum of differences of red, green and blue


def empty_plots(window: QWidget) -> list[str]:
    """Plots in view without a curve, and heatmaps of one colour."""
    shown = in_view(window)
    found = [
        f"{plot.title}: nothing is plotted"
        for plot in shown
        if isinstance(plot, PlotFrame) and not plot.keys()
    ]
    for canvas in (each for each in shown if isinstance(each, Canvas)):
        plot = canvas.parentWidget()
        while plot is not None and not isinstance(plot, PlotFrame):
            plot = plot.parentWidget()
        if plot is not None and plot.keys():
            found += _undrawn(plot, canvas)
    for area in (each for each in shown if isinstance(each, HeatArea)):
        if len(np.unique(pixels(area.grab().toImage()), axis=0)) < LEAST_HEAT_COLOURS:
            found.append(f"{named(area)}: the heatmap has one colour")
    return found


def plots_in_view(window: QWidget) -> int:
    """How many plots there are."""
    return sum(isinstance(each, PlotFrame) for each in in_view(window))


def _undrawn(plot: PlotFrame, canvas: Canvas) -> Iterator[str]:
    drawn = pixels(canvas.grab().toImage()).astype(int)
    for legend in plot.findChildren(LegendView):
        entries = [
            legend.model().index(row, 0).data(LegendRole.ENTRY) for row in range(legend.model().rowCount())
        ]
        for entry in entries:
            colour = QColor(entry.colour)
            distance = np.abs(drawn - [colour.blue(), colour.green(), colour.red()]).sum(axis=1)
            if (count := int((distance < _NEAR).sum())) < LEAST_CURVE_PIXELS:
                yield f"{plot.title}: the curve {entry.name!r} has {count} pixels"


def pixels(image: QImage) -> NDArray[np.uint8]:
    """(n, 3): blue, green and red of an image's pixels."""
    converted = image.convertToFormat(QImage.Format.Format_RGB32)
    raw = np.frombuffer(converted.constBits(), np.uint8).copy()  # the image goes when this returns
    return raw.reshape(-1, 4)[:, :3]

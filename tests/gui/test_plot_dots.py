"""Points of plots are round, however different the scales of the two axes are."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QRectF, QSizeF
from PySide6.QtGui import QColor, QImage, QPainter, QPen
from pytestqt.qtbot import QtBot

from iterand_gui.plots.curve_plot import CurvePlot
from iterand_gui.plots.items import DotsShape, LineShape, Shape
from iterand_gui.plots.reduction import Polyline
from tests.gui.plot_tools import draw, floats, legend, show

SIZE = 200
RED, WHITE = QColor("red"), QColor("white")
NAN = float("nan")


def line(*values: float, dot_px: float) -> LineShape:
    """A line through points of which few are in view: a step is some hundred pixels."""
    made = LineShape(1.0)
    made.show_line(
        Polyline(np.linspace(1.0, 0.9 + 0.1 * len(values), len(values)), floats(*values), raw=True)
    )
    made.set_pen(QPen(RED, 0), antialias=True, dot_px=dot_px)
    return made


def extent(image: QImage) -> tuple[int, int]:
    """How wide and how high what was painted is, in pixels of the image."""
    painted = np.array(
        [[image.pixelColor(x, y).green() < 128 for x in range(image.width())] for y in range(image.height())]
    )
    y, x = np.nonzero(painted)
    return int(np.ptp(x)) + 1, int(np.ptp(y)) + 1


@pytest.mark.parametrize("scale", [1.0, 2.0])
@pytest.mark.parametrize("high", [1.0, 1e-6, 1e15, 1e37])
@pytest.mark.parametrize("kind", ["lone", "on a line", "single"])
def test_that_a_dot_is_as_wide_as_high(kind: str, high: float, scale: float) -> None:
    shapes: dict[str, Shape] = {
        "lone": line(high / 2, dot_px=0.0),
        "on a line": line(NAN, high / 2, NAN, high * 9, dot_px=6.0),  # the last is out of view
        "single": DotsShape(1.0, np.array([1.1, NAN]), np.array([high / 2, high]), 3.0, RED, WHITE),
    }
    image = QImage(int(SIZE * scale), int(SIZE * scale), QImage.Format.Format_RGB32)
    image.setDevicePixelRatio(scale)
    image.fill(WHITE)
    painter = QPainter(image)
    painter.scale(SIZE / 0.5, -SIZE / high)
    painter.translate(-0.9, -high)
    scale_before = painter.worldTransform()
    shapes[kind].paint(painter, QRectF(0.9, 0, 0.5, high), QSizeF(0.5 / SIZE, high / SIZE))
    assert painter.worldTransform() == scale_before
    painter.end()
    width, height = extent(image)
    assert abs(width - height) <= 1
    assert width == pytest.approx(6 * scale, abs=1)


def test_that_a_run_that_diverged_has_numbers_at_its_axis_and_a_word_for_its_last_value(qtbot: QtBot) -> None:
    plot = CurvePlot("Loss")
    show(qtbot, plot)
    plot.set_series("a", np.arange(5), floats(2.3, 1e8, 1e20, 3e22, NAN))
    canvas = draw(plot)
    assert legend(plot)["a"].value == "not finite"
    assert canvas._looks is not None
    zero, *others = (tick.text for tick in canvas._looks[1].ticks)
    assert zero == "0"
    assert others[:2] == ["0.5e22", "1.0e22"]
    plot.link.set_cursor(3)
    draw(plot)
    assert legend(plot)["a"].value == "3e22"

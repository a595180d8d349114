"""Curve plots: every point counts, they live, and a run looks the same everywhere."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from iterand_gui.live.ticker import Ticker
from iterand_gui.look import theme
from iterand_gui.look.colours import DARK
from iterand_gui.plots.curve_plot import Clock, CurvePlot, CurveStyle, Positions, Unit, XAxis
from iterand_gui.plots.group_curve import group_curve
from tests.gui.plot_tools import colour, draw, floats, legend, noise, pixels, show, values_of
from tests.patience import PATIENCE_S, WAIT_MS


def test_that_pyqtgraph_is_loaded_when_a_plot_is_first_seen() -> None:
    code = """
import sys, numpy, time
from PySide6.QtWidgets import QApplication
from iterand_gui.plots.curve_plot import CurvePlot
from iterand_gui.plots.points_plot import PointsPlot
app = QApplication([])
plot = CurvePlot("Loss")
plot.show()
app.processEvents()
plot.hide()
plot.set_series("a", numpy.arange(9), numpy.zeros(9, numpy.float32))
until = time.monotonic() + 0.2
while time.monotonic() < until:
    app.processEvents()
print("pyqtgraph" in sys.modules)
plot.show()
until = time.monotonic() + 90
while "pyqtgraph" not in sys.modules and time.monotonic() < until:
    app.processEvents()
print("pyqtgraph" in sys.modules)
"""
    python = [sys.executable, "-c", code]
    done = subprocess.run(python, capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    assert done.stdout.split() == ["False", "True"]


def test_that_a_plot_without_points_says_what_to_do(plot: CurvePlot, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: "No points" in plot.accessibleDescription())
    (label,) = [label for label in plot.findChildren(QLabel) if label.text() == "Start a run to see its loss"]
    assert label.isVisible()
    plot.set_series("a", *noise(10))
    draw(plot)
    assert not label.isVisible()


def test_that_every_point_counts_however_many_there_are(plot: CurvePlot) -> None:
    steps, values = noise(100_000)
    values[54_321], values[12_345] = 9.0, -3.0
    plot.set_series("a", steps, values)
    canvas = draw(plot)
    drawn = plot.drawn_values("a")
    assert len(drawn) <= 2 * canvas.columns
    assert drawn.max() == 9.0
    assert drawn.min() == -3.0
    low, high = plot.values
    assert low < -3
    assert high > 9


def test_that_the_points_themselves_are_drawn_when_zoomed_in(plot: CurvePlot) -> None:
    steps, values = noise(100_000)
    plot.set_series("a", steps, values)
    draw(plot)
    plot.link.show(50_000, 50_100)
    draw(plot)
    assert np.array_equal(plot.drawn_values("a"), values[49_999:50_102])


def test_that_curves_are_seen(plot: CurvePlot) -> None:
    for key in "ab":
        plot.set_series(key, *noise(5000, seed=ord(key)))
    picture = draw(plot).grab().toImage()
    for key in "ab":
        assert pixels(picture, colour(plot, key)) > 200


def test_that_points_that_come_are_drawn_by_the_ticker(plot: CurvePlot, qtbot: QtBot) -> None:
    steps, values = noise(1000)
    plot.set_series("a", steps[:100], values[:100])
    qtbot.waitUntil(lambda: len(plot.drawn_values("a")) == 100)
    plot.extend("a", steps[100:200], values[100:200])
    qtbot.waitUntil(lambda: len(plot.drawn_values("a")) == 200)
    assert plot.point_count("a") == 200


def test_that_a_rewind_drops_the_tail(plot: CurvePlot) -> None:
    steps, values = noise(1000)
    values[900] = 50.0
    plot.set_series("a", steps, values)
    draw(plot)
    plot.cut("a", 500)
    plot.extend("a", steps[500:600], values[500:600])
    draw(plot)
    assert plot.point_count("a") == 600
    assert np.array_equal(plot.drawn_values("a"), values[:600])
    assert plot.values[1] < 10


def test_that_curves_go(plot: CurvePlot) -> None:
    for key in "abc":
        plot.set_series(key, *noise(50))
    draw(plot)
    plot.set_highlight("a")
    plot.remove("a")
    plot.remove("never there")
    draw(plot)
    assert plot.keys() == ["b", "c"]
    assert plot.highlight is None
    assert len(plot.drawn_values("a")) == 0
    plot.clear()
    plot.redraw()
    assert plot.keys() == []


def test_that_a_hidden_plot_draws_nothing_and_catches_up(plot: CurvePlot, qtbot: QtBot) -> None:
    plot.set_series("a", *noise(100))
    draw(plot)
    plot.hide()
    plot.extend("a", np.arange(100, 150), np.ones(50, np.float32))
    qtbot.waitUntil(lambda: plot.is_behind)
    assert len(plot.drawn_values("a")) == 100
    plot.show()
    qtbot.waitUntil(lambda: len(plot.drawn_values("a")) == 150)


def test_that_x_counts_steps_epochs_or_time(plot: CurvePlot) -> None:
    clock = Clock.of_series(np.array([99, 999]), floats(10, 100))
    plot.set_series("a", *noise(1000), positions=Positions(100.0, clock))
    plot.set_series("b", *noise(1000))
    for axis, end in ((XAxis.EPOCH, 10), (XAxis.TIME, 100), (XAxis.STEP, 999)):
        plot.link.set_axis(axis)
        canvas = draw(plot)
        low, high = canvas.view_box.viewRange()[0]
        assert low == pytest.approx(0)
        assert end <= high <= 1.05 * end
        assert len(plot.drawn_values("b")) == (1000 if axis is XAxis.STEP else 0)
        assert ("known" in values_of(plot)["b"]) == (axis is not XAxis.STEP)


def test_that_a_logarithmic_axis_leaves_zeros_out(plot: CurvePlot) -> None:
    values = floats(1, 0, 100, 10)
    plot.set_series("a", np.arange(4), values)
    plot.set_log(True)
    draw(plot)
    assert plot.drawn_values("a") == pytest.approx([0, np.nan, 2, 1], nan_ok=True)
    plot.set_log(False)
    draw(plot)
    assert np.array_equal(plot.drawn_values("a"), values)


def test_that_smoothing_is_drawn_over_the_faint_points(plot: CurvePlot) -> None:
    steps, values = noise(3000)
    plot.set_series("a", steps, values)
    rough = pixels(draw(plot).grab().toImage(), colour(plot, "a"))
    plot.link.set_smoothing(300)
    canvas = draw(plot)
    assert np.ptp(plot.drawn_values("a")) < 0.8 * np.ptp(values)
    assert pixels(canvas.grab().toImage(), colour(plot, "a")) < rough / 2
    low, high = plot.values
    assert low < values.min()
    assert high > values.max()


def test_that_a_view_at_the_end_follows_new_points(plot: CurvePlot) -> None:
    steps, values = noise(2000)
    plot.set_series("a", steps[:1000], values[:1000])
    draw(plot)
    plot.link.show(900, 1000)
    plot.extend("a", steps[1000:], values[1000:])
    draw(plot)
    low, high = plot.link.view
    assert low > 1800
    assert 1999 <= high < 2010


def test_that_redraw_events_are_marked_and_counted(plot: CurvePlot) -> None:
    plot.set_series("a", *noise(1000))
    before = pixels(draw(plot).grab().toImage(), theme.colours().mark, near=6)
    plot.set_marks("a", np.arange(100, 1000, 100), "redraw")
    after = pixels(draw(plot).grab().toImage(), theme.colours().mark, near=6)
    assert after - before >= 9 * 4
    assert "9 redraws" in [label.text() for label in plot.findChildren(QLabel)]


def test_that_a_group_has_a_band_and_its_deviation_in_words(qtbot: QtBot) -> None:
    plot = CurvePlot("Validation accuracy", Unit.SHARE)
    show(qtbot, plot)
    group = group_curve([(np.arange(50), np.full(50, value, np.float32)) for value in (0.90, 0.92)])
    plot.set_series("g", group.steps, group.mean, deviation=group.deviation, style=CurveStyle("IteRand", "g"))
    canvas = draw(plot)
    assert values_of(plot)["g"] == "91.00 ± 1.41 %"
    assert plot.values[0] < 0.91 - 0.0141
    band = theme.mixed(legend(plot)["g"].colour, canvas.palette().base().color(), 0.16)
    assert pixels(canvas.grab().toImage(), band.name(), near=12) > 5000


def test_that_a_run_has_one_colour_everywhere_and_its_curves_differ_in_line(qtbot: QtBot) -> None:
    plots = [CurvePlot("Loss"), CurvePlot("Accuracy")]
    for plot in plots:
        show(qtbot, plot)
        plot.set_series("train", *noise(9), style=CurveStyle("Training", "run 1"))
        plot.set_series("val", *noise(9), style=CurveStyle("Validation", "run 1"))
        draw(plot)
    assert len({colour(plot, key) for plot in plots for key in ("train", "val")}) == 1
    assert [entry.line for entry in legend(plots[0]).values()] == [0, 1]


def test_that_many_curves_differ_in_colour_or_line(plot: CurvePlot) -> None:
    for n in range(20):
        plot.set_series(str(n), *noise(5), style=CurveStyle(f"Run {n}", f"many {n}"))
    draw(plot)
    assert len({(entry.colour.name(), entry.line) for entry in legend(plot).values()}) == 20


def test_that_a_plot_in_quiet_is_drawn_finely(plot: CurvePlot, qtbot: QtBot) -> None:
    for key in "abc":
        plot.set_series(key, *noise(3000, seed=ord(key)))
    canvas = draw(plot)
    fast = canvas.grab().toImage()
    qtbot.waitUntil(lambda: canvas.grab().toImage() != fast, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: not Ticker.shared().is_running)
    plot.extend("a", np.array([3000]), floats(1))
    draw(plot)
    thin = pixels(fast, colour(plot, "a"))
    assert pixels(canvas.grab().toImage(), colour(plot, "a")) == pytest.approx(thin, rel=0.05)


def test_that_another_theme_changes_ground_and_curves(plot: CurvePlot) -> None:
    plot.set_series("a", *noise(3000))
    canvas = draw(plot)
    light = colour(plot, "a")
    plot.setPalette(theme.palette_of(DARK))
    picture = draw(plot).grab().toImage()
    assert colour(plot, "a") != light
    assert pixels(picture, DARK.base, near=5) > 10_000
    assert pixels(picture, colour(plot, "a")) > 200
    assert canvas.colours is DARK

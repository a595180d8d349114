"""Plots of results over width factor or kept weights, and the controls of linked plots."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtWidgets import QCheckBox, QComboBox, QTableView, QToolButton
from pytestqt.qtbot import QtBot

from iterand_gui.look import theme
from iterand_gui.plots.controls import PlotControls
from iterand_gui.plots.link import PlotLink
from iterand_gui.plots.points_plot import PointLine, PointsPlot, RunPoint
from iterand_gui.plots.x_axis import XAxis
from tests.gui.plot_tools import (
    colour,
    drag,
    draw,
    legend,
    middle,
    mouse,
    pixels,
    press,
    show,
    values_of,
    wheel,
)
from tests.patience import WAIT_MS

WIDTHS = (0.25, 0.5, 1.0)


def line(key: str, level: float) -> PointLine:
    """Three runs at each of three widths, the last ones better."""
    runs = [
        RunPoint(f"{key}-{width}-{seed}", width, level + width / 20 + seed / 200)
        for width in WIDTHS
        for seed in range(3)
    ]
    return PointLine(key, f"Method {key}", f"points {key}", tuple(runs))


@pytest.fixture
def plot(qtbot: QtBot) -> PointsPlot:
    plot = PointsPlot("Validation accuracy", empty_text="Finish some runs")
    show(qtbot, plot)
    plot.set_lines([line("a", 0.8), line("b", 0.85)], "Width factor")
    return plot


def test_that_lines_bars_and_runs_are_seen(plot: PointsPlot) -> None:
    picture = draw(plot).grab().toImage()
    for key in "ab":
        assert pixels(picture, colour(plot, key)) > 300
        light = theme.mixed(legend(plot)[key].colour, plot.palette().base().color(), 0.55)
        assert pixels(picture, light.name(), near=15) > 20
    low, high = plot.values
    assert low < 0.8125
    assert 0.91 < high < 0.95


def test_that_the_crosshair_goes_to_the_nearest_width_and_shows_deviation_and_number(
    plot: PointsPlot,
) -> None:
    draw(plot)
    assert values_of(plot) == {"a": "", "b": ""}
    plot.set_cursor_place(0.6)
    draw(plot)
    assert plot.cursor_place == 0.5
    assert values_of(plot) == {"a": "83.00 ± 0.50 % (n = 3)", "b": "88.00 ± 0.50 % (n = 3)"}
    plot.move_cursor(1)
    assert plot.cursor_place == 1.0
    plot.move_cursor(1)
    assert plot.cursor_place == 1.0
    plot.set_cursor_place(None)
    assert plot.cursor_place is None


def test_that_a_logarithmic_x_axis_has_widths_at_equal_distances(plot: PointsPlot, qtbot: QtBot) -> None:
    draw(plot)
    press(plot, Qt.Key.Key_X)
    canvas = draw(plot)
    assert canvas.view_box.viewRange()[0][0] == pytest.approx(-0.63, abs=0.05)
    mouse(canvas, QEvent.Type.MouseMove, middle(canvas))
    assert plot.cursor_place == pytest.approx(-0.30103)
    assert "0.5" not in values_of(plot)


def test_that_points_that_have_no_logarithm_are_left_out(plot: PointsPlot) -> None:
    runs = (RunPoint("zero", 0.0, 0.5), RunPoint("one", 1.0, 0.6), RunPoint("bad", 1.0, float("nan")))
    plot.set_lines([PointLine("k", "K", "k", runs)], "Kept weights")
    plot.set_log_x(True)
    draw(plot)
    plot.move_cursor(-1)
    draw(plot)
    assert values_of(plot) == {"k": "60.00 % (n = 1)"}


def test_that_mouse_and_keys_zoom_and_home_shows_all(plot: PointsPlot, qtbot: QtBot) -> None:
    canvas = draw(plot)
    places, values = plot.places, plot.values
    wheel(canvas, 2)
    draw(plot)
    assert plot.places[1] - plot.places[0] < places[1] - places[0]
    before = plot.places
    drag(canvas, QPoint(60, 0))
    draw(plot)
    assert plot.places[0] < before[0]
    press(plot, Qt.Key.Key_Plus, Qt.KeyboardModifier.ControlModifier)
    draw(plot)
    assert plot.values != values
    press(plot, Qt.Key.Key_Home)
    draw(plot)
    assert (plot.places, plot.values) == (places, values)


def test_that_all_means_and_runs_are_in_the_table_and_the_file(
    plot: PointsPlot, qtbot: QtBot, tmp_path: Path
) -> None:
    plot.show_as_table(True)
    plot.redraw()
    table = plot.findChild(QTableView)
    assert table is not None
    assert table.model().rowCount() == 2 * (3 + 9)
    first = [table.model().index(0, column).data() for column in range(5)]
    assert first == ["Method a", "0.25", "mean of 3 runs", "81.75 %", "0.50 %"]
    with qtbot.waitSignal(plot.saved, timeout=WAIT_MS):
        plot.files.save(tmp_path / "points.csv")
    lines = (tmp_path / "points.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "Line,Width factor,What,Value,Deviation"
    assert len(lines) == 1 + 24


def test_that_lines_of_one_colour_differ_in_their_line(plot: PointsPlot) -> None:
    runs = line("a", 0.5).runs
    plot.set_lines([PointLine(key, key, "the same", runs) for key in "xyz"], "Width factor")
    draw(plot)
    assert [entry.line for entry in legend(plot).values()] == [0, 1, 2]


def test_that_another_selection_forgets_what_stood_out_and_no_lines_say_what_to_do(plot: PointsPlot) -> None:
    plot.set_highlight("a")
    draw(plot)
    plot.set_lines([line("b", 0.8)], "Width factor")
    assert plot.highlight is None
    plot.set_lines([PointLine("n", "N", "n", (RunPoint("r", 1.0, float("nan")),))], "Width factor")
    plot.words_changed()
    plot.redraw()
    assert plot.accessibleDescription() == "No points."


def test_that_a_screen_reader_gets_everything(plot: PointsPlot) -> None:
    draw(plot)
    assert plot.accessibleName() == "Validation accuracy plot"
    assert plot.accessibleDescription() == "2 lines over width factor, 18 runs: Method a, Method b."
    assert "Logarithmic &x axis" in [action.text() for action in plot.make_menu().actions()]


def test_that_the_controls_show_and_change_what_plots_have_in_common(qtbot: QtBot) -> None:
    link = PlotLink()
    controls = PlotControls(link)
    show(qtbot, controls, 600, 40)
    axis, smoothing = controls.findChildren(QComboBox)
    follow, show_all = controls.findChild(QCheckBox), controls.findChild(QToolButton)
    assert follow is not None
    assert show_all is not None
    press(axis, Qt.Key.Key_Down)
    assert link.axis is XAxis.EPOCH
    press(smoothing, Qt.Key.Key_End)
    assert link.smoothing == 10_000
    link.set_axis(XAxis.TIME)
    assert axis.currentText() == "Training time"
    link.show(5.0, 6.0)
    assert not follow.isChecked()
    assert show_all.isEnabled()
    follow.click()
    assert link.follow
    show_all.click()
    assert not link.is_zoomed
    assert not show_all.isEnabled()
    assert [box.accessibleName() for box in (axis, smoothing)] == ["X axis", "Smoothing"]

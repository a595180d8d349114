"""Handling plots: keys, mouse, legend, crosshair, table; and all of it without screen or mouse."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QListView, QMenu, QTableView, QToolButton, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from iterand_gui.plots.curve_plot import CurvePlot, CurveStyle, PlotLink, Positions, XAxis
from tests.gui.plot_tools import colour, draw, middle, mouse, noise, pixels, press, show, values_of, wheel
from tests.gui.plot_tools import drag as drag_mouse
from tests.patience import WAIT_MS

EPOCHS = Positions(100.0)


def test_that_linked_plots_show_the_same_stretch_and_one_crosshair(qtbot: QtBot) -> None:
    window = QWidget()
    column, link = QVBoxLayout(window), PlotLink(window)
    plots = [CurvePlot(name, link=link) for name in ("Loss", "Accuracy")]
    for n, plot in enumerate(plots):
        column.addWidget(plot)
        plot.set_series("a", np.arange(1000) * (n + 1), np.arange(1000, dtype=np.float32))
    show(qtbot, window, 600, 700)
    canvases = [draw(plot) for plot in plots]
    wheel(canvases[0], 3)
    for canvas, plot in zip(canvases, plots, strict=True):
        draw(plot)
        assert canvas.view_box.viewRange()[0] == pytest.approx(link.view)
    assert link.is_zoomed
    mouse(canvases[1], QEvent.Type.MouseMove, middle(canvases[1]) - QPoint(100, 0))
    place = link.cursor
    assert place is not None
    for plot in plots:
        draw(plot)
    assert float(values_of(plots[0])["a"].replace(",", "")) == pytest.approx(place, abs=1)
    assert float(values_of(plots[1])["a"].replace(",", "")) == pytest.approx(place / 2, abs=1)
    for canvas in canvases:
        muted = canvas.colours.muted
        assert pixels(canvas.grab().toImage(), muted, near=10) > 150


def test_that_the_crosshair_shows_all_values_and_none_where_a_curve_has_none(plot: CurvePlot) -> None:
    plot.set_series("long", np.arange(1000), np.arange(1000, dtype=np.float32))
    plot.set_series("short", np.arange(100), np.full(100, 7, np.float32))
    draw(plot)
    assert values_of(plot) == {"long": "999", "short": "7"}
    plot.link.set_cursor(50.2)
    draw(plot)
    assert values_of(plot) == {"long": "50", "short": "7"}
    plot.link.set_cursor(500)
    draw(plot)
    assert values_of(plot) == {"long": "500", "short": ""}


def test_that_everything_can_be_done_by_keys(plot: CurvePlot, qtbot: QtBot) -> None:
    for key in "ab":
        plot.set_series(key, *noise(1000))
    draw(plot)
    plot.setFocus()
    press(plot, Qt.Key.Key_Plus)
    low, high = plot.link.view
    assert high - low == pytest.approx(700, rel=0.02)
    press(plot, Qt.Key.Key_Left)
    assert plot.link.view[0] < low
    press(plot, Qt.Key.Key_Home)
    assert not plot.link.is_zoomed
    press(plot, Qt.Key.Key_L)
    assert plot.log
    press(plot, Qt.Key.Key_N)
    assert plot.highlight == "a"
    press(plot, Qt.Key.Key_N, Qt.KeyboardModifier.ShiftModifier)
    assert plot.highlight is None
    press(plot, Qt.Key.Key_Comma)
    assert plot.link.cursor == 999
    press(plot, Qt.Key.Key_Comma)
    assert plot.link.cursor == 998
    press(plot, Qt.Key.Key_Escape)
    assert plot.link.cursor is None
    press(plot, Qt.Key.Key_T)
    assert plot.shows_table


def test_that_keys_zoom_and_move_the_y_axis_until_all_is_shown(plot: CurvePlot, qtbot: QtBot) -> None:
    plot.set_series("a", *noise(1000))
    draw(plot)
    low, high = plot.values
    press(plot, Qt.Key.Key_Plus, Qt.KeyboardModifier.ControlModifier)
    draw(plot)
    assert plot.values[1] - plot.values[0] == pytest.approx(0.7 * (high - low))
    before = plot.values
    press(plot, Qt.Key.Key_Up)
    draw(plot)
    assert plot.values[0] > before[0]
    plot.reset()
    draw(plot)
    assert plot.values == (low, high)


def test_that_the_crosshair_moved_by_keys_stays_in_view(plot: CurvePlot, qtbot: QtBot) -> None:
    plot.set_series("a", *noise(1000))
    draw(plot)
    plot.link.show(100, 110)
    for _ in range(3):
        plot.move_cursor(1)
    place = plot.link.cursor
    assert place == 999
    assert plot.link.view[0] <= place <= plot.link.view[1]


def test_that_the_mouse_zooms_moves_frames_and_shows_all(plot: CurvePlot) -> None:
    plot.set_series("a", *noise(1000))
    canvas = draw(plot)
    values = plot.values
    wheel(canvas, 2)
    low, high = plot.link.view
    assert high - low == pytest.approx(1000 * 0.8**2, rel=0.05)
    draw(plot)
    drag_mouse(canvas, QPoint(-100, 0))
    assert plot.link.view[0] > low
    draw(plot)
    wheel(canvas, 1, Qt.KeyboardModifier.ControlModifier)
    draw(plot)
    assert plot.values[1] - plot.values[0] < values[1] - values[0]
    before = plot.link.view
    drag_mouse(canvas, QPoint(80, 60), Qt.KeyboardModifier.ShiftModifier)
    assert before[0] < plot.link.view[0] < plot.link.view[1] < before[1]
    at = middle(canvas)
    event = QEvent.Type
    press, release, again = event.MouseButtonPress, event.MouseButtonRelease, event.MouseButtonDblClick
    for kind in (press, release, again, release):
        mouse(canvas, kind, at, Qt.MouseButton.LeftButton)
    assert not plot.link.is_zoomed


def test_that_a_click_in_the_legend_lets_a_curve_stand_out(plot: CurvePlot, qtbot: QtBot) -> None:
    for key in "ab":
        plot.set_series(key, *noise(3000))
    draw(plot)
    faded = colour(plot, "b")
    view = plot.findChild(QListView)
    assert view is not None
    before = pixels(draw(plot).grab().toImage(), faded)
    with qtbot.waitSignal(plot.highlighted, timeout=WAIT_MS) as heard:
        at = view.visualRect(view.model().index(0, 0)).center()
        QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert heard.args == ["a"]
    assert pixels(draw(plot).grab().toImage(), faded) < before / 4
    QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert plot.highlight is None


def test_that_many_names_stand_beside_the_plot(plot: CurvePlot) -> None:
    view = plot.findChild(QListView)
    assert view is not None
    plot.set_series("a", *noise(9))
    draw(plot)
    assert view.width() > plot.width() / 2
    for n in range(10):
        plot.set_series(str(n), *noise(9))
    draw(plot)
    assert view.width() < plot.width() / 2
    assert view.height() > plot.height() / 2


def test_that_all_points_are_in_the_table_also_those_that_come(plot: CurvePlot, qtbot: QtBot) -> None:
    steps, values = noise(1200)
    plot.set_series("a", steps[:1000], values[:1000], style=CurveStyle("Training", "r"), positions=EPOCHS)
    plot.show_as_table(True)
    plot.redraw()
    table = plot.findChild(QTableView)
    assert table is not None
    assert table.isVisible()
    model = table.model()
    assert model.rowCount() == 1000
    heads = [model.headerData(n, Qt.Orientation.Horizontal) for n in range(model.columnCount())]
    assert heads == ["Step", "Epoch", "Training"]
    plot.extend("a", steps[1000:], values[1000:])
    qtbot.waitUntil(lambda: model.rowCount() == 1200)


def test_that_a_screen_reader_gets_everything(plot: CurvePlot) -> None:
    plot.set_series("a", *noise(10), style=CurveStyle("Training", "r"))
    draw(plot)
    assert plot.accessibleName() == "Loss plot"
    assert "1 curve over step, 10 points" in plot.accessibleDescription()
    assert "Training: " in plot.accessibleDescription()
    kinds = (QToolButton, QListView, QTableView)
    controls = [control for kind in kinds for control in plot.findChildren(kind) if not control.isHidden()]
    assert len(controls) >= 4
    for control in controls:
        assert control.accessibleName().startswith("Loss"), control


def test_that_the_menu_chooses_axis_and_smoothing(plot: CurvePlot) -> None:
    plot.set_series("a", *noise(10), positions=EPOCHS)
    menu = plot.make_menu()
    choices = [choice for sub in menu.findChildren(QMenu) for choice in sub.actions()]
    found = {choice.text(): choice for choice in choices}
    found["Epoch"].trigger()
    found["Mean of 1,000 steps"].trigger()
    assert plot.link.axis is XAxis.EPOCH
    assert plot.link.smoothing == 1000
    menu.close()


def test_that_a_plot_fits_into_a_small_window(plot: CurvePlot, qtbot: QtBot) -> None:
    for n in range(12):
        plot.set_series(str(n), *noise(9), style=CurveStyle("a very long name of a run " * 4, str(n)))
    plot.resize(300, 200)
    draw(plot)
    assert plot.minimumSizeHint().width() <= 400

"""The layer x time picture: its columns and colours as numbers, the widget with its keys, table and files."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from iterand_engine.config.metrics import Unit
from iterand_gui.look import theme
from iterand_gui.plots.heat.area import HeatData
from iterand_gui.plots.heat.columns import COLOURS, HeatColumns, MatrixTable, Scale, colour_table
from iterand_gui.plots.heat.heatmap import Heatmap, Quantity
from iterand_gui.plots.link import PlotLink
from iterand_gui.plots.x_axis import Positions
from tests.patience import WAIT_MS

LAYERS = ("conv1", "conv2", "fc1")
QUANTITIES = (Quantity("flips", "Mask flips", Unit.SHARE), Quantity("distance", "Distance", Unit.NUMBER))


def expected(steps: list[int], values: NDArray[np.float32], edges: list[int]) -> NDArray[np.float32]:
    """What columns show, one by one: the greatest of their points, else the last point before them."""
    shown_until = steps[-1] + max(0, steps[-1] - steps[-2] - 1 if len(steps) > 1 else 0) if steps else -1
    made = np.full((values.shape[1], len(edges) - 1), np.nan, np.float32)
    for column, (low, high) in enumerate(pairwise(edges)):
        inside = [n for n, step in enumerate(steps) if low <= step < high]
        before = [n for n, step in enumerate(steps) if step < low]
        if inside:
            rows = values[inside]
            known = ~np.isnan(rows)
            made[:, column] = np.where(known.any(0), np.where(known, rows, -np.inf).max(0), np.nan)
        elif before and low <= shown_until:
            made[:, column] = values[before[-1]]
    return made


STEPS = st.lists(st.integers(0, 60), max_size=30, unique=True).map(sorted)
NUMBERS = st.floats(0, 1, width=32) | st.just(math.nan)


@given(STEPS, st.lists(st.integers(-5, 70), min_size=2, max_size=12).map(sorted), st.data())
def test_that_columns_show_the_greatest_or_the_last_before(
    steps: list[int], edges: list[int], data: st.DataObject
) -> None:
    rows = data.draw(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=len(steps), max_size=len(steps)))
    values = np.array(rows, np.float32).reshape(-1, 2)
    columns = HeatColumns()
    columns.reduce(np.array(steps, np.int64), values, np.array(edges, np.int64), 0)
    np.testing.assert_array_equal(columns.values, expected(steps, values, edges))


@given(STEPS, st.lists(st.integers(0, 30), max_size=4).map(sorted))
def test_that_what_comes_later_is_as_if_it_had_been_there(steps: list[int], cuts: list[int]) -> None:
    at = np.array(steps, np.int64)
    values = np.random.default_rng(len(steps)).random((len(steps), 3)).astype(np.float32)
    edges = np.arange(0, 66, 5, dtype=np.int64)
    columns, had = HeatColumns(), 0
    for count in [*(min(cut, len(steps)) for cut in cuts), len(steps)]:
        columns.reduce(at[:count], values[:count], edges, had)
        had = count
    np.testing.assert_array_equal(columns.values, expected(steps, values, edges.tolist()))


@pytest.mark.parametrize("log", [False, True])
@given(values=st.lists(st.floats(0, 1e6, width=32), min_size=1, max_size=20))
def test_that_a_scale_holds_all_values_in_order(log: bool, values: list[float]) -> None:
    matrix = np.array(sorted(values), np.float32)
    scale = Scale.of(matrix, log=log)
    numbers = scale.colours(matrix)
    assert scale.low < scale.high
    assert (np.diff(numbers.astype(int)) >= 0).all()
    assert numbers.max() < COLOURS
    assert float(matrix.max()) <= scale.high * (1 + 1e-5)


def test_that_no_value_has_no_colour_and_zero_the_lowest() -> None:
    values = np.array([math.nan, 0.0, 1.0], np.float32)
    for log in (False, True):
        assert Scale.of(values, log=log).colours(values).tolist() == [COLOURS, 0, COLOURS - 1]
    table = colour_table()
    assert len(table) == COLOURS + 1
    assert (table[0], table[COLOURS - 1], table[COLOURS]) == (0xFF440154, 0xFFFDE725, 0)


def test_that_the_table_has_every_point() -> None:
    steps = np.arange(0, 50, 10, dtype=np.int64)
    values = np.arange(15, dtype=np.float32).reshape(5, 3)
    values[2, 1] = math.nan
    table = MatrixTable(LAYERS, steps, values, Unit.SHARE, Positions(25.0))
    assert [column.name for column in table.columns] == ["Step", "Epoch", *LAYERS]
    assert table.row_count == 5
    assert table.rows(2, 3) == [(20, 21 / 25, 6.0, None, 8.0)]


@pytest.fixture
def heatmap(qtbot: QtBot) -> Heatmap:
    made = Heatmap("Over time", QUANTITIES, PlotLink())
    made.resize(700, 320)
    qtbot.addWidget(made)
    with qtbot.waitExposed(made):
        made.show()
    return made


def data(points: int = 40, unit: Unit = Unit.SHARE) -> HeatData:
    steps = np.arange(0, points * 10, 10, dtype=np.int64)
    values = np.linspace(0, 0.1, points, dtype=np.float32)[:, None] * np.array([1, 0.5, 0.25], np.float32)
    return HeatData(LAYERS, steps, values, unit)


def shown(heatmap: Heatmap, qtbot: QtBot, points: int = 40) -> None:
    heatmap.show_data(data(points), Positions(100.0))
    qtbot.waitUntil(lambda: heatmap.link.extent == (0.0, points * 10 - 1))
    qtbot.waitUntil(lambda: bool(np.isfinite(heatmap.area.columns.values).any()))


def test_that_points_are_seen_in_the_colours_of_the_scale(heatmap: Heatmap, qtbot: QtBot) -> None:
    shown(heatmap, qtbot)
    picture = heatmap.area.grab().toImage()
    top = [picture.pixelColor(x, 30).name() for x in range(80, 500, 20)]
    assert top[0] != top[-1]
    assert len(set(top)) > 5
    assert heatmap.area.scale == Scale(0.0, 0.1, False)
    heatmap.set_log(True)
    qtbot.waitUntil(lambda: heatmap.area.scale.log)


def test_that_points_that_come_later_are_painted_where_the_view_stays(heatmap: Heatmap, qtbot: QtBot) -> None:
    shown(heatmap, qtbot, points=20)
    heatmap.link.show(0, 399)
    qtbot.waitUntil(lambda: painted_share(heatmap) == pytest.approx(0.5, abs=0.02))
    heatmap.show_data(data(40), Positions(100.0), 20)
    qtbot.waitUntil(lambda: painted_share(heatmap) > 0.99)


def painted_share(heatmap: Heatmap) -> float:
    """How much of the top row has another colour than the ground."""
    area = heatmap.area
    picture = area.grab().toImage()
    inside = area._inside()
    places = np.linspace(inside.left() + 1, inside.right() - 2, 200)
    ground = theme.colours().alternate
    return float(np.mean([picture.pixelColor(round(x), 30).name() != ground for x in places]))


def test_that_keys_read_values_one_by_one(heatmap: Heatmap, qtbot: QtBot) -> None:
    shown(heatmap, qtbot)
    heatmap.setFocus()
    chosen: list[object] = []
    heatmap.row_chosen.connect(chosen.append)
    QTest.keyClick(heatmap, Qt.Key.Key_Down)
    QTest.keyClick(heatmap, Qt.Key.Key_Comma)
    assert chosen == ["conv1"]
    assert heatmap.accessibleDescription().endswith("conv1, step 390: 10.00 %")
    QTest.keyClick(heatmap, Qt.Key.Key_Comma)
    QTest.keyClick(heatmap, Qt.Key.Key_Down)
    assert heatmap.accessibleDescription().endswith("conv2, step 380: 4.87 %")
    QTest.keyClick(heatmap, Qt.Key.Key_Plus)
    assert heatmap.link.is_zoomed
    QTest.keyClick(heatmap, Qt.Key.Key_Home)
    assert not heatmap.link.is_zoomed


def test_that_a_column_of_several_points_shows_the_greatest(heatmap: Heatmap, qtbot: QtBot) -> None:
    shown(heatmap, qtbot, points=4000)
    heatmap.choose_row("conv1")
    assert "at most" in heatmap.area.value_text(20_000.0, 0)


def test_that_the_pointer_moves_the_crosshair(heatmap: Heatmap, qtbot: QtBot) -> None:
    shown(heatmap, qtbot)
    QTest.mouseMove(heatmap.area, QPoint(300, 30))
    qtbot.waitUntil(lambda: heatmap.link.cursor is not None)
    assert heatmap.row == "conv1"
    QTest.mouseClick(heatmap.area, Qt.MouseButton.LeftButton, pos=QPoint(300, 200))
    assert heatmap.row == "fc1"


def test_that_another_quantity_is_asked_for_and_nothing_says_so(heatmap: Heatmap, qtbot: QtBot) -> None:
    asked: list[str] = []
    heatmap.quantity_chosen.connect(asked.append)
    heatmap.choose_quantity("distance")
    heatmap.choose_quantity("unheard of")
    assert asked == ["distance"]
    heatmap.say_empty("No distance recorded yet.")
    heatmap.show_data(None, Positions())
    qtbot.waitUntil(lambda: heatmap.accessibleDescription() == "No distance recorded yet.")


def test_that_it_is_shown_as_a_table_that_grows(heatmap: Heatmap, qtbot: QtBot) -> None:
    shown(heatmap, qtbot)
    heatmap.show_as_table(True)
    qtbot.waitUntil(heatmap._table.isVisible)
    model = heatmap._table.model()
    assert (model.rowCount(), model.columnCount()) == (40, 5)
    assert model.index(39, 2).data() == "10.00 %"
    heatmap.show_data(data(50), Positions(100.0), 40)
    qtbot.waitUntil(lambda: model.rowCount() == 50, timeout=WAIT_MS)


@pytest.mark.parametrize("suffix", [".png", ".svg", ".csv"])
def test_that_it_is_saved(heatmap: Heatmap, qtbot: QtBot, tmp_path: Path, suffix: str) -> None:
    shown(heatmap, qtbot)
    path = tmp_path / f"layers{suffix}"
    with qtbot.waitSignal(heatmap.saved) as saved:
        heatmap.files.save(path)
    assert saved.args == [str(path)]
    if suffix == ".png":
        picture = QImage(str(path))
        assert picture.width() > 700
        assert len({picture.pixel(x, 120) for x in range(0, picture.width(), 7)}) > 10
    elif suffix == ".csv":
        lines = path.read_text(encoding="utf-8").splitlines()
        assert lines[0] == "Step,Epoch,conv1,conv2,fc1"
        assert len(lines) == 41
    else:
        assert "conv1" in path.read_text(encoding="utf-8")

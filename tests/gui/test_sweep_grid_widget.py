"""The grid of a sweep: which axis runs where, what cells say, and that it stays while it fills in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QAbstractItemModelTester, QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from iterand_engine.results.sweep_grid import Grid, grid_of
from iterand_engine.store import RunRow, RunState
from iterand_gui.pages.runs.sweep_grid import CellRole, SweepGrid, SweepGridModel
from tests.gui import run_rows

RATES, WIDTHS = [0.1, 0.2, 0.3], [0.5, 1.0]
ACROSS, DOWN = Qt.Orientation.Horizontal, Qt.Orientation.Vertical


def row(number: int, **values: Any) -> RunRow:
    return run_rows.run(number, total_steps=100, step=100, **values)


def grid(axes: Mapping[str, Sequence[object]], runs: Iterable[tuple[RunRow, Mapping[str, object]]]) -> Grid:
    """A grid of runs whose options are given by dotted keys."""
    return grid_of(axes, [(run, nested(options)) for run, options in runs])


def nested(options: Mapping[str, object]) -> dict[str, Any]:
    mapping: dict[str, Any] = {}
    for option, value in options.items():
        *path, last = option.split(".")
        inner = mapping
        for part in path:
            inner = inner.setdefault(part, {})
        inner[last] = value
    return mapping


def two_axes(accuracies: Mapping[tuple[float, float], float], **values: Any) -> Grid:
    axes: dict[str, Sequence[object]] = {"training.lr": RATES, "model.width_factor": WIDTHS}
    runs = [
        (row(n, val_accuracy=accuracy, **values), {"training.lr": lr, "model.width_factor": width})
        for n, ((lr, width), accuracy) in enumerate(accuracies.items())
    ]
    return grid(axes, runs)


@pytest.fixture
def model(qtbot: QtBot) -> SweepGridModel:
    made = SweepGridModel()
    made.tester = QAbstractItemModelTester(made)  # type: ignore[attr-defined]
    return made


def titles(model: SweepGridModel, way: Qt.Orientation) -> list[str]:
    count = model.columnCount() if way is ACROSS else model.rowCount()
    return [str(model.headerData(at, way)) for at in range(count)]


def texts(model: SweepGridModel) -> list[list[str]]:
    rows, columns = range(model.rowCount()), range(model.columnCount())
    return [[str(model.index(at, column).data()) for column in columns] for at in rows]


def test_that_the_shorter_axis_runs_across(model: SweepGridModel) -> None:
    model.show_grid(two_axes({(0.1, 0.5): 0.8, (0.3, 1.0): 0.9}))
    assert titles(model, ACROSS) == ["0.5", "1"]
    assert titles(model, DOWN) == ["0.1", "0.2", "0.3"]
    assert model.headerData(1, ACROSS, Qt.ItemDataRole.AccessibleTextRole) == "width 1"
    assert model.caption == "lr down, width across"
    assert texts(model) == [["80.00", "no run"], ["no run", "no run"], ["no run", "90.00"]]
    assert model.words(model.index(2, 1)) == "lr 0.3, width 1"


def test_that_one_axis_is_a_list_and_three_are_combined(model: SweepGridModel) -> None:
    model.show_grid(grid({"training.lr": RATES}, [(row(1, val_accuracy=0.5), {"training.lr": 0.2})]))
    assert titles(model, ACROSS) == ["Validation accuracy"]
    assert texts(model) == [["no run"], ["50.00"], ["no run"]]
    axes: dict[str, Sequence[object]] = {
        "training.lr": RATES,
        "model.width_factor": WIDTHS,
        "training.epochs": [1, 2, 3],
    }
    options = {"training.lr": 0.3, "model.width_factor": 1.0, "training.epochs": 2}
    model.show_grid(grid(axes, [(row(1, val_accuracy=0.5), options)]))
    assert (model.rowCount(), model.columnCount()) == (9, 2)
    assert titles(model, DOWN)[0] == "lr 0.1\nepochs 1"
    at = model.index(7, 1)
    assert (at.data(), model.words(at)) == ("50.00", "lr 0.3, width 1, epochs 2")


def test_that_the_best_cell_is_among_those_that_finished(model: SweepGridModel) -> None:
    seeds = [row(1, seed=1, val_accuracy=0.80), row(2, seed=2, val_accuracy=0.84)]
    ahead = row(3, val_accuracy=0.95, state=RunState.RUNNING, elapsed_s=1.0)
    options = [{"training.lr": 0.1}, {"training.lr": 0.1}, {"training.lr": 0.2}]
    model.show_grid(grid({"training.lr": RATES}, zip([*seeds, ahead], options, strict=True)))
    assert [line[0] for line in texts(model)] == ["82.00 ± 2.83", "95.00", "no run"]
    assert [model.index(at, 0).data(CellRole.IS_BEST) for at in range(3)] == [True, False, False]
    assert [model.index(at, 0).data(CellRole.TINT) for at in range(3)] == [1.0, None, None]
    assert model.index(0, 0).data(Qt.ItemDataRole.AccessibleTextRole) == (
        "lr 0.1: 82.00 ± 2.83, 2 finished, the best cell"
    )
    assert model.best.row() == 0


def test_that_what_went_wrong_is_counted_in_a_cell(model: SweepGridModel) -> None:
    seeds = [
        row(1, seed=1, val_accuracy=0.8),
        row(2, seed=2, state=RunState.DIVERGED),
        row(3, seed=3, state=RunState.QUEUED),
    ]
    model.show_grid(grid({"training.lr": RATES}, [(run, {"training.lr": 0.1}) for run in seeds]))
    assert model.index(0, 0).data(CellRole.COUNT) == "1 of 3, 1 diverged"
    assert model.index(1, 0).data(CellRole.COUNT) is None


def test_that_a_grid_that_fills_in_reports_cells_and_not_a_new_table(
    model: SweepGridModel, qtbot: QtBot
) -> None:
    first = two_axes({(0.1, 0.5): 0.8})
    model.show_grid(first)
    with qtbot.assertNotEmitted(model.modelReset), qtbot.waitSignal(model.dataChanged):
        model.show_grid(two_axes({(0.1, 0.5): 0.8, (0.2, 0.5): 0.7}))
    assert texts(model)[1] == ["70.00", "no run"]


def test_that_a_view_keeps_the_current_cell_and_opens_it_by_key(qtbot: QtBot) -> None:
    view = SweepGrid()
    qtbot.addWidget(view)
    view.show()
    view.show_grid(two_axes({(0.1, 0.5): 0.8, (0.3, 1.0): 0.9}))
    assert view.words == "lr 0.3, width 1", "the best cell is looked at first"
    opened: list[object] = []
    view.open_asked.connect(opened.append)
    view.setCurrentIndex(view.model().index(0, 0))
    view.show_grid(two_axes({(0.1, 0.5): 0.8, (0.3, 1.0): 0.95}))
    assert view.words == "lr 0.1, width 0.5"
    QTest.keyClick(view, Qt.Key.Key_Return)
    assert opened == [view.group]
    view.setCurrentIndex(view.model().index(1, 1))
    assert view.group is None
    QTest.keyClick(view, Qt.Key.Key_Return)
    assert len(opened) == 1
    QTest.keyClick(view, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    head, *lines = QApplication.clipboard().text().split("\n")
    assert head.split("\t") == ["", "width 0.5", "width 1"]
    assert lines[0].split("\t") == ["lr 0.1", "80.00", "no run"]


def test_that_another_sweep_begins_at_its_best_cell(qtbot: QtBot) -> None:
    view = SweepGrid()
    qtbot.addWidget(view)
    view.show_grid(two_axes({(0.1, 0.5): 0.8, (0.3, 1.0): 0.9}))
    view.setCurrentIndex(view.model().index(0, 0))
    view.forget()
    view.show_grid(two_axes({(0.2, 1.0): 0.9}))
    assert view.words == "lr 0.2, width 1"

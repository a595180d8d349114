"""The run table: seeds and sweeps fold, what is selected stays so, and a tick reports one range of lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QItemSelectionModel, QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtGui import QPalette
from PySide6.QtTest import QAbstractItemModelTester, QSignalSpy
from PySide6.QtWidgets import QStyledItemDelegate, QStyleOptionViewItem, QTreeView
from pytestqt.qtbot import QtBot

from iterand_engine.machine import processes
from iterand_engine.machine.workspace import open_workspace_dir
from iterand_engine.results import filters
from iterand_engine.store import NewRun, Recorder, RunState, Store
from iterand_engine.store.runs import adopt_run, claim_run, create_run
from iterand_gui.live.store_watcher import StoreWatcher
from iterand_gui.live.tasks import Jobs
from iterand_gui.look.run_line import LineKind
from iterand_gui.pages.runs.lines import model as run_table_model
from iterand_gui.pages.runs.lines.columns import COLUMN, COLUMNS
from iterand_gui.pages.runs.lines.model import RunTableModel
from iterand_gui.pages.runs.lines.roles import LineRole
from tests.gui.run_rows import change, config, run, sweep
from tests.patience import WAIT_MS

SELECT = QItemSelectionModel.SelectionFlag.Select | QItemSelectionModel.SelectionFlag.Rows
DESCENDING = Qt.SortOrder.DescendingOrder


@pytest.fixture
def model(qtbot: QtBot) -> Iterator[RunTableModel]:
    """An empty table, watched by Qt's own checks."""
    model = RunTableModel()
    tester = QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Warning)
    yield model
    tester.deleteLater()
    model.deleteLater()


def text(model: RunTableModel, key: str, row: int, parent: QModelIndex | None = None) -> str:
    return str(model.index(row, COLUMN[key], parent or QModelIndex()).data())


def column(model: RunTableModel, key: str, parent: QModelIndex | None = None) -> list[str]:
    return [text(model, key, row, parent) for row in range(model.rowCount(parent or QModelIndex()))]


def ids(model: RunTableModel, parent: QModelIndex | None = None) -> list[list[str]]:
    above = parent or QModelIndex()
    return [model.run_ids([model.index(row, 0, above)]) for row in range(model.rowCount(above))]


def test_that_seeds_fold_into_one_line_that_unfolds(model: RunTableModel) -> None:
    seeds = [run(n, seed=n, val_accuracy=a) for n, a in ((1, 0.90), (2, 0.92))]
    diverged = run(3, seed=3, state=RunState.DIVERGED)
    alone = run(4, lr=0.5, val_accuracy=0.5)
    model.take(change([*seeds, diverged, alone]))
    assert column(model, "n") == ["1", "2 of 3"]
    assert column(model, "accuracy") == ["50.00 %", "91.00 ± 1.41 %"]
    assert column(model, "state") == ["Finished", "1 diverged +2"]
    group = model.index(1, 0)
    assert (model.hasChildren(model.index(0, 0)), model.hasChildren(group)) == (False, True)
    assert column(model, "differs", group) == ["seed 3", "seed 2", "seed 1"]
    assert [model.data(model.index(row, 0), LineRole.KIND) for row in (0, 1)] == [
        LineKind.RUN,
        LineKind.GROUP,
    ]
    assert model.data(model.index(0, 0), LineRole.KEY) == alone.id
    assert model.data(group, LineRole.KEY) == seeds[0].group_key


def test_that_a_second_seed_makes_a_line_unfold(model: RunTableModel) -> None:
    model.take(change([run(1, seed=1)]))
    assert not model.hasChildren(model.index(0, 0))
    model.take(change([run(2, seed=2)]))
    assert model.rowCount() == 1
    assert column(model, "seeds", model.index(0, 0)) == ["2", "1"]
    model.take(change(removed=["00000001"]))
    assert not model.hasChildren(model.index(0, 0))
    assert ids(model) == [["00000002"]]


def test_that_a_sweep_folds_into_one_line_with_its_cells(model: RunTableModel) -> None:
    cells = [run(n, lr=lr, val_accuracy=a) for n, lr, a in ((1, 0.1, 0.7), (2, 0.2, 0.8), (3, 0.3, None))]
    cells[2] = replace(cells[2], state=RunState.QUEUED)
    other = run(9, lr=9)
    model.take(change([*cells, other]))
    model.set_sweeps([sweep("rates", cells, lr=[0.1, 0.2, 0.3], seed=[1])])
    assert column(model, "name") == ["conv4-x1-iterand", "rates"]
    line = model.index(1, 0)
    assert text(model, "differs", 1) == "lr 0.1 0.2 0.3"
    assert text(model, "n", 1) == "2 of 3"
    assert text(model, "accuracy", 1) == "best 80.00 %"
    assert column(model, "differs", line) == ["lr 0.3", "lr 0.2", "lr 0.1"]
    assert model.data(line, LineRole.CELLS) == (RunState.FINISHED, RunState.FINISHED, RunState.QUEUED)
    found = model.sweep_at(line)
    assert found is not None
    assert found.name == "rates"
    assert model.sweep_at(model.index(0, 0)) is None
    model.set_sweeps([])
    assert model.rowCount() == 4


def test_that_a_group_stands_in_the_newest_of_its_sweeps(model: RunTableModel) -> None:
    rows = [run(1), run(2, lr=0.2)]
    older, newer = sweep("older", rows, lr=[0.1, 0.2]), sweep("newer", rows[:1], lr=[0.1])
    model.take(change(rows))
    model.set_sweeps([replace(newer, created_at=newer.created_at + 1), older])
    assert sorted(column(model, "name")) == ["newer", "older"]
    newer_line = model.index(column(model, "name").index("newer"), 0)
    assert ids(model, newer_line) == [["00000001"]]


def test_that_only_what_differs_is_shown(model: RunTableModel) -> None:
    model.take(change([run(1), run(2, lr=0.5), run(3, method="dense")]))
    assert column(model, "differs") == ["dense, lr 0.1", "iterand, lr 0.5", "iterand, lr 0.1"]
    model.set_filter(filters.parse("method:iterand"))
    assert column(model, "differs") == ["lr 0.5", "lr 0.1"]


def test_that_an_accuracy_so_far_is_marked(model: RunTableModel) -> None:
    model.take(change([run(1, state=RunState.RUNNING, step=50, elapsed_s=10.0, val_accuracy=0.5)]))
    cell = model.index(0, COLUMN["accuracy"])
    assert cell.data() == "50.00 % so far"
    assert model.data(cell, LineRole.PRELIMINARY) is True
    assert model.data(cell, Qt.ItemDataRole.ForegroundRole) is not None
    assert text(model, "time", 0) == "10 s left"
    assert model.data(cell, LineRole.PROGRESS) == 0.5
    assert model.data(cell, LineRole.STATE) == "running"


def test_that_unknown_values_sort_last_and_equal_ones_newest_first(model: RunTableModel) -> None:
    accuracies = {1: 0.3, 2: None, 3: 0.9, 4: 0.3, 5: None}
    model.take(change([run(n, lr=n, val_accuracy=a) for n, a in accuracies.items()]))
    model.sort(COLUMN["accuracy"])
    assert [int(one[0]) for one in ids(model)] == [4, 1, 3, 5, 2]
    model.sort(COLUMN["accuracy"], DESCENDING)
    assert [int(one[0]) for one in ids(model)] == [3, 4, 1, 5, 2]


@pytest.mark.parametrize("key", [column.key for column in COLUMNS])
def test_that_every_column_reads_and_sorts(model: RunTableModel, key: str) -> None:
    rows = [run(1), run(2, seed=2, state=RunState.RUNNING, step=3, epoch=1, elapsed_s=2.0), run(3, lr=0.3)]
    model.take(change([*rows, run(4, lr=0.4, reason="out of memory", started_at=1.0, ended_at=2.0)]))
    model.set_sweeps([sweep("s", rows[2:], lr=[0.3])])
    for order in (Qt.SortOrder.AscendingOrder, DESCENDING):
        model.sort(COLUMN[key], order)
        assert model.rowCount() == 3
        assert all(isinstance(one, str) for one in column(model, key))
    header = COLUMN[key], Qt.Orientation.Horizontal
    assert model.headerData(*header)
    assert model.headerData(*header, Qt.ItemDataRole.ToolTipRole)


def test_that_a_delegate_gets_what_data_says(model: RunTableModel, view: QTreeView) -> None:
    going = run(1, state=RunState.RUNNING, val_accuracy=0.5)
    model.take(change([going, run(2, lr=0.2, val_accuracy=0.9)]))
    delegate = QStyledItemDelegate()
    for index in (model.index(row, column) for row in range(2) for column in range(len(COLUMNS))):
        option = QStyleOptionViewItem()
        delegate.initStyleOption(option, index)
        drawn: Any = option  # PySide's types do not know what a style option has
        assert drawn.text == index.data()
        assert drawn.displayAlignment == index.data(Qt.ItemDataRole.TextAlignmentRole)
        assert drawn.icon.isNull() == (index.data(Qt.ItemDataRole.DecorationRole) is None)
        faint = index.data(Qt.ItemDataRole.ForegroundRole)
        if faint is not None:
            assert drawn.palette.color(QPalette.ColorRole.Text) == faint


def test_that_sorting_holds_within_groups(model: RunTableModel) -> None:
    model.take(change([run(n, seed=n, val_accuracy=a) for n, a in ((1, 0.2), (2, 0.3), (3, 0.1))]))
    model.sort(COLUMN["accuracy"])
    assert column(model, "seeds", model.index(0, 0)) == ["3", "1", "2"]


def test_that_a_filter_shows_what_meets_it_and_keeps_figures_whole(
    model: RunTableModel, qtbot: QtBot
) -> None:
    rows = [run(1, seed=1, val_accuracy=0.8), run(2, seed=2, state=RunState.FAILED), run(3, lr=0.5)]
    model.take(change(rows))
    with qtbot.waitSignal(model.counts_changed) as signal:
        model.set_filter(filters.parse("state:failed"))
    assert signal.args == [1, 3]
    assert model.counts == (1, 3)
    assert column(model, "n") == ["1 of 2"]
    assert ids(model) == [["00000002"]]
    assert column(model, "seeds", model.index(0, 0)) == ["2"]
    model.set_filter(filters.parse(""))
    assert model.rowCount() == 2


def test_that_runs_come_and_go_in_a_filter_as_they_change(model: RunTableModel) -> None:
    model.take(change([run(1, state=RunState.RUNNING), run(2, lr=0.2)]))
    model.set_filter(filters.parse("state:running"))
    assert ids(model) == [["00000001"]]
    model.take(change([run(1), run(3, lr=0.3, state=RunState.RUNNING)]))
    assert ids(model) == [["00000003"]]
    model.take(change(removed=["00000003"]))
    assert model.rowCount() == 0
    assert model.index_of_run("00000001") == QModelIndex()
    assert model.index_of_run("nobody") == QModelIndex()


@pytest.fixture
def view(model: RunTableModel, qtbot: QtBot) -> QTreeView:
    view = QTreeView()
    qtbot.addWidget(view)
    view.setUniformRowHeights(True)
    view.setSelectionMode(QTreeView.SelectionMode.ExtendedSelection)
    view.setModel(model)
    with qtbot.waitExposed(view):
        view.show()
    return view


def test_that_what_is_selected_and_unfolded_stays_so(model: RunTableModel, view: QTreeView) -> None:
    rows = [run(n, lr=n % 3 + 1, seed=n, val_accuracy=n / 20) for n in range(1, 10)]
    model.take(change(rows))
    group = model.index(1, 0)
    view.expand(group)
    inside = model.index(1, 0, group)
    view.selectionModel().select(inside, SELECT)
    view.selectionModel().select(model.index(2, 0), SELECT)
    wanted = set(model.run_ids(view.selectionModel().selectedRows()))
    assert len(wanted) == 4
    acts: list[Callable[[], None]] = [
        lambda: model.sort(COLUMN["accuracy"], DESCENDING),
        lambda: model.take(change([run(50, lr=50), run(51, lr=1, seed=99)])),
        lambda: model.sort(COLUMN["name"]),
        lambda: model.take(change([replace(rows[0], state=RunState.RUNNING)])),
        lambda: model.set_filter(filters.parse("lr<40")),
        lambda: model.set_sweeps([sweep("s", [run(50, lr=50)], lr=[50])]),
    ]
    for act in acts:
        act()
        selected = set(model.run_ids(view.selectionModel().selectedRows()))
        assert selected - {"00000051"} == wanted
    expanded = [row for row in range(model.rowCount()) if view.isExpanded(model.index(row, 0))]
    assert [model.data(model.index(row, 0), LineRole.KEY) for row in expanded] == ["iterand 3"]


def test_that_a_tick_reports_one_range_of_lines(model: RunTableModel, view: QTreeView) -> None:
    rows = [run(n, lr=n, state=RunState.RUNNING) for n in range(1, 8)]
    model.take(change(rows))
    spy, layouts = QSignalSpy(model.dataChanged), QSignalSpy(model.layoutChanged)
    model.take(change([replace(row, step=5) for row in rows[1:4]]))
    assert (spy.count(), layouts.count()) == (1, 0)
    first, last = spy.at(0)[:2]
    assert (first.row(), last.row()) == (3, 5)
    assert column(model, "progress")[3:6] == ["5 / 100"] * 3


def test_that_lines_of_unfolded_groups_are_reported_too(model: RunTableModel, view: QTreeView) -> None:
    rows = [run(n, seed=n, state=RunState.RUNNING) for n in (1, 2, 3)]
    model.take(change(rows))
    view.expand(model.index(0, 0))
    spy = QSignalSpy(model.dataChanged)
    model.take(change([replace(rows[0], step=7)]))
    parents = {spy.at(at)[0].parent().isValid() for at in range(spy.count())}
    assert (spy.count(), parents) == (2, {True, False})


def test_that_lines_find_their_new_order_a_little_later(
    model: RunTableModel, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [run(n, lr=n, state=RunState.RUNNING, step=n) for n in (1, 2, 3)]
    model.take(change(rows))
    model.sort(COLUMN["progress"], DESCENDING)
    model.take(change([replace(rows[0], step=90)]))
    assert [one[0][-1] for one in ids(model)] == ["3", "2", "1"]
    with qtbot.waitSignal(model.layoutChanged, timeout=WAIT_MS):
        pass
    assert [one[0][-1] for one in ids(model)] == ["1", "3", "2"]


def test_that_ages_read_anew_when_asked(model: RunTableModel) -> None:
    spy = QSignalSpy(model.dataChanged)
    model.refresh_times()
    assert spy.count() == 0
    model.take(change([run(1), run(2, lr=0.2)]))
    model.rowCount()
    model.refresh_times()
    first, last = spy.at(spy.count() - 1)[:2]
    assert (first.row(), last.row(), last.column()) == (0, 1, COLUMN["age"])


def test_that_many_runs_are_worked_out_beside_the_gui_thread(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_table_model, "AT_ONCE", 10)
    jobs = Jobs(tmp_path)
    model = RunTableModel(jobs)
    rows = [run(n, lr=n) for n in range(1, 40)]
    model.take(change(rows[30:]))
    held = QPersistentModelIndex(model.index_of_run(rows[35].id))
    model.take(change(rows[:30]))
    model.set_sweeps([sweep("s", rows[:3], lr=[1, 2, 3])])
    assert model.rowCount() == 9
    model.take(change([run(40, lr=40), run(41, lr=41)], removed=[rows[0].id]))
    with qtbot.waitSignal(model.settled, timeout=WAIT_MS):
        pass
    assert model.rowCount() == 38 + 2 - 2 + 1
    assert text(model, "differs", 0) == "lr 41"
    assert model.run_ids([held]) == [rows[35].id]
    jobs.close()


def test_that_the_table_follows_a_store(qtbot: QtBot, workspace_dir: Path) -> None:
    with Store.open(open_workspace_dir(workspace_dir)) as store:
        row = run(1)
        new = NewRun("first", config(row), "key", 1, "cpu", "fp32", "0.1.0")
        run_id = create_run(store, new)
        watcher, model = StoreWatcher(store), RunTableModel()
        model.follow(watcher)
        watcher.start()
        qtbot.waitUntil(lambda: column(model, "state") == ["Queued"], timeout=WAIT_MS)
        token = claim_run(store, run_id)
        adopt_run(store, run_id, token, processes.current(), {"device": "cpu"})
        with Recorder(store, run_id, token) as recorder:
            recorder.progress(5, 0, 10)
            qtbot.waitUntil(lambda: column(model, "progress") == ["5 / 10"], timeout=WAIT_MS)
            assert column(model, "state") == ["Running"]
            model.unfollow()
            recorder.finish(RunState.FINISHED, val_accuracy=0.75)
        other = create_run(store, replace(new, name="second", group_key="other"))
        qtbot.waitUntil(lambda: other in watcher.runs, timeout=WAIT_MS)
        assert column(model, "state") == ["Running"]
        model.follow(watcher)
        assert column(model, "name") == ["second", "first"]
        assert column(model, "accuracy")[1] == "75.00 %"
        watcher.stop()

"""The Compare page's table over a real store: what came out, baseline, the lock, copying, keys."""

from __future__ import annotations

import csv
import io

from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QApplication,
)
from pytestqt.qtbot import QtBot

from iterand_engine.store.runs import unlock_runs
from iterand_gui.pages.compare.facts import Read
from iterand_gui.pages.compare.frozen_name import FrozenName
from iterand_gui.pages.compare.results import Mode
from iterand_gui.pages.compare.sheet import ComparisonSheet, SheetCell, SheetColumn
from iterand_gui.pages.compare.sheet_model import SheetModel
from iterand_gui.pages.compare.sheet_view import SheetView
from tests.gui.open_compare_page import OpenComparePage, add_group, add_run, config_of, gui

__all__ = ["gui"]  # the fixture


def test_that_the_baseline_is_pinned_by_key_and_menu_and_remembered(gui: OpenComparePage) -> None:
    ids = [add_run(gui.store, config_of("dense"), 0.95), add_run(gui.store, config_of("iterand"), 0.9)]
    gui.select(ids)
    view = gui.page.panel.view
    view.setFocus()
    view.selectRow(1)
    QTest.keyClick(view, Qt.Key.Key_P)
    assert gui.column("method") == ["iterand", "dense"]
    assert gui.column("Difference (points)") == ["baseline", "+5.00"]
    state = gui.page.save_state()
    menu = view.make_menu()
    assert "Unpin the baseline" in [action.text().replace("&", "") for action in menu.actions()]
    menu.close()
    view.pin_action.trigger()
    assert "Difference (points)" not in gui.titles()
    gui.page.restore_state(state)
    assert gui.column("Difference (points)") == ["baseline", "+5.00"]


def test_that_the_lock_holds_test_accuracy_back_at_once(gui: OpenComparePage) -> None:
    ids = [add_run(gui.store, config_of("dense"), 0.95), add_run(gui.store, config_of("iterand"), 0.9)]
    gui.select(ids)
    gui.until(lambda: gui.column("Test accuracy") == ["94.00 %", "89.00 %"])
    gui.change(test_lock=True)
    assert not gui.page._facts.known.test
    gui.until(lambda: gui.column("Test accuracy") == ["locked", "locked"])
    unlock_runs(gui.store, [ids[0]])
    gui.until(lambda: gui.column("Test accuracy") == ["94.00 %", "locked"])


def test_that_what_was_read_before_the_lock_is_not_shown_after_it(gui: OpenComparePage) -> None:
    gui.change(test_lock=True)
    gui.select([add_run(gui.store, config_of())])
    gui.until(lambda: gui.column("Test accuracy") == ["locked"])
    gui.page._facts._take(Read(lock=False, test={gui.session.selection.ids[0]: 0.89}, devices={}))
    gui.page._refresh()
    assert gui.column("Test accuracy") == ["locked"]


def test_that_mixed_hardware_is_reported(gui: OpenComparePage) -> None:
    ids = [add_run(gui.store, config_of(seed=n), device=device) for n, device in enumerate(("A", "B"))]
    gui.select(ids)
    gui.until(lambda: gui.column("n") == ["2, mixed hardware"])
    assert gui.column("Hardware") == ["mixed: A, B"]


def test_that_the_table_is_copied_as_csv_and_markdown_by_keys(gui: OpenComparePage) -> None:
    ids = [add_run(gui.store, config_of("dense"), 0.95), *add_group(gui.store, (0.8, 0.9))]
    gui.select(ids)
    view = gui.page.panel.view
    view.setFocus()
    QTest.keyClick(view, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    rows = list(csv.DictReader(io.StringIO(QApplication.clipboard().text())))
    assert [(row["method"], row["Validation accuracy"]) for row in rows] == [
        ("dense", "0.95"),
        ("iterand", "0.85"),
    ]
    both = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    QTest.keyClick(view, Qt.Key.Key_C, both)
    assert "| 85.00 ± 7.07 % |" in QApplication.clipboard().text()
    assert [message.text for message in gui.said] == ["Copied 2 rows as CSV", "Copied 2 rows as Markdown"]


def test_that_rows_are_left_out_and_opened_by_keys(gui: OpenComparePage) -> None:
    ids = [add_run(gui.store, config_of("dense")), *add_group(gui.store, (0.8, 0.9))]
    opened: list[str] = []
    gui.session.actions.open_run.connect(opened.append)
    gui.select(ids)
    gui.drawn(2)
    view = gui.page.panel.view
    view.setFocus()
    view.selectRow(0)
    QTest.keyClick(view, Qt.Key.Key_Return)
    assert opened == [ids[0]]
    view.selectRow(1)
    QTest.keyClick(view, Qt.Key.Key_Delete)
    assert gui.session.selection.ids == (ids[0],)
    gui.drawn(1)
    assert gui.page.panel.model.rowCount() == 1


def test_that_the_chosen_row_stands_out_in_the_plot_and_the_other_way_round(gui: OpenComparePage) -> None:
    gui.select([add_run(gui.store, config_of("dense")), add_run(gui.store, config_of("iterand"))])
    gui.drawn(2)
    view, keys = gui.page.panel.view, gui.page.panel.model.keys
    view.selectRow(1)
    assert gui.plot.highlight == keys[1]
    gui.plot.set_highlight(keys[0])
    assert view.chosen_keys() == (keys[0],)
    view.setFocus()
    QTest.keyClick(view, Qt.Key.Key_Escape)
    assert gui.plot.highlight is None
    view.selectRow(1)
    gui.page.choose_plot(Mode.WIDTH)
    assert gui.results.highlight == "iterand"


def test_that_columns_sort_and_rows_that_change_keep_what_is_chosen(gui: OpenComparePage) -> None:
    accuracies = {"dense": 0.9, "edge-popup": 0.95, "iterand": 0.8}
    ids = [add_run(gui.store, config_of(method), value) for method, value in accuracies.items()]
    gui.select(ids)
    view = gui.page.panel.view
    view.selectRow(0)
    view.order_by("accuracy", descending=True)
    assert gui.column("method") == ["edge-popup", "dense", "iterand"]
    assert [index.data() for index in view.selectionModel().selectedRows(2)] == ["90.00 %"]
    gui.page.panel._all_options.click()
    assert "lr" in gui.titles()
    assert gui.column("method") == ["edge-popup", "dense", "iterand"]
    assert view.chosen_keys() == (gui.page.panel.model.keys[1],)


def sheet_with(options: int, rows: int) -> ComparisonSheet:
    """Groups that differ in so many options; the second of them diverged."""
    titles = ["Name", "n", "Validation accuracy", *(f"randomize_option_{n}" for n in range(options))]
    columns = tuple(SheetColumn(title, title, "", (title,)) for title in titles)
    texts = [
        ("conv4-x0.125-iterand", "2", "91.24 ± 0.31 %", *(f"{r}" for _ in range(options)))
        for r in range(rows)
    ]
    texts[1] = (texts[1][0], "0 of 1, diverged", *texts[1][2:])
    cells = [tuple(SheetCell(t, (0, 0.0, t), (t,), warns="diverged" in t) for t in row) for row in texts]
    return ComparisonSheet(columns, {str(row): of_row for row, of_row in enumerate(cells)})


def shown(qtbot: QtBot, sheet: ComparisonSheet, width: int) -> tuple[SheetModel, SheetView]:
    """A table in a window of its own."""
    model = SheetModel()
    view = SheetView(model, ())
    qtbot.addWidget(view)
    view.resize(width, 200)
    with qtbot.waitExposed(view):
        view.show()
    model.show_sheet(sheet, {})
    return model, view


def test_that_columns_are_as_wide_as_what_they_show(qtbot: QtBot) -> None:
    model, view = shown(qtbot, sheet_with(options=6, rows=4), 1200)
    for column in range(len(model.sheet.columns) - 1):  # the last takes the room that is left
        title = view.horizontalHeader().sectionSizeHint(column)
        cells = [view.sizeHintForIndex(model.index(row, column)).width() for row in range(4)]
        assert max(cells) <= view.columnWidth(column) <= max(*cells, title) + 4
    assert view.columnViewportPosition(3) < 600  # what came out is seen without scrolling


def test_that_columns_grow_with_results_that_come_later_but_not_those_that_were_dragged(qtbot: QtBot) -> None:
    model = SheetModel()
    view = SheetView(model, ())
    qtbot.addWidget(view)
    model.show_sheet(sheet_with(options=2, rows=2), {})
    view.horizontalHeader().resizeSection(3, 60)
    sheet = sheet_with(options=2, rows=2)
    long = SheetCell("63.75 ± 10.41 % (n = 3, 2 locked)", (0, 0.0, ""), ("",))
    name, n, _, _, last = sheet.rows["0"]
    model.show_sheet(ComparisonSheet(sheet.columns, {**sheet.rows, "0": (name, n, long, long, last)}), {})
    assert view.columnWidth(2) >= view.sizeHintForIndex(model.index(0, 2)).width()
    assert view.columnWidth(3) == 60
    assert view.widths() == {sheet.columns[3].key: 60}


def test_that_names_stay_in_view_while_the_table_is_scrolled_sideways(qtbot: QtBot) -> None:
    model, view = shown(qtbot, sheet_with(options=9, rows=30), 700)
    (frozen,) = view.findChildren(FrozenName)
    assert not frozen.isVisible()  # the table itself shows them
    view.horizontalScrollBar().setValue(500)
    assert frozen.isVisible()
    assert frozen.geometry().left() == view.viewport().geometry().left()
    assert frozen.viewport().mapTo(view, QPoint()) == view.viewport().mapTo(view, QPoint())
    assert frozen.width() == view.columnWidth(0)
    view.verticalScrollBar().setValue(7)
    assert frozen.rowAt(0) == view.rowAt(0) == 7
    row_9 = frozen.visualRect(model.index(9, 0)).center()
    QTest.mouseClick(frozen.viewport(), Qt.MouseButton.LeftButton, pos=row_9)
    assert view.current_key == model.keys[9]
    assert view.horizontalScrollBar().value() == 500
    title = QPoint(20, frozen.horizontalHeader().height() // 2)
    QTest.mouseClick(frozen.horizontalHeader().viewport(), Qt.MouseButton.LeftButton, pos=title)
    assert model.sorted_by[0] == "Name"
    assert view.horizontalHeader().sortIndicatorSection() == 0
    frozen.horizontalHeader().resizeSection(0, 150)
    assert (view.columnWidth(0), frozen.width()) == (150, 150)
    assert view.widths() == {"Name": 150}
    view.horizontalScrollBar().setValue(0)
    assert not frozen.isVisible()


def test_that_a_cell_that_the_keys_reach_is_not_below_the_names(qtbot: QtBot) -> None:
    model, view = shown(qtbot, sheet_with(options=9, rows=5), 700)
    last = len(model.sheet.columns) - 1
    view.setCurrentIndex(model.index(0, last))
    (frozen,) = view.findChildren(FrozenName)
    assert frozen.isVisible()
    for column in range(last - 1, 0, -1):
        QTest.keyClick(view, Qt.Key.Key_Left)
        assert view.currentIndex().column() == column
        assert view.columnViewportPosition(column) >= frozen.covered_px()

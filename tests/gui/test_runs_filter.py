"""The Runs page's filter line, what it remembers, and that it stays usable with thousands of runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import pytest
from PySide6.QtCore import QModelIndex, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QAbstractItemView, QLineEdit, QPlainTextEdit, QWidget

from iterand_engine.store import RunState, Store
from iterand_gui.live.store_reader import RunsChange
from iterand_gui.look import theme
from iterand_gui.pages.runs.completion import Completions
from iterand_gui.pages.runs.lines.columns import COLUMN
from iterand_gui.pages.runs.lines.model import AnyIndex, RunTableModel
from iterand_gui.pages.runs.page import RunsPage
from tests.gui import run_rows
from tests.gui.open_runs_page import OpenRuns, add_run, end


def test_that_a_filter_shows_what_meets_it(open_runs_page: OpenRuns) -> None:
    def store_runs(store: Store) -> None:
        add_run(store, "narrow", width=0.25)
        end(store, add_run(store, "wide", width=1.0))

    gui = open_runs_page(store_runs)
    gui.page.filter.set_text("width>=0.5 state:finished")
    assert gui.column("name") == ["wide"]
    assert gui.page.head.count == "1 of 2 runs"
    gui.page.filter.set_text("")
    assert len(gui.column("name")) == 2


def test_that_a_mistaken_filter_is_reported_beside_it_and_changes_nothing(open_runs_page: OpenRuns) -> None:
    gui = open_runs_page(lambda store: [add_run(store, name) for name in ("one", "two")])
    gui.page.filter.set_text("one")
    gui.page.filter.setText("widht>=0.5")
    gui.until(lambda: "did you mean 'width'" in gui.page.head.problem)
    assert gui.column("name") == ["one"]
    gui.page.filter.setText("two")
    gui.until(lambda: gui.page.head.problem == "")
    assert gui.column("name") == ["two"]


def test_that_a_filter_that_finds_nothing_says_so_and_can_be_cleared(open_runs_page: OpenRuns) -> None:
    gui = open_runs_page(lambda store: add_run(store))
    gui.page.filter.set_text("lr>3")
    assert gui.page.nothing.isVisible()
    assert gui.page.nothing.text == "No run meets this filter. lr>3"
    button = gui.page.nothing.findChild(QAbstractButton)
    assert button is not None
    button.click()
    assert gui.page.table.isVisible()
    assert gui.column("name") == ["tiny"]


def test_that_a_mistake_does_not_speak_for_the_filter_that_still_holds(open_runs_page: OpenRuns) -> None:
    gui = open_runs_page(lambda store: add_run(store))
    page = gui.page
    page.filter.set_text("width>=7")
    page.filter.setText("widthh>=7 foo:")
    gui.until(lambda: page.head.problem)
    assert page.nothing.text == (
        "No run meets the filter before this one."
        " width>=7 still holds, as there is a mistake in what is written now."
    )
    page.filter.setText("width>=8")
    gui.until(lambda: page.nothing.text == "No run meets this filter. width>=8")


def test_that_hidden_runs_are_not_acted_on_and_chosen_again_when_shown(open_runs_page: OpenRuns) -> None:
    ids: list[str] = []
    gui = open_runs_page(lambda store: ids.extend(add_run(store, name) for name in ("one", "two")))
    gui.choose(ids[0])
    gui.page.filter.set_text("two")
    gui.page._look()
    assert gui.page.chosen().ids == ()
    assert not gui.page.deeds["delete"].isEnabled()
    assert gui.session.selection.current is None
    gui.page.filter.set_text("")
    assert gui.page.chosen().ids == gui.session.selection.ids == (ids[0],)


def test_that_other_pages_follow_the_chosen_runs_that_a_filter_leaves(open_runs_page: OpenRuns) -> None:
    ids: list[str] = []

    def store_runs(store: Store) -> None:
        ids.extend(add_run(store, f"run {number}", lr=number / 10) for number in range(1, 7))

    gui = open_runs_page(store_runs)
    gui.choose(*ids)
    for text, left in (("lr>0.45", ids[4:]), ("lr>9", []), ("lr<=0.3", ids[:3]), ("", ids)):
        gui.page.filter.set_text(text)
        assert sorted(gui.session.selection.ids) == sorted(left)
        assert sorted(gui.page.chosen().ids) == sorted(left)
    assert gui.session.selection.current == ids[-1]


def test_that_keys_lead_from_the_filter_to_the_table_and_back(open_runs_page: OpenRuns) -> None:
    gui = open_runs_page(lambda store: add_run(store))
    page = gui.page
    QTest.keyClick(page.table, Qt.Key.Key_F, Qt.KeyboardModifier.ControlModifier)
    assert page.filter.hasFocus()
    QTest.keyClicks(page.filter, "tin")
    QTest.keyClick(page.filter, Qt.Key.Key_Escape)
    assert page.filter.text() == ""
    QTest.keyClick(page.filter, Qt.Key.Key_Down)
    assert page.table.hasFocus()
    assert page.chosen().lines == 1


@pytest.mark.qt_log_ignore("raise\\(\\)", "grabbing the keyboard")  # what an offscreen popup cannot
def test_that_fields_and_values_are_completed(open_runs_page: OpenRuns) -> None:
    gui = open_runs_page(lambda store: add_run(store))
    page = gui.page
    page.filter.setFocus()
    QTest.keyClicks(page.filter, "wid")
    popup = page.filter._popup
    gui.until(popup.isVisible)
    QTest.keyClick(popup, Qt.Key.Key_Down)
    QTest.keyClick(popup, Qt.Key.Key_Return)
    assert page.filter.text() == "width>="
    QTest.keyClicks(page.filter, "0.2 state:q")
    gui.until(popup.isVisible)
    QTest.keyClick(popup, Qt.Key.Key_Down)
    QTest.keyClick(popup, Qt.Key.Key_Return)
    assert page.filter.text() == "width>=0.2 state:queued "


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("wi", ["width>="]),
        ("x", []),
        ("state:fin", ["finished"]),
        ("state:finished", []),
        ("method:", ["dense", "edge-popup", "iterand"]),
        ("conv width>=0.5 deterministic:t", ["true"]),
        ("training.lr", ["training.lr>="]),
        ("see", ["seed:"]),
    ],
)
def test_that_what_begins_a_field_or_value_is_offered(text: str, offered: list[str]) -> None:
    at, found = Completions().for_text(text)
    assert found == offered
    assert all(word.startswith(text[at:]) for word in found)


def test_that_every_field_is_offered_to_who_asks() -> None:
    _, found = Completions().for_text("", asked=True)
    assert {"state:", "width>=", "lr>=", "sparsity>=", "randomize_rate>="} <= set(found)
    assert not any("test_acc" in word for word in found)


# What is remembered, and what everybody can use.


def test_that_the_arrangement_is_remembered_and_can_be_reset(open_runs_page: OpenRuns) -> None:
    gui = open_runs_page(lambda store: add_run(store))
    page = gui.page
    first = page.save_state()
    page.table.columns.show_column("age", shown=False)
    page.table.columns.show_column("method", shown=True)
    page.table.header().resizeSection(COLUMN["name"], 333)
    page.table.sortByColumn(COLUMN["name"], Qt.SortOrder.DescendingOrder)
    page.filter.set_text("tiny")
    page.details.setChecked(False)
    state = page.save_state()
    other = RunsPage(gui.session)
    other.restore_state(state)
    assert other.save_state() == state
    assert "method" in other.table.columns.shown
    assert "age" not in other.table.columns.shown
    assert other.table.columnWidth(COLUMN["name"]) == 333
    assert (other.filter.text(), other.panel.isVisibleTo(other)) == ("tiny", False)
    other.restore_state({})
    assert {**other.save_state(), "details_px": 0} == {**first, "details_px": 0}
    other.deleteLater()


def test_that_a_remembered_state_of_another_kind_is_as_none(open_runs_page: OpenRuns) -> None:
    gui = open_runs_page(lambda store: add_run(store))
    first = gui.page.save_state()["table"]
    mistaken: tuple[object, ...] = (
        [],
        {"columns": 3, "widths": [], "sort": "x"},
        {"columns": ["gone"], "sort": ["gone", 1]},
    )
    for table in mistaken:
        gui.page.restore_state({"table": table, "filter": 3, "details_px": "wide"})
        assert gui.page.save_state()["table"] == first


def test_that_every_control_has_a_name(open_runs_page: OpenRuns) -> None:
    ids: list[str] = []

    def store_runs(store: Store) -> None:
        ids.append(end(store, add_run(store), RunState.FAILED, reason="it broke"))

    gui = open_runs_page(store_runs)
    gui.choose(*ids)
    kinds = (QAbstractButton, QLineEdit, QPlainTextEdit, QAbstractItemView)
    own = [w for w in gui.page.findChildren(QWidget) if isinstance(w, kinds) and w.isVisible()]
    assert len(own) > 10
    for widget in own:
        text = widget.text() if isinstance(widget, QAbstractButton) else ""
        is_inner = widget.objectName().startswith("qt_") or type(widget).__name__ in (
            "QToolButton",
            "QAbstractButton",
        )
        assert widget.accessibleName() or text or is_inner, widget


class CountingModel(RunTableModel):
    """Counts what the table asks of it."""

    asked: ClassVar = {"data": 0, "index": 0}

    def data(self, index: AnyIndex, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        self.asked["data"] += 1
        return super().data(index, role)

    def index(self, row: int, column: int, parent: AnyIndex = QModelIndex()) -> QModelIndex:  # noqa: B008
        self.asked["index"] += 1
        return super().index(row, column, parent)


def test_that_of_ten_thousand_runs_only_those_seen_are_asked_for(
    open_runs_page: OpenRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("iterand_gui.pages.runs.page.RunTableModel", CountingModel)
    gui = open_runs_page(add_run)
    rows = [
        run_rows.run(n, seed=n % 3, group_key=f"iterand {n // 3}", val_accuracy=n / 20_000, name=f"run {n}")
        for n in range(10_000)
    ]
    configs = {row.id: run_rows.BASE for row in rows}
    watcher, model, table = gui.session.watcher, gui.page.model, gui.page.table
    watcher.runs.update({row.id: row for row in rows})
    watcher.runs_changed.emit(RunsChange(tuple(rows), configs, frozenset(), is_all=False))
    gui.until(lambda: model.counts == (10_001, 10_001))
    asked = CountingModel.asked
    seen = table.viewport().height() // theme.ROW_PX + 2
    lines = model.rowCount()
    assert lines > 3_000
    sort_and_filter: tuple[Callable[[], object], ...] = (
        lambda: table.sortByColumn(COLUMN["accuracy"], Qt.SortOrder.DescendingOrder),
        lambda: gui.page.filter.set_text("val_accuracy>=0.1"),
    )
    for act in sort_and_filter:
        asked.update(data=0, index=0)
        act()
        table.repaint()
        assert 0 < asked["data"] < seen * 7 * 20
        assert asked["index"] < 3 * lines
    assert gui.page.head.count == "8,000 of 10,001 runs"
    watcher.runs.clear()

"""What the columns of the Runs page say where there is little room, and that all of it is in view."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from PySide6.QtCore import QEvent, QModelIndex, QPoint, Qt
from PySide6.QtGui import QHelpEvent
from PySide6.QtWidgets import QStyleOptionViewItem, QToolTip

from iterand_engine.store import RunState, Store
from iterand_engine.store.runs import claim_run
from iterand_gui.pages.runs.lines.columns import COLUMN
from tests.gui.open_runs_page import OpenRuns, OpenRunsPage, add_run, end, recorded

FIRST_PAGE_PX = (1124, 700)  # of the window's first size, 1200 x 760, beside its navigation
ALWAYS_WHOLE = ("state", "n", "accuracy", "time", "age")


def cell(gui: OpenRunsPage, line: QModelIndex, key: str, role: int = Qt.ItemDataRole.DisplayRole) -> str:
    return str(line.siblingAtColumn(COLUMN[key]).data(role))


def is_cut(gui: OpenRunsPage, line: QModelIndex, key: str) -> bool:
    table, index = gui.page.table, line.siblingAtColumn(COLUMN[key])
    option = QStyleOptionViewItem()
    table.initViewItemOption(option)
    needed = table.itemDelegateForIndex(index).sizeHint(option, index).width()
    return needed > table.visualRect(index).width()


def tool_tip(gui: OpenRunsPage, line: QModelIndex, key: str) -> str:
    table, index = gui.page.table, line.siblingAtColumn(COLUMN[key])
    option = QStyleOptionViewItem()
    table.initViewItemOption(option)
    option.rect = table.visualRect(index)
    event = QHelpEvent(QEvent.Type.ToolTip, QPoint(1, 1), QPoint(1, 1))
    table.itemDelegateForIndex(index).helpEvent(event, table, option, index)
    shown = QToolTip.text()
    QToolTip.hideText()
    return shown


@pytest.mark.qt_log_ignore("raise\\(\\)")  # what an offscreen tooltip cannot
def test_that_seeds_in_several_states_are_shown_whole_at_the_windows_first_size(
    open_runs_page: OpenRuns,
) -> None:
    ids: dict[str, list[str]] = {}

    def store_runs(store: Store) -> None:
        for name, states in {
            "conv6-x0.25-iterand-stopped": (RunState.STOPPED,) * 3 + (RunState.FINISHED,),
            "conv6-x0.25-iterand-interrupted": (RunState.INTERRUPTED,) * 3 + (RunState.QUEUED,),
            "conv6-x0.25-iterand-live": (RunState.FINISHED,) * 2 + (RunState.QUEUED,) * 3,
        }.items():
            ids[name] = [add_run(store, name, seed=seed) for seed in range(1, len(states) + 1)]
            for run_id, state in zip(ids[name], states, strict=True):
                if state is not RunState.QUEUED:
                    end(store, run_id, state, accuracy=0.4 + 0.25 * len(run_id) % 1)

    gui = open_runs_page(store_runs)
    page, table = gui.page, gui.page.table
    page.resize(*FIRST_PAGE_PX)
    live = ids["conv6-x0.25-iterand-live"]
    with ExitStack() as stack:
        stack.enter_context(recorded(gui.store, live[2], accuracy=0.6))
        claim_run(gui.store, live[3])
        gui.until(lambda: "1 running +4" in gui.column("state"))
        gui.session.selection.set(live)
        gui.until(lambda: page.panel.isVisible() and page.panel.findings)
        assert table.header().length() <= table.viewport().width()
        top = [page.model.index(row, 0) for row in range(page.model.rowCount())]
        group = next(line for line in top if cell(gui, line, "name").endswith("live"))
        table.setExpanded(group, True)
        lines = [*top, *(page.model.index(row, 0, group) for row in range(page.model.rowCount(group)))]
        cut = [cell(gui, line, key) for line in lines for key in ALWAYS_WHOLE if is_cut(gui, line, key)]
        assert cut == []
        assert gui.column("state") == ["1 running +4", "1 queued +3", "3 stopped +1"]
        assert gui.column("n") == ["2 of 5", "0 of 4", "1 of 4"]
        assert tool_tip(gui, group, "state") == "1 running, 1 starting, 1 queued, 2 finished"
        assert tool_tip(gui, group, "n") == "2 of 5, 1 running, 1 starting, 1 queued"


@pytest.mark.qt_log_ignore("raise\\(\\)")  # what an offscreen tooltip cannot
def test_that_a_time_left_that_is_not_known_is_a_dash(open_runs_page: OpenRuns) -> None:
    ids: list[str] = []
    gui = open_runs_page(lambda store: ids.append(add_run(store)))
    claim_run(gui.store, ids[0])
    gui.until(lambda: gui.column("state") == ["Starting"])
    assert gui.column("time") == ["—"]
    assert tool_tip(gui, gui.line(ids[0]), "time") == "The time left is not known yet"


def test_that_names_give_way_before_figures_and_come_back(open_runs_page: OpenRuns) -> None:
    gui = open_runs_page(lambda store: add_run(store))
    header = gui.page.table.header()

    def width(key: str) -> int:
        return header.sectionSize(COLUMN[key])

    def fills() -> bool:
        return header.length() == gui.page.table.viewport().width()

    gui.page.resize(*FIRST_PAGE_PX)
    gui.until(fills)
    narrow, figures = width("name"), [width(key) for key in ALWAYS_WHOLE]
    gui.page.resize(1600, 800)
    gui.until(lambda: fills() and width("name") > narrow)
    assert [width(key) for key in ALWAYS_WHOLE] == figures
    assert width("differs") > 2 * narrow
    header.resizeSection(COLUMN["name"], 300)  # as somebody does
    gui.page.resize(*FIRST_PAGE_PX)
    assert width("name") == 300


def test_that_the_side_panel_is_narrower_in_a_narrow_window_until_somebody_draws_it(
    open_runs_page: OpenRuns,
) -> None:
    gui = open_runs_page(lambda store: add_run(store))
    page = gui.page
    page.resize(*FIRST_PAGE_PX)
    gui.until(lambda: page.panel.width() == 272)
    page.resize(1400, 800)
    gui.until(lambda: page.panel.width() == 340)
    assert page.save_state()["details_px"] is None
    page._splitter.moveSplitter(1000, 1)
    drawn = page.panel.width()
    assert page.save_state()["details_px"] == drawn
    page.resize(1500, 800)
    gui.until(lambda: page.panel.width() == drawn)
    page.restore_state({})
    gui.until(lambda: page.panel.width() == 340)

"""The checks of pictures and views find what they are for, and nothing in a window where all is well."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QComboBox,
    QLabel,
    QLineEdit,
    QMenu,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QTabWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)
from pytestqt.qtbot import QtBot

from benchmarks.screenshots.controls import double_keys, double_menu_keys, unnamed
from benchmarks.screenshots.cut_texts import cut_texts
from benchmarks.screenshots.empty_plots import empty_plots, plots_in_view
from iterand_gui.plots.curve_plot import CurvePlot
from tests.gui.plot_tools import draw

LONG = "A sentence that needs more room than sixty pixels"


@pytest.fixture
def window(qtbot: QtBot) -> QWidget:
    """A window in which all is well."""
    shown = QWidget()
    qtbot.addWidget(shown)
    column = QVBoxLayout(shown)
    label, line = QLabel("&Name", shown), QLineEdit(shown)
    label.setBuddy(line)
    for widget in (label, line, QPushButton("&Queue", shown)):
        column.addWidget(widget)
    shown.resize(600, 400)
    shown.show()
    return shown


def test_that_nothing_is_found_where_all_is_well(window: QWidget) -> None:
    for check in (cut_texts, empty_plots, unnamed, double_keys, double_menu_keys):
        assert check(window) == []


def narrow_label(parent: QWidget) -> QWidget:
    return QLabel(LONG, parent)


def narrow_button(parent: QWidget) -> QWidget:
    return QPushButton(LONG, parent)


def narrow_tool(parent: QWidget) -> QWidget:
    button = QToolButton(parent)
    button.setText(LONG)
    button.setToolButtonStyle(button.toolButtonStyle().ToolButtonTextOnly)
    return button


def narrow_combo(parent: QWidget) -> QWidget:
    box = QComboBox(parent)
    box.addItem(LONG)
    return box


def narrow_placeholder(parent: QWidget) -> QWidget:
    line = QLineEdit(parent)
    line.setPlaceholderText(LONG)
    return line


def narrow_cell(parent: QWidget) -> QWidget:
    table = QTableWidget(1, 1, parent)
    table.setHorizontalHeaderLabels(["a"])
    table.setItem(0, 0, QTableWidgetItem(LONG))
    table.setColumnWidth(0, 30)
    return table


def narrow_header(parent: QWidget) -> QWidget:
    table = QTableWidget(1, 1, parent)
    table.setHorizontalHeaderLabels([LONG])
    table.setColumnWidth(0, 30)
    return table


def narrow_tabs(parent: QWidget) -> QWidget:
    tabs = QTabWidget(parent)
    tabs.addTab(QWidget(), LONG)
    tabs.addTab(QWidget(), "Second")
    return tabs


@pytest.mark.parametrize(
    "make",
    [
        *(narrow_label, narrow_button, narrow_tool, narrow_combo),
        *(narrow_placeholder, narrow_cell, narrow_header, narrow_tabs),
    ],
)
def test_that_a_text_without_room_is_found(window: QWidget, make: Callable[[QWidget], QWidget]) -> None:
    made = make(window)
    made.setGeometry(10, 200, 60, 120)
    made.show()
    assert cut_texts(window) != []
    made.setGeometry(10, 200, 560, 120)
    if isinstance(made, QTableWidget):
        made.setColumnWidth(0, 500)
    assert cut_texts(window) == []


def test_that_a_tooltip_that_shows_a_text_whole_is_enough(window: QWidget) -> None:
    label = QLabel(LONG, window)
    label.setGeometry(10, 200, 60, 20)
    label.setToolTip("What this is")
    label.show()
    assert len(cut_texts(window)) == 1
    label.setToolTip(f"<qt>{LONG}</qt>")
    assert cut_texts(window) == []


def test_that_too_few_lines_and_controls_beyond_an_edge_are_found(window: QWidget) -> None:
    label = QLabel(LONG, window, wordWrap=True)
    label.setGeometry(10, 200, 60, 16)
    label.show()
    assert "more lines" in cut_texts(window)[0]
    label.setGeometry(10, 200, 300, 40)
    button = QPushButton("Stop", window)
    button.setGeometry(560, 300, 80, 24)
    button.show()
    assert "is cut by" in cut_texts(window)[0]


def test_that_an_empty_plot_is_found_and_a_drawn_one_is_not(window: QWidget, qtbot: QtBot) -> None:
    plot = CurvePlot("Loss", parent=window)
    plot.setGeometry(0, 100, 600, 300)
    plot.show()
    plot.redraw()
    assert plots_in_view(window) == 1
    assert empty_plots(window) == ["Loss: nothing is plotted"]
    steps = np.arange(100, dtype=np.int64)
    plot.set_series("a", steps, np.sin(steps / 9).astype(np.float32))
    draw(plot)
    assert empty_plots(window) == []
    plot.set_series("b", steps, np.full(100, np.nan, np.float32))
    draw(plot)
    (found,) = empty_plots(window)
    assert "'b' has 0 pixels" in found


def test_that_a_control_without_a_name_is_found(window: QWidget) -> None:
    button = QToolButton(window)
    button.show()
    assert len(unnamed(window)) == 1
    button.setAccessibleName("Stop")
    assert unnamed(window) == []


def test_that_two_things_that_answer_to_one_key_are_found(window: QWidget) -> None:
    button = QPushButton("&Quit", window)
    button.show()
    assert [sentence.split(":")[0] for sentence in double_keys(window)] == ["Alt+Q"]
    button.hide()
    assert double_keys(window) == []
    for _ in range(2):
        QShortcut(QKeySequence("Ctrl+R"), window)
    assert [sentence.split(":")[0] for sentence in double_keys(window)] == ["Ctrl+R"]


def test_that_two_entries_of_a_menu_that_share_a_letter_are_found(window: QWidget) -> None:
    menu = QMenu("File", window)
    menu.addAction("&Open")
    menu.addAction("&Options")
    assert double_menu_keys(window) == ["menu 'File', Alt+O: ['&Open', '&Options']"]

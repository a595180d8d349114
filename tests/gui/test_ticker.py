"""The timer behind all plots: it draws what is in view, not too often, and rests without work."""

from __future__ import annotations

import time
from itertools import pairwise
from types import SimpleNamespace

import pytest
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QScrollArea, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from iterand_gui.live.ticker import BUDGET_S, INTERVAL_MS, Redrawn, Ticker


class Sheet(Redrawn):
    """Notes when it is drawn."""

    def __init__(self, takes_s: float = 0.0) -> None:
        super().__init__()
        self.takes_s = takes_s
        self.drawn: list[float] = []
        self.settled = 0

    def redraw(self) -> None:
        self.drawn.append(time.monotonic())
        time.sleep(self.takes_s)  # stands for the work of drawing

    def settle(self) -> None:
        self.settled += 1


@pytest.fixture
def ticker(qtbot: QtBot) -> Ticker:
    return Ticker()


def shown(qtbot: QtBot, sheet: Sheet) -> Sheet:
    qtbot.addWidget(sheet)
    sheet.resize(50, 50)
    with qtbot.waitExposed(sheet):
        sheet.show()
    return sheet


def test_that_many_requests_are_one_drawing(ticker: Ticker, qtbot: QtBot) -> None:
    sheet = shown(qtbot, Sheet())
    for _ in range(100):
        ticker.ask(sheet)
    qtbot.waitUntil(lambda: not ticker.is_running)
    assert len(sheet.drawn) == 1


def test_that_drawings_are_apart_and_end_with_the_requests(
    ticker: Ticker, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    sheet = shown(qtbot, Sheet())
    began_s: list[float] = []
    monkeypatch.setattr(sheet, "redraw", lambda: began_s.append(ticker._round_began))
    until = time.monotonic() + 0.3
    while time.monotonic() < until:
        ticker.ask(sheet)
        qtbot.wait(1)
    qtbot.waitUntil(lambda: not ticker.is_running)
    gaps = [(b - a) * 1000 for a, b in pairwise(began_s)]
    assert gaps
    assert min(gaps) >= INTERVAL_MS - 2


def test_that_what_is_hidden_is_left_behind_and_says_so(ticker: Ticker, qtbot: QtBot) -> None:
    sheet = shown(qtbot, Sheet())
    sheet.hide()
    ticker.ask(sheet)
    qtbot.waitUntil(lambda: not ticker.is_running)
    assert sheet.drawn == []
    assert sheet.is_behind


def test_that_what_is_scrolled_away_is_left_behind(ticker: Ticker, qtbot: QtBot) -> None:
    area, column = QScrollArea(), QWidget()
    sheets = [Sheet(), Sheet()]
    layout = QVBoxLayout(column)
    for sheet in sheets:
        sheet.setFixedSize(100, 600)
        layout.addWidget(sheet)
    area.setWidget(column)
    area.resize(150, 200)
    qtbot.addWidget(area)
    with qtbot.waitExposed(area):
        area.show()
    for sheet in sheets:
        ticker.ask(sheet)
    qtbot.waitUntil(lambda: not ticker.is_running)
    assert [len(sheet.drawn) for sheet in sheets] == [1, 0]


def test_that_a_widget_that_was_deleted_is_passed_over(ticker: Ticker, qtbot: QtBot) -> None:
    sheet, other = Sheet(), shown(qtbot, Sheet())
    sheet.show()
    ticker.ask(sheet)
    ticker.ask(other)
    ticker.settle(sheet, 0.0)
    sheet.deleteLater()
    qtbot.waitUntil(lambda: not ticker.is_running)
    assert len(other.drawn) == 1


def test_that_input_is_handled_between_slow_drawings(ticker: Ticker, qtbot: QtBot) -> None:
    sheets = [shown(qtbot, Sheet(takes_s=BUDGET_S)) for _ in range(4)]
    handled: list[float] = []
    timer = QTimer(sheets[0])
    timer.timeout.connect(lambda: handled.append(time.monotonic()))
    timer.start(1)
    for sheet in sheets:
        ticker.ask(sheet)
    qtbot.waitUntil(lambda: all(sheet.drawn for sheet in sheets))
    first, last = sheets[0].drawn[0], sheets[-1].drawn[0]
    assert sum(first < at < last for at in handled) >= 2


def test_that_a_widget_settles_once_after_the_last_request(
    ticker: Ticker, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    sheet, now_s = shown(qtbot, Sheet()), [0.0]
    monkeypatch.setattr("iterand_gui.live.ticker.time", SimpleNamespace(monotonic=lambda: now_s[0]))
    for _ in range(3):
        ticker.settle(sheet, 0.05)
        now_s[0] += 0.04
        qtbot.wait(60)
        assert sheet.settled == 0
    now_s[0] += 0.02
    qtbot.waitUntil(lambda: sheet.settled > 0)
    qtbot.waitUntil(lambda: not ticker.is_running)
    assert sheet.settled == 1


def test_that_the_application_has_one(qtbot: QtBot) -> None:
    assert Ticker.shared() is Ticker.shared()

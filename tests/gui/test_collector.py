"""Python's collector: it runs in the window's thread alone, in good time, and not over what stays."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator

import pytest
from PySide6.QtCore import QObject, Qt
from pytestqt.qtbot import QtBot

from iterand_gui.live import collector
from tests.patience import WAIT_MS


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    yield
    gc.unfreeze()


class Loop(QObject):
    """An object of Qt that only the collector can end; it records in which thread that was."""

    def __init__(self, ended_in: list[threading.Thread]) -> None:
        super().__init__()
        self._me = self
        self.destroyed.connect(
            lambda: ended_in.append(threading.current_thread()), Qt.ConnectionType.DirectConnection
        )


def many() -> list[list[int]]:
    """More objects than Python's collector waits for."""
    return [[] for _ in range(20 * gc.get_threshold()[0])]


def test_that_objects_of_qt_end_in_their_own_thread(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collector, "_EVERY_MS", 10)
    collector.put_off()
    ended_in: list[threading.Thread] = []
    parent = QObject()
    collector.begin(parent)
    Loop(ended_in)
    kept: list[object] = []
    thread = threading.Thread(target=lambda: kept.append(many()))
    thread.start()
    thread.join()
    assert ended_in == []
    qtbot.waitUntil(lambda: bool(ended_in), timeout=WAIT_MS)
    assert ended_in == [threading.main_thread()]


def test_that_older_generations_have_their_turn() -> None:
    ended_in: list[threading.Thread] = []
    Loop(ended_in)
    gc.collect(0)
    gc.collect(1)
    assert ended_in, "what nobody holds ends with the first collection"
    kept = Loop(ended_in := [])
    gc.collect(1)
    del kept  # it is of the oldest generation by now
    more: list[object] = []
    while not ended_in and len(more) < 1_000:
        more.append(many())
        collector.collect_due()
    assert ended_in


def test_that_what_a_start_made_is_not_looked_through_later(qtbot: QtBot) -> None:
    made: list[dict[str, object]] = [{"run": {}} for _ in range(3)]
    parent = QObject()
    collector.begin(parent)
    assert not any(one is each for each in gc.get_objects() for one in made)


@pytest.mark.parametrize("count", [10, collector.MANY])
def test_that_nothing_is_collected_while_many_objects_are_made_nor_of_them_later(count: int) -> None:
    ended_in: list[threading.Thread] = []
    frozen = gc.get_freeze_count()
    with collector.undisturbed(count):
        Loop(ended_in)
        made = many()
        collector.collect_due()
        assert bool(ended_in) == (count < collector.MANY)
    assert (gc.get_freeze_count() > frozen) == (count >= collector.MANY)
    gc.unfreeze()
    gc.collect()
    assert made
    assert ended_in

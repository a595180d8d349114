"""The parts around the pages: messages, command palette and what is remembered."""

from __future__ import annotations

import threading
import time
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QLineEdit, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from iterand_engine.machine.workspace import open_workspace_dir
from iterand_gui.live.tasks import Control
from iterand_gui.session.command import Command
from iterand_gui.session.remembered import RECENT, Remembered
from iterand_gui.session.selection import Selection
from iterand_gui.session.session import Session
from iterand_gui.shell.command_palette import CommandPalette, rank
from iterand_gui.shell.shortcut_list import ShortcutList, of_actions, of_commands
from iterand_gui.shell.status_bar import StatusBar
from iterand_gui.widgets.empty_state import EmptyState
from iterand_gui.widgets.messages import AT_ONCE, MessageBar, Messages
from tests.patience import PATIENCE_S, WAIT_MS


@pytest.fixture
def bar(qtbot: QtBot) -> tuple[Messages, MessageBar]:
    shown = MessageBar()
    qtbot.addWidget(shown)
    messages = Messages(shown)
    messages.said.connect(shown.show_message)
    return messages, shown


def test_that_a_message_is_shown_as_plain_text_with_its_action(bar: tuple[Messages, MessageBar]) -> None:
    messages, shown = bar
    undone: list[str] = []
    messages.say("<b>run</b> deleted", ("Undo", lambda: undone.append("yes")))
    (line,) = shown.lines()
    assert "<b>run</b> deleted" in [label.text() for label in line.findChildren(QLabel)]
    button = line.findChild(QPushButton, "messageAction")
    assert button is not None
    button.click()
    assert undone == ["yes"]
    assert shown.lines() == []


def test_that_the_same_sentence_is_shown_once_and_old_ones_make_room(
    bar: tuple[Messages, MessageBar],
) -> None:
    messages, shown = bar
    for text in ("one", "one", "two", "three", "four"):
        messages.error(text)
    assert [line.message.text for line in shown.lines()] == ["two", "three", "four"]
    assert len(shown.lines()) == AT_ONCE


def test_that_words_that_begin_a_word_rank_first() -> None:
    texts = ["Unstop", "Stop all runs", "Resume"]
    ranked = sorted((r, text) for text in texts if (r := rank("stop", text)) is not None)
    assert [text for _, text in ranked] == ["Stop all runs", "Unstop"]


@given(st.text(alphabet="abc ", max_size=8), st.text(alphabet="abc ", max_size=20))
def test_that_a_text_is_found_exactly_when_it_has_every_word(query: str, text: str) -> None:
    assert (rank(query, text) is not None) == all(word in text for word in query.split())


def test_that_the_palette_runs_what_was_typed(qtbot: QtBot) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    window.resize(800, 600)
    window.show()
    ran: list[str] = []
    commands = [
        Command("Go to Runs", lambda: ran.append("runs"), "Ctrl+1"),
        Command("Stop all runs", lambda: ran.append("stop")),
        Command("Not now", lambda: ran.append("never"), enabled=lambda: False),
    ]
    palette = CommandPalette(window)
    palette.open_with(commands)
    assert [text.split("    ")[0] for text in palette.texts()] == [
        "Go to Runs",
        "Stop all runs",
        "Not now",
    ]
    query = palette.findChild(QLineEdit)
    assert query is not None
    QTest.keyClicks(query, "sto")
    assert palette.texts() == ["Stop all runs"]
    QTest.keyClick(query, Qt.Key.Key_Return)
    assert ran == ["stop"]
    assert not palette.isVisible()
    palette.open_with(commands)
    QTest.keyClicks(query, "now")
    QTest.keyClick(query, Qt.Key.Key_Return)
    QTest.keyClicks(query, "x")
    assert palette.texts() == ["No command holds these words"]
    QTest.keyClick(query, Qt.Key.Key_Return)
    assert (ran, palette.isVisible()) == (["stop"], True)


def test_that_the_arrangement_is_remembered_and_a_damaged_file_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "config" / "window.json"
    memory = Remembered(path)
    memory.put("theme", "dark")
    memory.put("page.runs", {"columns": ["name"]})
    for number in range(RECENT + 3):
        memory.note_workspace(tmp_path / str(number))
    memory.note_workspace(tmp_path / "5")
    memory.save()
    again = Remembered(path)
    assert again.text("theme") == "dark"
    assert again.mapping("page.runs") == {"columns": ["name"]}
    assert again.texts("workspaces")[:2] == (str(tmp_path / "5"), str(tmp_path / "10"))
    assert len(again.texts("workspaces")) == RECENT
    path.write_text("{damaged")
    assert Remembered(path).text("theme", "system") == "system"


def test_that_values_of_the_wrong_kind_are_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "window.json"
    path.write_text('{"theme": 3, "page.runs": [], "workspaces": "x"}')
    memory = Remembered(path)
    assert (memory.text("theme"), dict(memory.mapping("page.runs")), memory.texts("workspaces")) == (
        "",
        {},
        (),
    )


def test_that_an_arrangement_that_cannot_be_written_costs_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    memory = Remembered(tmp_path / "file" / "window.json")
    memory.put("theme", "dark")
    memory.save()
    assert memory.text("theme") == "dark"


def test_that_the_selection_reports_changes_only(qtbot: QtBot) -> None:
    selection = Selection()
    changes: list[tuple[str, ...]] = []
    selection.changed.connect(changes.append)
    selection.set(["a", "b", "a"])
    selection.set(("a", "b"))
    assert changes == [("a", "b")]
    assert selection.current == "b"


def test_that_the_status_says_that_training_goes_on_without_the_window(
    workspace_dir: Path, qtbot: QtBot
) -> None:
    session = Session(open_workspace_dir(workspace_dir))
    bar = StatusBar(session)
    qtbot.addWidget(bar)

    def texts() -> list[str]:
        return [label.text() for label in bar.findChildren(QLabel)]

    session.watcher.overview_changed.emit(0, 0)
    assert "Nothing queued" in texts()
    session.watcher.overview_changed.emit(1, 4)
    assert "1 running, 4 queued; they go on when this window is closed" in texts()
    session.watcher.overview_changed.emit(1, 0)
    assert "1 running; it goes on when this window is closed" in texts()
    assert not bar.problems
    session.watcher.interrupted.add("run")
    session.watcher.overview_changed.emit(0, 0)
    bar._show_disk(1_000_000_000)
    assert bar.problems == (
        "1 run was interrupted: Runs has Resume all.",
        "1.0 GB of disk are left: Settings, Disk shows what can be freed.",
    )
    qtbot.waitUntil(lambda: any(text.endswith(" free") for text in texts()), timeout=WAIT_MS)
    session.close()


def test_that_nothing_goes_on_when_a_session_is_closed(workspace_dir: Path, qtbot: QtBot) -> None:
    session = Session(open_workspace_dir(workspace_dir))
    began = [threading.Event(), threading.Event()]
    ended: list[threading.Event] = []

    def until_cancelled(control: Control, own: threading.Event) -> None:
        own.set()
        while not control.cancelled:
            time.sleep(0.001)
        ended.append(own)

    for jobs, own in zip((session.jobs, session.readings), began, strict=True):
        jobs.run(partial(until_cancelled, own=own), "Until cancelled")
        assert own.wait(PATIENCE_S)
    session.close()
    assert sorted(map(began.index, ended)) == [0, 1]


def test_that_an_empty_state_may_have_a_heading_alone(qtbot: QtBot) -> None:
    state = EmptyState("run")
    qtbot.addWidget(state)
    state.say("Nothing here", "Queue a run to see it.")
    state.say("Nothing here")
    assert state.text == "Nothing here."


def test_that_keys_are_listed_by_where_they_hold(qtbot: QtBot) -> None:
    window, action = QWidget(), QAction("&Reset the view")
    qtbot.addWidget(window)
    action.setShortcut("Home")
    commands = [Command("Go to Runs", lambda: None, "Ctrl+1"), Command("No key", lambda: None)]
    groups = {
        "Page": of_commands(commands),
        "Plot": of_actions([action, QAction("No key")]),
        "Nothing": [],
    }
    shown = ShortcutList(groups, window).list
    headings = [shown.topLevelItem(row) for row in range(shown.topLevelItemCount())]
    listed = {
        item.text(0): [(item.child(row).text(0), item.child(row).text(1)) for row in range(item.childCount())]
        for item in headings
        if item is not None
    }
    assert listed == {"Page": [("Go to Runs", "Ctrl+1")], "Plot": [("Reset the view", "Home")]}

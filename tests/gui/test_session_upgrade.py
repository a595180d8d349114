"""A window that opens a workspace of an earlier version brings it up to date, data included."""

from __future__ import annotations

from pathlib import Path

from pytestqt.qtbot import QtBot

from iterand_gui.session.session import Session
from tests.gui.ending import put_away
from tests.patience import WAIT_MS
from tests.store.unpacking import unpacked


def test_that_a_window_that_upgrades_looks_at_the_data_at_hand(workspace_dir: Path, qtbot: QtBot) -> None:
    session = Session(unpacked(workspace_dir))
    said: list[object] = []
    session.messages.said.connect(said.append)
    try:
        session.start()
        qtbot.waitUntil(lambda: bool(session.watcher.runs), timeout=WAIT_MS)
        (brought,) = (row.id for row in session.watcher.runs.values() if row.name == "brought")
        qtbot.waitUntil(lambda: session.watcher.runs[brought].fingerprint is not None, timeout=WAIT_MS)
        gone = {row.fingerprint for row in session.watcher.runs.values() if row.name.startswith("data gone")}
        assert gone == {None}
        assert said == []  # not a word, also of data that is gone
    finally:
        session.close()
        put_away(session)

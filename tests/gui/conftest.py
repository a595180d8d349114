"""What several tests of the window share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from iterand_engine.machine.workspace import open_workspace_dir
from iterand_engine.store import Store
from iterand_gui.session.session import Session
from tests.gui.runs_world import World
from tests.gui.runs_world import opened as opened_page


@pytest.fixture
def open_runs_page(
    qtbot: QtBot, workspace_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[Callable[[Store], object]], World]]:
    """Opens the Runs page over a store that a function fills."""
    with ExitStack() as stack:
        yield lambda store_runs: stack.enter_context(
            opened_page(qtbot, workspace_dir, monkeypatch, store_runs)
        )


@pytest.fixture
def session(workspace_dir: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """The session of an empty workspace whose queue nobody works through."""
    monkeypatch.setattr("iterand_gui.session.actions.drain.start_missing", lambda *_: [])
    opened = Session(open_workspace_dir(workspace_dir))
    opened.start()
    yield opened
    opened.close()

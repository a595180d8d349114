"""What several tests of the window share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from iterand_engine.store import Store
from tests.gui.runs_world import World, opened


@pytest.fixture
def open_runs_page(
    qtbot: QtBot, workspace_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[Callable[[Store], object]], World]]:
    """Opens the Runs page over a store that a function fills."""
    with ExitStack() as stack:
        yield lambda store_runs: stack.enter_context(opened(qtbot, workspace_dir, monkeypatch, store_runs))

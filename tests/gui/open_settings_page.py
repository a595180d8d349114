"""Helpers of the tests of the Settings page: a real workspace with its page open."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from pytestqt.qtbot import QtBot

from iterand_engine.extensions.active import deactivate
from iterand_engine.machine.settings import Settings
from iterand_engine.machine.workspace import open_workspace_dir
from iterand_engine.store.runs import create_run
from iterand_gui.pages.settings import SettingsPage
from iterand_gui.pages.settings.section import Section
from iterand_gui.session.remembered import Remembered
from iterand_gui.session.session import Session
from iterand_gui.widgets.messages import Message
from tests.gui.ending import put_away
from tests.new_runs import new_run
from tests.patience import WAIT_MS

S = TypeVar("S", bound=Section)


class OpenSettingsPage:
    """A workspace, its session and its Settings page, in view."""

    def __init__(self, qtbot: QtBot, folder: Path, memory: Remembered) -> None:
        self.qtbot = qtbot
        self.workspace = open_workspace_dir(folder)
        self.session = Session(self.workspace, memory=memory)
        self.said: list[Message] = []
        self.session.messages.said.connect(self.said.append)
        self.page = SettingsPage(self.session)
        self.page.resize(1000, 700)
        self.page.restore_state({})

    def open(self) -> None:
        """Show the page as the window does."""
        self.session.watcher.start()
        self.page.show()
        self.page.showing()
        self.settle()

    def close(self) -> None:
        """Hide it and let go of everything, as the window does."""
        self.page.hiding()
        self.session.close()
        put_away(self.page, self.session)

    def section(self, kind: type[S]) -> S:
        """Bring a section into view."""
        self.page.take(kind.key)
        self.settle()
        found = self.page.section
        assert isinstance(found, kind)
        return found

    def settle(self) -> None:
        """Wait until nothing is done in the background and the store was read."""
        self.until(lambda: not self.session.jobs.running and self.session.watcher.has_read)

    def until(self, is_so: Callable[[], object]) -> None:
        """Wait for something."""
        self.qtbot.waitUntil(lambda: bool(is_so()), timeout=WAIT_MS)

    @property
    def stored(self) -> Settings:
        """The settings in the file."""
        return Settings.load(self.workspace)

    def add_run(self, name: str = "tiny", seed: int = 1, size_bytes: int = 0) -> str:
        """A queued run that the window knows, with a file of a size in its folder."""
        run_id = create_run(self.session.store, new_run(name, seed=seed, device="cpu"))
        if size_bytes:
            folder = self.workspace.make_run_dir(run_id)
            with (folder / "checkpoints" / "last.pt").open("wb") as file:
                file.truncate(size_bytes)
        self.until(lambda: run_id in self.session.watcher.runs)
        return run_id


@contextmanager
def opened(qtbot: QtBot, folder: Path, memory: Remembered) -> Iterator[OpenSettingsPage]:
    """A gui whose page is in view."""
    gui = OpenSettingsPage(qtbot, folder, memory)
    try:
        gui.open()
        yield gui
    finally:
        gui.close()
        deactivate()

"""The ways from the New page to others, in the real window."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from iterand_engine.machine.workspace import open_workspace_dir
from iterand_gui.look.theme import Theme
from iterand_gui.pages.new import NewPage
from iterand_gui.pages.settings import SettingsPage
from iterand_gui.session.remembered import Remembered
from iterand_gui.session.session import Session
from iterand_gui.shell.main_window import MainWindow
from tests.gui.ending import put_away
from tests.patience import WAIT_MS


def test_that_the_way_to_downloads_ends_at_the_data_section(
    workspace_dir: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    look = Theme(application)
    window = MainWindow(
        Session(open_workspace_dir(workspace_dir)), Remembered(tmp_path / "window.json"), look
    )
    try:
        window.show()
        qtbot.waitUntil(lambda: window.session.watcher.has_read, timeout=WAIT_MS)
        page = window.show_page("new")
        assert isinstance(page, NewPage)
        page.form.set_text("data.dataset", "cifar10")
        qtbot.waitUntil(page.launch.downloads.isVisible, timeout=WAIT_MS)
        page.launch.downloads.click()
        assert isinstance(window.page, SettingsPage)
        assert window.page.section is not None
        assert window.page.section.key == "data"
    finally:
        window.close()
        put_away(window, look)

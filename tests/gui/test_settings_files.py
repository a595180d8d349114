"""Data, disk and extensions on the Settings page: real folders, commands, downloads from this machine."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from iterand_engine.config.catalog import RULES
from iterand_engine.extensions.files import FileState, enable, extension_files
from iterand_engine.machine.disk_use import measure
from iterand_engine.machine.own_files import is_part
from iterand_engine.machine.settings import Settings
from iterand_engine.runs.trash import entries
from iterand_engine.store import trash
from iterand_gui.pages.settings.data import DataSection
from iterand_gui.pages.settings.disk import DiskSection
from iterand_gui.pages.settings.extensions import ExtensionsSection
from iterand_gui.session.remembered import Remembered
from tests.gui.open_settings_page import OpenSettingsPage, opened
from tests.paths import ROOT
from tests.patience import PATIENCE_S, WAIT_MS

DATASET = "tiny-imagenet"
FILE = "tiny-imagenet-200.zip"
RULE = """
from iterand_engine.extending import redraw_rule

@redraw_rule
def mine(layer):
    return None
"""


@pytest.fixture
def gui(qtbot: QtBot, workspace_dir: Path, tmp_path: Path) -> Iterator[OpenSettingsPage]:
    with opened(qtbot, workspace_dir, Remembered(tmp_path / "window.json")) as made:
        yield made


# Data


def test_that_folders_are_added_and_removed_and_datasets_in_them_found(
    gui: OpenSettingsPage, tmp_path: Path
) -> None:
    other = tmp_path / "disk, two"
    (other / DATASET).mkdir(parents=True)
    (other / DATASET / FILE).write_bytes(bytes(2_000))
    section = gui.section(DataSection)
    row = section.rows[DATASET]
    assert row.state.text() == "not here, 248 MB to download"
    assert row.button.isVisible()
    section.entry.line.setText(str(other))
    section.entry.add.click()
    gui.settle()
    assert gui.stored.data_roots == (other,)
    assert section.entry.line.text() == ""
    assert row.state.text() == "here, 2.0 kB"
    assert row.where.text() == str(other / DATASET / FILE)
    assert not row.button.isVisible()
    section.roots.buttons[other].click()
    gui.settle()
    assert not gui.stored.data_roots
    assert row.state.text() == "not here, 248 MB to download"
    section.root_row.note.button.click()
    gui.settle()
    assert gui.stored.data_roots == (other,)


def test_that_a_folder_that_cannot_be_added_is_reported_beside_the_field(
    gui: OpenSettingsPage, tmp_path: Path
) -> None:
    section = gui.section(DataSection)
    section.entry.line.setText(str(tmp_path / "nowhere"))
    QTest.keyClick(section.entry.line, Qt.Key.Key_Return)
    gui.settle()
    note = section.root_row.note
    assert note.text == f"Cannot use {tmp_path / 'nowhere'} as a data root: there is no such folder."
    assert section.entry.line.text() == str(tmp_path / "nowhere")
    Settings(data_roots=(tmp_path,)).save(gui.workspace)
    section.entry.line.setText(str(tmp_path))
    section.entry.add.click()
    gui.settle()
    assert note.text == f"{tmp_path} is searched already."


def test_that_a_folder_that_is_gone_is_marked_and_can_still_be_removed(
    gui: OpenSettingsPage, tmp_path: Path
) -> None:
    Settings(data_roots=(tmp_path / "unplugged",)).save(gui.workspace)
    section = gui.section(DataSection)
    gui.page.refresh()
    gui.settle()
    section.roots.buttons[tmp_path / "unplugged"].click()
    gui.settle()
    assert not gui.stored.data_roots


class Server:
    """Serves one file on this machine; the second half only on a signal."""

    def __init__(self) -> None:
        self.content = bytes(range(256)) * 4_000
        self.may_end = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                half = len(outer.content) // 2
                self.send_response(200)
                self.send_header("Content-Length", str(len(outer.content)))
                self.end_headers()
                self.wfile.write(outer.content[:half])
                outer.may_end.wait(PATIENCE_S)
                try:
                    self.wfile.write(outer.content[half:])
                except OSError:
                    return  # who asked has gone

            def log_message(self, format: str, *args: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def close(self) -> None:
        self.may_end.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Child processes get the dataset from here, with its own checksum."""
    serving = Server()
    site = tmp_path / "site"
    site.mkdir()
    md5 = hashlib.md5(serving.content, usedforsecurity=False).hexdigest()
    (site / "sitecustomize.py").write_text(
        "from dataclasses import replace\n"
        "from iterand_engine.config.catalog import DATASETS\n"
        "from iterand_engine.config.dataset_files import Download\n"
        f"file = Download({FILE!r}, ({serving.url!r},), {md5!r})\n"
        f"DATASETS[{DATASET!r}] = replace(DATASETS[{DATASET!r}], downloads=(file,))\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(site), str(ROOT))))
    yield serving
    serving.close()


def test_that_a_download_shows_how_far_it_is_and_ends_with_the_dataset(
    gui: OpenSettingsPage, server: Server
) -> None:
    section = gui.section(DataSection)
    row = section.rows[DATASET]
    row.button.click()
    gui.until(lambda: row.state.text() == "262 kB of 248 MB")
    assert row.bar.isVisible()
    assert row.button.text() == "Cancel"
    assert not row.bar.isTextVisible()
    server.may_end.set()
    gui.settle()
    assert row.note.text == "Downloaded."
    assert row.state.text() == "here, 1.0 MB"
    assert not row.bar.isVisible()
    assert (gui.workspace.data_dir / DATASET / FILE).read_bytes() == server.content


def test_that_a_download_that_is_cancelled_leaves_nothing(gui: OpenSettingsPage, server: Server) -> None:
    section = gui.section(DataSection)
    row = section.rows[DATASET]
    row.button.click()
    gui.until(lambda: row.state.text() == "262 kB of 248 MB")
    folder = gui.workspace.data_dir / DATASET
    (part,) = folder.iterdir()
    assert is_part(part.name)
    row.button.click()
    gui.settle()
    assert row.note.text == "Cancelled; files that were not whole are gone."
    assert not list(folder.iterdir())
    assert (row.button.text(), row.button.isEnabled()) == ("Download", True)


def test_that_a_download_that_fails_says_why_beside_it(gui: OpenSettingsPage, server: Server) -> None:
    server.content = b"something else"
    server.may_end.set()
    section = gui.section(DataSection)
    section.rows[DATASET].button.click()
    gui.settle()
    assert "MD5 checksum is" in section.rows[DATASET].note.text


# Disk


def test_that_disk_use_is_shown_by_kind_and_the_trash_is_emptied_after_a_look_at_it(
    gui: OpenSettingsPage,
) -> None:
    small, large, kept = (
        gui.add_run(name, seed, size_bytes)
        for name, seed, size_bytes in (("small", 1, 1_000), ("large", 2, 3_000_000), ("kept", 3, 2_000_000))
    )
    trash.discard(gui.session.store, [small, large])
    section = gui.section(DiskSection)
    assert "Trash 3.0 MB" in section.kinds.accessibleName()
    assert section.free.text() == "Fr&ee 3.0 MB..."
    section.free.click()
    preview = section.preview
    rows = [
        [preview.item(row, column).text() for column in (0, 1, 3)]  # type: ignore[union-attr]
        for row in range(preview.rowCount())
    ]
    assert rows == [["large, seed 2", "stopped", "3.0 MB"], ["small, seed 1", "stopped", "1.0 kB"]]
    assert section.question.text.startswith("2 runs would be removed for good")
    section.question.yes.click()
    gui.until(lambda: section.facts is not None and not section.facts.trash)
    assert section.done.text == "2 runs removed, 3.0 MB freed."
    assert section.trash.text() == "The trash is empty: nothing to free."
    assert not section.free.isVisible()
    assert not entries(gui.workspace, gui.session.store)
    assert [row.id for row in gui.session.store.reader.runs()] == [kept]
    assert sum(measure(gui.workspace).runs[kept].values()) == 2_000_000


@pytest.mark.parametrize("no", ["button", "escape"])
def test_that_nothing_is_removed_without_a_yes(gui: OpenSettingsPage, no: str) -> None:
    run_id = gui.add_run(size_bytes=5_000)
    trash.discard(gui.session.store, [run_id])
    section = gui.section(DiskSection)
    section.free.click()
    assert section.question.isVisible()
    assert not section.free.isEnabled()
    if no == "button":
        section.question.no.click()
    else:
        QTest.keyClick(section.question.no, Qt.Key.Key_Escape)
    gui.settle()
    assert not section.question.isVisible()
    assert section.free.isEnabled()
    assert [entry.run_id for entry in entries(gui.workspace, gui.session.store)] == [run_id]


def test_that_what_a_person_sees_is_what_is_removed(gui: OpenSettingsPage) -> None:
    first, later = gui.add_run("first", size_bytes=5_000), gui.add_run("later", size_bytes=5_000)
    trash.discard(gui.session.store, [first])
    section = gui.section(DiskSection)
    section.free.click()
    with gui.qtbot.waitSignal(gui.session.watcher.runs_changed):
        trash.discard(gui.session.store, [later])
    section.question.yes.click()
    gui.settle()
    assert [entry.run_id for entry in entries(gui.workspace, gui.session.store)] == [later]


def test_that_large_runs_are_moved_to_the_trash_and_measured_there(gui: OpenSettingsPage) -> None:
    run_id = gui.add_run("huge", 7, 9_000_000)
    section = gui.section(DiskSection)
    assert not section.discard.isEnabled()
    section.large.selectRow(0)
    section.discard.click()
    gui.until(lambda: section.free.text() == "Fr&ee 9.0 MB...")
    assert not section.large_part.isVisible()
    message = gui.said[-1]
    assert message.text == "1 run moved to the trash."
    assert message.action is not None
    message.action[1]()
    gui.until(lambda: section.large_part.isVisible())
    assert [row.id for row in gui.session.store.reader.runs()] == [run_id]


# Extensions


def write(gui: OpenSettingsPage, name: str, text: str) -> None:
    (gui.workspace.extensions_dir / name).write_text(text, encoding="utf-8")


def state_of(gui: OpenSettingsPage, name: str) -> FileState:
    return next(file.state for file in extension_files(gui.workspace) if file.file == name)


def test_that_without_extension_code_the_page_says_how_to_begin(gui: OpenSettingsPage) -> None:
    section = gui.section(ExtensionsSection)
    assert section.none.isVisible()
    assert "iterand new model my-net" in section.none.text()


def test_that_a_file_is_enabled_by_its_hash_after_a_yes_and_disabled(gui: OpenSettingsPage) -> None:
    write(gui, "mine.py", RULE)
    section = gui.section(ExtensionsSection)
    row = section.rows["mine.py"]
    assert row.state.text() == "Not enabled"
    assert row.facts.text() == f"sha256 {hashlib.sha256(RULE.encode()).hexdigest()[:12]}..."
    row.enable.click()
    assert row.sha256 in row.question.text
    assert "with your rights on this machine" in row.question.text
    assert state_of(gui, "mine.py") is FileState.DISABLED
    with gui.qtbot.waitSignal(gui.session.extensions_changed, timeout=WAIT_MS):
        row.question.yes.click()
    gui.settle()
    assert row.state.text() == "Enabled"
    assert "Declares redraw rule mine" in row.facts.text()
    assert "mine" in RULES
    row.disable.click()
    gui.settle()
    assert row.state.text() == "Not enabled"
    assert "Declared when it was last enabled: redraw rule mine" in row.facts.text()
    assert "mine" not in RULES


def test_that_a_file_that_changed_since_it_was_looked_at_is_not_run(
    gui: OpenSettingsPage, tmp_path: Path
) -> None:
    write(gui, "mine.py", RULE)
    section = gui.section(ExtensionsSection)
    row = section.rows["mine.py"]
    row.enable.click()
    write(gui, "mine.py", f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    row.question.yes.click()
    gui.settle()
    assert "is not what you looked at" in row.note.text
    assert not (tmp_path / "ran").exists()
    assert state_of(gui, "mine.py") is FileState.DISABLED


def test_that_an_edited_file_takes_the_question_back(gui: OpenSettingsPage) -> None:
    write(gui, "mine.py", RULE)
    enable(gui.workspace, "mine.py")
    write(gui, "mine.py", RULE + "\n# edited\n")
    section = gui.section(ExtensionsSection)
    row = section.rows["mine.py"]
    assert row.state.text() == "Changed since it was enabled"
    row.enable.click()
    write(gui, "mine.py", "x = (\n")
    gui.page.refresh()
    gui.settle()
    assert not row.question.isVisible()
    assert row.state.text() == "Cannot be used"
    assert "line 1: '(' was never closed." in row.facts.text()


def test_that_files_that_come_and_go_are_followed(gui: OpenSettingsPage) -> None:
    section = gui.section(ExtensionsSection)
    for name in ("b.py", "a.py"):
        write(gui, name, "x = 1\n")
        gui.page.refresh()
        gui.settle()
    assert sorted(section.rows) == ["a.py", "b.py"]
    assert section.rows["a.py"].y() < section.rows["b.py"].y()
    (gui.workspace.extensions_dir / "a.py").unlink()
    gui.page.refresh()
    gui.settle()
    assert list(section.rows) == ["b.py"]
    assert not section.none.isVisible()


def test_that_a_file_that_cannot_be_enabled_says_why_in_the_engines_words(gui: OpenSettingsPage) -> None:
    write(gui, "mine.py", "raise ValueError('no luck')\n")
    section = gui.section(ExtensionsSection)
    row = section.rows["mine.py"]
    row.enable.click()
    row.question.yes.click()
    gui.settle()
    assert "no luck" in row.note.text
    assert row.enable.isVisible()

"""Exports from the Runs page: files of one run and of several, what fails, and ending it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QFileDialog, QPushButton

from iterand_engine.results.epoch_masks import EpochMasks, write_epoch
from iterand_engine.results.stored_mask import pack_kept
from iterand_engine.store import RunRow, RunState, Store
from iterand_gui.pages.runs.exporter import ExportKind, file_name
from iterand_gui.widgets.folder import show_folder
from iterand_gui.widgets.messages import Message, Messages
from tests.gui import run_rows
from tests.gui.open_runs_page import OpenRuns, OpenRunsPage, add_run, end


def rows(gui: OpenRunsPage) -> list[RunRow]:
    return sorted(gui.session.watcher.runs.values(), key=lambda row: row.created_at)


def add_masks(store: Store, run_id: str) -> None:
    """The masks of a run before training."""
    folder = store.workspace.make_run_dir(run_id) / "masks"
    mask = np.eye(3, dtype=bool)
    write_epoch(folder, EpochMasks(0, {"fc.weight": pack_kept(mask)}, {}), None)


def test_that_the_series_of_a_run_are_written_and_shown_where(
    open_runs_page: OpenRuns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gui = open_runs_page(lambda store: end(store, add_run(store)))
    gui.page.exporter.start(ExportKind.SERIES, rows(gui), tmp_path / "curves")
    assert gui.page.export_bar.isVisible()
    gui.until(lambda: gui.said)
    out = tmp_path / "curves.csv"
    assert out.read_text().startswith("series,layer,step,value\ntrain_loss,,0,2.0\n")
    assert not gui.page.export_bar.isVisible()
    (message,) = gui.said
    assert message.text == f"Written: {out}"
    assert message.action is not None
    shown: list[str] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: shown.append(url.toLocalFile()))
    message.action[1]()
    assert shown == [str(tmp_path)]


def test_that_a_file_in_place_of_a_folder_is_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: shown.append(url.toLocalFile()))
    (tmp_path / "run").write_text("[Desktop Entry]\nType=Application\nExec=touch executed\n")
    said: list[Message] = []
    messages = Messages()
    messages.said.connect(said.append)
    show_folder(tmp_path / "run", messages)
    assert shown == []
    assert [message.text for message in said] == [f"There is no folder {tmp_path / 'run'}."]


def test_that_masks_of_several_runs_are_written_and_a_failure_stops_no_other(
    open_runs_page: OpenRuns, tmp_path: Path
) -> None:
    def store_runs(store: Store) -> None:
        end(store, add_run(store, "without"), RunState.STOPPED)
        add_masks(store, end(store, add_run(store, "with"), RunState.STOPPED))

    gui = open_runs_page(store_runs)
    both = rows(gui)
    gui.page.exporter.start(ExportKind.MASKS, both, tmp_path)
    assert gui.page.exporter.text.startswith("Writing masks (1 of 2): without-seed1-")
    gui.until(lambda: not gui.page.exporter.is_running)
    failed, written = gui.said
    assert (failed.level, written.level) == ("error", "info")
    assert "has no masks yet" in failed.text
    with np.load(tmp_path / file_name(both[1], ExportKind.MASKS)) as file:
        assert file["names"].tolist() == ["fc.weight"]
    assert len(list(tmp_path.glob("*.npz"))) == 1


def test_that_an_export_can_be_ended(open_runs_page: OpenRuns, tmp_path: Path) -> None:
    gui = open_runs_page(lambda store: [end(store, add_run(store, name)) for name in ("one", "two")])
    exporter = gui.page.exporter
    exporter.start(ExportKind.NETWORK, rows(gui), tmp_path)
    exporter.cancel()
    gui.until(lambda: not exporter.is_running)
    assert list(tmp_path.iterdir()) == [gui.session.workspace.root]
    assert [(one.text, one.action) for one in gui.said] == [("Export cancelled: 0 of 2 files written", None)]


def test_that_a_cancelled_export_says_how_many_files_are_there(
    open_runs_page: OpenRuns, tmp_path: Path
) -> None:
    gui = open_runs_page(lambda store: [end(store, add_run(store, f"run {n}")) for n in range(3)])
    exporter = gui.page.exporter
    cancel = gui.page.export_bar.findChild(QPushButton)
    assert cancel is not None

    def stop() -> None:
        if "(3 of 3)" in exporter.text and exporter.is_running:
            cancel.click()

    exporter.changed.connect(stop)
    exporter.start(ExportKind.SERIES, rows(gui), tmp_path)
    gui.until(lambda: gui.said)
    (message,) = gui.said
    assert message.text == f"Export cancelled: 2 of 3 files written in {tmp_path}"
    assert message.action is not None


def test_that_runs_that_have_nothing_to_export_are_named(open_runs_page: OpenRuns, tmp_path: Path) -> None:
    ids: list[str] = []

    def store_runs(store: Store) -> None:
        for name, method in (("one", "iterand"), ("two", "iterand"), ("plain", "dense")):
            ids.append(end(store, add_run(store, name, method=method)))
            if method != "dense":
                add_masks(store, ids[-1])

    gui = open_runs_page(store_runs)
    gui.choose(*ids)
    gui.page.deeds["masks"].trigger()
    dialog = gui.page.findChild(QFileDialog)
    assert dialog is not None
    assert dialog.windowTitle() == "Write the masks of 2 of 3 runs into"
    dialog.fileSelected.emit(str(tmp_path))
    dialog.reject()
    gui.until(lambda: gui.said)
    assert gui.said[-1].text == (
        f"Written: 2 files in {tmp_path}; 1 of 3 runs has no masks (trained without them, or not started)"
    )
    gui.settle()


def test_that_where_to_is_asked_without_blocking(open_runs_page: OpenRuns, tmp_path: Path) -> None:
    ids: list[str] = []
    gui = open_runs_page(lambda store: ids.append(end(store, add_run(store))))
    gui.choose(*ids)
    gui.page.deeds["series"].trigger()
    dialog = gui.page.findChild(QFileDialog)
    assert dialog is not None
    dialog.fileSelected.emit(str(tmp_path / "chosen.csv"))
    dialog.reject()
    gui.until(lambda: (tmp_path / "chosen.csv").exists())
    gui.settle()


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        ("conv6-x1", "conv6-x1-seed3-"),
        ("../a b/ü:*", "a-b-ü-seed3-"),
        ("///", "run-seed3-"),
        ("x" * 99, "x" * 60),
    ],
)
def test_that_file_names_hold_nothing_that_a_file_system_refuses(name: str, begins: str) -> None:
    row = run_rows.run(12, seed=3, name=name)
    made = file_name(row, ExportKind.NETWORK)
    assert made.startswith(begins)
    assert made.endswith(f"-{row.id}.safetensors")
    assert Path(made).name == made

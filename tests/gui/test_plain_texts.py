"""Texts of users are plain text everywhere in the window: no name loads a file or hides a word."""

from __future__ import annotations

import ast
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PySide6.QtCore import QPoint
from PySide6.QtGui import QAction, QImage, QKeySequence, Qt
from PySide6.QtWidgets import QApplication, QLabel, QMenu, QToolTip
from pytestqt.qtbot import QtBot

from benchmarks.screenshots.rich_texts import rich_texts
from benchmarks.screenshots.runs import DIVERGED, GROUPS, KILLED, LIVE, SWEEP
from benchmarks.screenshots.views import VIEWS, Stage
from iterand_engine.machine.workspace import open_workspace_dir
from iterand_engine.store import RunState, Store, sweeps
from iterand_engine.store.labels import set_notes, set_tags
from iterand_gui.look.plain import plain, title_of, without_mnemonic
from iterand_gui.look.theme import Theme
from iterand_gui.plots.curve_plot import CurvePlot, CurveStyle
from iterand_gui.session.remembered import Remembered
from iterand_gui.session.session import Session
from iterand_gui.shell.main_window import MainWindow
from tests.gui.ending import put_away
from tests.gui.plot_tools import draw, noise, show
from tests.gui.recorded_runs import LAYERS, make_run, recorded, write_log, write_masks, writing
from tests.paths import ROOT
from tests.patience import WAIT_MS

_VIEWS = [view for view in VIEWS if not view.name.startswith("new") and view.name != "compare-kept"]


@pytest.fixture
def sentinel(tmp_path: Path) -> Path:
    """A picture that nobody has read, as its time of access says."""
    path = tmp_path / "sentinel.png"
    picture = QImage(8, 8, QImage.Format.Format_RGB32)
    picture.fill(0)
    assert picture.save(str(path))
    forget_reads(path)
    return path


def forget_reads(path: Path) -> None:
    os.utime(path, (1, path.stat().st_mtime))


def was_read(path: Path) -> bool:
    return path.stat().st_atime != 1


def evil(sentinel: Path) -> str:
    """A name that loads a picture and hides a tag and a mnemonic where it is taken for HTML."""
    return f'<img src="file://{sentinel}"><b>x</b>&y'


class EvilStage(Stage):
    """Finds the runs of the views, all of which have an ending."""

    ending = ""

    def ids(self, *names: str) -> list[str]:
        return super().ids(*(f"{self.ending}{name}" for name in names))


@pytest.fixture
def hostile(tmp_path: Path, sentinel: Path) -> Iterator[Path]:
    """A workspace all of whose texts are HTML."""
    text = evil(sentinel)
    folder = tmp_path / "<img src=x>&y[*]"
    folder.mkdir()
    workspace = open_workspace_dir(folder)
    with Store.open(workspace) as store:
        for name in GROUPS:
            method = "dense" if name.endswith("dense") else "iterand"
            recorded(store, f"method.name={method}", name=text + name, steps=120)
        cells = [
            recorded(store, f"method.randomize_rate={rate}", name=text + SWEEP, steps=120)
            for rate in (0.1, 0.5)
        ]
        sweeps.add_sweep(store, text + SWEEP, {}, {"method.randomize_rate": [0.1, 0.5], text: [text]}, cells)
        recorded(store, name=text + DIVERGED, state=RunState.DIVERGED, steps=150)
        killed = recorded(store, name=text + KILLED, state=RunState.INTERRUPTED, steps=150)
        write_log(workspace, killed, f"{text}\n" * 3)
        live = make_run(store, name=text + LIVE[0])
        make_run(store, name=text + LIVE[1])
        set_notes(store, live, text)
        for run_id in (live, killed, *cells):
            set_tags(store, run_id, [text.replace(" ", "/")])
        with closing(sqlite3.connect(folder / "iterand.db")) as database, database:
            database.execute("UPDATE run SET reason = ? WHERE state <> 'queued'", (text,))
        with writing(store, live, (text, *LAYERS)) as writer:
            writer.train(150)
            write_masks(workspace, live)
            yield folder
            writer.recorder.finish(RunState.STOPPED)


def test_that_no_text_of_a_user_is_html_in_any_view(hostile: Path, sentinel: Path, qtbot: QtBot) -> None:
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    memory = Remembered(hostile.parent / "window.json")
    memory.note_workspace(hostile)
    theme = Theme(application)
    window = MainWindow(Session(open_workspace_dir(hostile), memory=memory), memory, theme)
    try:
        window.resize(1280, 800)
        with qtbot.waitExposed(window):
            window.show()
        stage = EvilStage(window)
        stage.ending = evil(sentinel)
        for view in _VIEWS:
            view.arrange(stage)
            stage.until(lambda: not window.session.jobs.running, "work in the background")
            stage.rest(0.05)
            assert not rich_texts(), view.name
        assert window.windowTitle().startswith("<img src=x>&y[*][*] ")
        for menu in window.findChildren(QMenu):
            menu.aboutToShow.emit()  # which fills it
        menus = [action for menu in window.findChildren(QMenu) for action in menu.actions()]
        recent = [action for action in menus if "img src" in action.text()]
        assert recent
        assert not any(has_mnemonic(action) for action in recent)
        assert not was_read(sentinel)
    finally:
        window.close()
        put_away(window, theme)


def has_mnemonic(action: QAction) -> bool:
    return not QKeySequence.mnemonic(action.text()).isEmpty()


@pytest.mark.qt_log_ignore("does not support raise")
def test_that_a_tooltip_loads_no_picture(sentinel: Path, qtbot: QtBot) -> None:
    label = QLabel()
    qtbot.addWidget(label)
    label.show()
    try:
        QToolTip.showText(QPoint(1, 1), evil(sentinel), label)
        QApplication.processEvents()
        if not was_read(sentinel):
            pytest.skip("this file system does not say when a file was read")
        forget_reads(sentinel)
        QToolTip.showText(QPoint(1, 1), plain(evil(sentinel)), label)
        QApplication.processEvents()
        assert not was_read(sentinel)
    finally:
        QToolTip.hideText()
        QApplication.processEvents()


@given(st.text(st.sampled_from("<>/!?&lt;gb ximgdoc\n\t\"'=[*]"), max_size=30))
@example("<b>x</b>")
@example("&lt;b")
@example("<?xml version='1.0'?><b>")
@example("<!doctype html>")
@example("  \n <img src=x>")
def test_that_plain_text_is_never_html_and_shows_every_letter(text: str) -> None:
    shown = plain(text)
    assert not Qt.mightBeRichText(shown)
    assert shown.replace("\N{WORD JOINER}", "") == text
    assert plain(shown) == shown
    assert QKeySequence.mnemonic(without_mnemonic(text)).isEmpty()
    assert title_of(text).replace("[*][*]", "[*]") == text


def test_that_the_name_of_a_curve_is_text_in_a_drawing_of_lines(
    tmp_path: Path, sentinel: Path, qtbot: QtBot
) -> None:
    plot = CurvePlot("Loss <b>&")
    show(qtbot, plot)
    plot.set_series("a", *noise(50), style=CurveStyle("<b>x</b>&y", "a"))
    draw(plot)
    path = tmp_path / "plot.svg"
    with qtbot.waitSignal(plot.saved, timeout=WAIT_MS):
        plot.files.save(path)
    drawing = ElementTree.parse(path)
    texts = ["".join(one.itertext()) for one in drawing.iter()]
    assert any("<b>x</b>&y" in text for text in texts)
    assert any("Loss <b>&" in text for text in texts)
    assert not any(one.tag.endswith(("}b", "image")) for one in drawing.iter())


# Of these, Qt takes what might be HTML for HTML.
_ASKED = {"setToolTip": 0, "setStatusTip": 0, "setWhatsThis": 0}


def test_that_every_tooltip_goes_through_the_helper() -> None:
    wrong = []
    for path in (ROOT / "iterand_gui").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in _ASKED
            ):
                (text,) = node.args
                is_helper = isinstance(text, ast.Call) and ast.unparse(text.func) == "plain"
                if not is_helper and not isinstance(text, ast.Constant):
                    wrong.append(f"{path.name}:{node.lineno}: {ast.unparse(node)}")
    assert not wrong

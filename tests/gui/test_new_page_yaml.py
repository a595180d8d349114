"""The New page's text: what stands in it is what is queued, and its mistakes are shown where they are."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QPalette
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from iterand_engine.config.presets import preset
from iterand_engine.config.run_config import RunConfig
from iterand_gui.forms.error_line import ErrorLine
from iterand_gui.look import theme
from iterand_gui.look.colours import DARK, LIGHT
from iterand_gui.pages.new.page import NewPage
from iterand_gui.session.session import Session
from iterand_gui.widgets.messages import Message
from tests.command_line import TINY
from tests.patience import WAIT_MS


@pytest.fixture
def page(session: Session, qtbot: QtBot) -> Iterator[NewPage]:
    shown = NewPage(session)
    qtbot.addWidget(shown)
    shown.take(TINY)
    shown.resize(1100, 700)
    shown.show()
    shown.showing()
    shown._tabs.setCurrentWidget(shown.yaml)
    yield shown
    shown.hiding()


def replace(page: NewPage, before: str, after: str) -> None:
    """Edit the text as a user does."""
    text = page.yaml.text.toPlainText()
    assert before in text
    page.yaml.text.setPlainText(text.replace(before, after))


@pytest.mark.parametrize("by_key", [False, True], ids=["button", "key"])
def test_that_queue_trains_the_edited_text(
    page: NewPage, session: Session, qtbot: QtBot, by_key: bool
) -> None:
    qtbot.waitUntil(lambda: page.summary.text("steps") == "16", timeout=WAIT_MS)
    replace(page, "epochs: 2", "epochs: 3")
    assert page.summary.text("steps") == "—"
    assert "text was edited" in page.summary.notes
    pages: list[str] = []
    session.actions.show_page.connect(pages.append)
    if by_key:
        QTest.keyClick(page.yaml.text, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    else:
        page.launch.button.click()
    qtbot.waitUntil(lambda: pages == ["runs"], timeout=WAIT_MS)
    (row,) = session.store.reader.runs()
    assert RunConfig.from_mapping(session.store.reader.run(row.id).config).training.epochs == 3
    assert page.form.text("training.epochs") == "3"


def test_that_a_mistake_in_the_edited_text_keeps_from_queueing(
    page: NewPage, session: Session, qtbot: QtBot
) -> None:
    qtbot.waitUntil(lambda: page.summary.text("steps") == "16", timeout=WAIT_MS)
    replace(page, "epochs: 2", "epochs: two")
    page.queue()
    assert "training.epochs" in page.yaml.problem.text
    assert page._tabs.currentWidget() is page.yaml
    page.yaml.drop_edits()
    qtbot.waitUntil(lambda: page.launch.button.text() == "&Queue 1 run", timeout=WAIT_MS)
    assert session.store.reader.runs() == []


def test_that_a_preset_a_clone_and_a_file_replace_the_edited_text(page: NewPage, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    page.yaml.save_file(str(file))
    starts: tuple[Callable[[], object], ...] = (
        lambda: page.presets.chosen.emit(preset("quickstart")),
        lambda: page.take(TINY),
        lambda: page.yaml.open_file(str(file)),
    )
    for start in starts:
        page.yaml.text.setPlainText("model: {name: conv6}\n")
        start()
        assert not page.yaml.is_edited
        assert "conv6" not in page.yaml.text.toPlainText()
        config = page.form.state.config
        assert config is not None
        assert f"epochs: {config.training.epochs}" in page.yaml.text.toPlainText()


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        ("epochs: 2", "epochs: two", "epochs: two"),
        ("epochs: 2", "epochs: [2", "learning"),
        ("epochs: 2", "epoch: 2", "epoch: 2"),
        ("name: iterand", "name: itrand", "name: itrand"),
        ("model:", "modle:", "modle:"),
    ],
)
def test_that_the_cursor_goes_to_the_line_of_a_mistake(
    page: NewPage, before: str, after: str, line: str
) -> None:
    replace(page, before, after)
    page.yaml._use.click()
    assert page.yaml.problem.isVisible()
    cursor = page.yaml.text.textCursor()
    shown = cursor.block().text().strip()
    named = re.search(r"line (\d+)", page.yaml.problem.text)
    if named is None:
        assert shown == line
    else:
        assert cursor.blockNumber() == int(named[1]) - 1
    assert page.yaml.text.hasFocus()
    assert len(page.yaml.text.extraSelections()) == 1
    replace(page, after, before)
    assert page.yaml.text.extraSelections() == []
    assert not page.yaml.problem.isVisible()


def test_that_a_mistake_looks_as_those_of_fields_in_light_and_dark(page: NewPage, qtbot: QtBot) -> None:
    replace(page, "epochs: 2", "epochs: two")
    page.yaml.take()
    page.form.set_text("training.epochs", "two")
    for colours in (LIGHT, DARK):
        page.setPalette(theme.palette_of(colours))
        in_text = page.yaml.problem.findChildren(QLabel)[-1]
        in_form = page.form.field("training.epochs").findChildren(ErrorLine)[0].findChildren(QLabel)[-1]
        role = QPalette.ColorRole.WindowText
        assert in_text.palette().color(role) == in_form.palette().color(role) == theme.colour("bad")


def test_that_the_text_of_a_sweep_names_what_varies(page: NewPage) -> None:
    page.form.set_text("model.width_factor", "0.25, 0.5")
    page.form.set_text("training.seed", "1-3")
    comment = [line for line in page.yaml.text.toPlainText().splitlines() if line.startswith("#")]
    assert comment[1:] == ["#   model.width_factor: 0.25, 0.5", "#   training.seed: 1, 2, 3"]
    assert not page.yaml.is_edited
    page.form.set_text("model.width_factor", "0.25")
    page.form.set_text("training.seed", "1")
    assert "#" not in page.yaml.text.toPlainText()


def test_that_a_text_that_is_used_says_so_only_where_it_drops_a_sweep(
    page: NewPage, session: Session
) -> None:
    said: list[Message] = []
    session.messages.said.connect(said.append)
    page.form.set_text("training.lr", "0.2")
    replace(page, "epochs: 2", "epochs: 3")
    page.yaml._use.click()
    assert said == []
    page.form.set_text("training.lr", "0.2, 0.3")
    replace(page, "epochs: 3", "epochs: 4")
    page.yaml._use.click()
    (message,) = said
    assert message.action is not None
    message.action[1]()
    assert page.form.state.changes == {"training.lr": (0.2, 0.3)}

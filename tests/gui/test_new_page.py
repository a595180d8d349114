"""The New page: from choices to a plan, what it would be, and to the queue."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pytestqt.qtbot import QtBot

from iterand_engine.config.axes import SEED
from iterand_engine.config.presets import preset
from iterand_engine.store import RunState
from iterand_gui.pages.new.outlook import kind_key, look_ahead, make_plan
from iterand_gui.pages.new.page import NewPage
from iterand_gui.pages.new.presets import PresetList
from iterand_gui.session.session import Session
from iterand_gui.widgets.messages import Message
from tests.command_line import TINY
from tests.gui.recorded_runs import make_run
from tests.patience import WAIT_MS

CHANGES = {"model.width_factor": (0.0625, 0.125), SEED: (1, 2)}


@pytest.fixture
def page(session: Session, qtbot: QtBot) -> Iterator[NewPage]:
    shown = NewPage(session)
    qtbot.addWidget(shown)
    shown.take(TINY)
    shown.showing()
    yield shown
    shown.hiding()


def test_that_presets_are_found_by_all_their_words(qtbot: QtBot) -> None:
    presets = PresetList()
    qtbot.addWidget(presets)
    assert "quickstart" in presets.shown()
    presets.search.setText("resnet18 dense cifar-100")
    assert presets.shown() == ["cifar100-resnet18-dense"]


def test_that_a_change_brings_the_probes_answer(page: NewPage, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: page.summary.text("steps") == "16", timeout=WAIT_MS)
    assert page.summary.text("events") == "3"
    assert page.summary.text("kept").endswith("(50 %)")
    before = page.summary.text("weights")
    page.form.set_text("model.width_factor", "0.125")
    qtbot.waitUntil(lambda: page.summary.text("weights") not in (before, "—"), timeout=WAIT_MS)
    assert page.summary.text("time") == "not known"


def test_that_several_values_are_a_sweep_that_is_queued_whole(
    page: NewPage, session: Session, qtbot: QtBot
) -> None:
    page.form.set_text("model.width_factor", "0.0625, 0.125")
    page.form.set_text("training.seed", "1-3")
    qtbot.waitUntil(lambda: page.summary.cells.rowCount() == 6, timeout=WAIT_MS)
    assert page.launch.button.text() == "&Queue 6 runs"
    pages: list[str] = []
    session.actions.show_page.connect(pages.append)
    page.queue()
    qtbot.waitUntil(lambda: pages == ["runs"], timeout=WAIT_MS)
    rows = session.store.reader.queued()
    assert [(row.width_factor, row.seed) for row in rows][:3] == [(0.0625, 1), (0.125, 1), (0.0625, 2)]
    (sweep,) = session.store.reader.sweeps()
    assert sweep.axes == {"model.width_factor": [0.0625, 0.125], "training.seed": [1, 2, 3]}


def test_that_a_mistake_stands_beside_its_field_and_keeps_from_queueing(
    page: NewPage, session: Session, qtbot: QtBot
) -> None:
    qtbot.waitUntil(lambda: page.summary.text("steps") == "16", timeout=WAIT_MS)
    page.form.set_text("method.sparsity", "1.5")
    assert page.launch.button.text() == "1 problem: go there"
    assert page.summary.text("steps") == "—"
    page.queue()
    assert session.store.reader.runs() == []
    page.form.set_text("method.sparsity", "0.5")
    qtbot.waitUntil(lambda: page.launch.button.text() == "&Queue 1 run", timeout=WAIT_MS)


def test_that_missing_data_stands_beside_its_field_and_keeps_from_queueing(
    page: NewPage, session: Session, qtbot: QtBot
) -> None:
    page.form.set_text("data.dataset", "cifar10")
    field = page.form.field("data.dataset")
    fetch = "iterand data fetch cifar10"
    qtbot.waitUntil(lambda: fetch in field.editor.accessibleDescription(), timeout=WAIT_MS)
    assert fetch in field.problem
    button = page.launch.button
    assert not button.isEnabled()
    assert fetch in button.toolTip()
    assert fetch in button.accessibleDescription()
    assert "'cifar10' is not here" in page.launch.trouble.text
    opened: list[str] = []
    session.actions.open_settings.connect(opened.append)
    page.launch.downloads.click()
    assert opened == ["data"]
    page.form.set_text("data.dataset", "digits")
    assert field.problem == ""
    qtbot.waitUntil(lambda: button.text() == "&Queue 1 run" and button.isEnabled(), timeout=WAIT_MS)
    assert page.launch.downloads.isHidden()


def test_that_a_wrong_path_stands_beside_the_path(page: NewPage, session: Session, qtbot: QtBot) -> None:
    page.form.set_text("data.path", "/nowhere/images.npz")
    page.form.set_text("data.dataset", "npz")
    field = page.form.field("data.path")
    qtbot.waitUntil(lambda: "there is no such file" in field.problem, timeout=WAIT_MS)
    assert page.form.field("data.dataset").problem == ""
    assert page.launch.downloads.isHidden()
    assert page.launch.trouble.text == "Cannot queue: there is nothing to read at data.path."
    qtbot.waitUntil(lambda: not session.probe.is_busy, timeout=WAIT_MS)
    assert page.summary.notes == ""  # the probe's words are those beside the field
    page.show()
    page._tabs.setCurrentWidget(page.yaml)
    qtbot.waitUntil(lambda: not page.launch.go.isHidden(), timeout=WAIT_MS)
    page.launch.go.click()
    assert page._tabs.currentWidget() is page.form
    assert field.isVisible()
    page.queue()
    assert session.store.reader.runs() == []


def test_that_text_and_form_are_one_configuration(page: NewPage, qtbot: QtBot, tmp_path: Path) -> None:
    mapping: dict[str, Any] = yaml.safe_load(page.yaml.text.toPlainText())
    assert mapping["model"]["name"] == "conv2"
    mapping["model"]["width_factor"] = 0.5
    page.yaml.text.setPlainText(yaml.safe_dump(mapping))
    assert page.yaml.is_edited
    page.yaml._use.click()
    assert page.form.text("model.width_factor") == "0.5"
    file = tmp_path / "config.yaml"
    page.yaml.save_file(str(file))
    page.take(preset("quickstart").mapping)
    page.yaml.open_file(str(file))
    assert page.form.text("model.width_factor") == "0.5"


def test_that_a_text_with_a_mistake_says_so_and_changes_nothing(page: NewPage) -> None:
    page.yaml.text.setPlainText("model: {name: conv4, widht_factor: 1}")
    page.yaml._use.click()
    assert "widht_factor" in page.yaml.problem.text
    assert page.form.text("model.name") == "conv2"
    page.yaml.text.setPlainText("[1, 2]")
    page.yaml._use.click()
    assert "mapping of options" in page.yaml.problem.text


def test_that_measured_steps_give_a_time(page: NewPage, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: page.summary.text("time") == "not known", timeout=WAIT_MS)
    page.summary.measure_asked.emit()
    qtbot.waitUntil(lambda: page.summary.text("time") not in ("not known", "—"), timeout=WAIT_MS)


def test_that_sums_cover_all_kinds_of_runs(session: Session, page: NewPage, qtbot: QtBot) -> None:
    planned = make_plan(session.workspace, TINY, CHANGES, Path())
    assert [kind.runs for kind in planned.kinds] == [2, 2]
    qtbot.waitUntil(lambda: len(page.forecast.answers) > 0, timeout=WAIT_MS)
    answer = next(iter(page.forecast.answers.values()))
    answers = {kind_key(kind.config): answer for kind in planned.kinds}
    step_s = dict.fromkeys(answers, 0.5)
    outlook = look_ahead(session.workspace, session.store, planned, answers, step_s)
    assert outlook.runs == 4
    assert outlook.disk_bytes == 4 * answer.disk.kept_bytes
    assert outlook.seconds == pytest.approx(4 * answer.steps * 0.5 / min(outlook.slots, 4))
    half = look_ahead(session.workspace, session.store, planned, dict(list(answers.items())[:1]), step_s)
    assert half.disk_bytes == outlook.disk_bytes


def test_that_a_hidden_page_asks_nothing(page: NewPage, session: Session, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: not session.probe.is_busy and page._planned is not None, timeout=WAIT_MS)
    page.hiding()
    page.form.set_text("model.width_factor", "0.125")
    assert not session.probe.is_busy
    assert not page._planner.isActive()
    assert RunState.QUEUED not in {row.state for row in session.store.reader.runs()}


def test_that_a_clone_marks_what_was_changed_and_drops_the_name(
    page: NewPage, session: Session, qtbot: QtBot
) -> None:
    run_id = make_run(session.store, "training.lr=0.1", name="lr of 0.1")
    session.actions.open_new.connect(page.take)
    page.form.search.setText("sparsity")
    page.show()
    session.actions.clone(run_id, {"training.lr": 0.0333})
    qtbot.waitUntil(lambda: page.form.text("training.lr") == "0.0333", timeout=WAIT_MS)
    lr = page.form.field("training.lr")
    assert lr.editor.accessibleName().endswith(", changed")
    assert lr.isVisible()
    qtbot.waitUntil(lambda: lr.visibleRegion().boundingRect().height() == lr.height(), timeout=WAIT_MS)
    config = page.form.state.config
    assert config is not None
    assert (config.training.lr, config.name) == (0.0333, None)
    page.form.reset("training.lr")
    page.form.reset("name")
    config = page.form.state.config
    assert config is not None
    assert (config.training.lr, config.name) == (0.1, "lr of 0.1")


def test_that_a_clone_without_changes_keeps_the_name(page: NewPage, session: Session, qtbot: QtBot) -> None:
    run_id = make_run(session.store, name="kept")
    session.actions.open_new.connect(page.take)
    session.actions.clone(run_id)
    qtbot.waitUntil(lambda: page.form.text("name") == "kept", timeout=WAIT_MS)
    assert not page.form.state.changes


def test_that_a_run_too_short_to_redraw_is_warned_about(page: NewPage, qtbot: QtBot) -> None:
    page.form.set_text("method.randomize_every", "300")
    said = "No redraw happens: randomize_every is 300, but the run has 16 steps."
    qtbot.waitUntil(lambda: said in page.summary.notes, timeout=WAIT_MS)
    page.form.set_text("method.randomize_every", "5, 300")
    said = "No redraw happens in 1 of 2 kinds of runs: randomize_every is 300, but they have 16 steps."
    qtbot.waitUntil(lambda: said in page.summary.notes, timeout=WAIT_MS)
    page.form.set_text("method.name", "edge-popup")
    qtbot.waitUntil(lambda: page.summary.text("events") == "0", timeout=WAIT_MS)
    assert "No redraw" not in page.summary.notes


def test_that_a_sweep_shows_ranges_over_its_runs(page: NewPage, qtbot: QtBot) -> None:
    page.form.set_text("model.width_factor", "0.0625")
    qtbot.waitUntil(lambda: page.summary.text("steps") == "16", timeout=WAIT_MS)
    narrow = page.summary.text("weights")
    page.form.set_text("model.width_factor", "0.125")
    qtbot.waitUntil(lambda: page.summary.text("weights") not in (narrow, "—"), timeout=WAIT_MS)
    wide = page.summary.text("weights")
    page.form.set_text("model.width_factor", "0.0625, 0.125")
    qtbot.waitUntil(lambda: page.summary.text("weights") == f"{narrow} to {wide}", timeout=WAIT_MS)
    page.form.set_text("method.sparsity", "0.3, 0.5")
    qtbot.waitUntil(lambda: page.summary.text("kept").endswith("(50 % to 70 %)"), timeout=WAIT_MS)
    assert page.summary.text("steps") == "16"


def test_that_numbers_of_some_runs_say_so(page: NewPage, session: Session, qtbot: QtBot) -> None:
    planned = make_plan(session.workspace, TINY, CHANGES, Path())
    qtbot.waitUntil(lambda: len(page.forecast.answers) > 0, timeout=WAIT_MS)
    answer = next(iter(page.forecast.answers.values()))
    half = {kind_key(planned.kinds[0].config): answer}
    page.summary.show_outlook(look_ahead(session.workspace, session.store, planned, half, {}))
    assert "those of 1 of 2 kinds of runs" in page.summary.notes
    everything = {kind_key(kind.config): answer for kind in planned.kinds}
    page.summary.show_outlook(look_ahead(session.workspace, session.store, planned, everything, {}))
    assert "kinds of runs" not in page.summary.notes


def test_that_edits_that_a_preset_replaces_come_back(page: NewPage, session: Session, qtbot: QtBot) -> None:
    said: list[Message] = []
    session.messages.said.connect(said.append)
    page.presets.chosen.emit(preset("quickstart"))
    assert said == []  # nothing was changed
    page.take(TINY)
    page.form.set_text("training.lr", "0.2, 0.3")
    page.presets.chosen.emit(preset("quickstart"))
    assert not page.form.state.changes
    (message,) = said
    page.form.set_text("training.epochs", "3")  # lost by the undo, unless that can be undone as well
    assert message.action is not None
    message.action[1]()
    assert page.form.state.changes == {"training.lr": (0.2, 0.3)}
    assert page.form.text("model.name") == "conv2"
    assert [one.text for one in said] == [message.text] * 2
    page._undo()
    assert page.form.state.changes == {"training.epochs": (3,)}
    page._undo()
    page.yaml.text.setPlainText("model: {name: conv6}")
    page.take(TINY)
    (undo,) = [command for command in page.commands() if command.text.startswith("Bring back")]
    assert undo.enabled()
    undo.run()
    assert page.yaml.text.toPlainText() == "model: {name: conv6}"
    assert page.yaml.is_edited
    assert page.form.state.changes == {"training.lr": (0.2, 0.3)}


@pytest.mark.parametrize("width", [674, 900, 1290])
def test_that_every_part_of_a_field_can_be_reached_in_a_narrow_window(
    page: NewPage, qtbot: QtBot, width: int
) -> None:
    page.resize(width, 700)  # 674: of a window of 750
    page.show()
    page.form.fold_all()
    for path in page.form.paths:
        page.form.set_text(path, f"{page.form.text(path)}1")  # another value: its reset button is there
    view = page.form._groups.viewport()

    def ends() -> dict[str, int]:
        fields = [page.form.field(path) for path in page.form.paths]
        return {
            f.spec.path: max(p.mapTo(view, p.rect().topRight()).x() for p in f.focus_chain()) for f in fields
        }

    qtbot.waitUntil(lambda: max(ends().values()) < view.width(), timeout=WAIT_MS)
    assert all(part.isVisible() for path in page.form.paths for part in page.form.field(path).focus_chain())

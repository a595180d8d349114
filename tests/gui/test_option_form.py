"""The form is made from declarations, keeps what the user types, and shows errors beside the field."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QComboBox, QLabel, QLineEdit, QWidget
from pytestqt.qtbot import QtBot

from iterand_engine.config import catalog
from iterand_engine.config.catalog import METHODS, Entry, ExtensionEntries, use_extensions
from iterand_engine.config.extension_code import Origin, Source
from iterand_engine.config.options import Argument, describe
from iterand_engine.config.presets import presets
from iterand_engine.config.run_config import RunConfig
from iterand_engine.errors import UserError
from iterand_engine.runs.sweeps import plan
from iterand_gui.forms.form import MAIN, OptionForm
from iterand_gui.forms.specs import specs
from iterand_gui.forms.values import (
    FormState,
    base_value,
    check,
    choices_of,
    complete,
    text_of,
    varying,
)
from tests.patience import WAIT_MS

BASE = complete({})


@pytest.fixture
def form(qtbot: QtBot, tmp_path: Path) -> OptionForm:
    form = OptionForm(tmp_path, suggestions={"compute.device": ("auto", "cpu", "GPU-1")})
    qtbot.addWidget(form)
    form.resize(520, 720)
    with qtbot.waitExposed(form):
        form.show()
    return form


@pytest.fixture
def extension_code() -> Iterator[None]:
    """A network and a redraw rule of one's own, with arguments."""
    depth = Argument("depth", "int", 3, help="layers", ge=1, le=9)
    rate = Argument("rate", "float", 0.1, gt=0)
    source = Source("mine.py", "0" * 64, Path("mine.py"))
    model = Entry("tiny", "Tiny net", "", arguments=(depth,), origin=Origin(source, "model", 1))
    rule = Entry("mine", "Mine", "", arguments=(rate,), origin=Origin(source, "rule", 9))
    before = use_extensions(ExtensionEntries((model, rule)))
    yield
    use_extensions(before)


def line(form: OptionForm, path: str) -> QLineEdit:
    editor = form.field(path).editor
    found = editor.lineEdit() if isinstance(editor, QComboBox) else editor
    assert isinstance(found, QLineEdit)
    return found


def type_in(qtbot: QtBot, form: OptionForm, path: str, text: str) -> FormState:
    """Replace a field's text by the keyboard; the state once the form has looked at it."""
    field = line(form, path)
    field.setFocus()
    field.selectAll()
    with qtbot.waitSignal(form.changed, timeout=WAIT_MS) as signal:
        QTest.keyClicks(field, text) if text else QTest.keyClick(field, Qt.Key.Key_Delete)
    assert signal.args is not None
    state = signal.args[0]
    assert isinstance(state, FormState)
    return state


def shown(form: OptionForm) -> list[str]:
    return [path for path in form.paths if form.field(path).isVisible()]


def test_that_every_option_of_the_method_has_a_field_that_says_what_it_is(form: OptionForm) -> None:
    declared = {info.path for info in describe(RunConfig) if not info.path.startswith("method.")}
    declared |= {info.path for info in describe(catalog.load_target(METHODS["iterand"].options), "method.")}
    assert set(form.paths) == declared
    for path in form.paths:
        field = form.field(path)
        assert field.editor.accessibleName()
        assert field.spec.help in field.editor.toolTip().replace("\n", " ")
        assert path in field.editor.accessibleDescription()


def test_that_the_main_options_are_shown_and_the_others_folded(form: OptionForm) -> None:
    assert tuple(shown(form)) == tuple(sorted(MAIN, key=form.paths.index))


def test_that_a_form_of_defaults_is_the_default_configuration(form: OptionForm) -> None:
    state = form.state
    assert state.config == RunConfig()
    assert (state.changes, state.problems, state.combinations) == ({}, {}, 1)


@pytest.mark.parametrize("name", sorted(presets()))
def test_that_every_preset_goes_in_and_comes_out(name: str) -> None:
    mapping = presets()[name].mapping
    base = complete(mapping)
    texts = {spec.path: text_of(spec, base_value(base, spec)) for spec in specs(choices_of(base, {}))}
    checked = check(complete({}), texts, Path("/"))
    assert checked.problems == {}
    assert checked.config == RunConfig.from_mapping(mapping)


def test_that_starting_from_a_run_shows_it_unchanged(form: OptionForm) -> None:
    training = {"milestones": [3, 5], "schedule": "multistep"}
    mapping = {"model": {"name": "conv4"}, "method": {"name": "dense"}, "training": training}
    form.start_from(mapping)
    assert form.text("model.name") == "conv4"
    assert form.text("training.milestones") == "[3, 5]"
    assert "method.sparsity" not in form.paths
    assert form.state.config == RunConfig.from_mapping(mapping)
    assert form.state.changes == {}


def test_that_a_wrong_configuration_leaves_the_form_as_it_was(form: OptionForm) -> None:
    form.set_text("model.name", "conv2")
    with pytest.raises(UserError, match=r"Unknown option 'model\.with'"):
        form.start_from({"model": {"with": 2}})
    assert form.text("model.name") == "conv2"


def test_that_typing_changes_the_configuration_and_marks_the_option(qtbot: QtBot, form: OptionForm) -> None:
    state = type_in(qtbot, form, "model.width_factor", "0.5")
    assert state.config is not None
    assert state.config.model.width_factor == 0.5
    assert state.changes == {"model.width_factor": (0.5,)}
    assert form.field("model.width_factor").editor.accessibleName() == "width factor, changed"
    state = type_in(qtbot, form, "model.width_factor", "1.0")
    assert state.changes == {}
    assert form.field("model.width_factor").editor.accessibleName() == "width factor"


def test_that_several_values_make_several_runs(qtbot: QtBot, form: OptionForm, tmp_path: Path) -> None:
    type_in(qtbot, form, "model.width_factor", "0.25, 0.5, 1")
    state = type_in(qtbot, form, "training.seed", "1-3, 7")
    assert state.combinations == 12
    assert state.changes["training.seed"] == (1, 2, 3, 7)
    assert varying(state) == {"model.width_factor": "0.25, 0.5, 1", "training.seed": "1, 2, 3, 7"}
    planned = plan(state.base, state.changes, tmp_path)
    assert len(planned.cells) == 12
    assert dict(planned.axes) == {"model.width_factor": (0.25, 0.5, 1), "training.seed": (1, 2, 3, 7)}


def test_that_only_the_chosen_methods_options_are_there(qtbot: QtBot, form: OptionForm) -> None:
    type_in(qtbot, form, "method.sparsity", "0.3")
    type_in(qtbot, form, "method.randomize_rate", "0.2")
    state = type_in(qtbot, form, "method.name", "edge-popup")
    assert "method.randomize_rate" not in form.paths
    assert state.changes == {"method.name": ("edge-popup",), "method.sparsity": (0.3,)}
    assert state.config is not None
    assert state.config.method.name == "edge-popup"
    assert QApplication.focusWidget() is line(form, "method.name").parent()
    state = type_in(qtbot, form, "method.name", "iterand")
    assert form.text("method.randomize_rate") == "0.2"
    assert state.changes["method.randomize_rate"] == (0.2,)


def test_that_several_methods_have_the_options_of_all(qtbot: QtBot, form: OptionForm, tmp_path: Path) -> None:
    type_in(qtbot, form, "method.sparsity", "0.3, 0.5")
    state = type_in(qtbot, form, "method.name", "dense, iterand")
    assert state.problems == {}
    assert {"method.sparsity", "method.randomize_rate"} <= set(form.paths)
    planned = plan(state.base, state.changes, tmp_path)
    assert [cell.config.method.name for cell in planned.cells] == ["dense", "iterand", "iterand"]


def test_that_what_is_wrong_stands_beside_its_field_in_the_engines_words(
    qtbot: QtBot, form: OptionForm
) -> None:
    type_in(qtbot, form, "model.width_factor", "17")
    state = type_in(qtbot, form, "data.dataset", "cifar11")
    said = "It is 17; allowed: a number, 0 < value <= 16."
    assert state.problems["model.width_factor"] == said
    assert state.problems["data.dataset"].startswith("There is no dataset 'cifar11'; did you mean 'cifar10'?")
    assert (state.config, state.changes) == (None, {})
    field = form.field("model.width_factor")
    assert field.editor.accessibleName() == "width factor, changed, wrong"
    assert field.editor.accessibleDescription() == said


def test_that_a_wrong_option_in_a_folded_group_unfolds_it(qtbot: QtBot, form: OptionForm) -> None:
    assert not form.field("data.path").isVisible()
    state = type_in(qtbot, form, "data.dataset", "npz")
    assert list(state.problems) == ["data.path"]
    assert form.field("data.path").isVisible()
    form.focus_problem()
    assert line(form, "data.path").hasFocus()
    state = type_in(qtbot, form, "data.path", "mine.npz")
    assert state.config is not None
    assert state.config.data.path == str(form.folder / "mine.npz")


def test_that_an_option_is_reset_by_button_and_by_keyboard(qtbot: QtBot, form: OptionForm) -> None:
    type_in(qtbot, form, "method.sparsity", "0.9")
    type_in(qtbot, form, "model.name", "conv2")
    QTest.keyClick(
        line(form, "model.name"),
        Qt.Key.Key_Backspace,
        Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier,
    )
    assert form.text("model.name") == "resnet18"
    button = form.field("method.sparsity").focus_chain()[-1]
    assert button.isVisible()
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    assert form.text("method.sparsity") == "0.6"
    assert not button.isVisible()
    form.set_text("model.name", "conv4")
    form.reset_all()
    assert form.state.changes == {}


def test_that_a_search_shows_what_holds_all_words(qtbot: QtBot, form: OptionForm) -> None:
    form.focus_search()
    QTest.keyClicks(form.search, "EPOCHS warm")
    assert shown(form) == ["training.warmup_epochs"]
    QTest.keyClick(form.search, Qt.Key.Key_Return)
    assert line(form, "training.warmup_epochs").hasFocus()
    form.focus_search()
    QTest.keyClicks(form.search, "nonsense")
    assert shown(form) == []
    QTest.keyClick(form.search, Qt.Key.Key_Escape)
    assert set(shown(form)) == set(MAIN)


def test_that_a_search_finds_the_papers_words(qtbot: QtBot, form: OptionForm) -> None:
    QTest.keyClicks(form.search, "K_per")
    assert shown(form) == ["method.randomize_every"]


def test_that_tab_goes_through_the_fields_in_their_order(qtbot: QtBot, form: OptionForm) -> None:
    type_in(qtbot, form, "method.name", "edge-popup")
    type_in(qtbot, form, "method.name", "iterand")  # fields made again later
    form.reset_all()
    form.all_options.setFocus()
    visited = []
    for _ in MAIN:
        QTest.keyClick(QApplication.focusWidget() or form, Qt.Key.Key_Tab)
        focused = QApplication.focusWidget()
        visited += [path for path in form.paths if focused and form.field(path).isAncestorOf(focused)]
    assert visited == list(MAIN)


def test_that_groups_fold_by_keyboard_and_are_remembered(qtbot: QtBot, form: OptionForm) -> None:
    form.restore_open_groups(["data"])
    assert form.field("data.path").isVisible()
    heading = next(
        widget
        for widget in form.findChildren(QWidget)
        if widget.accessibleName() == "Data" and widget.focusPolicy() & Qt.FocusPolicy.TabFocus
    )
    QTest.keyClick(heading, Qt.Key.Key_Space)
    assert not form.field("data.path").isVisible()
    assert form.save_open_groups() == []


@pytest.mark.usefixtures("extension_code")
def test_that_arguments_of_extension_code_are_options(qtbot: QtBot, form: OptionForm) -> None:
    form.renew()
    assert "model.depth" not in form.paths
    state = type_in(qtbot, form, "model.name", "tiny")
    assert form.text("model.depth") == "3"
    state = type_in(qtbot, form, "model.depth", "12")
    assert state.problems == {"model.depth": "It is 12; allowed: a whole number, 1 <= value <= 9."}
    type_in(qtbot, form, "model.depth", "4")
    type_in(qtbot, form, "method.rule", "mine")
    state = type_in(qtbot, form, "method.rule.rate", "0.2")
    assert state.config is not None
    mapping = state.config.to_mapping()
    assert mapping["model"]["depth"] == 4
    assert mapping["method"]["rule"] == {"name": "mine", "rate": 0.2}
    form.start_from(mapping)
    assert form.state.config == state.config
    assert (form.text("method.rule"), form.text("method.rule.rate")) == ("mine", "0.2")
    state = type_in(qtbot, form, "method.rule", "uniform")
    assert state.config is not None
    assert state.config.to_mapping()["method"]["rule"] == "uniform"


def test_that_suggestions_do_not_limit(qtbot: QtBot, form: OptionForm) -> None:
    assert isinstance(form.field("compute.device").editor, QComboBox)
    form.restore_open_groups(["compute"])
    state = type_in(qtbot, form, "compute.device", "GPU-42")
    assert state.config is not None
    assert state.config.compute.device == "GPU-42"


def test_that_a_chosen_path_may_hold_commas(form: OptionForm) -> None:
    form.field("data.path").put_path("/data/a, b.npz")
    form.set_text("data.dataset", "npz")
    assert form.state.config is not None
    assert form.state.config.data.path == "/data/a, b.npz"


def test_that_all_options_unfold_and_fold_with_one_control(qtbot: QtBot, form: OptionForm) -> None:
    button = form.all_options
    assert button.accessibleDescription() == "folded"
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    assert shown(form) == list(form.paths)
    assert button.accessibleDescription() == "unfolded"
    form.restore_open_groups(["data"])
    assert button.accessibleDescription() == "folded"
    keys = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    QTest.keyClick(form.search, Qt.Key.Key_F, keys)
    assert shown(form) == list(form.paths)
    QTest.keyClick(form.search, Qt.Key.Key_F, keys)
    assert set(shown(form)) == set(MAIN)


def test_that_the_hint_follows_what_there_is_to_choose(qtbot: QtBot, form: OptionForm) -> None:
    line(form, "model.name").setFocus()
    hint = next(label for label in form.findChildren(QLabel) if label.accessibleName() == "About this option")
    assert "tiny" not in hint.text().split("Allowed: ")[1].split()
    source = Source("mine.py", "0" * 64, Path("mine.py"))
    before = use_extensions(
        ExtensionEntries((Entry("tiny", "Tiny net", "", origin=Origin(source, "model", 1)),))
    )
    try:
        form.renew()
        assert hint.text() == form.field("model.name").hint
        assert "tiny" in hint.text()
    finally:
        use_extensions(before)
        form.renew()

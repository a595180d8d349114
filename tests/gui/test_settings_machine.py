"""Slots and devices on the Settings page: ticks, states with their reasons, and what the buttons do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytestqt.qtbot import QtBot

from iterand_engine.errors import UserError
from iterand_engine.machine import processes
from iterand_engine.machine.devices import Device, cpu_device
from iterand_engine.machine.environment import program_stamp
from iterand_engine.machine.launch import Launch
from iterand_engine.slots import places as engine_places
from iterand_engine.slots.places import OfferedPlace
from iterand_engine.store import slots
from iterand_engine.store.records import SlotKey, SlotPlace, SlotRow
from iterand_gui.pages.settings import machine as machines
from iterand_gui.pages.settings.machine import Machine, is_named, with_gpu
from iterand_gui.pages.settings.slot_lines import SlotLine, slot_lines
from iterand_gui.pages.settings.slots import SlotsSection
from iterand_gui.session.remembered import Remembered
from tests.gui.open_settings_page import OpenSettingsPage, opened
from tests.run_rows import run_row

A100 = Device("GPU-3fa1b2c4-0001", "cuda", "NVIDIA A100", 80_000_000_000, 61_000_000_000, bf16=True)
T4 = Device("GPU-77d0e5f1-0002", "cuda", "Tesla T4", 16_000_000_000, 0, bf16=False)
GPU_IDS = ["GPU-aa1", "GPU-aa2", "GPU-bb1", "GPU-cc1"]


@pytest.fixture
def gui(qtbot: QtBot, workspace_dir: Path, tmp_path: Path) -> Iterator[OpenSettingsPage]:
    with opened(qtbot, workspace_dir, Remembered(tmp_path / "window.json")) as made:
        yield made


@pytest.fixture
def with_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with two GPUs, which torch could use."""
    monkeypatch.setattr(machines, "list_devices", lambda: (A100, T4, cpu_device()))
    for module in (machines, engine_places):
        monkeypatch.setattr(module, "trainable_devices", lambda devices: devices)
    monkeypatch.setattr(engine_places, "foreign_bytes", lambda device, ours, nvml: 0)


def hold(gui: OpenSettingsPage, *, device: str = "cpu", program: str = "") -> tuple[SlotKey, str]:
    """Hold a slot of this machine, as this very process."""
    key = SlotKey(processes.host_id(), device, 0)
    token = slots.hold(
        gui.session.store,
        key,
        device_name="Some device",
        device_kind="cpu" if device == "cpu" else "cuda",
        identity=processes.current(),
        program=program or program_stamp(),
    )
    assert token is not None
    return key, token


def line_of(section: SlotsSection, device: str = "cpu") -> SlotLine:
    return next(line for line in section.table.lines if line.key.device == device)


# The setting `devices`


def test_that_all_gpus_ticked_means_all_also_those_of_later() -> None:
    assert with_gpu(("GPU-aa1",), ["GPU-aa1", "GPU-bb1"], "GPU-bb1", True) == ()


def test_that_with_no_gpu_ticked_the_cpu_is_named_since_nothing_would_mean_all() -> None:
    assert with_gpu((), ["GPU-aa1"], "GPU-aa1", False) == ("cpu",)
    assert with_gpu(("GPU-elsewhere", "GPU-aa"), ["GPU-aa1"], "GPU-aa1", False) == ("cpu", "GPU-elsewhere")


@given(
    named=st.lists(st.sampled_from(["cpu", "GPU-aa", "GPU-bb1", "GPU-other"]), unique=True).map(tuple),
    here=st.lists(st.sampled_from(GPU_IDS), unique=True, min_size=1),
    data=st.data(),
)
def test_that_a_tick_changes_one_gpu_and_nothing_else(
    named: tuple[str, ...], here: list[str], data: st.DataObject
) -> None:
    gpu = data.draw(st.sampled_from(here))
    wanted = not is_named(gpu, named)
    after = with_gpu(named, here, gpu, wanted)
    assert {one: is_named(one, after) for one in here} == {
        one: wanted if one == gpu else is_named(one, named) for one in here
    }
    assert ("GPU-other" in after) == ("GPU-other" in named)


@pytest.mark.usefixtures("with_gpus")
def test_that_ticks_are_stored_and_shown(qtbot: QtBot, workspace_dir: Path, tmp_path: Path) -> None:
    with opened(qtbot, workspace_dir, Remembered(tmp_path / "window.json")) as gui:
        section = gui.section(SlotsSection)
        assert [tick.isChecked() for tick in section.devices.ticks.values()] == [True, True]
        section.devices.ticks[T4.id].click()
        gui.settle()
        assert gui.stored.devices == (A100.id,)
        assert [line.key.device for line in section.table.lines] == [A100.id]
        section.device_row.note.button.click()
        gui.settle()
        assert not gui.stored.devices
        assert section.devices.ticks[T4.id].isChecked()
        assert [line.key.device for line in section.table.lines] == [A100.id, T4.id]


def test_that_a_driver_that_fails_is_reported_and_the_cpu_is_still_shown(
    gui: OpenSettingsPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> tuple[Device, ...]:
        raise UserError("The NVIDIA driver does not answer.")

    monkeypatch.setattr(machines, "list_devices", fails)
    section = gui.section(SlotsSection)
    section.refresh()
    gui.settle()
    assert section.problem.text == "The NVIDIA driver does not answer."
    assert not section.devices.ticks


# How slots stand


HERE = Machine("here", (A100,), frozenset({A100.id}), (), 2, frozenset())
KEY = SlotKey("here", A100.id, 0)
ROW = SlotRow(KEY, "NVIDIA A100", "cuda", None, True, None, None, None, "0.1", None)
RUN = run_row(id="1" * 36, name="conv6", seed=3)


@pytest.mark.parametrize(
    ("row", "word", "why"),
    [
        (replace(ROW, closed_reason="CUDA error: ECC"), "Closed", "CUDA error: ECC."),
        (replace(ROW, run_id=RUN.id), "Training", "conv6, seed 3."),
        (
            replace(ROW, run_id=RUN.id, held=False),
            "Training",
            "conv6, seed 3. Nothing follows it: the slot's own process has ended.",
        ),
        (replace(ROW, run_id="f" * 36), "Training", "Run ffffffff."),
        (replace(ROW, message="held: the program changed"), "Waiting", "Held: the program changed."),
        (ROW, "Idle", "Looks for a run that it can train."),
        (replace(ROW, held=False), "Not started", "Starts by itself when a run is queued that it can train."),
    ],
)
def test_that_a_slot_says_how_it_stands_and_why(row: SlotRow, word: str, why: str) -> None:
    (line,) = slot_lines([row], HERE, {RUN.id: RUN})
    assert (line.word, line.why) == (word, why)
    assert line.device == "GPU-3fa1b2c4, NVIDIA A100"


def test_that_slots_that_are_offered_but_have_no_row_are_there_too() -> None:
    place = SlotPlace(replace(KEY, position=1), "NVIDIA A100", "cuda")
    skipped = OfferedPlace(
        replace(place, key=replace(KEY, position=2)), "skipped: other programs hold 9.0 GiB"
    )
    machine = replace(HERE, offered=(OfferedPlace(place), skipped))
    lines = slot_lines([ROW], machine, {})
    assert [line.word for line in lines] == ["Idle", "Not started", "Waiting"]
    assert lines[2].why == "Skipped: other programs hold 9.0 GiB."


def test_that_slots_of_other_machines_come_last_and_say_so() -> None:
    lines = slot_lines([replace(ROW, key=SlotKey("elsewhere", "cpu", 0)), ROW], HERE, {})
    assert [line.device for line in lines] == [
        "GPU-3fa1b2c4, NVIDIA A100",
        "CPU, NVIDIA A100, on another machine",
    ]


# What the buttons do


def test_that_closed_slots_are_opened_again(gui: OpenSettingsPage) -> None:
    section = gui.section(SlotsSection)
    assert not section.reopen.isEnabled()
    key, token = hold(gui)
    slots.close(gui.session.store, key, token, "its device failed")
    gui.until(lambda: line_of(section).is_closed)
    assert line_of(section).why == "Its device failed."
    section.reopen.click()
    gui.until(lambda: not line_of(section).is_closed)
    gui.settle()
    assert section.note.text == "1 slot opened again, 0 started."
    assert not section.reopen.isEnabled()


@pytest.mark.usefixtures("with_gpus")
def test_that_of_several_closed_slots_those_chosen_are_opened(
    qtbot: QtBot, workspace_dir: Path, tmp_path: Path
) -> None:
    with opened(qtbot, workspace_dir, Remembered(tmp_path / "window.json")) as gui:
        section = gui.section(SlotsSection)
        for device in (A100.id, T4.id):
            key, token = hold(gui, device=device)
            slots.close(gui.session.store, key, token, "its device failed")
        gui.until(lambda: [line.word for line in section.table.lines] == ["Closed", "Closed"])
        section.table.selectRow(1)
        section.reopen.click()
        gui.until(lambda: not line_of(section, T4.id).is_closed)
        gui.settle()
        assert line_of(section, A100.id).is_closed


def test_that_slots_of_an_earlier_program_start_anew(gui: OpenSettingsPage) -> None:
    section = gui.section(SlotsSection)
    assert not section.go_on.isEnabled()
    key, token = hold(gui, program="0.0.1")
    section.refresh()
    gui.until(section.go_on.isEnabled)
    section.go_on.click()
    gui.settle()
    assert section.note.text.startswith("1 slot will start anew with the new program")
    assert slots.beat(gui.session.store, key, token, None) == "restart"


def test_that_an_empty_queue_needs_no_slots(gui: OpenSettingsPage) -> None:
    section = gui.section(SlotsSection)
    section.start.click()
    gui.settle()
    assert section.note.text == "The queue is empty. Slots start by themselves when runs are queued."
    assert line_of(section).word == "Not started"


def test_that_missing_slots_are_started_for_queued_runs(
    gui: OpenSettingsPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Launch] = []
    monkeypatch.setattr(machines, "start_detached", started.append)
    section = gui.section(SlotsSection)
    gui.add_run()
    section.start.click()
    gui.settle()
    assert section.note.text == "1 slot started."
    (launch,) = started
    assert launch.arguments[1] == "iterand_engine.slots.process"
    hold(gui)
    section.start.click()
    gui.settle()
    assert section.note.text.startswith("No slot is missing. Why the first queued run waits: ")
    assert len(started) == 1


def test_that_the_choice_is_kept_while_slots_change(gui: OpenSettingsPage) -> None:
    section = gui.section(SlotsSection)
    section.table.selectRow(0)
    hold(gui)
    gui.until(lambda: line_of(section).word == "Idle")
    assert [line.key.device for line in section.table.chosen_lines()] == ["cpu"]

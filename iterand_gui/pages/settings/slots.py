"""Slots and devices: what trains the queue on this machine, and how that stands."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QSignalBlocker, QTimer, Slot
from PySide6.QtWidgets import QLineEdit, QPushButton, QVBoxLayout, QWidget

from iterand_engine.machine.allowed import allow_command, visible_command, why_command_is_off
from iterand_engine.machine.settings import Settings
from iterand_gui.live.tasks import Control
from iterand_gui.pages.settings import machine as machines
from iterand_gui.pages.settings.changes import SettingChanges
from iterand_gui.pages.settings.devices import DeviceList
from iterand_gui.pages.settings.machine import Machine
from iterand_gui.pages.settings.parts import Note, Number, Text, ValueChoice, button_row
from iterand_gui.pages.settings.section import Section
from iterand_gui.pages.settings.slot_lines import slot_lines
from iterand_gui.pages.settings.slot_table import SlotTable
from iterand_gui.session.command import Command
from iterand_gui.session.session import Session

LOOK_EVERY_MS = 10_000
_AUTO = "auto"
_CPU_CHOICES = ((_AUTO, "Where no GPU is used"), ("true", "Always"), ("false", "Never"))
_GPUS_HELP = "Runs get the GPUs that are ticked. With all ticked, also those that are added later."
_NO_GPU_HELP = "No NVIDIA GPU was found here: runs are trained on the CPU."
_ON_END_HELP = (
    "A command that is run when a run or a sweep has ended or a slot was closed, e.g. to send yourself a"
    " message. It gets ITERAND_EVENT, ITERAND_NAME, ITERAND_STATE and more in its environment."
)


class SlotsSection(Section):
    """The devices, the settings of slots, and the slots themselves."""

    key = "slots"
    title = "Slots and devices"
    icon = "gpu"
    about = (
        "A slot trains queued runs on its device, one after the other, each in a process of its own. Slots"
        " start when runs are queued and go on when this window is closed."
    )

    def __init__(self, session: Session, changes: SettingChanges, parent: QWidget) -> None:
        super().__init__(session, changes, parent)
        self._machine: Machine | None = None
        self._off_command = ""
        self._looking = False
        self._timer = QTimer(self, interval=LOOK_EVERY_MS)
        self._timer.timeout.connect(self.refresh)
        self._add_devices(self.part("This machine"))
        self._add_slots(self.part("Slots"))
        self._add_settings(self.part("What runs get"))

    def showing(self) -> None:
        super().showing()
        self.session.watcher.slots_changed.connect(self._show_slots)
        self._timer.start()
        self._show_slots()

    def hiding(self) -> None:
        super().hiding()
        self.session.watcher.slots_changed.disconnect(self._show_slots)
        self._timer.stop()

    @Slot()
    def refresh(self, *, asked: bool = False) -> None:
        """Look at devices, at what the settings offer, and whether their command may run."""
        self._look_at_command()
        if self._looking:
            return
        self._looking = True
        settings, store = self.session.settings, self.session.store

        def look(_: Control) -> Machine:
            return machines.look(settings, store)

        job = self.session.jobs.run(look, "Look at the devices")
        job.succeeded.connect(self._show_machine)
        job.failed.connect(self._not_found)
        job.ended.connect(self._looked)

    def commands(self) -> list[Command]:
        return [
            Command("Start missing slots", self.start.click, enabled=self.start.isEnabled),
            Command("Reopen closed slots", self.reopen.click, enabled=self.reopen.isEnabled),
            Command("Continue after an upgrade", self.go_on.click, enabled=self.go_on.isEnabled),
        ]

    def show_settings(self, settings: Settings) -> None:
        """Show the settings of slots, and what they offer."""
        for control, number in (
            (self.per_device, settings.slots_per_device),
            (self.cpu_share, 0 if isinstance(settings.cpu_share, str) else settings.cpu_share),
        ):
            with QSignalBlocker(control):
                control.setValue(number)
        with QSignalBlocker(self.cpu_slot):
            self.cpu_slot.setCurrentIndex(self.cpu_slot.findData(str(settings.cpu_slot).lower()))
        if not self.on_end.hasFocus() or not self.on_end.isModified():
            self.on_end.setText(settings.on_end)
        if self._machine is not None:
            self.devices.show_devices(self._machine, settings.devices)
        if self.is_in_view:
            self.refresh()

    def _add_devices(self, column: QVBoxLayout) -> None:
        self.devices = DeviceList(self)
        self.devices.ticked.connect(self._tick)
        self.device_row = self.changes.row("", self.devices, "", self)
        self.device_help = Text("", self, muted=True)
        self.problem = Note(self)
        column.addWidget(self.device_row)
        column.addWidget(self.device_help)
        column.addWidget(self.problem)

    def _add_settings(self, column: QVBoxLayout) -> None:
        self.per_device = Number(1, 64, self)
        self.per_device.valueChanged.connect(self._store_per_device)
        self.cpu_slot = ValueChoice(_CPU_CHOICES, self)
        self.cpu_slot.currentIndexChanged.connect(self._store_cpu_slot)
        self.cpu_share = Number(0, 1024, self)
        self.cpu_share.setSpecialValueText("Automatic")
        self.cpu_share.valueChanged.connect(self._store_cpu_share)
        self.on_end = QLineEdit(self)
        self.on_end.setPlaceholderText("No command")
        self.on_end.editingFinished.connect(self._store_on_end)
        row = self.changes.row
        self.per_device_row = row(
            "Slots on each &device",
            self.per_device,
            "Runs that share a device at the same time. Small networks do not fill a GPU: two or three are"
            " often faster there.",
            self,
        )
        self.cpu_slot_row = row("Train on the &CPU", self.cpu_slot, "Whether the CPU has slots, too.", self)
        self.cpu_share_row = row(
            "CPU &threads of a run",
            self.cpu_share,
            "For runs on the CPU. Automatic: its slots share the cores evenly.",
            self,
        )
        self.on_end_row = row("When a run &ends", self.on_end, _ON_END_HELP, self)
        for each in (self.per_device_row, self.cpu_slot_row, self.cpu_share_row, self.on_end_row):
            column.addWidget(each)
        self.on_end_off = Note(self)
        self.allow = QPushButton("&Allow this command", self)
        self.allow.clicked.connect(self._allow)
        self.allow.hide()
        column.addWidget(self.on_end_off)
        column.addLayout(button_row([self.allow]))

    def _add_slots(self, column: QVBoxLayout) -> None:
        self.table = SlotTable(self)
        self.table.chosen.connect(self._enable)
        self.none = Text("There is no slot on this machine.", self, muted=True)
        self.start = QPushButton("&Start missing slots", self)
        self.reopen = QPushButton("&Reopen closed slots", self)
        self.go_on = QPushButton("Continue after an &upgrade", self)
        self.start.setToolTip("Starts the slots that queued runs need and that do not run.")
        self.reopen.setToolTip(
            "Slots are closed when their device fails. Those chosen, or all of this machine."
        )
        self.go_on.setToolTip(
            "Slots of an earlier program start anew with this one when their run has ended."
        )
        self.start.clicked.connect(self._start)
        self.reopen.clicked.connect(self._reopen)
        self.go_on.clicked.connect(self._go_on)
        self.note = Note(self)
        column.addWidget(self.table)
        column.addWidget(self.none)
        column.addLayout(button_row([self.start, self.reopen, self.go_on]))
        column.addWidget(self.note)
        self._enable()

    @Slot(str)
    def _not_found(self, text: str) -> None:
        self.problem.say(text, "bad")

    @Slot()
    def _looked(self) -> None:
        self._looking = False

    @Slot(object)
    def _show_machine(self, machine: Machine) -> None:
        self._machine = machine
        self.problem.say(machine.problem, "warn")
        self.devices.show_devices(machine, self.session.settings.devices)
        self.device_help.setText(_GPUS_HELP if self.devices.ticks else _NO_GPU_HELP)
        self._show_slots()

    @Slot()
    def _show_slots(self) -> None:
        watcher = self.session.watcher
        lines = slot_lines(watcher.slots, self._machine, watcher.runs)
        self.table.show_lines(lines)
        self.table.setVisible(bool(lines))
        self.none.setVisible(not lines and self._machine is not None)
        self._enable()

    def _closed(self) -> list[str]:
        """The devices whose slots would be opened: those chosen, or all that are closed."""
        here = self._machine.host if self._machine is not None else None
        closed = [line for line in self.table.lines if line.is_closed and line.key.host == here]
        chosen = [line for line in self.table.chosen_lines() if line in closed]
        return list(dict.fromkeys(line.key.device for line in chosen or closed))

    @Slot()
    def _enable(self) -> None:
        self.reopen.setEnabled(bool(self._closed()))
        self.go_on.setEnabled(self._machine is not None and bool(self._machine.older))

    # Settings

    @Slot(str, bool)
    def _tick(self, gpu: str, wanted: bool) -> None:
        here = tuple(self.devices.ticks)
        self.changes.apply(
            "devices",
            lambda now: now.model_copy(update={"devices": machines.with_gpu(now.devices, here, gpu, wanted)}),
            self.device_row,
        )

    @Slot(int)
    def _store_per_device(self, count: int) -> None:
        self.changes.put("slots_per_device", str(count), self.per_device_row)

    @Slot()
    def _store_cpu_slot(self) -> None:
        self.changes.put("cpu_slot", self.cpu_slot.currentData(), self.cpu_slot_row)

    @Slot(int)
    def _store_cpu_share(self, count: int) -> None:
        self.changes.put("cpu_share", str(count) if count else _AUTO, self.cpu_share_row)

    @Slot()
    def _store_on_end(self) -> None:
        # A line shows other text than the settings have where that has several lines: nobody wrote it.
        is_written, written = self.on_end.isModified(), self.on_end.text()
        self.on_end.setModified(False)
        if not is_written or written == self.session.settings.on_end:
            return
        workspace = self.session.workspace

        def change(now: Settings) -> Settings:
            allow_command(workspace, written)  # who writes a command here allows it
            return now.with_value("on_end", written)

        self.changes.apply("on_end", change, self.on_end_row)

    def _look_at_command(self) -> None:
        workspace, command = self.session.workspace, self.session.settings.on_end
        if not command:
            self._show_command(("", ""))
            return
        job = self.session.jobs.run(
            lambda _: (command, why_command_is_off(workspace, command)), "Look at the command"
        )
        job.succeeded.connect(self._show_command)

    @Slot(object)
    def _show_command(self, found: tuple[str, str]) -> None:
        self._off_command, why_off = found
        whole = f"{why_off} The command: {visible_command(self._off_command)}"
        self.on_end_off.say(whole if why_off else "", "warn")
        self.allow.setVisible(bool(why_off))

    @Slot()
    def _allow(self) -> None:
        workspace, command = self.session.workspace, self._off_command
        job = self.session.jobs.run(lambda _: allow_command(workspace, command), "Allow the command")
        job.failed.connect(self._not_allowed)
        job.succeeded.connect(self._allowed)

    @Slot(str)
    def _not_allowed(self, text: str) -> None:
        self.on_end_off.say(text, "bad")

    @Slot(object)
    def _allowed(self, _: object) -> None:
        self._look_at_command()

    # Slots

    @Slot()
    def _start(self) -> None:
        session = self.session
        self._do(lambda: machines.start_missing(session.workspace, session.store), "Start slots")

    @Slot()
    def _reopen(self) -> None:
        session, devices = self.session, self._closed()
        self._do(lambda: machines.reopen(session.workspace, session.store, devices), "Reopen slots")

    @Slot()
    def _go_on(self) -> None:
        store = self.session.store
        self._do(lambda: machines.go_on_after_upgrade(store), "Continue after an upgrade")

    def _do(self, work: Callable[[], str], title: str) -> None:
        self.note.clear()
        job = self.session.jobs.run(lambda _: work(), title)
        job.succeeded.connect(self.note.say)
        job.failed.connect(self._failed)
        job.ended.connect(self.refresh)

    @Slot(str)
    def _failed(self, text: str) -> None:
        self.note.say(text, "bad")

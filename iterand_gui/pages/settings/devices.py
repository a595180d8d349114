"""The devices of this machine, each GPU with a tick: whether runs of this workspace may have it."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QCheckBox, QGridLayout, QHBoxLayout, QLabel, QSizePolicy, QWidget

from iterand_engine.machine.devices import Device
from iterand_engine.machine.texts import counted, size
from iterand_engine.slots.places import CPU
from iterand_gui.look import theme
from iterand_gui.look.plain import plain, without_mnemonic
from iterand_gui.pages.settings.machine import Machine, is_named
from iterand_gui.pages.settings.parts import Text
from iterand_gui.widgets.run_badge import Picture


class DeviceList(QWidget):
    """Shows devices as they were last found; a tick reports, and the section stores."""

    ticked = Signal(str, bool)  # id of a GPU, whether runs may have it

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAccessibleName("Devices of this machine")
        self.ticks: dict[str, QCheckBox] = {}
        self._shown: tuple[object, ...] = ()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(theme.SPACE_M)
        self._grid.setVerticalSpacing(theme.SPACE_S)
        self._grid.setColumnStretch(1, 1)

    def show_devices(self, machine: Machine, named: tuple[str, ...]) -> None:
        """Show the devices, and which of them the setting `devices` names."""
        facts = tuple((device.id, _facts(device, machine)) for device in machine.devices)
        if facts != self._shown:
            self._shown = facts
            self._make(machine)
        for device, tick in self.ticks.items():
            with QSignalBlocker(tick):
                tick.setChecked(is_named(device, named))

    def _make(self, machine: Machine) -> None:
        focused = next((device for device, tick in self.ticks.items() if tick.hasFocus()), None)
        while (item := self._grid.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.hide()
                widget.deleteLater()
        self.ticks = {}
        for row, device in enumerate(machine.devices):
            self._grid.addWidget(self._name(device, machine), row, 0)
            facts = Text(_facts(device, machine), self, muted=True)
            facts.setAlignment(Qt.AlignmentFlag.AlignVCenter)
            self._grid.addWidget(facts, row, 1)
        if focused in self.ticks:
            self.ticks[focused].setFocus()

    def _name(self, device: Device, machine: Machine) -> QWidget:
        if device.kind == CPU:
            return self._unticked(device)
        tick = QCheckBox(without_mnemonic(device.name), self)
        tick.setAccessibleName(f"Train on {device.name}, {device.id}")
        tick.setToolTip(plain(device.id))
        tick.setEnabled(device.id in machine.usable)
        tick.toggled.connect(self._teller(device.id))
        self.ticks[device.id] = tick
        return tick

    def _unticked(self, device: Device) -> QWidget:
        """The CPU: another setting says whether it has slots. An icon stands where GPUs have their tick."""
        name = QWidget(self)
        row = QHBoxLayout(name)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.SPACE_XS)
        row.addWidget(Picture(name, theme.icon("gpu", "muted")))
        row.addWidget(QLabel(device.name, name, textFormat=theme.PLAIN), 1)
        return name

    def _teller(self, device: str) -> Callable[[bool], None]:
        return lambda wanted: self.ticked.emit(device, wanted)


def _facts(device: Device, machine: Machine) -> str:
    """What matters of a device, in one line; rounded, so that it rarely changes."""
    if device.kind == CPU:
        return f"{counted(machine.cores, 'core')}, {size(device.memory_bytes)} memory"
    parts = [f"{size(device.memory_bytes)}, {size(device.memory_used_bytes)} in use", device.id[:12]]
    if device.id not in machine.usable:
        parts.append("the installed torch cannot use it: it is a build without CUDA")
    return ", ".join(parts)

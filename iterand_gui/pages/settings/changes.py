"""Changes of settings: stored at once, off the GUI thread; each can be undone, errors stand beside it.

A change is applied to the settings as the file has them at that moment, so what another program changed
meanwhile is kept. Limits: they are stored one after the other, never two at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import QGridLayout, QLabel, QSizePolicy, QWidget

from iterand_engine.machine.settings import Settings
from iterand_gui.live.tasks import Control
from iterand_gui.look import theme
from iterand_gui.pages.settings.parts import Note, Text

if TYPE_CHECKING:
    from iterand_gui.session.session import Session

LABEL_PX = 160
Change = Callable[[Settings], Settings]


class SettingRow(QWidget):
    """One setting: its label, the control, what it means, and how the last change of it went."""

    undo_asked = Signal(object)  # SettingRow

    def __init__(self, label: str, control: QWidget, help: str, parent: QWidget) -> None:
        super().__init__(parent)
        control.setParent(self)
        control.setAccessibleName(label.replace("&", "") or control.accessibleName())
        control.setAccessibleDescription(help)
        self.note = Note(self)
        self.note.acted.connect(self._ask_undo)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(theme.SPACE_M)
        grid.setVerticalSpacing(theme.SPACE_XS)
        first = 1 if label else 0
        if label:
            name = QLabel(label, self, textFormat=theme.PLAIN)
            name.setBuddy(control)
            name.setFixedWidth(LABEL_PX)
            grid.addWidget(name, 0, 0)
        is_wide = control.sizePolicy().horizontalPolicy() is QSizePolicy.Policy.Expanding
        grid.addWidget(control, 0, first, 1, 2 if is_wide else 1)
        if help:
            grid.addWidget(Text(help, self, muted=True), 1, first, 1, 2)
        grid.addWidget(self.note, 2, first, 1, 2)
        grid.setColumnStretch(first + 1, 1)

    @Slot()
    def _ask_undo(self) -> None:
        self.undo_asked.emit(self)


@dataclass(frozen=True)
class _Request:
    """A change that waits to be stored; without a row the settings are only read anew."""

    key: str
    change: Change
    row: SettingRow | None
    is_undo: bool = False


class SettingChanges(QObject):
    """Stores what a person changes in the controls of the page.

    Args:
        session: whose settings.
        parent: of the object.
    """

    refused = Signal()  # the controls should show the settings again

    def __init__(self, session: Session, parent: QObject) -> None:
        super().__init__(parent)
        self._session = session
        self._waiting: list[_Request] = []
        self._now: _Request | None = None
        self._undo: dict[SettingRow, _Request] = {}

    def row(self, label: str, control: QWidget, help: str, parent: QWidget) -> SettingRow:
        """A row whose changes can be undone."""
        made = SettingRow(label, control, help, parent)
        made.undo_asked.connect(self._undo_last)
        return made

    def put(self, key: str, text: str, row: SettingRow) -> None:
        """Store another value of a setting, written as on a command line."""
        self.apply(key, lambda settings: settings.with_value(key, text), row)

    def apply(self, key: str, change: Change, row: SettingRow) -> None:
        """Store a change of a setting.

        Args:
            key: the setting.
            change: makes the new settings of the present ones; raises UserError with what is wrong.
            row: where it is said how it went.
        """
        self._add(_Request(key, change, row))

    def read(self) -> None:
        """Read the settings anew: another program may have changed them."""
        self._add(_Request("", lambda settings: settings, None))

    def _add(self, request: _Request) -> None:
        self._waiting.append(request)
        self._next()

    def _next(self) -> None:
        if self._now is not None or not self._waiting:
            return
        self._now = request = self._waiting.pop(0)
        workspace = self._session.workspace

        def store(_: Control) -> tuple[Settings, Settings]:
            before = Settings.load(workspace)
            after = request.change(before)
            if after != before:
                after.save(workspace)
            return before, after

        job = self._session.jobs.run(store, "Store the settings")
        job.succeeded.connect(self._stored)
        job.failed.connect(self._refused)
        job.ended.connect(self._ended)

    @Slot(object)
    def _stored(self, both: tuple[Settings, Settings]) -> None:
        assert self._now is not None  # its job reports this
        request, (before, after) = self._now, both
        self._session.take_settings(after)
        if request.row is not None:
            self._report(request, request.row, before, after)

    def _report(self, request: _Request, row: SettingRow, before: Settings, after: Settings) -> None:
        old = getattr(before, request.key)
        if request.is_undo:
            row.note.say("Undone.")
        elif old != getattr(after, request.key):
            back = _Request(
                request.key, lambda now: now.model_copy(update={request.key: old}), row, is_undo=True
            )
            self._undo[row] = back
            row.note.say("Stored.", action="Undo")
        else:
            row.note.clear()

    @Slot(str)
    def _refused(self, text: str) -> None:
        assert self._now is not None  # its job reports this
        if self._now.row is None:
            self._session.messages.error(text)
            return
        self._now.row.note.say(text, "bad")
        self.refused.emit()

    @Slot()
    def _ended(self) -> None:
        self._now = None
        self._next()

    @Slot(object)
    def _undo_last(self, row: SettingRow) -> None:
        if row in self._undo:
            self._add(self._undo.pop(row))

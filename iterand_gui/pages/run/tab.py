"""What a tab of the Run page is: it shows one run while it is in view, and costs nothing otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from PySide6.QtWidgets import QWidget

from iterand_engine.store import RunRow
from iterand_gui.session.command import Command, Json
from iterand_gui.session.session import Session


class RunTab(QWidget):
    """One tab. Subclasses override `enter`, `leave`, `forget`, and what else they need.

    Args:
        session: the window's.
        parent: of the widget.
    """

    key: ClassVar[str]
    title: ClassVar[str]  # with its mnemonic

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(parent)
        self.session = session
        self.row: RunRow | None = None
        self._is_in_view = False
        self.setAccessibleName(self.title.replace("&", ""))

    @property
    def run_id(self) -> str | None:
        """The run that is shown."""
        return self.row.id if self.row is not None else None

    @property
    def config(self) -> Mapping[str, object]:
        """The run's configuration as stored."""
        return self.session.watcher.configs.get(self.run_id or "", {})

    def show_run(self, row: RunRow | None) -> None:
        """Show a run, another or as it stands now."""
        before, other = self.row, (row.id if row else None) != self.run_id
        if other and self._is_in_view and before is not None:
            self.leave()
        self.row = row
        if other:
            self.forget()
        if not self._is_in_view or row is None:
            return
        if other:
            self.enter(row)
        elif row != before:
            self.run_changed(row)

    def showing(self) -> None:
        """The tab comes into view."""
        self._is_in_view = True
        if self.row is not None:
            self.enter(self.row)

    def hiding(self) -> None:
        """The tab went out of view."""
        if self._is_in_view and self.row is not None:
            self.leave()
        self._is_in_view = False

    def enter(self, row: RunRow) -> None:
        """Begin to show a run: subscribe and read."""

    def leave(self) -> None:
        """Give every subscription back."""

    def forget(self) -> None:
        """Show nothing of the run before."""

    def run_changed(self, row: RunRow) -> None:
        """The run in view stands differently."""

    def commands(self) -> list[Command]:
        """What the tab can do now."""
        return []

    def save_state(self) -> Json:
        """What is to be remembered, as plain values."""
        return {}

    def restore_state(self, state: Mapping[str, object]) -> None:
        """Take that up again; an empty one is the state at first."""

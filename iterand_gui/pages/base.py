"""What a page of the window is: it shows and asks; it knows queries and signals, and no other page.

A page is made when it is first shown. While it is hidden it costs nothing: it takes its subscriptions in
`showing` and gives them back in `hiding`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QWidget

from iterand_gui.session.command import Command, Json

if TYPE_CHECKING:
    from iterand_gui.session.session import Session


class Page(QWidget):
    """One page. Subclasses give `title` and `icon` (a qtawesome name) and override what they need."""

    title = ""
    icon = ""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.setObjectName(type(self).__name__)
        self.setAccessibleName(f"{self.title} page")

    def showing(self) -> None:
        """The page comes into view: subscribe to what it shows."""

    def hiding(self) -> None:
        """The page went out of view: give every subscription back."""

    def take(self, what: object) -> None:
        """Show something that another part of the window asked for; pages say what they take."""

    def commands(self) -> list[Command]:
        """What the page can do now, for the palette and its menu."""
        return []

    def save_state(self) -> Json:
        """Layout, columns and filters as plain values, to be remembered."""
        return {}

    def restore_state(self, state: Mapping[str, object]) -> None:
        """Take a remembered state up again; an empty one is the state at first."""

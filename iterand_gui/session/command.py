"""An action that a page or the window offers, as a value, and the type of what a page remembers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Json = dict[str, object]


@dataclass(frozen=True)
class Command:
    """An action of the user, as the command palette and the menus list it.

    `text` says what in a few words; `shortcut` is a key sequence as Qt writes it, empty for none; `enabled`
    is asked when the list is shown.
    """

    text: str
    run: Callable[[], object]
    shortcut: str = ""
    enabled: Callable[[], bool] = lambda: True

"""Texts of users as Qt shows them: tooltips would take them for HTML, menus and buttons for mnemonics.

Labels have `theme.PLAIN`; where Qt has no such switch, the text goes through one of these.
"""

from __future__ import annotations

from typing import Final

from PySide6.QtGui import Qt

_JOINER: Final = "\N{WORD JOINER}"  # takes no room, and nothing that begins with it is the name of a tag


def plain(text: str) -> str:
    """A tooltip that shows a text as it is; every tooltip goes through this, or is written in the program."""
    if not Qt.mightBeRichText(text):
        return text
    return text.replace("<", f"<{_JOINER}").replace("&", f"&{_JOINER}")


def without_mnemonic(text: str) -> str:
    """The text of an action or a button that shows a text as it is, with its ampersands, on one line."""
    return " ".join(text.split()).replace("&", "&&")


def title_of(text: str) -> str:
    """The part of a window's title that shows a text as it is: `[*]` would mean that a file was changed."""
    return text.replace("[*]", "[*][*]")

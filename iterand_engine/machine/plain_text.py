"""Which characters the names and notes of users hold, and how all others are shown.

A terminal obeys control characters, and some characters reorder or break the line that they stand in. New
names with them are refused; those of an older or a received workspace are shown as Python would write them.
"""

from __future__ import annotations

import re

_LINE_CHARACTERS = "\t\n"
# C0, DEL and C1; what ends lines; what overrides or isolates the direction of writing; halves of characters.
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

_HALF = re.compile("[\ud800-\udfff]")


def visible(text: str, *, lines: bool = True) -> str:
    r"""A text with what is not plain made visible: the escape character becomes `\x1b`.

    Args:
        text: any; a text that is visible already stays as it is.
        lines: whether it may have line ends and tabs; where it may not, they become `\n` and `\t`.
    """
    kept = _LINE_CHARACTERS if lines else ""
    return _UNFIT.sub(lambda found: found[0] if found[0] in kept else _escaped(found[0]), text)


def unfit_in(text: str, *, lines: bool = False) -> str | None:
    """The first character of a text that is not plain, by its code point: `U+001B`; None where all are plain.

    Args:
        text: as given.
        lines: whether it may have line ends and tabs, as notes may.
    """
    kept = _LINE_CHARACTERS if lines else ""
    return next((_code_point(one[0]) for one in _UNFIT.finditer(text) if one[0] not in kept), None)


def half_character_in(text: str) -> str | None:
    """The first half of a character in a text, as `U+DCFF`: no file holds it, it stands for a wrong byte."""
    found = _HALF.search(text)
    return None if found is None else _code_point(found[0])


def _code_point(character: str) -> str:
    return f"U+{ord(character):04X}"


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")

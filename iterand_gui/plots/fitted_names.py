"""Names that are too long for their room, cut so that no two of them read the same. No state."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from PySide6.QtCore import Qt
from PySide6.QtGui import QFontMetrics

_PARTS_AT = ", "
_TAIL_SHARE = 2 / 3  # of the room, for the part that distinguishes names, behind their common beginning


def fitted_names(names: Sequence[str], metrics: QFontMetrics, room_px: int) -> dict[str, str]:
    """Cut names at the right; those that would read the same lose what they share instead.

    Args:
        names: any number of them.
        metrics: of the font that they are drawn with.
        room_px: for each of them.
    Returns:
        What is drawn of each name, no two the same; numbered where the room is too small even for that.
    """
    found = _fitted(list(dict.fromkeys(names)), metrics, room_px)
    taken = {name for name, text in found.items() if text == name}
    for number, (name, text) in enumerate(found.items(), start=1):
        if text != name:
            found[name] = text if text not in taken else _numbered(number, text, metrics, room_px, taken)
            taken.add(found[name])
    return found


def _fitted(names: list[str], metrics: QFontMetrics, room_px: int) -> dict[str, str]:
    found = {name: _elided(name, metrics, room_px) for name in names}
    alike: dict[str, list[str]] = {}
    for name, text in found.items():
        alike.setdefault(text, []).append(name)
    for same in alike.values():
        start = _parting(same) if len(same) > 1 else 0
        if not start:
            continue
        tails = _fitted([name[start:] for name in same], metrics, int(room_px * _TAIL_SHARE))
        for name in same:
            tail = tails[name[start:]]
            left_px = room_px - metrics.horizontalAdvance(tail)
            found[name] = _elided(name[:start], metrics, left_px) + tail
    return found


def _parting(names: Sequence[str]) -> int:
    """Where the first part begins in which names differ."""
    letters = enumerate(zip(*names, strict=False))
    end = next((at for at, column in letters if len(set(column)) > 1), min(map(len, names)))
    shared = names[0][:end]
    at = shared.rfind(_PARTS_AT)
    return at + len(_PARTS_AT) if at >= 0 else len(shared)


def _numbered(number: int, text: str, metrics: QFontMetrics, room_px: int, taken: Collection[str]) -> str:
    numbered = _elided(f"{number} {text}", metrics, room_px)
    return numbered if numbered not in taken and numbered.startswith(f"{number} ") else str(number)


def _elided(text: str, metrics: QFontMetrics, room_px: int) -> str:
    return metrics.elidedText(text, Qt.TextElideMode.ElideRight, max(0, room_px))

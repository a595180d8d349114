"""What delegates ask of a line of the run table, besides its text."""

from __future__ import annotations

from enum import IntEnum

from PySide6.QtCore import Qt

from iterand_gui.pages.runs.lines.columns import COLUMNS

UNUSED = {
    int(role)
    for role in (Qt.ItemDataRole.FontRole, Qt.ItemDataRole.BackgroundRole, Qt.ItemDataRole.CheckStateRole)
}  # asked for each cell all the same
_LEFT, _RIGHT = (
    Qt.AlignmentFlag.AlignVCenter | side for side in (Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignRight)
)
ALIGNMENTS = [_RIGHT if column.is_number else _LEFT for column in COLUMNS]


class LineRole(IntEnum):
    """What delegates ask for besides the text."""

    STATE = Qt.ItemDataRole.UserRole + 1  # RunState, as text
    KIND = Qt.ItemDataRole.UserRole + 2  # Kind
    KEY = Qt.ItemDataRole.UserRole + 3  # id of the run or sweep, key of the group
    PROGRESS = Qt.ItemDataRole.UserRole + 4  # 0-1, or None
    PRELIMINARY = Qt.ItemDataRole.UserRole + 5  # bool: the accuracy is of runs that go on
    CELLS = Qt.ItemDataRole.UserRole + 6  # of a sweep: the states of its cells, in order

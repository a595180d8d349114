"""Which columns the run table shows, in which order, how wide, and by which it is sorted: chosen and kept.

What is kept names columns by their keys, so that it survives a new column. While nobody has set a width, the
column "What differs" takes the room that the others leave; where there is little, "Name" gives way too: the
figures at the right stay in view.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from PySide6.QtCore import QEvent, QObject, QPoint, Qt
from PySide6.QtWidgets import QMenu, QTreeView

from iterand_gui.look.plain import plain
from iterand_gui.pages.runs.lines.columns import COLUMN, COLUMNS

_NARROWEST_PX = 48
_FLEXIBLE = COLUMN["differs"]
_GIVES_WAY = COLUMN["name"]
_SHORTEST_NAME_PX = 110
_WIDTHS_PX: Final[Mapping[str, int]] = {
    "state": 172,
    "name": 186,
    "differs": 92,
    "n": 68,
    "accuracy": 158,
    "time": 120,
    "age": 88,
    "progress": 132,
    "created": 140,
    "started": 140,
    "ended": 140,
    "reason": 280,
    "id": 250,
}
_WIDTH_PX = 96
_SORTED_BY = ("age", False)


class TableHeader(QObject):
    """The header of one table.

    Args:
        view: shows a `RunTableModel`.
    """

    def __init__(self, view: QTreeView) -> None:
        super().__init__(view)
        self._view = view
        self._header = view.header()
        self._is_laying_out = False
        self._were_set = False
        self._header.setSectionsMovable(True)
        self._header.setFirstSectionMovable(True)
        self._header.setStretchLastSection(False)
        self._header.setMinimumSectionSize(_NARROWEST_PX)
        self._header.setAccessibleName("TableHeader")
        self._header.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self._header.customContextMenuRequested.connect(self._open_menu_at)
        self._header.sectionResized.connect(self._resized)
        view.viewport().installEventFilter(self)
        self.restore({})

    @property
    def shown(self) -> list[str]:
        """The keys of the columns shown, from the left."""
        order = (self._header.logicalIndex(place) for place in range(len(COLUMNS)))
        return [COLUMNS[column].key for column in order if not self._header.isSectionHidden(column)]

    def show_column(self, key: str, *, shown: bool) -> None:
        """Show a column or hide it; the last one stays."""
        if not shown and self.shown == [key]:
            return
        self._header.setSectionHidden(COLUMN[key], not shown)
        if shown and self._header.sectionSize(COLUMN[key]) < _NARROWEST_PX:
            self._header.resizeSection(COLUMN[key], _WIDTHS_PX.get(key, _WIDTH_PX))
        self._give_room()

    def menu(self) -> QMenu:
        """A menu of all columns."""
        menu = QMenu("TableHeader", self._view)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.setToolTipsVisible(True)
        for column in COLUMNS:
            action = menu.addAction(column.title)
            action.setCheckable(True)
            action.setChecked(column.key in self.shown)
            action.setToolTip(plain(column.help))
            action.toggled.connect(self._shower(column.key))
        menu.addSeparator()
        menu.addAction("Columns as at &first", self.reset)
        return menu

    def reset(self) -> None:
        """Order, widths and choice as at first; sorted as it is."""
        sort = self.save()["sort"]
        self.restore({"sort": sort})

    def save(self) -> dict[str, object]:
        column, order = self._header.sortIndicatorSection(), self._header.sortIndicatorOrder()
        key = COLUMNS[column].key if 0 <= column < len(COLUMNS) else _SORTED_BY[0]
        kept: dict[str, object] = {
            "sort": [key, order == Qt.SortOrder.DescendingOrder],
            "columns": self.shown,
        }
        if self._were_set:
            kept["widths"] = {key: self._header.sectionSize(COLUMN[key]) for key in self.shown}
        return kept

    def restore(self, state: Mapping[str, object]) -> None:
        """Take up what was saved; what is missing or unknown is as at first."""
        first = [column.key for column in COLUMNS if column.is_first]
        wanted = [key for key in _texts(state.get("columns")) if key in COLUMN] or first
        widths = state.get("widths")
        self._were_set = isinstance(widths, Mapping)
        given = widths.items() if isinstance(widths, Mapping) else ()
        known = {key: px for key, px in given if isinstance(px, int)}
        self._is_laying_out = True
        order = [*wanted, *(column.key for column in COLUMNS if column.key not in wanted)]
        for place, key in enumerate(order):
            self._header.moveSection(self._header.visualIndex(COLUMN[key]), place)
            self._header.setSectionHidden(COLUMN[key], key not in wanted)
            self._header.resizeSection(
                COLUMN[key], max(_NARROWEST_PX, known.get(key, _WIDTHS_PX.get(key, _WIDTH_PX)))
            )
        self._is_laying_out = False
        self._sort(state.get("sort"))
        self._give_room()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Share the room anew when the table's width changes."""
        if event.type() == QEvent.Type.Resize:
            self._give_room()
        return super().eventFilter(watched, event)

    def _sort(self, kept: object) -> None:
        key, descending = _SORTED_BY
        if isinstance(kept, Sequence) and len(kept) == 2 and kept[0] in COLUMN:
            key, descending = str(kept[0]), bool(kept[1])
        order = Qt.SortOrder.DescendingOrder if descending else Qt.SortOrder.AscendingOrder
        self._view.sortByColumn(COLUMN[key], order)

    def _give_room(self) -> None:
        if self._were_set or self._is_laying_out:
            return
        seen = [column for column in range(len(COLUMNS)) if not self._header.isSectionHidden(column)]
        fixed = (column for column in seen if column not in (_FLEXIBLE, _GIVES_WAY))
        room = self._view.viewport().width() - sum(map(self._header.sectionSize, fixed))
        self._is_laying_out = True
        least = _WIDTHS_PX["differs"] if _FLEXIBLE in seen else 0
        if _GIVES_WAY in seen:
            name_px = min(_WIDTHS_PX["name"], max(_SHORTEST_NAME_PX, room - least))
            self._header.resizeSection(_GIVES_WAY, name_px)
            room -= name_px
        if _FLEXIBLE in seen:
            self._header.resizeSection(_FLEXIBLE, max(least, room))
        self._is_laying_out = False

    def _resized(self, column: int, before_px: int, now_px: int) -> None:
        if not self._is_laying_out and before_px and now_px:
            self._were_set = True

    def _shower(self, key: str) -> Callable[[bool], None]:
        return lambda shown: self.show_column(key, shown=shown)

    def _open_menu_at(self, at: QPoint) -> None:
        self.menu().popup(self._header.mapToGlobal(at))


def _texts(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list | tuple) else []

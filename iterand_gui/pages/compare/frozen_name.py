"""Keeps the names in view while a table is scrolled sideways: a second view of its first column laid over it.

It shows and asks nothing of its own: rows, selection, order, widths and menu are those of the table.
"""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QPoint, QSignalBlocker, Qt
from PySide6.QtGui import QColor, QContextMenuEvent, QPainter, QPaintEvent, QPen, QWheelEvent
from PySide6.QtWidgets import QFrame, QTableView

from iterand_gui.look import theme
from iterand_gui.look.fusion import give_room

_MOST_SHARE = 0.6  # of the table; what scrolls needs room too


class FrozenName(QTableView):
    """The first column of a table, seen once that is scrolled to the right.

    Args:
        table: has its model and its delegate of the first column already.
    """

    def __init__(self, table: QTableView) -> None:
        super().__init__(table)
        self._table = table
        self.setModel(table.model())
        self.setSelectionModel(table.selectionModel())
        self.setItemDelegateForColumn(0, table.itemDelegateForColumn(0))
        self._look_alike()
        self._follow()
        table.viewport().installEventFilter(self)
        self.hide()

    def _look_alike(self) -> None:
        table = self._table
        self.setAccessibleName("Names of the rows")
        self.setFont(table.font())
        self.setSelectionBehavior(table.selectionBehavior())
        self.setAlternatingRowColors(table.alternatingRowColors())
        self.setShowGrid(table.showGrid())
        self.setWordWrap(False)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.setFocusProxy(table)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAutoScroll(False)
        give_room(self)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(theme.ROW_PX)
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setSectionsClickable(True)
        header.setSortIndicatorShown(True)
        header.setSortIndicatorClearable(True)

    def _follow(self) -> None:
        table, own, header = self._table, self.horizontalHeader(), self._table.horizontalHeader()
        table.horizontalScrollBar().valueChanged.connect(self.place)
        table.verticalScrollBar().valueChanged.connect(self.verticalScrollBar().setValue)
        self.verticalScrollBar().valueChanged.connect(table.verticalScrollBar().setValue)
        header.sectionResized.connect(self._table_resized)
        own.sectionResized.connect(self._resized)
        own.sortIndicatorChanged.connect(self._order)
        header.sortIndicatorChanged.connect(self.show_order)
        self.doubleClicked.connect(table.doubleClicked)

    def show_order(self) -> None:
        """Mark the column that the rows are ordered by, as the table does."""
        header = self._table.horizontalHeader()
        with QSignalBlocker(self.horizontalHeader()):
            self.horizontalHeader().setSortIndicator(
                header.sortIndicatorSection(), header.sortIndicatorOrder()
            )

    def place(self) -> None:
        """Lie over the first column, where that is scrolled away and leaves room for others."""
        table, width = self._table, self._table.columnWidth(0)
        has_room = width <= _MOST_SHARE * table.viewport().width()
        if table.horizontalScrollBar().value() == 0 or not has_room:
            self.hide()
            return
        header_px = table.horizontalHeader().height()
        corner = table.viewport().mapTo(table, QPoint(0, -header_px))
        self.setColumnWidth(0, width)
        self.horizontalHeader().setFixedHeight(header_px)
        self.setGeometry(corner.x(), corner.y(), width, header_px + table.viewport().height())
        self.horizontalScrollBar().setValue(0)
        self.show()
        self.verticalScrollBar().setValue(table.verticalScrollBar().value())

    def covered_px(self) -> int:
        """How much of the table it lies over, from the left."""
        return 0 if self.isHidden() else self.width()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 (Qt)
        """The table's viewport changed its size."""
        if event.type() == QEvent.Type.Resize:
            self.place()
        return False

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 (Qt)
        """A line parts the names from what goes by."""
        super().paintEvent(event)
        painter = QPainter(self.viewport())
        painter.setPen(QPen(QColor(theme.colours(self.palette()).line), 1))
        right = self.viewport().width() - 1
        painter.drawLine(right, 0, right, self.viewport().height())

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802 (Qt)
        self._table.wheelEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:  # noqa: N802 (Qt)
        self._table.contextMenuEvent(event)

    def _order(self, column: int, order: Qt.SortOrder) -> None:
        self._table.horizontalHeader().setSortIndicator(column, order)

    def _table_resized(self, column: int, _before: int, _now: int) -> None:
        if column == 0:
            self.place()

    def _resized(self, column: int, _before: int, now: int) -> None:
        if column == 0 and not self.isHidden():
            self._table.setColumnWidth(0, now)

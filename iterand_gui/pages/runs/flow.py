"""A layout that puts widgets side by side and begins a new row where one has no room."""

from __future__ import annotations

from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtWidgets import QLayout, QLayoutItem

from iterand_gui.look import theme


class FlowLayout(QLayout):
    """Rows as wide as the layout, each as high as its highest widget; made without a parent."""

    def __init__(self, spacing: int = theme.SPACE_S) -> None:
        super().__init__()
        self._items: list[QLayoutItem] = []
        self.setSpacing(spacing)

    def addItem(self, item: QLayoutItem) -> None:  # noqa: N802 - Qt's name
        """Put an item behind the others."""
        self._items.append(item)

    def count(self) -> int:
        """How many items there are."""
        return len(self._items)

    def itemAt(self, index: int) -> QLayoutItem | None:  # noqa: N802 - Qt's name
        """An item by its place."""
        return self._items[index] if 0 <= index < len(self._items) else None

    def takeAt(self, index: int) -> QLayoutItem | None:  # noqa: N802 - Qt's name
        """An item, which is the caller's from now on."""
        return self._items.pop(index) if 0 <= index < len(self._items) else None

    def expandingDirections(self) -> Qt.Orientation:  # noqa: N802 - Qt's name
        """It takes no more room than it needs."""
        return Qt.Orientation(0)

    def hasHeightForWidth(self) -> bool:  # noqa: N802 - Qt's name
        return True

    def heightForWidth(self, width: int) -> int:  # noqa: N802 - Qt's name
        """The height of all rows."""
        return self._place(QRect(0, 0, width, 0), is_trial=True)

    def setGeometry(self, area: QRect) -> None:  # noqa: N802 - Qt's name
        super().setGeometry(area)
        self._place(area, is_trial=False)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """As narrow as may be."""
        return self.minimumSize()

    def minimumSize(self) -> QSize:  # noqa: N802 - Qt's name
        """The widest and the highest of them."""
        size = QSize()
        for item in self._items:
            size = size.expandedTo(item.minimumSize())
        return size

    def _place(self, area: QRect, *, is_trial: bool) -> int:
        """Go through the rows; returns their height."""
        left, top, high = area.left(), area.top(), 0
        for item in self._items:
            hint = item.sizeHint()
            if left > area.left() and left + hint.width() > area.right() + 1:
                left, top, high = area.left(), top + high + self.spacing(), 0
            if not is_trial:
                item.setGeometry(QRect(left, top, min(hint.width(), area.width()), hint.height()))
            left += hint.width() + self.spacing()
            high = max(high, hint.height())
        return top + high - area.top()

"""The table and the side panel beside each other; the panel is as wide as suits the window, or as drawn."""

from __future__ import annotations

from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QSplitter, QWidget

PANEL_PX, NARROW_PANEL_PX = 340, 272
_NARROW_PX = 1_300  # a window that is not wider has the narrow one


class PanelSplit(QSplitter):
    """Puts them side by side."""

    def __init__(self, table: QWidget, panel: QWidget, parent: QWidget) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self.panel_px: int | None = None  # None until somebody has drawn it
        self.setAccessibleName("Table and details")
        self.setChildrenCollapsible(False)
        self.addWidget(table)
        self.addWidget(panel)
        self.setStretchFactor(0, 1)
        self.splitterMoved.connect(self._drawn)

    def give_panel(self, width_px: int | None) -> None:
        """Give the side panel a width; None for the one that suits the window."""
        self.panel_px = width_px
        if width_px is None:
            width_px = NARROW_PANEL_PX if self.window().width() < _NARROW_PX else PANEL_PX
        room = self.width() - self.handleWidth()
        self.setSizes([max(1, room - width_px), width_px])

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        super().resizeEvent(event)
        self.give_panel(self.panel_px)

    @Slot()
    def _drawn(self) -> None:
        self.panel_px = self.sizes()[1]

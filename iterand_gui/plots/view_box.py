"""The inside of a plot: turns wheel and mouse into signals, which the owner of the plot obeys."""

from __future__ import annotations

from typing import Any

import pyqtgraph as pg
from PySide6.QtCore import QRectF, Qt, Signal

_ZOOM_A_NOTCH = 0.8
_NOTCH = 120.0


class PlotViewBox(pg.ViewBox):
    """The wheel zooms along x, with Ctrl or over the y axis along y; dragging moves, with Shift it frames."""

    zoom_x = Signal(float, float)  # factor, place
    zoom_y = Signal(float, float)
    pan = Signal(float, float)  # by how much of the width and of the height
    framed = Signal(QRectF)
    reset = Signal()

    def __init__(self) -> None:
        super().__init__(enableMenu=False)
        self.disableAutoRange()
        self.setDefaultPadding(0.0)

    def wheelEvent(self, event: Any, axis: int | None = None) -> None:  # noqa: N802 (Qt)
        factor = _ZOOM_A_NOTCH ** (event.delta() / _NOTCH)
        place = self.mapSceneToView(event.scenePos())
        if axis == 1 or event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.zoom_y.emit(factor, place.y())
        else:
            self.zoom_x.emit(factor, place.x())
        event.accept()

    def mouseDragEvent(self, event: Any, axis: int | None = None) -> None:  # noqa: N802 (pyqtgraph)
        """Move the view, or with Shift draw the frame to zoom into."""
        if event.button() != Qt.MouseButton.LeftButton:
            event.ignore()
            return
        event.accept()
        if event.modifiers() & Qt.KeyboardModifier.ShiftModifier and axis is None:
            self._frame(event)
            return
        self.rbScaleBox.hide()
        moved = event.lastPos() - event.pos()
        across = 0.0 if axis == 1 else moved.x() / max(1.0, self.width())
        up = 0.0 if axis == 0 else -moved.y() / max(1.0, self.height())
        self.pan.emit(across, up)

    def mouseClickEvent(self, event: Any) -> None:  # noqa: N802 (pyqtgraph)
        """Ask for the whole view at a double click."""
        if event.button() == Qt.MouseButton.LeftButton and event.double():
            event.accept()
            self.reset.emit()

    def _frame(self, event: Any) -> None:
        if not event.isFinish():
            self.updateScaleBox(event.buttonDownPos(), event.pos())
            return
        self.rbScaleBox.hide()
        frame = QRectF(event.buttonDownPos(), event.pos()).normalized()
        if frame.width() > 4 and frame.height() > 4:
            self.framed.emit(self.childGroup.mapRectFromParent(frame))

"""A plot as a picture for a file: title, names of the curves, and the drawing area, in the light colours."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRect, QRectF, QSize
from PySide6.QtGui import QColor, QImage, QPainter

from iterand_gui.look import theme
from iterand_gui.look.colours import LIGHT
from iterand_gui.plots.canvas import Canvas
from iterand_gui.plots.legend import LegendEntry, paint_names

_MARGIN = theme.SPACE_M


def picture_size(canvas: Canvas, entries: Sequence[LegendEntry]) -> QSize:
    """The size of a picture, in pixels of the layout."""
    scratch = QImage(1, 1, QImage.Format.Format_RGB32)
    painter = QPainter(scratch)
    head = _paint_head(painter, canvas, "", entries)
    painter.end()
    return QSize(canvas.width() + 2 * _MARGIN, canvas.height() + head + 2 * _MARGIN)


def paint_picture(painter: QPainter, canvas: Canvas, title: str, entries: Sequence[LegendEntry]) -> None:
    """Draw title, names and the drawing area as it is now."""
    painter.translate(_MARGIN, _MARGIN)
    head = _paint_head(painter, canvas, title, entries)
    scene = canvas.viewport().rect()
    canvas.scene().prepareForPaint()
    canvas.scene().render(painter, QRectF(0, head, scene.width(), scene.height()), QRectF(scene))


def _paint_head(painter: QPainter, canvas: Canvas, title: str, entries: Sequence[LegendEntry]) -> int:
    """Draw what stands above the drawing area; returns its height."""
    painter.save()
    painter.setFont(theme.title_font(canvas.font()))
    painter.setPen(QColor(LIGHT.text))
    line = painter.fontMetrics().height() + theme.SPACE_S
    painter.drawText(QRect(0, 0, canvas.width(), line), 0, title)
    painter.setFont(canvas.font())
    painter.translate(0, line)
    height = line + paint_names(painter, entries, QColor(LIGHT.text), canvas.width()) + theme.SPACE_S
    painter.restore()
    return height

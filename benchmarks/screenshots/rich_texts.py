"""Finds texts of an application that Qt would render as HTML, so that a name could load a file."""

from __future__ import annotations

from collections.abc import Iterator

from PySide6.QtCore import QAbstractItemModel, QAbstractListModel, QModelIndex
from PySide6.QtGui import Qt
from PySide6.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QComboBox,
    QGraphicsTextItem,
    QGraphicsView,
    QLabel,
    QWidget,
)

from benchmarks.screenshots.in_view import named

_ROWS = 40  # of a model that are looked at
_TIP = Qt.ItemDataRole.ToolTipRole


def rich_texts() -> list[str]:
    """The texts of all widgets, in view or not, that are HTML for Qt: labels, tooltips, items of plots."""
    found = []
    for widget in QApplication.allWidgets():
        found += [f"{named(widget)}: {text!r}" for text in _texts(widget) if Qt.mightBeRichText(text)]
        for item in widget.scene().items() if isinstance(widget, QGraphicsView) and widget.scene() else ():
            if isinstance(item, QGraphicsTextItem) and "<img" in item.toHtml():
                found.append(f"{named(widget)} draws {item.toHtml()!r}")
    return found


def _texts(widget: QWidget) -> Iterator[str]:
    yield from (widget.toolTip(), widget.statusTip(), widget.whatsThis())
    yield from (action.toolTip() for action in widget.actions())
    if isinstance(widget, QLabel) and widget.textFormat() is not Qt.TextFormat.PlainText:
        yield widget.text()
    if isinstance(widget, QAbstractItemView | QComboBox) and widget.model() is not None:
        yield from _tips(widget.model())


def _tips(model: QAbstractItemModel) -> Iterator[str]:
    rows, columns = min(_ROWS, model.rowCount()), _columns(model, QModelIndex())
    for orientation, count in ((Qt.Orientation.Horizontal, columns), (Qt.Orientation.Vertical, rows)):
        yield from (str(model.headerData(at, orientation, _TIP) or "") for at in range(count))
    yield from _cell_tips(model, QModelIndex())


def _cell_tips(model: QAbstractItemModel, parent: QModelIndex) -> Iterator[str]:
    for row in range(min(_ROWS, model.rowCount(parent))):
        for column in range(_columns(model, parent)):
            yield str(model.index(row, column, parent).data(_TIP) or "")
        first = model.index(row, 0, parent)
        if model.rowCount(first):
            yield from _cell_tips(model, first)


def _columns(model: QAbstractItemModel, parent: QModelIndex) -> int:
    return 1 if isinstance(model, QAbstractListModel) else model.columnCount(parent)  # a list's is private

"""Finds the visible widgets of a window and their visible parts."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QRect
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractScrollArea,
    QAbstractSpinBox,
    QComboBox,
    QHeaderView,
    QLabel,
    QLineEdit,
    QMenuBar,
    QScrollBar,
    QTabBar,
    QWidget,
)

_MADE_OF_PARTS = (QAbstractItemView, QAbstractSpinBox, QComboBox, QLineEdit, QMenuBar, QTabBar)


def in_view(window: QWidget) -> list[QWidget]:
    """The widgets of a window that are visible, if only in part; without the inner parts of Qt's widgets."""
    found = [each for each in window.findChildren(QWidget) if each.window() is window]
    return [w for w in found if w.isVisible() and not seen_part(w).isEmpty() and not _is_part(w)]


def seen_part(widget: QWidget) -> QRect:
    """The part of a widget that lies within all its parents, in its own coordinates.

    Qt's own `visibleRegion` leaves out what children cover, and so the whole of a table.
    """
    seen, moved, at = widget.rect(), QPoint(), widget
    while not at.isWindow() and (parent := at.parentWidget()) is not None:
        moved += at.pos()
        seen &= parent.rect().translated(-moved)
        at = parent
    return seen


def _is_part(widget: QWidget) -> bool:
    parent = widget.parentWidget()
    if isinstance(widget, QScrollBar) or (
        widget.objectName().startswith("qt_") and not isinstance(widget, QTabBar)
    ):
        return True
    if isinstance(parent, QAbstractScrollArea) and parent.viewport() is widget:
        return True
    while parent is not None:
        if isinstance(parent, _MADE_OF_PARTS) and not isinstance(widget, QHeaderView):
            return True
        parent = parent.parentWidget()
    return False


def named(widget: QWidget) -> str:
    """The name of a widget, for a sentence."""
    text = widget.text() if isinstance(widget, QLabel | QAbstractButton) else ""
    return f"{type(widget).__name__} {widget.accessibleName() or text or widget.objectName()!r}"

"""Fusion with visible outlines: its own are darker than the window, and cannot be seen on a dark one.

Boxes to tick, round buttons and fields get `Colours.outline`, frames around lists and texts `Colours.line`.
"""

from __future__ import annotations

from PySide6.QtCore import QPoint, QRect, QRectF, QSize
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import (
    QProxyStyle,
    QStyle,
    QStyleOption,
    QStyleOptionComboBox,
    QStyleOptionComplex,
    QTableView,
    QTreeView,
    QWidget,
)

from iterand_gui.look.colours import DARK, LIGHT, Colours

_Element = QStyle.PrimitiveElement
_CORNER_PX = 2.0
_OUTLINED = {
    _Element.PE_IndicatorCheckBox,
    _Element.PE_IndicatorItemViewItemCheck,
    _Element.PE_IndicatorRadioButton,
    _Element.PE_FrameLineEdit,
}
_SIDES = {QStyle.PixelMetric.PM_FocusFrameHMargin, QStyle.PixelMetric.PM_HeaderMargin}
SIDES_PX = 8
MARK_PX = 14
_SHOW_FOCUS = {_Element.PE_FrameLineEdit}  # by their outline, which must stay as Fusion draws it then


class OutlinedFusion(QProxyStyle):
    """Draws outlines over those of Fusion that are too faint to be seen."""

    def __init__(self) -> None:
        super().__init__("Fusion")

    def drawPrimitive(  # noqa: N802 (Qt)
        self, element: _Element, option: QStyleOption, painter: QPainter, widget: QWidget | None = None
    ) -> None:
        """Draw a part as Fusion does, then its outline where that is too faint."""
        super().drawPrimitive(element, option, painter, widget)
        if element == _Element.PE_Frame:
            _outline(painter, option, _colours(option).line)
        elif element in _OUTLINED and not (element in _SHOW_FOCUS and _has_focus(option)):
            _outline(painter, option, is_round=element == _Element.PE_IndicatorRadioButton)

    def drawComplexControl(  # noqa: N802 (Qt)
        self,
        control: QStyle.ComplexControl,
        option: QStyleOptionComplex,
        painter: QPainter,
        widget: QWidget | None = None,
    ) -> None:
        """Draw a control as Fusion does, then the outline of those that one types in."""
        super().drawComplexControl(control, option, painter, widget)
        typed_in = control == QStyle.ComplexControl.CC_SpinBox or (
            control == QStyle.ComplexControl.CC_ComboBox
            and isinstance(option, QStyleOptionComboBox)
            and option.editable
        )
        if typed_in and not _has_focus(option):
            _outline(painter, option)


class RoomyFusion(OutlinedFusion):
    """With more room at the sides of cells and titles, so that numbers do not touch the words beside them."""

    def pixelMetric(  # noqa: N802 (Qt)
        self, metric: QStyle.PixelMetric, option: QStyleOption | None = None, widget: QWidget | None = None
    ) -> int:
        """As the application's style, but for the sides of cells."""
        return SIDES_PX if metric in _SIDES else super().pixelMetric(metric, option, widget)


class RoomyTitles(RoomyFusion):
    """The same for a table's titles: Fusion would push the mark of the order to their upper edge."""

    def drawPrimitive(  # noqa: N802 (Qt)
        self, element: _Element, option: QStyleOption, painter: QPainter, widget: QWidget | None = None
    ) -> None:
        """As the application's style, but for the mark."""
        if element == _Element.PE_IndicatorHeaderArrow and widget is not None:
            centre = QPoint(option.rect.center().x(), widget.height() // 2)
            option.rect = QRect(centre - QPoint(MARK_PX // 2, MARK_PX // 2), QSize(MARK_PX, MARK_PX))
        super().drawPrimitive(element, option, painter, widget)


def give_room(view: QTableView | QTreeView) -> None:
    """Have a table and its titles drawn with more room."""
    titles = view.header() if isinstance(view, QTreeView) else view.horizontalHeader()
    for part, style in ((view, RoomyFusion()), (titles, RoomyTitles())):
        style.setParent(part)
        part.setStyle(style)


def _outline(
    painter: QPainter, option: QStyleOption, colour: str | None = None, *, is_round: bool = False
) -> None:
    """Draw a thin line around; what is disabled keeps the one that Fusion drew."""
    if not option.state & QStyle.StateFlag.State_Enabled:
        return
    rect = QRectF(option.rect).adjusted(0.5, 0.5, -0.5, -0.5)
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(QColor(colour or _colours(option).outline), 1))
    painter.setBrush(QColor(0, 0, 0, 0))
    if is_round:
        painter.drawEllipse(rect)
    else:
        painter.drawRoundedRect(rect, _CORNER_PX, _CORNER_PX)
    painter.restore()


def _has_focus(option: QStyleOption) -> bool:
    return bool(option.state & QStyle.StateFlag.State_HasFocus)


def _colours(option: QStyleOption) -> Colours:
    return DARK if option.palette.window().color().lightness() < 128 else LIGHT

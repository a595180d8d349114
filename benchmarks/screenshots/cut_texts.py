"""Finds texts in a window that are cut and have no tooltip with the whole text.

Limits: texts that a widget paints itself are seen only where it keeps them in `text()`.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator

from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtGui import QFont, QFontMetrics
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractScrollArea,
    QComboBox,
    QHeaderView,
    QLabel,
    QLineEdit,
    QStyle,
    QStyleOptionComboBox,
    QStyleOptionViewItem,
    QTabBar,
    QTableView,
    QToolButton,
    QWidget,
)

from benchmarks.screenshots.in_view import in_view, named
from iterand_gui.plots.legend import LegendView

_CELLS = 4000  # of a table, looked at
_SLACK_PX = 1


def cut_texts(window: QWidget) -> list[str]:
    """Sentences about cut texts without a tooltip that has the whole text, and about cut controls."""
    looks: list[tuple[type[QWidget], Callable[..., Iterator[str]]]] = [
        (QLabel, _cut_label),
        (QAbstractButton, _cut_button),
        (QComboBox, _cut_combo),
        (QLineEdit, _cut_placeholder),
        (QTabBar, _cut_tabs),
        (QHeaderView, _cut_header),
        (QAbstractItemView, _cut_cells),
    ]
    found = []
    for widget in in_view(window):
        for kind, look in looks:
            if isinstance(widget, kind) and not (
                kind is QAbstractItemView and isinstance(widget, QHeaderView)
            ):
                found += list(look(widget))
        if isinstance(widget, QLabel | QAbstractButton | QComboBox | QLineEdit):
            found += list(_clipped(widget))
    return found


def _advance(metrics: QFontMetrics, text: str) -> int:
    return max((metrics.horizontalAdvance(line) for line in text.splitlines()), default=0)


def _unmarked(text: str) -> str:
    """A text as it is shown: without the marks of mnemonics."""
    return text.replace("&&", "\0").replace("&", "").replace("\0", "&")


def _is_shown_whole(text: str, tooltip: object) -> bool:
    """Whether a tooltip has a text whole."""
    return isinstance(tooltip, str) and text.casefold() in html.unescape(tooltip).casefold()


def _cut_label(label: QLabel) -> Iterator[str]:
    text = _unmarked(label.text()) if label.buddy() is not None else label.text()
    if not text or _is_shown_whole(text, label.toolTip()):
        return
    if label.wordWrap():
        if label.heightForWidth(label.width()) > label.height() + _SLACK_PX:
            yield f"{named(label)} needs more lines than its height of {label.height()} px holds"
        return
    needs = _advance(label.fontMetrics(), text) + 2 * label.margin()
    if needs > label.contentsRect().width() + _SLACK_PX:
        yield f"{named(label)} is {label.contentsRect().width()} px wide and needs {needs}"
    if label.fontMetrics().height() > label.contentsRect().height() + 2 * _SLACK_PX:
        yield f"{named(label)} is {label.contentsRect().height()} px high, less than its font"


def _cut_button(button: QAbstractButton) -> Iterator[str]:
    needs = button.sizeHint().width()
    if isinstance(button, QToolButton):  # the size they ask for includes room to spare
        if button.toolButtonStyle() is Qt.ToolButtonStyle.ToolButtonIconOnly:
            return
        needs = _advance(button.fontMetrics(), _unmarked(button.text())) + 2 * _SLACK_PX
    if button.text() and needs > button.width() + _SLACK_PX:
        yield f"{named(button)} is {button.width()} px wide and needs {needs}"


def _cut_combo(box: QComboBox) -> Iterator[str]:
    option = QStyleOptionComboBox()
    box.initStyleOption(option)
    part = QStyle.SubControl.SC_ComboBoxEditField
    room = box.style().subControlRect(QStyle.ComplexControl.CC_ComboBox, option, part, box).width()
    needs = _advance(box.fontMetrics(), box.currentText())
    if (
        needs > room + _SLACK_PX
        and not box.isEditable()
        and not _is_shown_whole(box.currentText(), box.toolTip())
    ):
        yield f"{named(box)} has {room} px for {box.currentText()!r}, which needs {needs}"


def _cut_placeholder(line: QLineEdit) -> Iterator[str]:
    needs = _advance(line.fontMetrics(), line.placeholderText())
    margins = line.textMargins()
    room = line.width() - margins.left() - margins.right() - 8
    if not line.text() and needs > room and not _is_shown_whole(line.placeholderText(), line.toolTip()):
        yield f"{named(line)} has {room} px for {line.placeholderText()!r}, which needs {needs}"


def _cut_tabs(bar: QTabBar) -> Iterator[str]:
    for number in range(bar.count()):
        needs, room = _advance(bar.fontMetrics(), _unmarked(bar.tabText(number))), bar.tabRect(number).width()
        if needs > room and not _is_shown_whole(_unmarked(bar.tabText(number)), bar.tabToolTip(number)):
            yield f"tab {bar.tabText(number)!r} is {room} px wide and needs {needs}"
    if bar.count() and bar.tabRect(bar.count() - 1).right() > bar.width() + _SLACK_PX:
        yield f"{named(bar)} does not show all of its tabs"


def _cut_header(header: QHeaderView) -> Iterator[str]:
    if header.orientation() is not Qt.Orientation.Horizontal or header.model() is None:
        return
    margin = 2 * header.style().pixelMetric(QStyle.PixelMetric.PM_HeaderMargin, None, header)
    for number in range(header.count()):
        text = header.model().headerData(number, header.orientation(), Qt.ItemDataRole.DisplayRole)
        tip = header.model().headerData(number, header.orientation(), Qt.ItemDataRole.ToolTipRole)
        left = header.sectionViewportPosition(number)
        if (
            header.isSectionHidden(number)
            or not 0 <= left < header.width()
            or not text
            or _is_shown_whole(str(text), tip)
        ):
            continue
        needs = _advance(header.fontMetrics(), str(text)) + margin
        if needs > header.sectionSize(number) + _SLACK_PX:
            yield f"header {text!r} is {header.sectionSize(number)} px wide and needs {needs}"


def _cut_cells(view: QAbstractItemView) -> Iterator[str]:
    if view.model() is None or isinstance(view, LegendView):  # a legend's names are cut, with tooltips
        return
    option = QStyleOptionViewItem()
    view.initViewItemOption(option)
    seen: set[tuple[int, int, int]] = set()
    step = max(6, view.fontMetrics().height() // 2)
    for y in range(2, view.viewport().height(), step):
        for x in range(2, view.viewport().width(), step):
            index = view.indexAt(QPoint(x, y))
            place = (index.internalId(), index.row(), index.column())
            if not index.isValid() or place in seen or len(seen) > _CELLS:
                continue
            seen.add(place)
            text = index.data(Qt.ItemDataRole.DisplayRole)
            if not isinstance(text, str) or _is_shown_whole(text, index.data(Qt.ItemDataRole.ToolTipRole)):
                continue
            room = view.visualRect(index)
            needs = _advance(QFontMetrics(option.font), text)
            if needs > room.width() + _SLACK_PX and not _fits_in_lines(view, option.font, text, room):
                yield f"{named(view)}: cell {text!r} is {room.width()} px wide and needs {needs}"


def _fits_in_lines(view: QAbstractItemView, font: QFont, text: str, room: QRect) -> bool:
    if not isinstance(view, QTableView) or not view.wordWrap():
        return False
    lines = QFontMetrics(font).boundingRect(room, Qt.TextFlag.TextWordWrap, text)
    return lines.width() <= room.width() and lines.height() <= room.height()


def _clipped(widget: QWidget) -> Iterator[str]:
    """A control that is partly outside of what holds it; in a scroll area that is as it should be."""
    rect, parent = QRect(QPoint(), widget.size()), widget.parentWidget()
    at: QWidget = widget
    while parent is not None and not isinstance(parent.parentWidget(), QAbstractScrollArea):
        rect.translate(at.pos())
        inside = rect & parent.rect()
        if inside != rect:
            yield f"{named(widget)} is cut by {named(parent)}: {inside.size()} of {rect.size()}"
            return
        if at.isWindow():
            return
        at, parent = parent, parent.parentWidget()

"""The list of sections at the left: icon and word, a mark at the one in view, colour for the keyboard."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect, QSize, Qt
from PySide6.QtGui import QIcon, QPainter, QPalette
from PySide6.QtWidgets import (
    QListWidget,
    QListWidgetItem,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from iterand_gui.look import theme

_WIDTH_PX = 208
_MARK_PX = 3


class SectionList(QListWidget):
    """Chooses a section by its row."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAccessibleName("Sections")
        self.setFixedWidth(_WIDTH_PX)
        self.setFrameShape(QListWidget.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setItemDelegate(_Painter(self))
        self.setBackgroundRole(QPalette.ColorRole.Base)
        self.setAutoFillBackground(True)  # the margin too
        self.setViewportMargins(0, theme.SPACE_L, 0, 0)

    def add(self, title: str, icon: QIcon) -> None:
        """Add a section at the end."""
        QListWidgetItem(icon, title, self)


class _Painter(QStyledItemDelegate):
    def sizeHint(  # noqa: N802 - Qt's name
        self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> QSize:
        return QSize(_WIDTH_PX, theme.ROW_PX + theme.SPACE_S)

    def paint(
        self,
        painter: QPainter,
        option: QStyleOptionViewItem,
        index: QModelIndex | QPersistentModelIndex,
    ) -> None:
        rect: QRect = option.rect
        state: QStyle.StateFlag = option.state
        palette: QPalette = option.palette
        chosen = bool(state & QStyle.StateFlag.State_Selected)
        focused = chosen and bool(state & QStyle.StateFlag.State_HasFocus)
        if focused:
            painter.fillRect(rect, palette.color(QPalette.ColorRole.Highlight))
        elif chosen or state & QStyle.StateFlag.State_MouseOver:
            painter.fillRect(rect, palette.color(QPalette.ColorRole.Window))
        if chosen:
            painter.fillRect(
                QRect(rect.left(), rect.top(), _MARK_PX, rect.height()),
                palette.color(QPalette.ColorRole.Accent),
            )
        icon = QRect(0, 0, theme.ICON_PX, theme.ICON_PX)
        icon.moveCenter(rect.center())
        icon.moveLeft(rect.left() + theme.SPACE_L)
        mode = QIcon.Mode.Selected if focused else QIcon.Mode.Normal
        index.data(Qt.ItemDataRole.DecorationRole).paint(painter, icon, mode=mode)
        text = rect.adjusted(theme.SPACE_L + theme.ICON_PX + theme.SPACE_S, 0, -theme.SPACE_S, 0)
        role = QPalette.ColorRole.HighlightedText if focused else QPalette.ColorRole.Text
        painter.setPen(palette.color(role))
        title = str(index.data(Qt.ItemDataRole.DisplayRole))
        shown = painter.fontMetrics().elidedText(title, Qt.TextElideMode.ElideRight, text.width())
        painter.drawText(text, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, shown)

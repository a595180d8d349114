"""How the Disk section shows sizes: bars by kind, and plain tables with the size at the right."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import (
    QAbstractItemView,
    QGridLayout,
    QHeaderView,
    QLabel,
    QSizePolicy,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from iterand_engine.machine.texts import size
from iterand_gui.look import theme
from iterand_gui.look.fusion import give_room
from iterand_gui.look.plain import plain
from iterand_gui.pages.settings.disk_facts import KINDS, DiskFacts
from iterand_gui.pages.settings.parts import Text

_NUMBER = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


class ShareBar(QWidget):
    """A bar as long as a share of its width."""

    def __init__(self, share: float, parent: QWidget) -> None:
        super().__init__(parent)
        self._share = share
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(theme.SPACE_M)
        self.setMinimumWidth(80)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw it in the colour of the moment."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        whole = QRectF(self.rect())
        radius = whole.height() / 4
        painter.setBrush(self.palette().color(QPalette.ColorRole.Button))
        painter.drawRoundedRect(whole, radius, radius)
        part = QRectF(whole)
        part.setWidth(max(whole.width() * self._share, whole.height() / 2))
        painter.setBrush(self.palette().color(QPalette.ColorRole.Accent))
        painter.drawRoundedRect(part, radius, radius)


class KindBars(QWidget):
    """A line a kind: word, bar, size; the largest first."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(theme.SPACE_M)
        self._grid.setVerticalSpacing(theme.SPACE_S)
        self._grid.setColumnStretch(1, 2)
        self._grid.setColumnStretch(3, 3)

    def show_facts(self, facts: DiskFacts) -> None:
        while (item := self._grid.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.hide()
                widget.deleteLater()
        most = max((count_bytes for _, count_bytes in facts.by_kind), default=1)
        said = []
        for row, (kind, count_bytes) in enumerate(facts.by_kind):
            word, help = KINDS[kind]
            amount = QLabel(size(count_bytes), self, textFormat=theme.PLAIN)
            amount.setAlignment(_NUMBER)
            amount.setFont(theme.number_font(self.font()))
            name = QLabel(word, self, textFormat=theme.PLAIN)
            name.setToolTip(plain(help))
            explained = Text(help, self, muted=True)
            for column, part in enumerate((name, ShareBar(count_bytes / most, self), amount, explained)):
                self._grid.addWidget(part, row, column)
            said.append(f"{word} {size(count_bytes)}")
        self.setAccessibleName(f"Disk use by kind: {', '.join(said) or 'nothing'}")


class SizeTable(QTableWidget):
    """A plain table in which one column holds sizes."""

    def __init__(self, name: str, columns: Sequence[str], size_column: int, parent: QWidget) -> None:
        super().__init__(0, len(columns), parent)
        give_room(self)
        self._size_column = size_column
        self.setAccessibleName(name)
        self.setHorizontalHeaderLabels(list(columns))
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setTabKeyNavigation(False)  # Tab leaves the table
        self.setShowGrid(False)
        self.setAlternatingRowColors(True)
        self.setWordWrap(False)
        self.setIconSize(QSize(theme.ICON_PX, theme.ICON_PX))
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(theme.ROW_PX)
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        head = QTableWidgetItem(columns[size_column])
        head.setTextAlignment(_NUMBER)
        self.setHorizontalHeaderItem(size_column, head)

    def show_rows(self, rows: Sequence[Sequence[str]], most: int) -> None:
        """Show other rows; the table is as high as they are, and as `most` of them at most."""
        self.setRowCount(len(rows))
        for row, texts in enumerate(rows):
            for column, text in enumerate(texts):
                item = QTableWidgetItem(text)
                if column == self._size_column:
                    item.setTextAlignment(_NUMBER)
                self.setItem(row, column, item)
        for column in range(1, self.columnCount()):
            wanted = max(self.sizeHintForColumn(column), self.horizontalHeader().sectionSizeHint(column))
            self.horizontalHeader().resizeSection(column, wanted + 2 * theme.SPACE_M)
        head_px = self.horizontalHeader().sizeHint().height()
        shown = min(max(len(rows), 1), most)
        self.setFixedHeight(head_px + shown * theme.ROW_PX + 2 * self.frameWidth())

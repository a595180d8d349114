"""The table below the plot: a piece of each entry's line before its name, keys, menu. It shows and asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from PySide6.QtCore import (
    QItemSelection,
    QItemSelectionModel,
    QRect,
    QSignalBlocker,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QAction, QColor, QContextMenuEvent, QKeyEvent, QPainter, QPalette
from PySide6.QtWidgets import (
    QAbstractItemView,
    QMenu,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from iterand_gui.look import theme
from iterand_gui.look.fusion import MARK_PX, SIDES_PX, give_room
from iterand_gui.pages.compare.frozen_name import FrozenName
from iterand_gui.pages.compare.sheet_model import AnyIndex, SheetModel, SheetRole, Swatch
from iterand_gui.plots.legend import LegendEntry, paint_swatch

_SWATCH_PX = 30
_PIN_PX = theme.ICON_PX + theme.SPACE_XS
_CELL_SIDES_PX = 2 * (SIDES_PX + 2)
_WARNING_PX = theme.ICON_PX + _CELL_SIDES_PX
_WIDEST_PX = 400


class EntryNameDelegate(QStyledItemDelegate):
    """Draws the line of the entry, its name, and a pin at the baseline."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: AnyIndex) -> None:
        made = QStyleOptionViewItem(option)
        self.initStyleOption(made, index)
        text, rect, palette = made.text, QRect(made.rect), QPalette(made.palette)
        made.text = ""
        view = made.widget
        view.style().drawControl(QStyle.ControlElement.CE_ItemViewItem, made, painter, view)
        painter.save()
        inner = rect.adjusted(theme.SPACE_S, 0, -theme.SPACE_XS, 0)
        swatch = index.data(SheetRole.SWATCH)
        selected = bool(made.state & QStyle.StateFlag.State_Selected)
        if isinstance(swatch, Swatch):
            if selected:  # its colour has to stand out from that of the selection
                ground = QRect(
                    inner.left() - theme.SPACE_XS, inner.top() + 6, _SWATCH_PX, inner.height() - 12
                )
                painter.fillRect(ground, palette.color(QPalette.ColorRole.Base))
            colour = theme.run_colour(swatch.colour_key)
            paint_swatch(painter, LegendEntry("", "", colour, swatch.line, ""), inner)
        if index.data(SheetRole.PINNED):
            icon = QRect(inner.right() - theme.ICON_PX, 0, theme.ICON_PX, theme.ICON_PX)
            icon.moveCenter(inner.center())
            icon.moveRight(inner.right())
            theme.icon("pin", "accent").paint(painter, icon)
            inner.adjust(0, 0, -_PIN_PX, 0)
        role = QPalette.ColorRole.HighlightedText if selected else QPalette.ColorRole.Text
        painter.setPen(QColor(palette.color(role)))
        inner.adjust(_SWATCH_PX, 0, 0, 0)
        name = made.fontMetrics.elidedText(text, Qt.TextElideMode.ElideMiddle, inner.width())
        painter.drawText(inner, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, name)
        painter.restore()

    def sizeHint(self, option: QStyleOptionViewItem, index: AnyIndex) -> QSize:  # noqa: N802 (Qt)
        """Room for the line and the pin too."""
        hint: QSize = super().sizeHint(option, index)
        return QSize(hint.width() + _SWATCH_PX + _PIN_PX + theme.SPACE_S, hint.height())


class SheetView(QTableView):
    """The table with its keys and menu; `picked` reports the entry whose row is current."""

    picked = Signal(object)  # key, str; None where no row is
    opened = Signal(str)  # key: the user wants to see more of it
    pin_asked = Signal(str)  # key
    drop_asked = Signal(object)  # tuple[str, ...]: keys that are not to be compared any more

    def __init__(self, model: SheetModel, copies: Sequence[QAction], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self._copies = tuple(copies)
        self._widths: dict[str, int] = {}  # by column key, those that the user chose
        self._is_sizing = False
        self.setModel(model)
        self.setAccessibleName("Side by side")
        self.setItemDelegateForColumn(0, EntryNameDelegate(self))
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setAlternatingRowColors(True)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.setFont(theme.number_font(self.font()))
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        give_room(self)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(theme.ROW_PX)
        self._set_up_header()
        self._frozen = FrozenName(self)
        self.pin_action = self._action("&Pin as baseline", "P", self._pin, "pin")
        self.open_action = self._action("&Open the run", "Return", self._open, "run")
        self.drop_action = self._action("&Leave out", "Del", self._drop, "close")
        self.addActions(self._copies)
        self.doubleClicked.connect(self._open)
        model.modelAboutToBeReset.connect(lambda: self._set_sizing(True))
        model.modelReset.connect(lambda: self._set_sizing(False))
        model.columns_changed.connect(self._columns_changed)
        model.modelReset.connect(self._grow_columns)
        model.dataChanged.connect(self._grow_columns)

    def _set_up_header(self) -> None:
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setSortIndicatorClearable(True)
        header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        header.sectionResized.connect(self._note_width)
        header.setMinimumSectionSize(48)
        header.setStretchLastSection(True)
        self.setSortingEnabled(True)

    @property
    def current_key(self) -> str | None:
        """The entry whose row is current."""
        index = self.currentIndex()
        return self._model.keys[index.row()] if index.isValid() else None

    def chosen_keys(self) -> tuple[str, ...]:
        """The entries of the rows that are selected."""
        rows = self.selectionModel().selectedRows()
        return tuple(self._model.keys[index.row()] for index in rows)

    def pick(self, key: str | None) -> None:
        """Make an entry's row the current one, or none, without reporting it."""
        row = self._model.row_of(key)
        if self.chosen_keys() == (() if row is None else (key,)):
            return
        flags = QItemSelectionModel.SelectionFlag.ClearAndSelect | QItemSelectionModel.SelectionFlag.Rows
        with QSignalBlocker(self):
            if row is None:
                self.clearSelection()
            else:
                self.selectionModel().setCurrentIndex(self._model.index(row, 0), flags)

    def widths(self) -> dict[str, int]:
        """The widths that the user chose, by column key."""
        return dict(self._widths)

    def set_widths(self, widths: Mapping[str, int]) -> None:
        """Take chosen widths up again."""
        self._widths = dict(widths)
        self._size_columns()

    def order_by(self, key: str | None, *, descending: bool) -> None:
        """Order the rows by a column, as a click on its title would."""
        self._model.order_by(key, descending=descending)
        self._show_order()

    def scrollTo(  # noqa: N802 (Qt)
        self,
        index: AnyIndex,
        hint: QAbstractItemView.ScrollHint = QAbstractItemView.ScrollHint.EnsureVisible,
    ) -> None:
        """Bring a cell into view, and not below the names, which always are."""
        across, covered_px = self.horizontalScrollBar(), self._frozen.covered_px()
        if index.column() == 0 and covered_px:
            before = across.value()
            with QSignalBlocker(across):
                super().scrollTo(index, hint)
                across.setValue(before)
            self._frozen.place()  # the table may have been laid out meanwhile
            return
        super().scrollTo(index, hint)
        hidden_px = self._frozen.covered_px() - self.columnViewportPosition(index.column())
        if index.column() and hidden_px > 0:
            across.setValue(across.value() - hidden_px)

    def selectionChanged(self, selected: QItemSelection, deselected: QItemSelection) -> None:  # noqa: N802 (Qt)
        """Say which entry is chosen, where it is one."""
        super().selectionChanged(selected, deselected)
        keys = self.chosen_keys()
        self.picked.emit(keys[0] if len(keys) == 1 else None)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 (Qt)
        """Esc lets all entries stand out alike again."""
        if event.key() == Qt.Key.Key_Escape and self.chosen_keys():
            self.clearSelection()
        else:
            super().keyPressEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:  # noqa: N802 (Qt)
        """Open the menu at the pointer, or by the menu key."""
        self.make_menu().popup(event.globalPos())

    def make_menu(self) -> QMenu:
        """What can be done with the entries; it deletes itself when it closes."""
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        here = self.current_key is not None
        is_pinned = here and self.current_key == self._model.sheet.baseline
        self.pin_action.setText("&Unpin the baseline" if is_pinned else "&Pin as baseline")
        for action in (self.pin_action, self.open_action, self.drop_action):
            action.setEnabled(here)
        menu.addActions([self.pin_action, self.open_action, self.drop_action])
        menu.addSeparator()
        menu.addActions(list(self._copies))
        return menu

    def _action(self, text: str, key: str, slot: Callable[[], object], icon: str) -> QAction:
        action = QAction(text, self)
        action.setShortcut(key)
        action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        action.setIcon(theme.icon(icon))
        action.triggered.connect(slot)
        self.addAction(action)
        return action

    def _pin(self) -> None:
        if self.current_key is not None:
            self.pin_asked.emit(self.current_key)

    def _open(self) -> None:
        if self.current_key is not None:
            self.opened.emit(self.current_key)

    def _drop(self) -> None:
        keys = self.chosen_keys()
        if keys:
            self.drop_asked.emit(keys)

    def _columns_changed(self) -> None:
        self._size_columns()
        self._show_order()

    def _show_order(self) -> None:
        """Mark the column that the rows are ordered by."""
        key, descending = self._model.sorted_by
        columns = [column.key for column in self._model.sheet.columns]
        order = Qt.SortOrder.DescendingOrder if descending else Qt.SortOrder.AscendingOrder
        with QSignalBlocker(self.horizontalHeader()):
            self.horizontalHeader().setSortIndicator(columns.index(key) if key in columns else -1, order)
        self._frozen.show_order()

    def _note_width(self, column: int, before: int, now: int) -> None:
        last = len(self._model.sheet.columns) - 1  # takes the room that is left
        if not self._is_sizing and 0 <= column < last:
            self._widths[self._model.sheet.columns[column].key] = now

    def _set_sizing(self, is_sizing: bool) -> None:
        self._is_sizing = is_sizing

    def _size_columns(self) -> None:
        """Make columns as wide as their texts, or as chosen; Qt would ask each cell many questions."""
        self._is_sizing = True
        for number, column in enumerate(self._model.sheet.columns):
            width = self._widths.get(column.key) or min(self._fitting_px(number), _WIDEST_PX)
            self.setColumnWidth(number, width)
        self._is_sizing = False

    def _grow_columns(self) -> None:
        """Results come after the rows, and are longer than the dashes that stood for them."""
        self._is_sizing = True
        for number, column in enumerate(self._model.sheet.columns):
            fits = min(self._fitting_px(number), _WIDEST_PX)
            if column.key not in self._widths and fits > self.columnWidth(number):
                self.setColumnWidth(number, fits)
        self._is_sizing = False

    def _fitting_px(self, column: int) -> int:
        """What a column's title, with the mark of the order, and its cells take."""
        sheet, metrics, titles = self._model.sheet, self.fontMetrics(), self.horizontalHeader().fontMetrics()
        title = titles.horizontalAdvance(sheet.columns[column].title) + MARK_PX + 2 * SIDES_PX
        cells = {(row[column].text, row[column].warns) for row in sheet.rows.values()}
        texts = (metrics.horizontalAdvance(text) + warns * _WARNING_PX for text, warns in cells)
        swatch = _SWATCH_PX + _PIN_PX + theme.SPACE_S if column == 0 else 0
        return max(title, max(texts, default=0) + _CELL_SIDES_PX + swatch)

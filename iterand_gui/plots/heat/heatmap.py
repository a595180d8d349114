"""A layer x time picture: a choice of quantities, a colour scale, a crosshair, the same as a table, files.

Limits: one run. The x axis is shared with plots (`PlotLink`); the ticker draws, only while it is in view.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QPoint, QSize, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QPainter, QPalette
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QMenu,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from iterand_engine.config.metrics import Unit
from iterand_engine.machine import texts
from iterand_gui.look import theme
from iterand_gui.look.colours import LIGHT
from iterand_gui.plots import saving
from iterand_gui.plots.files import PlotFiles
from iterand_gui.plots.heat.area import HeatArea, HeatData
from iterand_gui.plots.heat.columns import MatrixTable, last_shown
from iterand_gui.plots.heat.sheet import PlotSheet
from iterand_gui.plots.link import PlotLink
from iterand_gui.plots.table_view import PlotTable
from iterand_gui.plots.x_axis import Positions

_LEAST_SIZE = QSize(320, 200)
_TABLE_AFTER_S = 1.0
_ZOOM_A_KEY, _PAN_A_KEY = 0.7, 0.15


@dataclass(frozen=True)
class Quantity:
    """Something that can be shown: its key, its name, and what its values are."""

    key: str
    name: str
    unit: Unit


class Heatmap(PlotSheet):
    """Shows one quantity of each layer over the x axis.

    Keys: up and down choose a layer, comma and full stop move the crosshair by a point, left and right move,
    + and - zoom, Home shows all, L makes the colours logarithmic, T shows the table, S saves.

    Args:
        title: what is shown, also the accessible name.
        quantities: what can be chosen; the first is shown at first.
        link: the x axis, shared with other plots.
        parent: of the widget.
    """

    saved = Signal(str)  # path of a file that was written
    failed = Signal(str)  # a sentence for the user
    quantity_chosen = Signal(str)  # key
    row_chosen = Signal(object)  # layer's name

    def __init__(
        self, title: str, quantities: Sequence[Quantity], link: PlotLink, parent: QWidget | None = None
    ) -> None:
        super().__init__(title, parent)
        self.link = link
        self._quantities = tuple(quantities)
        self._data: HeatData | None = None
        self._positions = Positions()
        self._changed_from = 0
        self.setMinimumSize(_LEAST_SIZE)
        self.setAccessibleName(f"{title} heatmap")
        self._area = HeatArea(link, self)
        self._empty = QLabel(self)
        self._table_view = PlotTable(title, self)
        self._stack = QStackedWidget(self)
        self.chooser = QComboBox(self)
        self._colours = QComboBox(self)
        self.files = _HeatFiles(self)
        self._make_actions()
        self._lay_out()
        self._connect()

    # What its owner calls.

    @property
    def quantity(self) -> Quantity:
        """What is shown."""
        return self._quantities[max(0, self.chooser.currentIndex())]

    def choose_quantity(self, key: str) -> None:
        """Show another quantity; one that is not there is no mistake."""
        keys = [quantity.key for quantity in self._quantities]
        if key in keys:
            self.chooser.setCurrentIndex(keys.index(key))

    @property
    def log(self) -> bool:
        """Whether the colours are logarithmic."""
        return self._colours.currentIndex() == 1

    def set_log(self, log: bool) -> None:
        """Make the colours logarithmic, or not."""
        self._colours.setCurrentIndex(int(log))

    @property
    def shows_table(self) -> bool:
        """Whether the table is seen instead of the picture."""
        return self.table_action.isChecked()

    def show_as_table(self, table: bool) -> None:
        """Show the points as a table, or as a picture."""
        self.table_action.setChecked(table)

    def show_data(self, data: HeatData | None, positions: Positions, changed: int = 0) -> None:
        """Show points.

        Args:
            data: of the quantity chosen; None for none.
            positions: of the run.
            changed: index of the first point that is not what it was the last time.
        """
        if data is None or self._data is None or data.layers != self._data.layers:
            changed = 0
        self._data = data if data is not None and len(data.steps) and data.layers else None
        self._positions = positions
        self._changed_from = min(self._changed_from, changed)
        self.ask()

    def say_empty(self, text: str) -> None:
        """What stands where there are no points."""
        self._empty.setText(text)

    def choose_row(self, name: str | None) -> None:
        """Let a layer stand out; None for none."""
        layers = self._data.layers if self._data else ()
        self._area.row = layers.index(name) if name in layers else None
        self._area.update()
        self._describe()

    @property
    def row(self) -> str | None:
        """The layer that stands out."""
        at = self._area.row
        return (
            self._data.layers[at] if self._data and at is not None and at < len(self._data.layers) else None
        )

    @property
    def area(self) -> HeatArea:
        """The drawing area."""
        return self._area

    # Drawing.

    def redraw(self) -> None:
        """Bring everything up to date."""
        data = self._data
        self.link.report_extent(self, self._extent())
        if data is None:
            self._stack.setCurrentWidget(self._empty)
        elif self.shows_table:
            if self._stack.currentWidget() is self._table_view:
                self.ticker.settle(self, _TABLE_AFTER_S)
            else:
                self._table_view.show_table(self.table())
                self._stack.setCurrentWidget(self._table_view)
        else:
            self._stack.setCurrentWidget(self._area)
            self._area.refresh(data, self._positions, log=self.log, changed=self._changed_from)
            self._changed_from = len(data.steps)
        self._describe()

    def settle(self) -> None:
        """Nothing came for a while: bring the table up to date."""
        if self.shows_table and self._data is not None:
            self._table_view.show_table(self.table())

    def table(self) -> MatrixTable:
        """All points."""
        data = self._data or HeatData((), np.empty(0, np.int64), np.empty((0, 0), np.float32), Unit.NUMBER)
        return MatrixTable(data.layers, data.steps, data.values, data.unit, self._positions)

    def summary(self) -> str:
        """The picture in a sentence, with the value where the crosshair stands."""
        if self._data is None:
            return self._empty.text()
        layers, points = len(self._data.layers), len(self._data.steps)
        said = (
            f"{self.quantity.name} of {texts.counted(layers, 'layer')} at {texts.counted(points, 'point')}."
        )
        return f"{said} {self._cursor_text()}".strip()

    def _cursor_text(self) -> str:
        place, row = self.link.cursor, self._area.row
        if place is None or row is None or self._data is None or row >= len(self._data.layers):
            return ""
        return self._area.value_text(place, row)

    def _describe(self) -> None:
        summary = self.summary()
        if summary != self.accessibleDescription():
            self.setAccessibleDescription(summary)

    def _extent(self) -> tuple[float, float] | None:
        if self._data is None or not self._positions.can(self.link.axis):
            return None
        ends = [int(self._data.steps[0]), last_shown(self._data.steps)]
        first, last = self._positions.places(self.link.axis, ends).tolist()
        return first, last

    # Parts.

    def _make_actions(self) -> None:
        self.reset_action = self.make_action("Show &all", "Home", self.link.show_all, "reset")
        self.table_action = self.make_action("Show as &table", "T", icon="table")
        self.table_action.setCheckable(True)
        self.table_action.toggled.connect(self._ask_all)
        self.save_action = self.make_action("&Save as ...", "S", self.files.ask_path, "save")
        self.copy_action = self.make_action("&Copy picture", "C", self.files.copy, "copy")
        self.make_action("Logarithmic colours", "L", self._toggle_log)

    def _lay_out(self) -> None:
        title = QLabel(self.title, self)
        title.setFont(theme.title_font(self.font()))
        self.chooser.setAccessibleName(f"{self.title}: quantity")
        self.chooser.setToolTip("What the colours show")
        for quantity in self._quantities:
            self.chooser.addItem(quantity.name, quantity.key)
        self._colours.addItems(["Linear colours", "Logarithmic colours"])
        self._colours.setAccessibleName(f"{self.title}: colours")
        self._colours.setToolTip("By the logarithm, small values are told apart (L)")
        self._empty.setTextFormat(theme.PLAIN)
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._empty.setWordWrap(True)
        self._empty.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        header = QHBoxLayout()
        header.setSpacing(theme.SPACE_S)
        header.addWidget(title)
        header.addWidget(self.chooser)
        header.addWidget(self._colours)
        header.addStretch(1)
        for action in (self.reset_action, self.table_action):
            header.addWidget(self.button(action))
        header.addWidget(self._menu_button())
        for widget in (self._empty, self._area, self._table_view):
            self._stack.addWidget(widget)
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.SPACE_M, theme.SPACE_XS, theme.SPACE_XS, theme.SPACE_XS)
        column.setSpacing(theme.SPACE_XS)
        column.addLayout(header)
        column.addWidget(self._stack, 1)

    def _menu_button(self) -> QToolButton:
        self._more = QToolButton(self)
        self._more.setIcon(theme.icon("more"))
        self._more.setAutoRaise(True)
        self._more.setAccessibleName(f"{self.title}: more")
        self._more.setToolTip("Saving and copying")
        self._more.clicked.connect(self._open_menu)
        return self._more

    def _connect(self) -> None:
        self.chooser.currentIndexChanged.connect(self._quantity_changed)
        self._colours.currentIndexChanged.connect(self._ask_all)
        self.link.changed.connect(self.ask)
        self.link.cursor_moved.connect(self._cursor_moved)
        self._area.hovered.connect(self._hover)
        self._area.clicked.connect(self._click)
        self._area.resized.connect(self.ask)
        self.files.saved.connect(self.saved)
        self.files.failed.connect(self.failed)

    # What happens.

    def _ask_all(self) -> None:
        self._changed_from = 0
        self.ask()

    def _toggle_log(self) -> None:
        self.set_log(not self.log)

    def _quantity_changed(self) -> None:
        self._changed_from = 0
        self.quantity_chosen.emit(self.quantity.key)

    def _cursor_moved(self) -> None:
        if self.isVisible():
            self._area.update()
            self._describe()

    def _hover(self, place: float | None, row: int | None) -> None:
        if row is not None:
            self._area.row = row
        self.link.set_cursor(place)
        self._area.update()

    def _click(self, row: int) -> None:
        self._area.row = row
        self.setFocus()
        self.row_chosen.emit(self.row)

    def _open_menu(self) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addActions([self.reset_action, self.table_action, self.copy_action, self.save_action])
        menu.popup(self._more.mapToGlobal(QPoint(0, self._more.height())))

    def _move_row(self, by: int) -> None:
        if self._data is not None:
            before = -1 if self._area.row is None else self._area.row
            self._area.row = min(max(0, before + by), len(self._data.layers) - 1)
            self._area.update()
            self._describe()
            self.row_chosen.emit(self.row)

    def _move_cursor(self, by: int) -> None:
        data, axis = self._data, self.link.axis
        if data is None or not self._positions.can(axis):
            return
        index = len(data.steps) - 1
        if self.link.cursor is not None:
            at = float(self._positions.steps(axis, self.link.cursor))
            index = int(np.searchsorted(data.steps, round(at), side="right")) - 1 + by
        index = min(max(0, index), len(data.steps) - 1)
        self.link.set_cursor(float(self._positions.places(axis, data.steps[index])))

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 (Qt)
        """Choose, move and zoom by keys."""
        match event.key():
            case Qt.Key.Key_Up | Qt.Key.Key_Down:
                self._move_row(-1 if event.key() == Qt.Key.Key_Up else 1)
            case Qt.Key.Key_Left | Qt.Key.Key_Right:
                self.link.pan(-_PAN_A_KEY if event.key() == Qt.Key.Key_Left else _PAN_A_KEY)
            case Qt.Key.Key_Plus | Qt.Key.Key_Equal | Qt.Key.Key_Minus:
                factor = 1 / _ZOOM_A_KEY if event.key() == Qt.Key.Key_Minus else _ZOOM_A_KEY
                self.link.zoom(factor, self.link.cursor)
            case Qt.Key.Key_Comma | Qt.Key.Key_Period:
                self._move_cursor(1 if event.key() == Qt.Key.Key_Period else -1)
            case Qt.Key.Key_Escape if self.link.cursor is not None:
                self.link.set_cursor(None)
            case _:
                super().keyPressEvent(event)


class _HeatFiles(PlotFiles):
    """Saves a heatmap: as it is seen in the light colours (PNG, SVG), or all points (CSV)."""

    def __init__(self, heatmap: Heatmap) -> None:
        super().__init__(heatmap, heatmap)  # type: ignore[arg-type]  # it gives its picture itself, below
        self._heatmap = heatmap

    @contextmanager
    def _picture(self, scale: float) -> Iterator[tuple[QSize, saving.Painter]]:
        heatmap, area = self._heatmap, self._heatmap.area
        margin, head = theme.SPACE_M, theme.SPACE_XL

        def paint(painter: QPainter) -> None:
            painter.setFont(theme.title_font(heatmap.font()))
            painter.setPen(QColor(LIGHT.text))
            painter.drawText(QPoint(margin, margin + head // 2), f"{heatmap.title}: {heatmap.quantity.name}")
            painter.translate(margin, margin + head)
            area.paint_picture(painter, area.size(), LIGHT)

        yield QSize(area.width() + 2 * margin, area.height() + 2 * margin + head), paint

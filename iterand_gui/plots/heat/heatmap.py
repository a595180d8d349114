"""A layer x time picture: a choice of quantities, a colour scale, a crosshair, the same as a table, files.

Limits: one run. The x axis is shared with plots (`PlotLink`); the ticker draws, only while it is in view.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QPoint, QSize, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QPainter
from PySide6.QtWidgets import QComboBox, QMenu, QVBoxLayout, QWidget

from iterand_engine.config.metrics import Unit
from iterand_engine.machine import texts
from iterand_gui.look import theme
from iterand_gui.look.colours import LIGHT
from iterand_gui.plots import saving
from iterand_gui.plots.header import PlotHeader
from iterand_gui.plots.heat.area import HeatArea, HeatData
from iterand_gui.plots.heat.columns import MatrixTable, last_shown
from iterand_gui.plots.link import PlotLink
from iterand_gui.plots.sheet import PlotSheet
from iterand_gui.plots.x_axis import Positions

_LEAST_SIZE = QSize(320, 200)
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

    quantity_chosen = Signal(str)  # key
    row_chosen = Signal(object)  # layer's name

    def __init__(
        self, title: str, quantities: Sequence[Quantity], link: PlotLink, parent: QWidget | None = None
    ) -> None:
        super().__init__(title, "heatmap", "", parent)
        self.link = link
        self._quantities = tuple(quantities)
        self._data: HeatData | None = None
        self._positions = Positions()
        self._changed_from = 0
        self.setMinimumSize(_LEAST_SIZE)
        self._area = HeatArea(link, self)
        self.chooser = QComboBox(self)
        self._colours = QComboBox(self)
        self._lay_out()
        self._connect()

    # What its owner calls.

    @property
    def quantity(self) -> Quantity:
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
        return self._area

    # Drawing.

    def redraw(self) -> None:
        """Bring everything up to date."""
        data = self._data
        self.link.report_extent(self, self._extent())
        if data is None:
            self._stack.setCurrentWidget(self._empty)
        elif self.shows_table:
            self._show_table()
        else:
            self._stack.setCurrentWidget(self._area)
            self._area.refresh(data, self._positions, log=self.log, changed=self._changed_from)
            self._changed_from = len(data.steps)
        self._describe()

    def table(self) -> MatrixTable:
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

    def reset(self) -> None:
        """Show all of the x axis in all linked plots."""
        self.link.show_all()

    def make_menu(self) -> QMenu:
        """All that can be done with it."""
        menu = self._empty_menu()
        menu.addActions([self.reset_action, self.table_action, self.copy_action, self.save_action])
        return menu

    @contextmanager
    def picture(self, scale: float) -> Iterator[tuple[QSize, saving.Painter]]:
        """Title, quantity and the drawing area as it is seen."""
        margin, head = theme.SPACE_M, theme.SPACE_XL

        def paint(painter: QPainter) -> None:
            painter.setFont(theme.title_font(self.font()))
            painter.setPen(QColor(LIGHT.text))
            painter.drawText(QPoint(margin, margin + head // 2), f"{self.title}: {self.quantity.name}")
            painter.translate(margin, margin + head)
            self._area.paint_picture(painter, self._area.size(), LIGHT)

        yield QSize(self._area.width() + 2 * margin, self._area.height() + 2 * margin + head), paint

    # Parts.

    def _lay_out(self) -> None:
        self.chooser.setAccessibleName(f"{self.title}: quantity")
        self.chooser.setToolTip("What the colours show")
        for quantity in self._quantities:
            self.chooser.addItem(quantity.name, quantity.key)
        self._colours.addItems(["Linear colours", "Logarithmic colours"])
        self._colours.setAccessibleName(f"{self.title}: colours")
        self._colours.setToolTip("By the logarithm, small values stay distinct (L)")
        actions, choices = (self.reset_action, self.table_action), (self.chooser, self._colours)
        header = PlotHeader(self.title, actions, self, choices, "Saving and copying")
        header.menu_asked.connect(self._open_menu)
        self._stack.addWidget(self._area)
        column = QVBoxLayout(self)
        self._set_margins(column)
        column.addWidget(header)
        column.addWidget(self._stack, 1)

    def _connect(self) -> None:
        self.chooser.currentIndexChanged.connect(self._quantity_changed)
        self._colours.currentIndexChanged.connect(self._ask_all)
        self.link.changed.connect(self.ask)
        self.link.cursor_moved.connect(self._cursor_moved)
        self._area.hovered.connect(self._hover)
        self._area.clicked.connect(self._click)
        self._area.resized.connect(self.ask)
        self.table_action.toggled.connect(self._ask_all)
        self._action("Logarithmic colours", "L", self._toggle_log)

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

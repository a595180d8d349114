"""What a plot of curves has around its drawing area beside what a sheet has: a legend, a chosen curve.

The drawing area, and with it pyqtgraph, is made when the plot is first seen; until then, and while it is out
of view, a plot only keeps its data.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from typing import TYPE_CHECKING

from PySide6.QtCore import QRect, QSize, Signal
from PySide6.QtGui import QPainter, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QGridLayout, QMenu, QWidget

from iterand_engine.config.metrics import Unit
from iterand_gui.look import theme
from iterand_gui.look.colours import LIGHT, Colours
from iterand_gui.plots import saving
from iterand_gui.plots.header import PlotHeader
from iterand_gui.plots.legend import LegendEntry, LegendModel, LegendView
from iterand_gui.plots.sheet import PlotSheet

if TYPE_CHECKING:
    from iterand_gui.plots.canvas import Canvas

BESIDE_FROM = 7  # so many curves have their legend beside the plot
_WORDS_S = 0.2  # names and values are renewed no more often: nobody reads faster, and texts take long to draw
_LEAST_SIZE = QSize(240, 160)
_LEAST_PICTURE = QSize(640, 400)


class Quality(Enum):
    """How well lines are drawn: while points come, when nothing moves, for a file."""

    FAST = 0
    FINE = 1
    PAPER = 2


class PlotFrame(PlotSheet):
    """A plot without its data; subclasses hold them and draw.

    Args:
        title: what is plotted, also the accessible name.
        unit: what the values are.
        empty_text: shown while there are no points: what to do to see some.
    """

    highlighted = Signal(object)  # key of the curve that stands out, str; None for none

    def __init__(self, title: str, unit: Unit, empty_text: str, parent: QWidget | None = None) -> None:
        super().__init__(title, "plot", empty_text, parent)
        self.unit = unit
        self._canvas: Canvas | None = None
        self._highlight: str | None = None
        self._words_due = 0.0
        self.setMinimumSize(_LEAST_SIZE)
        self._legend = LegendModel(self)
        self._legend_view = LegendView(self._legend, self)
        self._legend_view.setAccessibleName(f"{title}: legend")
        self._legend_view.picked.connect(self._legend_picked)
        self._make_actions()
        self._header = PlotHeader(title, (self.reset_action, self.table_action), self)
        self._header.menu_asked.connect(self._open_menu)
        self._lay_out()
        self._set_colours()

    # What a subclass gives.

    @abstractmethod
    def keys(self) -> list[str]:
        """The curves in the order of the legend; none where there is nothing to draw."""

    @abstractmethod
    def entries(self, colours: Colours) -> tuple[LegendEntry, ...]:
        """The curves as the legend has them, in given colours."""

    @abstractmethod
    def summary(self) -> str:
        """The plot in a sentence, for those who cannot see it."""

    @abstractmethod
    def draw(self, canvas: Canvas) -> None:
        """Bring the drawing area up to date."""

    @abstractmethod
    def apply_style(self, canvas: Canvas, quality: Quality, scale: float) -> None:
        """Give curves the canvas's colours, and widths for so many pixels for each of the layout."""

    @abstractmethod
    def connect_canvas(self, canvas: Canvas) -> None:
        """Listen to a drawing area that was just made."""

    def add_to_menu(self, menu: QMenu) -> None:
        """Add what only this kind of plot has."""

    # What users of a plot call.

    def set_note(self, text: str) -> None:
        """Say something in small beside the title."""
        self._header.set_note(text)

    @property
    def highlight(self) -> str | None:
        """The curve that stands out."""
        return self._highlight

    def set_highlight(self, key: str | None) -> None:
        """Let a curve stand out; None for all alike."""
        if key != self._highlight:
            self._highlight = key
            self._legend_view.pick(key)
            if self._canvas is not None:
                self._style_again(Quality.FAST)
            self.highlighted.emit(key)
            self.ask()

    @property
    def log(self) -> bool:
        """Whether the y axis is logarithmic."""
        return self.log_action.isChecked()

    def set_log(self, log: bool) -> None:
        """Make the y axis logarithmic; zeros and what is below are not drawn then."""
        self.log_action.setChecked(log)

    def make_menu(self) -> QMenu:
        """All that can be done with the plot; it deletes itself when it closes."""
        menu = self._empty_menu()
        menu.addActions([self.reset_action, self.log_action])
        self.add_to_menu(menu)
        menu.addSeparator()
        menu.addActions([self.next_action, self.previous_action, self.table_action])
        menu.addSeparator()
        menu.addActions([self.copy_action, self.save_action])
        return menu

    # Drawing.

    def words_changed(self) -> None:
        """Renew what the legend says at once: the user is reading."""
        self._words_due = 0.0
        self.ask()

    def redraw(self) -> None:
        """Bring everything up to date."""
        keys = self.keys()
        self._place_legend(beside=len(keys) >= BESIDE_FROM)
        if time.monotonic() >= self._words_due:
            self._words_due = time.monotonic() + _WORDS_S
            self._legend.show_entries(self.entries(theme.colours(self.palette())))
            self.setAccessibleDescription(self.summary())
        else:
            self.ask()
        if not keys:
            self._stack.setCurrentWidget(self._empty)
        elif self.shows_table:
            self._show_table()
        else:
            canvas = self._made_canvas()
            self._stack.setCurrentWidget(canvas)
            self._grid.activate()  # so that it is drawn once, in its final size
            self.draw(canvas)

    def settle(self) -> None:
        """Nothing came for a while: draw finely, or bring the table up to date."""
        super().settle()
        if not self.shows_table:
            self._style_again(Quality.FINE)

    @contextmanager
    def picture(self, scale: float) -> Iterator[tuple[QSize, saving.Painter]]:
        """Title, names of the curves and the drawing area."""
        from iterand_gui.plots.picture import paint_picture, picture_size  # they need the drawing area

        canvas = self._made_canvas()
        if not canvas.isVisible():
            canvas.resize(self._stack.size().expandedTo(_LEAST_PICTURE))
            canvas.grab(QRect(0, 0, 1, 1))  # a widget that is hidden learns its size only when it is painted
        canvas.set_colours(LIGHT)
        self.draw(canvas)
        self.apply_style(canvas, Quality.PAPER, scale)
        entries = self.entries(LIGHT)

        def paint(painter: QPainter) -> None:
            paint_picture(painter, canvas, self.title, entries)

        try:
            yield picture_size(canvas, entries), paint
        finally:
            self._set_colours()

    def _made_canvas(self) -> Canvas:
        if self._canvas is None:
            from iterand_gui.plots.canvas import Canvas  # loads pyqtgraph: a part of a second

            self._canvas = canvas = Canvas(self)
            canvas.resized.connect(self.ask)
            self.connect_canvas(canvas)
            self._stack.addWidget(canvas)
        return self._canvas

    def _set_colours(self) -> None:
        if self._canvas is not None:
            self._canvas.set_colours(theme.colours(self.palette()))
            self._style_again(Quality.FAST)
        super()._set_colours()

    def _style_again(self, quality: Quality) -> None:
        if self._canvas is not None:
            self.apply_style(self._canvas, quality, self._canvas.devicePixelRatioF())

    # Parts.

    def _make_actions(self) -> None:
        table, save = self.table_action, self.save_action
        self.log_action = self._action("&Logarithmic y axis", "L", before=table)
        self.log_action.setCheckable(True)
        self.log_action.toggled.connect(self.ask)
        self.next_action = self._action("&Next curve", "N", self._highlight_next, before=save)
        self.previous_action = self._action(
            "&Previous curve", "Shift+N", self._highlight_previous, before=save
        )

    def _lay_out(self) -> None:
        self._grid = QGridLayout(self)
        self._set_margins(self._grid)
        self._grid.addWidget(self._header, 0, 0, 1, 2)
        self._grid.addWidget(self._stack, 2, 0)
        self._grid.setRowStretch(2, 1)
        self._grid.setColumnStretch(0, 1)
        self._place_legend(beside=False)

    def _place_legend(self, *, beside: bool) -> None:
        if beside == self._legend_view.is_beside and self._grid.indexOf(self._legend_view) >= 0:
            return
        self._grid.removeWidget(self._legend_view)
        self._legend_view.place(beside=beside)
        if beside:
            self._grid.addWidget(self._legend_view, 1, 1, 2, 1)
        else:
            self._grid.addWidget(self._legend_view, 1, 0, 1, 2)

    # Events.

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 (Qt)
        """Catch up with what came while it was hidden."""
        super().showEvent(event)
        self.ask()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 (Qt)
        """Leave most of the room to the drawing area."""
        super().resizeEvent(event)
        self._legend_view.set_room(event.size().width())

    def _highlight_next(self) -> None:
        self._turn_highlight(1)

    def _highlight_previous(self) -> None:
        self._turn_highlight(-1)

    def _turn_highlight(self, turn: int) -> None:
        around: Sequence[str | None] = [None, *self.keys()]
        at = around.index(self._highlight) if self._highlight in around else 0
        self.set_highlight(around[(at + turn) % len(around)])

    def _legend_picked(self, key: str | None) -> None:
        self.set_highlight(None if key == self._highlight else key)

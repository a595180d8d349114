"""A plot that mouse and keys move and zoom. The subclass keeps the visible part of the x axis."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QWidget

from iterand_engine.config.metrics import Unit
from iterand_gui.plots.frame import PlotFrame
from iterand_gui.plots.link import Span
from iterand_gui.plots.value_range import zoomed

if TYPE_CHECKING:
    from iterand_gui.plots.canvas import Canvas

_ZOOM_A_KEY = 0.7
_PAN_A_KEY = 0.15


class ZoomedPlot(PlotFrame):
    """Keys: left and right move, up and down too, + and - zoom (with Ctrl: the y axis), Home shows all, comma
    and full stop move the crosshair, Esc takes it away, N lets the next curve stand out, L makes the y axis
    logarithmic, T shows the table, S saves, C copies.

    Args:
        as for `PlotFrame`.
    """

    def __init__(self, title: str, unit: Unit, empty_text: str, parent: QWidget | None = None) -> None:
        self._values_seen: Span | None = None  # what the user chose of the y axis; None for all
        self._is_changed = True
        super().__init__(title, unit, empty_text, parent)
        self.reset_action.setEnabled(False)
        self.log_action.toggled.connect(self._forget_values)

    # A subclass implements these.

    @property
    @abstractmethod
    def values(self) -> Span:
        """The visible part of the y axis; logarithms on a logarithmic one."""

    @property
    @abstractmethod
    def cursor_place(self) -> float | None:
        """Where the crosshair stands on the x axis; None where there is none."""

    @abstractmethod
    def set_cursor_place(self, place: float | None) -> None:
        """Move the crosshair on the x axis; None takes it away."""

    @abstractmethod
    def move_cursor(self, points: int) -> None:
        """Move the crosshair by so many points."""

    @abstractmethod
    def show_places(self, low: float, high: float) -> None:
        """Show a part of the x axis."""

    @abstractmethod
    def pan_places(self, share: float) -> None:
        """Move along x by a share of the visible part."""

    @abstractmethod
    def zoom_places(self, factor: float, around: float | None) -> None:
        """Show more of the x axis (factor above 1) or less, around a place or the middle."""

    @abstractmethod
    def show_all_places(self) -> None:
        """Show all of the x axis."""

    @property
    @abstractmethod
    def is_zoomed(self) -> bool:
        """Whether a part of the x axis is seen."""

    # The visible part.

    def changed(self) -> None:
        """Ask the ticker for a drawing after data, axes or the visible part changed."""
        self._is_changed = True
        self.reset_action.setEnabled(self.is_zoomed or self._values_seen is not None)
        self.ask()

    def reset(self) -> None:
        """Show all of both axes again."""
        self._values_seen = None
        self.show_all_places()
        self.changed()

    def show_values(self, low: float, high: float) -> None:
        """Show a part of the y axis; given as logarithms on a logarithmic one."""
        self._values_seen = (low, high)
        self.changed()

    def connect_canvas(self, canvas: Canvas) -> None:
        """Connect the signals of wheel and mouse to moving and zooming."""
        canvas.hovered.connect(self.set_cursor_place)
        canvas.resized.connect(self.changed)
        box = canvas.view_box
        box.zoom_x.connect(self.zoom_places)
        box.zoom_y.connect(self._zoom_values)
        box.pan.connect(self._pan)
        box.framed.connect(self._show_frame)
        box.reset.connect(self.reset)

    def _forget_values(self) -> None:
        self._values_seen = None
        self.changed()

    def _zoom_values(self, factor: float, around: float) -> None:
        self.show_values(*zoomed(self.values, factor, around))

    def _pan(self, across: float, up: float) -> None:
        if across:
            self.pan_places(across)
        if up and self._values_seen is not None:  # the y axis follows the curves until it is zoomed
            low, high = self._values_seen
            self.show_values(low + up * (high - low), high + up * (high - low))

    def _show_frame(self, frame: QRectF) -> None:
        self._values_seen = (frame.top(), frame.bottom())
        self.show_places(frame.left(), frame.right())
        self.changed()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 (Qt)
        """Move, zoom and read values by keys."""
        ctrl = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
        low, high = self.values
        match event.key():
            case Qt.Key.Key_Left:
                self.pan_places(-_PAN_A_KEY)
            case Qt.Key.Key_Right:
                self.pan_places(_PAN_A_KEY)
            case Qt.Key.Key_Up | Qt.Key.Key_Down:
                shift = _PAN_A_KEY * (high - low) * (1 if event.key() == Qt.Key.Key_Up else -1)
                self.show_values(low + shift, high + shift)
            case Qt.Key.Key_Plus | Qt.Key.Key_Equal | Qt.Key.Key_Minus:
                factor = 1 / _ZOOM_A_KEY if event.key() == Qt.Key.Key_Minus else _ZOOM_A_KEY
                if ctrl:
                    self._zoom_values(factor, (low + high) / 2)
                else:
                    self.zoom_places(factor, self.cursor_place)
            case Qt.Key.Key_Comma | Qt.Key.Key_Period:
                self.move_cursor(1 if event.key() == Qt.Key.Key_Period else -1)
            case Qt.Key.Key_Escape if self.cursor_place is not None:
                self.set_cursor_place(None)
            case _:
                super().keyPressEvent(event)

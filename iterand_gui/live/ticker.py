"""The one timer behind all plots: it draws what asked to be drawn and is in view, at most 30 times a second.

A plot out of view is left alone; it asks again when it comes into view. Nothing runs while nothing asks.
"""

from __future__ import annotations

import math
import time
from abc import abstractmethod

from PySide6.QtCore import QCoreApplication, QObject, Qt, QTimer
from PySide6.QtWidgets import QWidget
from shiboken6 import isValid

INTERVAL_MS = 34
BUDGET_S = 0.010  # for one turn: what does not fit waits for the next, so that input is never held up


class Redrawn(QWidget):
    """A widget that the ticker draws. Out of view it is left behind; it asks again when it is painted."""

    is_behind = False

    @abstractmethod
    def redraw(self) -> None:
        """Bring the widget up to date; it is in view."""

    @abstractmethod
    def settle(self) -> None:
        """Nothing was drawn for a while: what was left out for speed may be done now."""


class Ticker(QObject):
    """Draws widgets that ask for it."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._asking: dict[Redrawn, None] = {}
        self._round: list[Redrawn] = []  # what is left of those that are drawn together
        self._round_began = 0.0
        self._settling: dict[Redrawn, float] = {}
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._turn)

    @staticmethod
    def shared() -> Ticker:
        """The application's ticker; it is made when it is first asked for."""
        app = QCoreApplication.instance()
        found = app.findChild(Ticker) if app else None
        return found if isinstance(found, Ticker) else Ticker(app)

    @property
    def is_running(self) -> bool:
        return self._timer.isActive()

    def ask(self, widget: Redrawn) -> None:
        """Draw a widget in the next round, if it is in view then."""
        self._asking[widget] = None
        if not self._round:
            self._schedule()

    def settle(self, widget: Redrawn, after_s: float) -> None:
        """Let a widget settle once so much time has passed without another call for it."""
        self._settling[widget] = time.monotonic() + after_s
        if not self._timer.isActive():
            self._schedule()

    def _turn(self) -> None:
        if not self._round:
            self._round, self._round_began = list(self._asking), time.monotonic()
            self._asking.clear()
        if self._round:
            self._draw()
        else:
            self._settle_one()
        self._schedule()

    def _draw(self) -> None:
        until = time.monotonic() + BUDGET_S
        while self._round and time.monotonic() < until:
            widget = self._round.pop(0)
            if in_view(widget):
                widget.is_behind = False
                widget.redraw()
            else:
                widget.is_behind = True

    def _settle_one(self) -> None:
        """One a turn: settling may take long."""
        now = time.monotonic()
        due = next((widget for widget, at in self._settling.items() if at <= now), None)
        if due is not None:
            del self._settling[due]
            if in_view(due):
                due.settle()

    def _schedule(self) -> None:
        """Set the timer to when something is to be done next; within a round, when others had their turn."""
        now = time.monotonic()
        if self._round:
            self._timer.start(0)
        elif self._asking:
            self._timer.start(_ms(self._round_began + INTERVAL_MS / 1000 - now))
        elif self._settling:
            self._timer.start(_ms(min(self._settling.values()) - now))


def _ms(seconds: float) -> int:
    return max(0, math.ceil(seconds * 1000))


def in_view(widget: QWidget) -> bool:
    """Whether something of a widget can be seen: it is shown, not scrolled away, its window not minimized."""
    return (
        isValid(widget)
        and widget.isVisible()
        and not widget.window().isMinimized()
        and not widget.visibleRegion().isEmpty()
    )

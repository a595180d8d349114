"""How late the event loop is, how long plots take to draw, and when something was painted.

A stall is how much later than asked a timer of 5 ms fires: the longest that input would have waited, and more
than any single handler took. Besides its wall time, which other programs lengthen, it has the processor time
that the GUI thread used meanwhile. Redraws and paintings are timed where the window's code does them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from PySide6.QtCore import QEventLoop, QObject, Qt, QTimer
from PySide6.QtGui import QPaintEvent

from benchmarks.window.stall import Stall
from iterand_gui.live.ticker import Ticker
from iterand_gui.plots.canvas import Canvas

ROUND_S = 0.030  # the ticker begins its rounds at least so far apart
_TICK_MS = 5


class StallMonitor(QObject):
    """Notes how late a fast timer fires."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.stalls: list[Stall] = []
        self._last = (0.0, 0.0)
        self._timer = QTimer(self, interval=_TICK_MS)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)

    def start(self) -> None:
        """Begin anew."""
        self.stalls.clear()
        self._last = (time.perf_counter(), time.thread_time())
        self._timer.start()

    def stop(self) -> Stall:
        """Stop and give the longest stall."""
        self._tick()
        self._timer.stop()
        return max(self.stalls, key=lambda stall: stall.late_s)

    def _tick(self) -> None:
        now = (time.perf_counter(), time.thread_time())
        late_s = now[0] - self._last[0] - _TICK_MS / 1000
        self.stalls.append(Stall(max(0.0, late_s), now[1] - self._last[1]))
        self._last = now


@dataclass
class Round:
    """One round of the ticker: bringing the plots in view up to date, and painting `painted` of them."""

    took_s: float = 0.0
    worked_s: float = 0.0
    painted: int = 0


@dataclass
class Drawing:
    """Times the drawing of all plots of the process, from its making on; there is one."""

    rounds: list[Round] = field(default_factory=list)
    on_painted: Callable[[Canvas], None] | None = None
    _began_s: float = 0.0

    def __post_init__(self) -> None:
        turn, paint = Ticker._turn, Canvas.paintEvent

        def timed_turn(ticker: Ticker) -> None:
            began_s = time.perf_counter()
            if began_s - self._began_s >= ROUND_S:
                self._began_s = began_s
                self.rounds.append(Round())
            with self._timed(0):
                turn(ticker)

        def timed_paint(canvas: Canvas, event: QPaintEvent) -> None:
            with self._timed(1):
                paint(canvas, event)
            if self.on_painted is not None:
                self.on_painted(canvas)

        Ticker._turn = timed_turn  # type: ignore[assignment, method-assign]
        Canvas.paintEvent = timed_paint

    @contextmanager
    def _timed(self, painted: int) -> Iterator[None]:
        at_s, worked_s = time.perf_counter(), time.thread_time()
        yield
        if self.rounds:
            now = self.rounds[-1]
            now.took_s += time.perf_counter() - at_s
            now.worked_s += time.thread_time() - worked_s
            now.painted += painted


def run_for(seconds: float) -> None:
    """Let the event loop run."""
    loop = QEventLoop()
    QTimer.singleShot(round(seconds * 1000), loop.quit)
    loop.exec()


def run_until(condition: Callable[[], bool], within_s: float, every_ms: int = 5) -> float:
    """Let the event loop run until something holds; returns when that was, by `time.monotonic`.

    Raises:
        TimeoutError: it never held.
    """
    loop, timer = QEventLoop(), QTimer(interval=every_ms)
    deadline, held = time.monotonic() + within_s, []

    def look() -> None:
        if condition():
            held.append(time.monotonic())
        if held or time.monotonic() > deadline:
            loop.quit()

    timer.timeout.connect(look)
    timer.start()
    loop.exec()
    timer.stop()
    if not held:
        raise TimeoutError(f"{condition} never held")
    return held[0]


def run_until_painted(drawing: Drawing, condition: Callable[[Canvas], bool], within_s: float) -> float:
    """As `run_until`, looking after each painting of a plot."""
    loop = QEventLoop()
    held: list[float] = []

    def look(canvas: Canvas) -> None:
        if not held and condition(canvas):
            held.append(time.monotonic())
            loop.quit()

    drawing.on_painted = look
    QTimer.singleShot(round(within_s * 1000), loop.quit)
    loop.exec()
    drawing.on_painted = None
    if not held:
        raise TimeoutError(f"{condition} never held")
    return held[0]


@contextmanager
def watched() -> Iterator[list[Stall]]:
    """Watch the event loop; gives a list that has the longest stall at the end."""
    found: list[Stall] = []
    monitor = StallMonitor()
    monitor.start()
    yield found
    found.append(monitor.stop())

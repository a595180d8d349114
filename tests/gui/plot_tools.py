"""What tests of plots share: data, waiting, and looking at what was drawn."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, QPoint, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QMouseEvent, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QListView, QWidget
from pytestqt.qtbot import QtBot

from iterand_gui.plots.canvas import Canvas
from iterand_gui.plots.frame import PlotFrame
from iterand_gui.plots.legend import LegendEntry, LegendRole
from iterand_gui.plots.reduction import Steps, Values

NO_BUTTON, LEFT = Qt.MouseButton.NoButton, Qt.MouseButton.LeftButton
NO_KEY = Qt.KeyboardModifier.NoModifier

# It drops moves of the mouse that come within 10 ms; a test's do, on a fast machine, and would be no drag.
pg.setConfigOption("mouseRateLimit", 0)


def noise(count: int, seed: int = 0) -> tuple[Steps, Values]:
    """Values between 0.5 and 2.5 or so, one a step."""
    random = np.random.default_rng(seed)
    steps = np.arange(count, dtype=np.int64)
    return steps, (0.5 + np.exp(-steps / max(1, count)) + random.random(count)).astype(np.float32)


def floats(*values: float) -> Values:
    """Values as series have them."""
    return np.array(values, np.float32)


def press(widget: QWidget, key: Qt.Key, modifiers: Qt.KeyboardModifier = NO_KEY) -> None:
    """Press a key and let it go."""
    QTest.keyClick(widget, key, modifiers)


def show(qtbot: QtBot, widget: QWidget, width: int = 640, height: int = 400) -> None:
    """Show a widget in a window of its own and wait until it is there."""
    qtbot.addWidget(widget)
    widget.resize(width, height)
    with qtbot.waitExposed(widget):
        widget.show()


def legend(plot: PlotFrame) -> dict[str, LegendEntry]:
    """What the legend shows, by key."""
    view = plot.findChild(QListView)
    assert view is not None
    model = view.model()
    entries = [model.index(row, 0).data(LegendRole.ENTRY) for row in range(model.rowCount())]
    return {entry.key: entry for entry in entries}


def values_of(plot: PlotFrame) -> dict[str, str]:
    """The values that the legend shows."""
    return {key: entry.value for key, entry in legend(plot).items()}


def colour(plot: PlotFrame, key: str) -> str:
    """The colour that the legend shows."""
    return legend(plot)[key].colour.name()


def draw(plot: PlotFrame) -> Canvas:
    """Bring a plot up to date without waiting for the ticker; returns its drawing area."""
    plot.words_changed()
    plot.redraw()
    QApplication.processEvents()
    (canvas,) = plot.findChildren(Canvas)
    return canvas


def pixels(image: QImage, colour: str, near: int = 40) -> int:
    """How many pixels of an image have about that colour."""
    bytes_ = np.frombuffer(image.convertToFormat(QImage.Format.Format_RGB32).constBits(), np.uint8)
    wanted = QColor(colour)
    blue_green_red = bytes_.reshape(-1, 4)[:, :3].astype(int)
    distance = np.abs(blue_green_red - [wanted.blue(), wanted.green(), wanted.red()]).sum(axis=1)
    return int((distance < near).sum())


def middle(canvas: Canvas) -> QPoint:
    """The middle between the axes."""
    inside: QRectF = canvas.view_box.sceneBoundingRect()
    return inside.center().toPoint()


def wheel(canvas: Canvas, notches: int, modifiers: Qt.KeyboardModifier = NO_KEY) -> None:
    """Turn the wheel over the middle; away from the user is positive."""
    at = QPointF(middle(canvas))
    event = QWheelEvent(
        at,
        QPointF(canvas.mapToGlobal(at.toPoint())),
        QPoint(),
        QPoint(0, 120 * notches),
        NO_BUTTON,
        modifiers,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(canvas.viewport(), event)


def drag(canvas: Canvas, by: QPoint, modifiers: Qt.KeyboardModifier = NO_KEY) -> None:
    """Press in the middle, move in steps, and let go."""
    start = middle(canvas)
    mouse(canvas, QEvent.Type.MouseButtonPress, start, LEFT, modifiers)
    for part in (0.3, 0.6, 1.0):
        mouse(canvas, QEvent.Type.MouseMove, start + by * part, LEFT, modifiers)
    mouse(canvas, QEvent.Type.MouseButtonRelease, start + by, LEFT, modifiers)


def mouse(
    canvas: Canvas,
    kind: QEvent.Type,
    at: QPoint,
    button: Qt.MouseButton = NO_BUTTON,
    modifiers: Qt.KeyboardModifier = NO_KEY,
) -> None:
    """Send one event of the mouse."""
    pressed = NO_BUTTON if kind == QEvent.Type.MouseButtonRelease else button
    which = NO_BUTTON if kind == QEvent.Type.MouseMove else button
    event = QMouseEvent(kind, QPointF(at), QPointF(canvas.mapToGlobal(at)), which, pressed, modifiers)
    QApplication.sendEvent(canvas.viewport(), event)

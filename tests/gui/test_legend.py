"""The legend of plots comes to rest at every width."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QApplication, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from iterand_gui.plots.legend import LegendEntry, LegendModel, LegendView


class Resizes(QObject):
    """Counts how often a widget gets another size."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 (Qt)
        """See what a widget gets, and let it through."""
        self.count += event.type() == QEvent.Type.Resize
        return False


def test_that_names_come_to_rest_at_every_width(qtbot: QtBot) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    model = LegendModel(window)
    view = LegendView(model, window)
    column = QVBoxLayout(window)
    column.addWidget(view)
    column.addStretch(1)
    names = ("Validation", "Training, mean of the epoch", "Training, each step")
    model.show_entries([LegendEntry(name, name, QColor("red"), 0, "91.24 %") for name in names])
    window.show()
    for width in range(240, 720, 2):
        window.resize(width, 300)
        for _ in range(3):
            QApplication.processEvents()
        resizes = Resizes()
        view.installEventFilter(resizes)
        view.viewport().installEventFilter(resizes)
        for _ in range(5):
            QApplication.processEvents()
        assert resizes.count == 0, width
        view.removeEventFilter(resizes)
        view.viewport().removeEventFilter(resizes)

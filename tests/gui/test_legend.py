"""The legend of plots comes to rest at every width, and its names stay distinct."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QColor, QFontMetrics
from PySide6.QtWidgets import QApplication, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from iterand_gui.plots.fitted_names import fitted_names
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


PARTS = st.lists(
    st.sampled_from(("width 0.125", "iterand", "epochs 20", "lr 0.3", "K 5", "K 10")), max_size=6
)


@given(st.lists(PARTS.map(", ".join), max_size=8), st.integers(0, 400))
def test_that_no_two_names_read_the_same_in_any_room(names: list[str], room: int) -> None:
    metrics = QFontMetrics(QApplication.font())
    texts = fitted_names(names, metrics, room)
    assert len(set(texts.values())) == len(set(names))
    assert all(texts[name] == name for name in names if metrics.horizontalAdvance(name) <= room)
    number = metrics.horizontalAdvance("8")
    assert all(metrics.horizontalAdvance(text) <= max(room, number) + 1 for text in texts.values())


def test_that_long_names_keep_their_beginning_and_what_distinguishes_them(qtbot: QtBot) -> None:
    alike = "width 0.125, iterand, epochs 20, lr 0.3"
    names = [f"{alike}, K {k}" for k in (5, 10)] + ["K 5, " + alike]
    metrics = QFontMetrics(QApplication.font())
    one, other, third = fitted_names(
        names, metrics, metrics.horizontalAdvance("width 0.125, iterand, K 10")
    ).values()
    assert one.startswith("width 0.")
    assert (one[-3:], other[-4:]) == ("K 5", "K 10")
    assert third.startswith("K 5, width 0.125")


def test_that_a_cut_name_is_whole_in_the_tooltip(qtbot: QtBot) -> None:
    model = LegendModel()
    view = LegendView(model)
    qtbot.addWidget(view)
    view.resize(200, 40)
    name = "width 0.125, iterand, epochs 20, lr 0.3"
    model.show_entries([LegendEntry(name, name, QColor("red"), 0, "91.24 %")])
    with qtbot.waitExposed(view):
        view.show()
    assert view.name_text(name) != name
    assert model.index(0).data(Qt.ItemDataRole.ToolTipRole) == name

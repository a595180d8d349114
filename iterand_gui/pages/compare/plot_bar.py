"""The line above the plot: what is plotted, over what, and how. It shows and asks."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, QSize, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QCheckBox, QComboBox, QHBoxLayout, QLabel, QWidget

from iterand_engine.config.metrics import Metric
from iterand_gui.look import theme
from iterand_gui.pages.compare.metrics import METRICS, metric_of
from iterand_gui.pages.compare.results import Mode
from iterand_gui.plots.controls import PlotControls
from iterand_gui.plots.link import PlotLink

MODES = {
    Mode.CURVES: "Curves over time",
    Mode.WIDTH: "Results over width",
    Mode.KEPT: "Results over kept weights",
}


class PlotBar(QWidget):
    """Chooses what the plot shows.

    Args:
        link: of the curves.
        parent: of the widget.
    """

    mode_chosen = Signal(object)  # Mode
    metric_chosen = Signal(object)  # Metric
    log_chosen = Signal(bool)  # of the y axis of curves, of the x axis of results

    def __init__(self, link: PlotLink, parent: QWidget) -> None:
        super().__init__(parent)
        self._what, self._how = QWidget(self), QWidget(self)
        self._whole = QBoxLayout(QBoxLayout.Direction.LeftToRight, self)
        self._mode, self._metric = QComboBox(self._what), QComboBox(self._what)
        self._metric_label = QLabel("Me&tric", self._what)
        self._controls = PlotControls(link, self._how)
        self._log = QCheckBox(self._how)
        for mode, text in MODES.items():
            self._mode.addItem(text, mode.value)
        for metric in METRICS:
            self._metric.addItem(metric.label, metric.name)
        self._metric.setMaxVisibleItems(len(METRICS))
        self._lay_out()
        self._mode.activated.connect(self._choose_mode)
        self._metric.activated.connect(self._choose_metric)
        self._log.toggled.connect(self.log_chosen)

    def show_choice(self, mode: Mode, metric: Metric, *, log: bool) -> None:
        self._mode.setCurrentIndex(self._mode.findData(mode.value))
        self._metric.setCurrentIndex(self._metric.findData(metric.name))
        curves = mode is Mode.CURVES
        for widget in (self._metric_label, self._metric, self._controls):
            widget.setVisible(curves)
        self._log.setText("Lo&g scale" if curves else "Lo&g x axis")
        self._log.setAccessibleName("Logarithmic y axis" if curves else "Logarithmic x axis")
        with QSignalBlocker(self._log):
            self._log.setChecked(log)

    def minimumSizeHint(self) -> QSize:  # noqa: N802 (Qt)
        """In two lines it needs less."""
        parts = [part.minimumSizeHint() for part in (self._what, self._how)]
        return QSize(max(part.width() for part in parts), super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 (Qt)
        """Take one line where it fits, else two."""
        super().resizeEvent(event)
        needs = self._what.sizeHint().width() + self._how.sizeHint().width() + theme.SPACE_M
        across = needs <= event.size().width()
        self._whole.setDirection(
            QBoxLayout.Direction.LeftToRight if across else QBoxLayout.Direction.TopToBottom
        )

    def _lay_out(self) -> None:
        what, how = QHBoxLayout(self._what), QHBoxLayout(self._how)
        for row in (what, how):
            row.setContentsMargins(0, 0, 0, 0)
            row.setSpacing(theme.SPACE_S)
        for label, box in ((QLabel("&Show", self._what), self._mode), (self._metric_label, self._metric)):
            label.setBuddy(box)
            box.setAccessibleName(label.text().replace("&", ""))
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
            what.addWidget(label)
            what.addWidget(box)
            what.addSpacing(theme.SPACE_S)
        what.addStretch(1)
        how.addWidget(self._controls)
        how.addWidget(self._log)
        how.addStretch(1)
        self._whole.setContentsMargins(0, 0, 0, 0)
        self._whole.setSpacing(theme.SPACE_S)
        self._whole.addWidget(self._what)
        self._whole.addWidget(self._how, 1)

    def _choose_mode(self) -> None:
        self.mode_chosen.emit(Mode(self._mode.currentData()))

    def _choose_metric(self) -> None:
        self.metric_chosen.emit(metric_of(self._metric.currentData()))

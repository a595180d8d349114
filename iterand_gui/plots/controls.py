"""The controls that linked plots share, in one line above them: x axis, smoothing, following, show all."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker
from PySide6.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QLabel, QToolButton, QWidget

from iterand_gui.look import theme
from iterand_gui.plots.link import AXIS_NAMES, SMOOTHING, PlotLink, smoothing_text
from iterand_gui.plots.x_axis import XAxis


class PlotControls(QWidget):
    """Shows the state of a `PlotLink` and changes it."""

    def __init__(self, link: PlotLink, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._link = link
        self._axis, self._smoothing = QComboBox(self), QComboBox(self)
        for axis in XAxis:
            self._axis.addItem(AXIS_NAMES[axis], axis.value)
        for window in SMOOTHING:
            self._smoothing.addItem(smoothing_text(window), window)
        self._follow = QCheckBox("Follo&w", self)
        self._follow.setToolTip("Move on with the newest points when zoomed in")
        self._all = QToolButton(self)
        self._all.setText("Show &all")
        self._all.setAccessibleName("Show all of the x axis")
        self._lay_out()
        self._axis.activated.connect(self._axis_chosen)
        self._smoothing.activated.connect(self._smoothing_chosen)
        self._follow.toggled.connect(link.set_follow)
        self._all.clicked.connect(link.show_all)
        link.changed.connect(self._show)
        self._show()

    def _lay_out(self) -> None:
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.SPACE_S)
        for text, box in (("&X axis", self._axis), ("S&moothing", self._smoothing)):
            label = QLabel(text, self)
            label.setBuddy(box)
            box.setAccessibleName(text.replace("&", ""))
            row.addWidget(label)
            row.addWidget(box)
            row.addSpacing(theme.SPACE_S)
        row.addWidget(self._follow)
        row.addWidget(self._all)
        row.addStretch(1)

    def _show(self) -> None:
        """Show the state of the link."""
        self._axis.setCurrentIndex(self._axis.findData(self._link.axis.value))
        self._smoothing.setCurrentIndex(self._smoothing.findData(self._link.smoothing))
        with QSignalBlocker(self._follow):
            self._follow.setChecked(self._link.follow)
        self._all.setEnabled(self._link.is_zoomed)

    def _axis_chosen(self) -> None:
        self._link.set_axis(XAxis(self._axis.currentData()))

    def _smoothing_chosen(self) -> None:
        self._link.set_smoothing(int(self._smoothing.currentData()))

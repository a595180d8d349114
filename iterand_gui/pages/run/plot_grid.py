"""Lays plots out below and beside each other, as the room allows."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QGridLayout, QWidget

from iterand_gui.look import theme

_BESIDE_FROM_PX = 860
_LEAST_HEIGHT_PX = 216


class PlotGrid(QWidget):
    """One column where plots are few or the window is narrow, else two."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._plots: tuple[QWidget, ...] = ()
        self._columns = 1
        self._layout = QGridLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(theme.SPACE_S)

    @property
    def plots(self) -> tuple[QWidget, ...]:
        """Those shown, in their order."""
        return self._plots

    def show_plots(self, plots: Sequence[QWidget]) -> None:
        """Show these and no others."""
        if tuple(plots) == self._plots:
            return
        for old in self._plots:
            if old not in plots:
                self._layout.removeWidget(old)
                old.hide()
        self._plots = tuple(plots)
        self._arrange(self._fitting())
        for plot in self._plots:
            plot.show()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 (Qt)
        """Take the columns that fit."""
        super().resizeEvent(event)
        fitting = self._fitting()
        if fitting != self._columns:
            self._arrange(fitting)

    def _fitting(self) -> int:
        return 2 if len(self._plots) > 2 and self.width() >= _BESIDE_FROM_PX else 1

    def _arrange(self, columns: int) -> None:
        self._columns = columns
        for number in range(self._layout.rowCount()):
            self._layout.setRowMinimumHeight(number, 0)
            self._layout.setRowStretch(number, 0)
        for number, plot in enumerate(self._plots):
            row, column = divmod(number, columns)
            last = number == len(self._plots) - 1
            self._layout.addWidget(plot, row, column, 1, columns - column if last else 1)
            self._layout.setRowMinimumHeight(row, _LEAST_HEIGHT_PX)
            self._layout.setRowStretch(row, 1)
        for number in range(2):
            self._layout.setColumnStretch(number, 1 if number < columns else 0)

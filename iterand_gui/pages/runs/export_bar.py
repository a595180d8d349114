"""How far an export is, with a way to end it; hidden while nothing is written."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QWidget

from iterand_gui.look import theme
from iterand_gui.look.plain import plain
from iterand_gui.pages.runs.exporter import Exporter

_PARTS = 1000
_BAR_PX = (160, 8)


class ExportBar(QWidget):
    """One line below the table."""

    def __init__(self, exporter: Exporter, parent: QWidget) -> None:
        super().__init__(parent)
        self._exporter = exporter
        self.setAccessibleName("Export")
        self._text = QLabel(self)
        self._text.setTextFormat(theme.PLAIN)
        self._text.setMinimumWidth(1)
        self._bar = QProgressBar(self)
        self._bar.setAccessibleName("Progress of the export")
        self._bar.setTextVisible(False)
        self._bar.setFixedSize(*_BAR_PX)
        cancel = QPushButton(theme.icon("close"), "Cance&l", self)
        cancel.setToolTip("Write no more; files that are whole stay")
        cancel.clicked.connect(exporter.cancel)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.SPACE_M)
        row.addWidget(self._bar, 0, Qt.AlignmentFlag.AlignVCenter)
        row.addWidget(self._text, 1)
        row.addWidget(cancel)
        exporter.changed.connect(self._show)
        self.hide()

    def _show(self) -> None:
        share = self._exporter.share
        self._bar.setRange(0, 0 if share is None else _PARTS)
        self._bar.setValue(round(_PARTS * (share or 0.0)))
        self._text.setText(self._exporter.text)
        self._text.setToolTip(plain(self._exporter.text))
        self.setVisible(self._exporter.is_running)

"""The button that queues, and above it what keeps from queueing, with the ways out."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from iterand_gui.forms.error_line import ErrorLine
from iterand_gui.forms.specs import DATASET
from iterand_gui.look import theme
from iterand_gui.look.plain import plain
from iterand_gui.pages.new.outlook import Missing

_QUEUE = "&Queue"


class LaunchBar(QWidget):
    """Shows and asks; the page decides."""

    go_asked = Signal()  # to the field that is wrong
    downloads_asked = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.trouble = ErrorLine("What stands in the way", self)
        self.go = QPushButton("&Go to the field", self)
        self.go.clicked.connect(self.go_asked)
        self.downloads = QPushButton("&Download...", self)
        self.downloads.setToolTip("Open Settings, where datasets are downloaded")
        self.downloads.clicked.connect(self.downloads_asked)
        self.button = QPushButton(_QUEUE, self)
        self.button.setDefault(True)
        self.button.setIcon(theme.icon("new"))
        self.button.setMinimumHeight(theme.ROW_PX + theme.SPACE_XS)
        ways = QHBoxLayout()
        ways.setSpacing(theme.SPACE_S)
        ways.addWidget(self.go)
        ways.addWidget(self.downloads)
        ways.addStretch(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_S)
        column.addWidget(self.trouble)
        column.addLayout(ways)
        column.addWidget(self.button)
        self.show_ready(_QUEUE, enabled=False)

    def show_ready(self, text: str, *, enabled: bool = True) -> None:
        """Nothing stands in the way; `text` is the button's."""
        self._show(text, enabled=enabled)

    def show_trouble(self, sentence: str) -> None:
        """Something keeps from queueing that belongs to no field."""
        self._show(_QUEUE, enabled=False, line=sentence, reason=sentence)

    def show_missing(self, missing: Sequence[Missing]) -> None:
        """Data is not here: the fields say why, this says that, and leads there."""
        names = ", ".join(repr(one.dataset) for one in missing if one.option == DATASET)
        parts = [f"the data of {names} is not here"] if names else []
        parts += (
            ["there is nothing to read at data.path"] if any(one.option != DATASET for one in missing) else []
        )
        line = f"Cannot queue: {', and '.join(parts)}."
        self._show(_QUEUE, enabled=False, line=line, reason="\n".join(one.sentence for one in missing))
        self.go.setVisible(True)
        self.downloads.setVisible(any(one.can_download for one in missing))

    def _show(self, text: str, *, enabled: bool, line: str = "", reason: str = "") -> None:
        self.button.setText(text)
        self.button.setEnabled(enabled)
        self.button.setToolTip(plain(reason))
        self.button.setAccessibleDescription(reason)
        self.trouble.say(line)
        self.go.setVisible(False)
        self.downloads.setVisible(False)

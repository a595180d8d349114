"""The line above the table: what can be done, the filter, how many runs there are, and what is shown."""

from __future__ import annotations

from PySide6.QtGui import QAction
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QToolButton, QVBoxLayout, QWidget

from iterand_engine.machine import texts as shown
from iterand_gui.look import theme
from iterand_gui.look.plain import plain
from iterand_gui.pages.runs.filter_line import FilterLine, Problem

_FILTER_PX = 160  # at least


class ActionButton(QPushButton):
    """A button for an action, with its text, picture and mnemonic; grey when that is."""

    def __init__(self, action: QAction, parent: QWidget) -> None:
        super().__init__(parent)
        self._action = action
        self.clicked.connect(action.trigger)
        action.changed.connect(self._sync)
        self._sync()

    def _sync(self) -> None:
        action = self._action
        self.setText(action.text())
        self.setIcon(action.icon())
        self.setToolTip(plain(action.toolTip()))
        self.setEnabled(action.isEnabled())
        self.setAccessibleName(action.text().replace("&", ""))


class Head(QWidget):
    """Puts the parts side by side.

    Args:
        actions: for the buttons at the left, the primary one first.
        details: shows the side panel or hides it.
        columns: opens the menu of columns.
        parent: of the widget.
    """

    def __init__(self, actions: list[QAction], details: QAction, columns: QAction, parent: QWidget) -> None:
        super().__init__(parent)
        self.filter, self._problem = FilterLine(self), Problem(self)
        self.filter.setMinimumWidth(_FILTER_PX)
        self.filter.problem_changed.connect(self._problem.say)
        self._count = QLabel(self)
        self._count.setTextFormat(theme.PLAIN)
        self._count.setFont(theme.number_font(self.font()))
        row = QHBoxLayout()
        row.setSpacing(theme.SPACE_S)
        for number, action in enumerate(actions):
            button = ActionButton(action, self)
            button.setDefault(number == 0)
            row.addWidget(button)
        row.addSpacing(theme.SPACE_S)
        row.addWidget(self.filter, 1)
        row.addWidget(self._count)
        for action in (columns, details):
            row.addWidget(_flat_button(action, self))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_S)
        column.addLayout(row)
        column.addWidget(self._problem)

    @property
    def count(self) -> str:
        """How many runs are shown of how many."""
        return self._count.text()

    @property
    def problem(self) -> str:
        """What is wrong with the filter; empty where nothing is."""
        return self._problem.text

    def show_counts(self, found: int, of: int) -> None:
        """Say how many runs there are.

        Args:
            found: those that meet the filter.
            of: all of them.
        """
        said = shown.counted(of, "run") if found == of else f"{found:,} of {shown.counted(of, 'run')}"
        self._count.setText(said)


def _flat_button(action: QAction, parent: QWidget) -> QToolButton:
    button = QToolButton(parent)
    button.setDefaultAction(action)
    button.setAutoRaise(True)
    button.setAccessibleName(action.text().replace("&", ""))
    return button

"""The line above a plot: title, choices, a note in small, buttons for a few actions, and one for the menu."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QPoint, Signal
from PySide6.QtGui import QAction, QPalette
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QToolButton, QWidget

from iterand_gui.look import theme
from iterand_gui.look.plain import plain


class PlotHeader(QWidget):
    """Shows and asks; the plot does.

    Args:
        title: of the plot.
        actions: what has a button.
        parent: the plot.
        choices: widgets beside the title.
        menu_help: what is in the menu.
    """

    menu_asked = Signal(QPoint)  # where on the screen the menu is to open

    def __init__(
        self,
        title: str,
        actions: Sequence[QAction],
        parent: QWidget,
        choices: Sequence[QWidget] = (),
        menu_help: str = "Axes, smoothing, saving",
    ) -> None:
        super().__init__(parent)
        self._title, self._note = QLabel(title, self), QLabel(self)
        self._title.setFont(theme.title_font(self.font()))
        self._note.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.SPACE_S if choices else theme.SPACE_XS)
        row.addWidget(self._title)
        for choice in choices:
            row.addWidget(choice)
        if not choices:
            row.addSpacing(theme.SPACE_XS)
        row.addWidget(self._note, 1)
        for label in (self._title, self._note):
            label.setTextFormat(theme.PLAIN)
        for action in actions:
            row.addWidget(self._button(title, action))
        row.addWidget(self._menu_button(title, menu_help))
        self._mute_note()

    def set_note(self, text: str) -> None:
        """Say something in small beside the title."""
        self._note.setText(text)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 (Qt)
        """Take the colours of another theme."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._mute_note()

    def _mute_note(self) -> None:
        palette = QPalette()
        palette.setColor(QPalette.ColorRole.WindowText, theme.colour("muted"))
        self._note.setPalette(palette)

    def _button(self, title: str, action: QAction) -> QToolButton:
        button = QToolButton(self)
        button.setDefaultAction(action)
        button.setAutoRaise(True)
        words = action.text().replace("&", "")
        button.setAccessibleName(f"{title}: {words}")
        button.setToolTip(plain(f"{words} ({action.shortcut().toString()})"))
        return button

    def _menu_button(self, title: str, menu_help: str) -> QToolButton:
        self._menu = QToolButton(self)
        self._menu.setIcon(theme.icon("more"))
        self._menu.setAutoRaise(True)
        self._menu.setAccessibleName(f"{title}: menu")
        self._menu.setToolTip(plain(menu_help))
        self._menu.clicked.connect(self._ask_for_menu)
        return self._menu

    def _ask_for_menu(self) -> None:
        self.menu_asked.emit(self._menu.mapToGlobal(QPoint(0, self._menu.height())))

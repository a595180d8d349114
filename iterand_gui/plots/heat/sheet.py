"""What a picture with a title, buttons and keys of its own has in common with others: a sheet in the page."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, QRectF, Qt
from PySide6.QtGui import QAction, QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QToolButton, QWidget

from iterand_gui.live.ticker import Redrawn, Ticker
from iterand_gui.look import theme

_CORNER_PX = 6.0


class PlotSheet(Redrawn):
    """A rounded sheet with a thin line around, stronger where the keys go; the ticker draws what is in it.

    Args:
        title: what it shows.
        parent: of the widget.
    """

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title = title
        self.ticker = Ticker.shared()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def ask(self) -> None:
        """Have it drawn soon, if it is in view."""
        self.ticker.ask(self)

    def make_action(
        self, text: str, key: str, slot: Callable[[], object] | None = None, icon: str | None = None
    ) -> QAction:
        """Something that can be done here, by a key while the sheet or a part of it has the keyboard.

        Args:
            text: with its mnemonic.
            key: its shortcut.
            slot: what it does.
            icon: by what it stands for, as in `theme.ICONS`.
        """
        action = QAction(text, self)
        action.setShortcut(key)
        action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        if icon is not None:
            action.setIcon(theme.icon(icon))
        if slot is not None:
            action.triggered.connect(slot)
        self.addAction(action)
        return action

    def button(self, action: QAction) -> QToolButton:
        """A flat button for an action."""
        button = QToolButton(self)
        button.setDefaultAction(action)
        button.setAutoRaise(True)
        words = action.text().replace("&", "")
        button.setAccessibleName(f"{self.title}: {words}")
        button.setToolTip(f"{words} ({action.shortcut().toString()})")
        return button

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 (Qt)
        """Another theme: draw anew."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.FontChange):
            self.ask()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 (Qt)
        """Draw the sheet; what was left behind while it was out of view is asked for."""
        if self.is_behind:
            self.ask()
        colours = theme.colours(self.palette())
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(QColor(colours.base))
        painter.setPen(QPen(QColor(colours.accent if self.hasFocus() else colours.grid), 1))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), _CORNER_PX, _CORNER_PX)

"""What curves and the layer x time picture share: a sheet with menu, keys, table, files, words when empty."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager

from PySide6.QtCore import QEvent, QPoint, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QAction, QColor, QContextMenuEvent, QPainter, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import QLabel, QLayout, QMenu, QStackedWidget, QWidget

from iterand_gui.live.ticker import Redrawn, Ticker
from iterand_gui.look import theme
from iterand_gui.plots import saving
from iterand_gui.plots.files import PlotFiles
from iterand_gui.plots.table_view import PlotTable
from iterand_gui.plots.tables import Table

_TABLE_AFTER_S = 1.0  # a table that is shown while points come is renewed that long after the last
_CORNER_PX = 6.0


class PlotSheet(Redrawn):
    """A rounded sheet with a thin line around, stronger where the keys go; the ticker draws what is in it.

    Subclasses lay out a header, and the stack of an empty plot's words, the table and their drawing area.

    Args:
        title: what is plotted, also the accessible name.
        kind: what it is called there: plot, heatmap.
        empty_text: shown while there are no points: what to do to see some.
        parent: of the widget.
    """

    saved = Signal(str)  # path of a file that was written
    failed = Signal(str)  # a sentence for the user

    def __init__(self, title: str, kind: str, empty_text: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title = title
        self.ticker = Ticker.shared()
        self.files = PlotFiles(self, self)
        self.files.saved.connect(self.saved)
        self.files.failed.connect(self.failed)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName(f"{title} {kind}")
        self.reset_action = self._action("Show &all", "Home", self.reset, "reset")
        self.table_action = self._action("Show as &table", "T", icon="table")
        self.table_action.setCheckable(True)
        self.table_action.toggled.connect(self.ask)
        self.save_action = self._action("&Save as ...", "S", self.files.ask_path, "save")
        self.copy_action = self._action("&Copy picture", "C", self.files.copy, "copy")
        self._empty = QLabel(empty_text, self)
        self._empty.setTextFormat(theme.PLAIN)
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._empty.setWordWrap(True)
        self._empty.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        self._table = PlotTable(title, self)
        self._stack = QStackedWidget(self)
        self._stack.addWidget(self._empty)
        self._stack.addWidget(self._table)

    # What a subclass gives.

    @abstractmethod
    def table(self) -> Table:
        """All points."""

    @abstractmethod
    def picture(self, scale: float) -> AbstractContextManager[tuple[QSize, saving.Painter]]:
        """Size and painter of the plot as it is to be saved, in the light colours, for as long as it is held.

        Args:
            scale: pixels of the image for each of the layout.
        """

    @abstractmethod
    def reset(self) -> None:
        """Show everything again."""

    @abstractmethod
    def make_menu(self) -> QMenu:
        """All that can be done with the plot; it deletes itself when it closes."""

    # What users of a plot call.

    @property
    def shows_table(self) -> bool:
        """Whether the table is seen instead of the plot."""
        return self.table_action.isChecked()

    def show_as_table(self, table: bool) -> None:
        """Show the points as a table, or as a plot."""
        self.table_action.setChecked(table)

    def ask(self) -> None:
        """Have it drawn soon, if it is in view."""
        self.ticker.ask(self)

    # For subclasses.

    def settle(self) -> None:
        """Nothing came for a while: bring the table up to date."""
        if self.shows_table:
            self._table.show_table(self.table())

    def _show_table(self) -> None:
        if self._stack.currentWidget() is self._table:
            self.ticker.settle(self, _TABLE_AFTER_S)
        else:
            self._table.show_table(self.table())
            self._stack.setCurrentWidget(self._table)

    def _set_colours(self) -> None:
        """Take the colours and fonts of another theme."""
        self.ask()

    def _empty_menu(self) -> QMenu:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        return menu

    def _open_menu(self, at: QPoint) -> None:
        self.make_menu().popup(at)

    def _set_margins(self, layout: QLayout) -> None:
        layout.setContentsMargins(theme.SPACE_M, theme.SPACE_XS, theme.SPACE_XS, theme.SPACE_XS)
        layout.setSpacing(theme.SPACE_XS)

    def _action(
        self,
        text: str,
        key: str,
        slot: Callable[[], object] | None = None,
        icon: str | None = None,
        before: QAction | None = None,
    ) -> QAction:
        """Something that can be done here, by a key while the sheet or a part of it has the keyboard.

        Args:
            text: with its mnemonic.
            key: its shortcut.
            slot: what it does.
            icon: by what it stands for, as in `theme.ICONS`.
            before: what it stands before in the list of keys; None for the end.
        """
        action = QAction(text, self)
        action.setShortcut(key)
        action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        if icon is not None:
            action.setIcon(theme.icon(icon))
        if slot is not None:
            action.triggered.connect(slot)
        self.insertAction(before, action)  # type: ignore[arg-type]  # None is for the end
        return action

    # Events.

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 (Qt)
        """Take the colours and fonts of another theme."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.FontChange):
            self._set_colours()

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:  # noqa: N802 (Qt)
        """Open the menu at the pointer, or by the menu key."""
        self._open_menu(event.globalPos())

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

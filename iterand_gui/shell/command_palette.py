"""The command palette (Ctrl+K): everything that can be done, found by typing a few letters of it."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QObject, QSize, Qt
from PySide6.QtGui import QKeyEvent, QKeySequence
from PySide6.QtWidgets import (
    QApplication,
    QFrame,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QVBoxLayout,
    QWidget,
)

from iterand_gui.look import theme
from iterand_gui.session.command import Command

_WIDTH_PX, _HEIGHT_PX = 520, 360
_COMMAND = Qt.ItemDataRole.UserRole


def rank(query: str, text: str) -> int | None:
    """How well a text matches a query: lower is better, None is no match.

    Every word of the query must occur; words that begin a word of the text count more.
    """
    low, total = text.lower(), 0
    for word in query.lower().split():
        at = low.find(word)
        if at < 0:
            return None
        begins = at == 0 or not low[at - 1].isalnum()
        total += at if begins else at + 100
    return total


class CommandPalette(QFrame):
    """Lies over the window; Return runs what is marked, Escape or a click elsewhere closes it."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._over = parent
        self.setObjectName("commandPalette")
        self.setAccessibleName("Command palette")
        self._commands: list[Command] = []
        self._can: list[bool] = []  # whether each can be used; asked when the list opens
        self._query = QLineEdit(self)
        self._query.setPlaceholderText("Type what you want to do")
        self._query.setAccessibleName("Search commands")
        self._query.setClearButtonEnabled(True)
        self._list = QListWidget(self)
        self._list.setAccessibleName("Commands")
        self._list.setUniformItemSizes(True)
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.SPACE_S, theme.SPACE_S, theme.SPACE_S, theme.SPACE_S)
        column.setSpacing(theme.SPACE_S)
        column.addWidget(self._query)
        column.addWidget(self._list)
        self._query.textChanged.connect(self._refill)
        self._query.returnPressed.connect(self._run_marked)
        self._list.itemClicked.connect(self._run_item)
        self._query.installEventFilter(self)
        self._list.installEventFilter(self)
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.setAutoFillBackground(True)
        self.hide()

    def open_with(self, commands: Sequence[Command]) -> None:
        """Show the palette with these commands."""
        self._commands = list(commands)
        self._can = [command.enabled() for command in commands]
        self._query.clear()
        self._refill("")
        window = self._over.window()
        width = min(_WIDTH_PX, window.width() - 2 * theme.SPACE_L)
        self.resize(width, min(_HEIGHT_PX, window.height() - 4 * theme.SPACE_L))
        self.move((window.width() - width) // 2, 3 * theme.SPACE_L)
        self.show()
        self.raise_()
        self._query.setFocus()

    def texts(self) -> list[str]:
        """The commands listed, best first."""
        return [self._list.item(row).text() for row in range(self._list.count())]

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Arrow keys move in the list while the text keeps the focus; Escape and a lost focus close."""
        if event.type() == QEvent.Type.FocusOut and not self.isAncestorOf(
            QApplication.focusWidget() or self._over
        ):
            self.hide()
        if isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Escape:
            self.hide()
            return True
        if watched is self._query and isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            moves = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1, Qt.Key.Key_PageDown: 8, Qt.Key.Key_PageUp: -8}
            move = moves.get(Qt.Key(event.key()))
            if move is not None and self._list.count():
                row = max(0, min(self._list.count() - 1, self._list.currentRow() + move))
                self._list.setCurrentRow(row)
                return True
        return super().eventFilter(watched, event)

    def _refill(self, query: str) -> None:
        ranked = [(rank(query, command.text), at) for at, command in enumerate(self._commands)]
        found = sorted((not self._can[at], score, at) for score, at in ranked if score is not None)
        self._list.clear()
        for _, _, at in found:
            command = self._commands[at]
            keys = QKeySequence(command.shortcut).toString(QKeySequence.SequenceFormat.NativeText)
            item = QListWidgetItem(f"{command.text}    {keys}" if keys else command.text)
            item.setData(_COMMAND, at)
            item.setSizeHint(QSize(0, theme.ROW_PX))
            if not self._can[at]:
                item.setFlags(Qt.ItemFlag.NoItemFlags)
                item.setToolTip("Not now: there is nothing that it could work on.")
            self._list.addItem(item)
        if not found:
            nothing = QListWidgetItem("No command holds these words", self._list)
            nothing.setFlags(Qt.ItemFlag.NoItemFlags)
        self._list.setCurrentRow(0)

    def _run_marked(self) -> None:
        item = self._list.currentItem()
        if item is not None:
            self._run_item(item)

    def _run_item(self, item: QListWidgetItem) -> None:
        if not item.flags() & Qt.ItemFlag.ItemIsEnabled:
            return
        self.hide()
        self._commands[item.data(_COMMAND)].run()

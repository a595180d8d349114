"""All keys on one sheet (F1): those of the page in view, of its plots, and those that hold everywhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QTreeWidget, QTreeWidgetItem, QVBoxLayout, QWidget

from iterand_gui.look import theme
from iterand_gui.look.fusion import give_room
from iterand_gui.session.command import Command

Keys = tuple[str, str]  # action and its key
_SIZE = (520, 560)


class ShortcutList(QDialog):
    """A dialog with groups of keys; the window can be used while it is open.

    Args:
        groups: by heading, actions and their keys in order; empty groups are left out.
        parent: the window.
    """

    def __init__(self, groups: Mapping[str, Sequence[Keys]], parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Keys")
        self.list = QTreeWidget(self)
        self.list.setAccessibleName("Keys")
        self.list.setHeaderLabels(["What", "Key"])
        self.list.setRootIsDecorated(False)
        self.list.setUniformRowHeights(True)
        give_room(self.list)
        for heading, keys in groups.items():
            if keys:
                self._add(heading, keys)
        self.list.expandAll()
        self.list.resizeColumnToContents(0)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close, self)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.SPACE_M, theme.SPACE_M, theme.SPACE_M, theme.SPACE_M)
        column.addWidget(self.list)
        column.addWidget(buttons)
        self.resize(*_SIZE)

    def _add(self, heading: str, keys: Sequence[Keys]) -> None:
        group = QTreeWidgetItem(self.list, [heading])
        group.setFirstColumnSpanned(True)
        group.setSizeHint(0, QSize(0, theme.ROW_PX))
        group.setFont(0, theme.title_font(self.font()))
        for what, key in keys:
            line = QTreeWidgetItem([what, key])
            line.setSizeHint(0, QSize(0, theme.ROW_PX))
            group.addChild(line)


def of_commands(commands: Iterable[Command]) -> list[Keys]:
    """The keys of commands that have one."""
    return [(command.text, _native(command.shortcut)) for command in commands if command.shortcut]


def of_actions(actions: Iterable[QAction]) -> list[Keys]:
    """The keys of actions that have one."""
    found = ((action.text().replace("&", ""), action.shortcut().toString()) for action in actions)
    return [(what, _native(key)) for what, key in found if key]


def _native(keys: str) -> str:
    return QKeySequence(keys).toString(QKeySequence.SequenceFormat.NativeText)

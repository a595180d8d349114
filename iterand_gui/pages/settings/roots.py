"""The folders that are searched for datasets: listed with how they stand, removed, and added to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import (
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QSizePolicy,
    QWidget,
)

from iterand_gui.look import theme
from iterand_gui.pages.settings.parts import Text
from iterand_gui.widgets.run_badge import Picture


@dataclass(frozen=True)
class Root:
    """A folder that is searched: the workspace's own, where downloads go, or another that is only read."""

    path: Path
    is_there: bool
    is_own: bool


class RootList(QWidget):
    """Shows the folders in the order in which they are searched."""

    removed = Signal(object)  # Path

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAccessibleName("Folders that are searched")
        self.buttons: dict[Path, QPushButton] = {}
        self._shown: tuple[Root, ...] = ()
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(theme.SPACE_S)
        self._grid.setVerticalSpacing(theme.SPACE_S)
        self._grid.setColumnStretch(1, 1)

    def show_roots(self, roots: Sequence[Root]) -> None:
        if tuple(roots) == self._shown:
            return
        self._shown = tuple(roots)
        while (item := self._grid.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.hide()
                widget.deleteLater()
        self.buttons = {}
        for row, root in enumerate(roots):
            self._add(row, root)

    def _add(self, row: int, root: Root) -> None:
        sign = theme.icon("folder", "muted") if root.is_there else theme.icon("warning", "warn")
        self._grid.addWidget(Picture(self, sign), row, 0)
        said = " (this workspace; downloads go here)" if root.is_own else ""
        said += "" if root.is_there else " (not there now)"
        text = Text(f"{root.path}{said}", self)
        text.setAlignment(Qt.AlignmentFlag.AlignVCenter)
        self._grid.addWidget(text, row, 1)
        if not root.is_own:
            button = QPushButton("Remove", self)
            button.setAccessibleName(f"Do not search {root.path} any more")
            button.setToolTip("Nothing in the folder is touched.")
            button.clicked.connect(self._teller(root.path))
            self.buttons[root.path] = button
            self._grid.addWidget(button, row, 2, Qt.AlignmentFlag.AlignRight)

    def _teller(self, path: Path) -> Callable[[], None]:
        return lambda: self.removed.emit(path)


class FolderEntry(QWidget):
    """A folder to be typed or chosen."""

    entered = Signal(str)

    def __init__(self, name: str, parent: QWidget) -> None:
        super().__init__(parent)
        self._name = name
        self.line = QLineEdit(self)
        self.line.setAccessibleName(name)
        self.line.setPlaceholderText("/path/to/datasets")
        self.line.setMinimumWidth(120)
        self.line.returnPressed.connect(self._enter)
        self.line.textChanged.connect(self._enable)
        self.add = QPushButton("&Add", self)
        self.add.setAccessibleName(f"{name}: add")
        self.add.clicked.connect(self._enter)
        self.browse = QPushButton(theme.icon("folder"), "&Browse...", self)
        self.browse.setAccessibleName(f"{name}: browse")
        self.browse.clicked.connect(self._browse)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.SPACE_S)
        row.addWidget(self.line, 1)
        row.addWidget(self.add)
        row.addWidget(self.browse)
        self.setFocusProxy(self.line)
        self._enable()

    @Slot()
    def _enable(self) -> None:
        self.add.setEnabled(bool(self.line.text().strip()))

    @Slot()
    def _enter(self) -> None:
        if text := self.line.text().strip():
            self.entered.emit(text)

    @Slot()
    def _browse(self) -> None:
        dialog = QFileDialog(self, self._name)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.fileSelected.connect(self.entered)
        dialog.open()

"""Workspace: which one is open, those opened before, and the way to another."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QSize, Slot
from PySide6.QtWidgets import QListWidget, QPushButton, QWidget

from iterand_gui.live.tasks import Control
from iterand_gui.look import theme
from iterand_gui.pages.settings.changes import SettingChanges
from iterand_gui.pages.settings.parts import Note, Text, button_row
from iterand_gui.pages.settings.section import Section
from iterand_gui.session.session import Session


class WorkspaceSection(Section):
    """Shows the folder, warns where a database is not safe in it, and opens others."""

    key = "workspace"
    title = "Workspace"
    icon = "folder"
    about = (
        "A workspace is one folder that holds everything: the database, the files of runs, datasets, your own"
        " code and these settings. It can be moved or copied as a whole while nothing runs in it."
    )

    def __init__(self, session: Session, changes: SettingChanges, parent: QWidget) -> None:
        super().__init__(session, changes, parent)
        here = self.part("Open now")
        self.folder = Text(str(session.workspace.root), self)
        self.folder.setAccessibleName(f"Folder of this workspace: {session.workspace.root}")
        self.warning = Note(self)
        here.addWidget(self.folder)
        here.addWidget(self.warning)
        before = self.part("Opened before")
        self.recent = QListWidget(self)
        self.recent.setAccessibleName("Workspaces opened before")
        self.recent.itemActivated.connect(self._open_chosen)
        self.recent.currentRowChanged.connect(self._enable)
        self.none = Text("No other workspace was opened yet.", self, muted=True)
        self.open = QPushButton("&Open the chosen one", self)
        self.open.clicked.connect(self._open_chosen)
        self.other = QPushButton(theme.icon("folder"), "Open &another...", self)
        self.other.clicked.connect(session.actions.ask_workspace)
        before.addWidget(self.none)
        before.addWidget(self.recent)
        before.addLayout(button_row([self.open, self.other]))

    def refresh(self, *, asked: bool = False) -> None:
        """List the recent ones that are still there, and look at the kind of disk."""
        memory, own = self.session.memory, self.session.workspace
        recent = memory.texts("workspaces") if memory is not None else ()

        def look(_: Control) -> tuple[str, list[str]]:
            others = [folder for folder in recent if Path(folder) != own.root and Path(folder).is_dir()]
            return own.warning() or "", others

        job = self.session.jobs.run(look, "Look at the workspaces")
        job.succeeded.connect(self._show)
        job.failed.connect(self.session.messages.error)

    @Slot(object)
    def _show(self, found: tuple[str, list[str]]) -> None:
        warning, others = found
        self.warning.say(warning, "warn")
        kept = self.recent.currentItem().text() if self.recent.currentItem() else ""
        self.recent.clear()
        self.recent.addItems(others)
        for at in range(len(others)):
            self.recent.item(at).setSizeHint(QSize(0, theme.ROW_PX))
        self.recent.setFixedHeight(len(others) * theme.ROW_PX + 2 * self.recent.frameWidth())
        self.recent.setCurrentRow(others.index(kept) if kept in others else 0 if others else -1)
        self.recent.setVisible(bool(others))
        self.none.setVisible(not others)
        self.open.setVisible(bool(others))
        self._enable()

    @Slot()
    def _enable(self) -> None:
        self.open.setEnabled(self.recent.currentRow() >= 0)

    @Slot()
    def _open_chosen(self) -> None:
        item = self.recent.currentItem()
        if item is not None:
            self.session.actions.open_workspace.emit(item.text())

"""Extensions: the files of the workspace, enabled by their hash.

The window never runs an extension: enabling is a command, which runs the file in a process of its own.
"""

from __future__ import annotations

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QPushButton, QWidget

from iterand_engine.extensions.files import ExtensionFile, disable, extension_files
from iterand_gui.live.tasks import Control
from iterand_gui.look import theme
from iterand_gui.pages.settings.changes import SettingChanges
from iterand_gui.pages.settings.extension_row import ExtensionRow
from iterand_gui.pages.settings.parts import Note, Text, button_row
from iterand_gui.pages.settings.section import Section
from iterand_gui.session.session import Session
from iterand_gui.widgets.folder import show_folder


class ExtensionsSection(Section):
    """Lists the files as they are now; another look is taken whenever the window becomes active."""

    key = "extensions"
    title = "Extensions"
    icon = "puzzle-piece"
    about = (
        "Your own models, datasets, methods and redraw rules, as Python files in the workspace. A file is off"
        " until you enable it: it is then known by its hash, on this machine and for you alone. Runs keep a"
        " copy of the code that they were made with."
    )

    def __init__(self, session: Session, changes: SettingChanges, parent: QWidget) -> None:
        super().__init__(session, changes, parent)
        self._looking = False
        self.rows: dict[str, ExtensionRow] = {}
        self._files = self.part("Files")
        self._files.setSpacing(theme.SPACE_L)
        self.none = Text(
            f"There is no file in {session.workspace.extensions_dir}. In a terminal,"
            " `iterand new model my-net` writes one to begin with (or dataset, rule, method).",
            self,
        )
        self.none.hide()
        self.problem = Note(self)
        self.folder = QPushButton(theme.icon("folder"), "Open the f&older", self)
        self.folder.clicked.connect(self._open_folder)
        self._files.addWidget(self.problem)
        self._files.addWidget(self.none)
        self.column.addLayout(button_row([self.folder]))

    def refresh(self, *, asked: bool = False) -> None:
        if self._looking or not self.is_in_view:
            return
        self._looking = True
        workspace = self.session.workspace

        def look(_: Control) -> list[ExtensionFile]:
            return extension_files(workspace)

        job = self.session.jobs.run(look, "Look at the extensions")
        job.succeeded.connect(self._show)
        job.failed.connect(self._failed)
        job.ended.connect(self._looked)

    @Slot(object)
    def _show(self, files: list[ExtensionFile]) -> None:
        self.problem.clear()
        names = [file.file for file in files]
        for name in [name for name in self.rows if name not in names]:
            row = self.rows.pop(name)
            row.hide()
            row.deleteLater()
        for at, file in enumerate(files):
            if file.file in self.rows:
                self.rows[file.file].show_file(file)
                continue
            row = ExtensionRow(file, self)
            row.enable_asked.connect(self._enable)
            row.disable_asked.connect(self._disable)
            self.rows[file.file] = row
            self._files.insertWidget(at + 1, row)  # below the heading
        self.none.setVisible(not files)

    @Slot(str)
    def _failed(self, text: str) -> None:
        self.problem.say(text, "bad")

    @Slot()
    def _looked(self) -> None:
        self._looking = False

    @Slot(str, str)
    def _enable(self, file: str, sha256: str) -> None:
        words = ["extensions", "enable", file, "--sha256", sha256]
        job = self.session.jobs.command(words, f"Enable {file}")
        self.rows[file].follow(job)
        job.ended.connect(self._changed)

    @Slot(str)
    def _disable(self, file: str) -> None:
        workspace = self.session.workspace
        job = self.session.jobs.run(lambda _: disable(workspace, file), f"Disable {file}")
        job.failed.connect(self._failed)
        job.ended.connect(self._changed)

    @Slot()
    def _changed(self) -> None:
        self.session.reload_extensions()
        self.refresh()

    @Slot()
    def _open_folder(self) -> None:
        show_folder(self.session.workspace.extensions_dir, self.session.messages)

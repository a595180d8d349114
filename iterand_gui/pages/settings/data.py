"""Data: the folders that are searched for datasets, and what is in them; downloads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QVBoxLayout, QWidget

from iterand_engine.config.catalog import DATASETS
from iterand_engine.data.locate import Location, dataset_places
from iterand_engine.errors import UserError
from iterand_engine.machine.settings import Settings, data_roots
from iterand_engine.machine.workspace import Workspace
from iterand_gui.look import theme
from iterand_gui.pages.settings.changes import SettingChanges
from iterand_gui.pages.settings.dataset_row import DatasetRow
from iterand_gui.pages.settings.parts import Note
from iterand_gui.pages.settings.roots import FolderEntry, Root, RootList
from iterand_gui.pages.settings.section import Section
from iterand_gui.session.session import Session


@dataclass(frozen=True)
class _Found:
    roots: tuple[Root, ...]
    locations: tuple[Location, ...]


class DataSection(Section):
    """Data roots and datasets."""

    key = "data"
    title = "Data"
    icon = "database"
    about = (
        "Datasets are looked for in the workspace and in other folders that you name; those are only read."
        " A folder of images or an npz file of your own needs no entry here: a run names it in data.path."
    )

    def __init__(self, session: Session, changes: SettingChanges, parent: QWidget) -> None:
        super().__init__(session, changes, parent)
        self._roots: tuple[Path, ...] | None = None
        self._looking = self._look_again = False
        folders = self.part("Folders that are searched, in this order")
        self.roots = RootList(self)
        self.roots.removed.connect(self._remove)
        self.entry = FolderEntry("Another folder with datasets", self)
        self.entry.entered.connect(self._add)
        self.root_row = changes.row("Another fol&der", self.entry, "", self)
        folders.addWidget(self.roots)
        folders.addWidget(self.root_row)
        self._column = self.part("Datasets")
        self._column.setSpacing(theme.SPACE_M)
        self.problem = Note(self)
        self._column.addWidget(self.problem)
        self._rows_column = QVBoxLayout()
        self._rows_column.setSpacing(theme.SPACE_M)
        self._column.addLayout(self._rows_column)
        self.rows: dict[str, DatasetRow] = {}
        session.extensions_changed.connect(self.refresh)

    def refresh(self, *, asked: bool = False) -> None:
        """Look where the datasets are."""
        if not self.is_in_view:
            return
        if self._looking:
            self._look_again = True
            return
        self._looking = True
        workspace, settings = self.session.workspace, self.session.settings
        job = self.session.jobs.run(lambda _: _find(workspace, settings), "Look for datasets")
        job.succeeded.connect(self._show)
        job.failed.connect(self._failed)
        job.ended.connect(self._looked)

    def show_settings(self, settings: Settings) -> None:
        """Show other folders, and what is in them."""
        if settings.data_roots != self._roots:
            self._roots = settings.data_roots
            self.entry.line.clear()
            self.refresh()

    @Slot(object)
    def _show(self, found: _Found) -> None:
        self.problem.clear()
        self.roots.show_roots(found.roots)
        names = [location.name for location in found.locations]
        for name in [name for name in self.rows if name not in names]:
            self.rows.pop(name).deleteLater()
        for at, location in enumerate(found.locations):
            if location.name not in self.rows:
                row = DatasetRow(DATASETS[location.name], self)
                row.wanted.connect(self._download)
                self.rows[location.name] = row
                self._rows_column.insertWidget(at, row)
            if not self.rows[location.name].is_loading:
                self.rows[location.name].show_location(location)

    @Slot(str)
    def _failed(self, text: str) -> None:
        self.problem.say(text, "bad")

    @Slot()
    def _looked(self) -> None:
        self._looking = False
        if self._look_again:
            self._look_again = False
            self.refresh()

    @Slot(str)
    def _download(self, name: str) -> None:
        row = self.rows[name]
        job = self.session.jobs.command(["data", "fetch", name, "--json"], f"Download {DATASETS[name].label}")
        row.follow(job)
        job.ended.connect(self.refresh)

    @Slot(str)
    def _add(self, text: str) -> None:
        self.changes.apply("data_roots", lambda now: _with_root(now, Path(text)), self.root_row)

    @Slot(object)
    def _remove(self, root: Path) -> None:
        self.changes.apply(
            "data_roots",
            lambda now: now.model_copy(
                update={"data_roots": tuple(other for other in now.data_roots if other != root)}
            ),
            self.root_row,
        )


def _with_root(settings: Settings, folder: Path) -> Settings:
    changed = settings.with_data_root(folder)
    if changed == settings:
        raise UserError(f"{folder} is searched already.")
    return changed


def _find(workspace: Workspace, settings: Settings) -> _Found:
    roots = [
        Root(root, root.is_dir(), is_own=root == workspace.data_dir)
        for root in data_roots(workspace, settings)
    ]
    locations = [
        place
        for place in dataset_places(workspace, settings)
        if not DATASETS[place.name].needs_path or DATASETS[place.name].origin is not None
    ]
    return _Found(tuple(roots), tuple(locations))

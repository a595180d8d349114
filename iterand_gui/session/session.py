"""All that a window knows of one workspace; another workspace gets another session and other pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from iterand_engine.errors import UserError
from iterand_engine.extensions.active import activate
from iterand_engine.machine.settings import Settings
from iterand_engine.machine.workspace import Workspace
from iterand_engine.runs.fingerprints import fill_fingerprints
from iterand_engine.store import Store
from iterand_gui.live.store_watcher import StoreWatcher
from iterand_gui.live.tasks import Jobs
from iterand_gui.session.actions import Actions
from iterand_gui.session.selection import Selection
from iterand_gui.widgets.messages import Messages

if TYPE_CHECKING:
    from iterand_gui.live.probe_client import QtProbeClient
    from iterand_gui.session.remembered import Remembered


class Session(QObject):
    """An open workspace: its store, what watches it, what works beside the window, and the selection.

    Args:
        workspace: an existing folder.
        parent: of the object.
        memory: the user's arrangement; pages only read it (theme, recent workspaces).
    Raises:
        UserError: its database cannot be used.
    """

    settings_changed = Signal(object)  # Settings
    extensions_changed = Signal()  # the catalogs have other entries

    def __init__(
        self, workspace: Workspace, parent: QObject | None = None, memory: Remembered | None = None
    ) -> None:
        super().__init__(parent)
        self.workspace = workspace
        self.memory = memory
        self._settings_problem: str | None = None
        try:
            self._settings = Settings.load(workspace)
        except UserError as error:
            # The window shows this. What trains or executes reads the file itself, and refuses it.
            self._settings_problem = str(error)
            self._settings = Settings(test_lock=True)  # it may have been locked
        self.extension_notes: tuple[str, ...] = tuple(activate(workspace))
        self.store = Store.open(workspace)
        self.messages = Messages(self)
        self.jobs = Jobs(workspace.root, self)
        self.readings = Jobs(workspace.root, self)  # short and repeated, so the status bar does not show them
        self.selection = Selection(self)
        self.watcher = StoreWatcher(self.store, self)
        self.watcher.failed.connect(self.messages.error)
        self.actions = Actions(workspace, self.store, self.jobs, self.messages, self)
        self._probe: QtProbeClient | None = None

    def start(self) -> None:
        """Begin to watch the store, and warn of settings and extensions that cannot be used."""
        if self._settings_problem is not None:
            self.messages.error(self._settings_problem)
        for note in self.extension_notes:
            self.messages.warn(note)
        self.watcher.start()
        if self.store.was_upgraded:
            roots = [*self._settings.data_roots, self.workspace.data_dir]
            job = self.jobs.run(lambda _: fill_fingerprints(self.store, roots), "Complete the upgrade")
            job.failed.connect(self.messages.error)

    @property
    def settings(self) -> Settings:
        """The workspace's settings as they are now."""
        return self._settings

    def take_settings(self, settings: Settings) -> None:
        """Read the stored settings again; `settings_changed` follows if they differ."""
        if settings != self._settings:
            self._settings = settings
            self.settings_changed.emit(settings)

    def reload_extensions(self) -> None:
        """Put the extensions that are enabled now into the catalogs, and emit `extensions_changed`."""
        self.extension_notes = tuple(activate(self.workspace))
        if self._probe is not None:
            self._probe.restart()
        self.extensions_changed.emit()

    @property
    def probe(self) -> QtProbeClient:
        """The probe, for questions that need torch; its process starts with the first question."""
        if self._probe is None:
            from iterand_gui.live.probe_client import QtProbeClient

            self._probe = QtProbeClient(self.workspace, self)
        return self._probe

    def close(self) -> None:
        """End the jobs and threads of the window; slots and workers go on."""
        self.watcher.stop()
        if self._probe is not None:
            self._probe.close()
        self.jobs.close()
        self.readings.close()
        self.store.close()

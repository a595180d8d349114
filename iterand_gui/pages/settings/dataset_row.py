"""One dataset: where it is or how to get it, and its download with progress."""

from __future__ import annotations

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QGridLayout, QLabel, QProgressBar, QPushButton, QWidget

from iterand_engine.config.catalog import DatasetEntry
from iterand_engine.data.locate import Location
from iterand_engine.machine.texts import size
from iterand_gui.live.lines import Progress
from iterand_gui.live.tasks import Job
from iterand_gui.look import theme
from iterand_gui.pages.settings.parts import Note, Text
from iterand_gui.widgets.run_badge import Picture

_STEPS = 1000  # of the bar: bytes do not fit into a C int


class DatasetRow(QWidget):
    """Shows a dataset; asks for a download, follows it and can cancel it."""

    wanted = Signal(str)  # name

    def __init__(self, entry: DatasetEntry, parent: QWidget) -> None:
        super().__init__(parent)
        self.name = entry.name
        self._entry = entry
        self._job: Job | None = None
        self.setAccessibleName(f"Dataset {entry.label}")
        self._picture = Picture(self)
        self._title = QLabel(entry.label, self, textFormat=theme.PLAIN)
        self._title.setFont(theme.title_font(self.font()))
        self.state = QLabel(self, textFormat=theme.PLAIN)
        self.where = Text("", self, muted=True)
        self.bar = QProgressBar(self)
        self.bar.setAccessibleName(f"Download of {entry.label}")
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(theme.SPACE_S)
        self.button = QPushButton(self)
        self.button.clicked.connect(self._pressed)
        self.note = Note(self)
        self._lay_out()
        self._show_work()

    @property
    def is_loading(self) -> bool:
        """Whether a download is under way."""
        return self._job is not None

    def show_location(self, location: Location) -> None:
        """Show where it is, or would be."""
        is_here = location.path is not None
        here, not_here = theme.icon("check-circle-fill", "good"), theme.icon("circle-dashed", "muted")
        self._picture.show_icon(here if is_here else not_here)
        self.state.setText(_state(self._entry, location))
        self.where.setText(_where(self._entry, location))
        can_load = not is_here and bool(self._entry.download_bytes)
        self.button.setVisible(can_load or self.is_loading)

    def follow(self, job: Job) -> None:
        """Show how far a download is, until it ends."""
        self._job = job
        self.note.clear()
        job.progressed.connect(self._progressed)
        job.succeeded.connect(self._loaded)
        job.failed.connect(self._failed)
        job.cancelled.connect(self._cancelled)
        self._show_work()

    def _lay_out(self) -> None:
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(theme.SPACE_S)
        grid.setVerticalSpacing(theme.SPACE_XS)
        grid.addWidget(self._picture, 0, 0)
        grid.addWidget(self._title, 0, 1)
        grid.addWidget(self.state, 0, 2)
        grid.addWidget(self.button, 0, 3, 2, 1)
        grid.addWidget(self.where, 1, 1, 1, 2)
        grid.addWidget(self.bar, 2, 1, 1, 2)
        grid.addWidget(self.note, 3, 1, 1, 3)
        grid.setColumnStretch(2, 1)

    def _show_work(self) -> None:
        loading = self.is_loading
        self.bar.setVisible(loading)
        self.bar.setRange(0, 0)  # till the first progress: it is looked up where to get it
        self.button.setText("Cancel" if loading else "Download")
        verb = "Cancel the download of" if loading else "Download"
        self.button.setAccessibleName(f"{verb} {self._entry.label}")
        self.button.setEnabled(True)

    @Slot()
    def _pressed(self) -> None:
        if self._job is None:
            self.wanted.emit(self.name)
            return
        self.button.setEnabled(False)
        self.state.setText("cancelling")
        self._job.cancel()

    @Slot(object)
    def _progressed(self, progress: Progress) -> None:
        if self._job is None or self._job.is_cancelling:
            return
        if progress.share is not None:
            self.bar.setRange(0, _STEPS)
            self.bar.setValue(round(_STEPS * progress.share))
        of = f" of {size(progress.total)}" if progress.total else ""
        self.state.setText(f"{size(progress.done)}{of}")

    @Slot()
    def _loaded(self) -> None:
        self._end()
        self.note.say("Downloaded.")

    @Slot(str)
    def _failed(self, text: str) -> None:
        self._end()
        self.note.say(text, "bad")

    @Slot()
    def _cancelled(self) -> None:
        self._end()
        self.note.say("Cancelled; files that were not whole are gone.")

    def _end(self) -> None:
        self._job = None
        self._show_work()


def _state(entry: DatasetEntry, location: Location) -> str:
    if location.path is None:
        return f"not here, {size(entry.download_bytes)} to download" if entry.download_bytes else "not here"
    return "here" if location.size_bytes is None else f"here, {size(location.size_bytes)}"


def _where(entry: DatasetEntry, location: Location) -> str:
    if location.path is not None:
        return str(location.path)
    if entry.download_bytes or location.expected is None:
        return f"Goes to {location.expected}"
    return f"Put {' and '.join(location.needs)} into {location.expected}"

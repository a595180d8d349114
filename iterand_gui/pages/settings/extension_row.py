"""One extension: how it stands, what it declares, and enabling it after a look at its hash."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QPushButton, QWidget

from iterand_engine.extensions.files import ExtensionFile, FileState
from iterand_gui.live.tasks import Job
from iterand_gui.look import theme
from iterand_gui.look.theme import Role
from iterand_gui.pages.settings.parts import Note, Question, Text
from iterand_gui.widgets.run_badge import Picture

SHORT_HASH = 12


@dataclass(frozen=True)
class _Look:
    word: str
    icon: str
    role: Role


_LOOKS = {
    FileState.ENABLED: _Look("Enabled", "check-circle-fill", "good"),
    FileState.DISABLED: _Look("Not enabled", "minus-circle", "muted"),
    FileState.CHANGED: _Look("Changed since it was enabled", "warning", "warn"),
    FileState.MISSING: _Look("Gone", "warning", "warn"),
    FileState.BROKEN: _Look("Cannot be used", "x-circle-fill", "bad"),
}
_CAN_ENABLE = (FileState.DISABLED, FileState.CHANGED)
_CAN_DISABLE = (FileState.ENABLED, FileState.CHANGED, FileState.MISSING)


class ExtensionRow(QWidget):
    """Shows a file; asks to enable or disable it."""

    enable_asked = Signal(str, str)  # file, sha256 of what was shown
    disable_asked = Signal(str)  # file

    def __init__(self, file: ExtensionFile, parent: QWidget) -> None:
        super().__init__(parent)
        self.file = file
        self._job: Job | None = None
        self._picture = Picture(self)
        self._title = QLabel(file.file, self, textFormat=theme.PLAIN)
        self._title.setFont(theme.title_font(self.font()))
        self.state = QLabel(self, textFormat=theme.PLAIN)
        self.facts = Text("", self, muted=True)
        self.enable = QPushButton("Enable...", self)
        self.disable = QPushButton("Disable", self)
        self.cancel = QPushButton("Cancel", self)
        self.question = Question("Run it and enable it", "Not now", self)
        self.note = Note(self)
        self.enable.clicked.connect(self._ask)
        self.disable.clicked.connect(self._disable)
        self.cancel.clicked.connect(self._cancel)
        self.question.agreed.connect(self._agreed)
        self.question.declined.connect(self._declined)
        for button, verb in ((self.enable, "Enable"), (self.disable, "Disable"), (self.cancel, "Cancel")):
            button.setAccessibleName(f"{verb} {file.file}")
        self._lay_out()
        self.show_file(file)

    @property
    def sha256(self) -> str:
        """The beginning of the hash that is shown; empty where the file cannot be read."""
        return self.file.source.sha256[:SHORT_HASH] if self.file.source is not None else ""

    def show_file(self, file: ExtensionFile) -> None:
        """Show how the file stands now; a question about another content is taken back."""
        if file.source != self.file.source:
            self.question.hide()
        self.file = file
        look = _LOOKS[file.state]
        self._picture.show_icon(theme.icon(look.icon, look.role))
        self.state.setText(look.word)
        self.setAccessibleName(f"{file.file}: {look.word}")
        self.facts.setText("\n".join(self._facts()))
        self._show_buttons()

    def follow(self, job: Job) -> None:
        """Follow the process that runs the file."""
        self._job = job
        self.note.say("Runs the file in a process of its own, to see what it declares...", "busy")
        job.succeeded.connect(self._enabled)
        job.failed.connect(self._failed)
        job.cancelled.connect(self._cancelled)
        self._show_buttons()

    def _facts(self) -> list[str]:
        file = self.file
        declared = [
            f"{'redraw rule' if one.kind == 'rule' else one.kind} {one.name}" for one in file.declarations
        ]
        verb = "Declares" if file.state is FileState.ENABLED else "Declared when it was last enabled:"
        lines = [f"{verb} {', '.join(declared)}"] if declared else []
        lines += [file.reason] if file.reason else []
        return lines + ([f"sha256 {self.sha256}..."] if self.sha256 else [])

    def _lay_out(self) -> None:
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(theme.SPACE_S)
        grid.setVerticalSpacing(theme.SPACE_XS)
        grid.addWidget(self._picture, 0, 0)
        grid.addWidget(self._title, 0, 1)
        grid.addWidget(self.state, 0, 2)
        buttons = QHBoxLayout()
        buttons.setSpacing(theme.SPACE_S)
        for button in (self.enable, self.disable, self.cancel):
            buttons.addWidget(button)
        grid.addLayout(buttons, 0, 3)
        grid.addWidget(self.facts, 1, 1, 1, 3)
        grid.addWidget(self.question, 2, 1, 1, 3)
        grid.addWidget(self.note, 3, 1, 1, 3)
        grid.setColumnStretch(2, 1)

    def _show_buttons(self) -> None:
        idle = self._job is None
        self.enable.setVisible(idle and self.file.state in _CAN_ENABLE)
        self.enable.setEnabled(self.question.isHidden())
        self.disable.setVisible(idle and self.file.state in _CAN_DISABLE)
        self.cancel.setVisible(not idle)

    @Slot()
    def _ask(self) -> None:
        self.note.clear()
        self.question.ask(
            f"Enabling runs {self.file.file} (sha256 {self.sha256}...) now, with your rights on this machine,"
            " and lets your runs use it. Look at the file first. When its content changes, it is off until"
            " you enable it again.",
            "Run it and &enable it",
        )
        self._show_buttons()

    @Slot()
    def _agreed(self) -> None:
        self.question.hide()
        shown = self.file.source
        self.enable_asked.emit(self.file.file, shown.sha256 if shown is not None else "")

    @Slot()
    def _declined(self) -> None:
        self._show_buttons()
        self.enable.setFocus()

    @Slot()
    def _disable(self) -> None:
        self.note.clear()
        self.disable_asked.emit(self.file.file)

    @Slot()
    def _cancel(self) -> None:
        if self._job is not None:
            self._job.cancel()
            self.cancel.setEnabled(False)

    @Slot()
    def _enabled(self) -> None:
        self._end()
        self.note.say("Enabled: new runs can use what it declares.")

    @Slot(str)
    def _failed(self, text: str) -> None:
        self._end()
        self.note.say(text, "bad")

    @Slot()
    def _cancelled(self) -> None:
        self._end()
        self.note.say("Cancelled; it was not enabled.", "warn")

    def _end(self) -> None:
        self._job = None
        self.cancel.setEnabled(True)
        self._show_buttons()

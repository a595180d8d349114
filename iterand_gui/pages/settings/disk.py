"""Disk: what the workspace takes by kind, emptying the trash after a look at it, and what else is large."""

from __future__ import annotations

from PySide6.QtCore import QTimer, Slot
from PySide6.QtWidgets import QProgressBar, QPushButton, QVBoxLayout, QWidget

from iterand_engine.machine.texts import counted, size
from iterand_gui.live.lines import Progress
from iterand_gui.live.store_reader import RunsChange
from iterand_gui.live.tasks import Job
from iterand_gui.look import theme
from iterand_gui.pages.settings.changes import SettingChanges
from iterand_gui.pages.settings.disk_facts import DiskFacts, empty_trash, read
from iterand_gui.pages.settings.disk_views import KindBars, SizeTable
from iterand_gui.pages.settings.parts import Heading, Note, Question, Text, button_row
from iterand_gui.pages.settings.section import Section
from iterand_gui.session.command import Command
from iterand_gui.session.session import Session

_LISTED = 200  # of the trash; of the rest the number is said
_ROWS_IN_VIEW = 8
_SETTLE_MS = 500  # several runs that are deleted one after the other are measured once


class DiskSection(Section):
    """Measured when it comes into view and when runs are deleted or brought back."""

    key = "disk"
    title = "Disk"
    icon = "disk"
    about = "What the files of this workspace take. Only the trash is ever emptied here; the rest stays."

    def __init__(self, session: Session, changes: SettingChanges, parent: QWidget) -> None:
        super().__init__(session, changes, parent)
        self.facts: DiskFacts | None = None
        self._job: Job | None = None
        self._once_more = False
        self._emptying: Job | None = None
        self._soon = QTimer(self, singleShot=True, interval=_SETTLE_MS)
        self._soon.timeout.connect(self.measure)
        self.summary = Text("Measuring...", self)
        self.column.addWidget(self.summary)
        self.problem = Note(self)
        self.column.addWidget(self.problem)
        self._add_kinds(self.part("By kind"))
        self._add_trash(self.part("Trash"))
        self._add_large()

    def showing(self) -> None:
        super().showing()
        self.session.watcher.runs_changed.connect(self._runs_changed)

    def hiding(self) -> None:
        """Follow it no more, and measure no further."""
        super().hiding()
        self.session.watcher.runs_changed.disconnect(self._runs_changed)
        self._soon.stop()
        if self._job is not None:
            self._job.cancel()

    def refresh(self, *, asked: bool = False) -> None:
        """Measure, where it was not yet or a person asks."""
        if asked or self.facts is None:
            self.measure()

    def commands(self) -> list[Command]:
        """Measure again, and free what the trash holds."""
        return [
            Command("Measure the disk again", self.measure),
            Command(self.free.text().replace("&", ""), self.free.click, enabled=self.free.isEnabled),
        ]

    @Slot()
    def measure(self) -> None:
        if self._job is not None or not self.is_in_view:
            self._once_more = self.is_in_view
            return
        workspace, store = self.session.workspace, self.session.store
        self.again.setEnabled(False)
        self._job = self.session.jobs.run(lambda control: read(workspace, store, control), "Measure the disk")
        self._job.succeeded.connect(self._show)
        self._job.failed.connect(self._failed)
        self._job.ended.connect(self._measured)

    def _add_kinds(self, column: QVBoxLayout) -> None:
        self.kinds = KindBars(self)
        self.again = QPushButton(theme.icon("arrow-clockwise"), "&Measure again", self)
        self.again.clicked.connect(self.measure)
        column.addWidget(self.kinds)
        column.addLayout(button_row([self.again]))

    def _add_trash(self, column: QVBoxLayout) -> None:
        self.trash = Text("", self)
        self.free = QPushButton(theme.icon("delete"), "Free space", self)
        self.free.clicked.connect(self._ask)
        self.free.setEnabled(False)
        self.question = Question("Remove for good", "&Keep them", self)
        self.preview = SizeTable("What would be removed", ("Run", "State", "Deleted", "Size"), 3, self)
        self.rest = Text("", self, muted=True)
        self.question.body.addWidget(self.preview)
        self.question.body.addWidget(self.rest)
        self.question.agreed.connect(self._empty)
        self.question.declined.connect(self._kept)
        self.bar = QProgressBar(self)
        self.bar.setAccessibleName("Emptying the trash")
        self.cancel = QPushButton("&Cancel", self)
        self.cancel.clicked.connect(self._cancel)
        self.done = Note(self)
        column.addWidget(self.trash)
        column.addLayout(button_row([self.free]))
        column.addWidget(self.question)
        column.addWidget(self.bar)
        column.addLayout(button_row([self.cancel]))
        column.addWidget(self.done)
        self.bar.hide()
        self.cancel.hide()

    def _add_large(self) -> None:
        self.large_part = QWidget(self)
        column = QVBoxLayout(self.large_part)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_S)
        column.addWidget(Heading("Also large, and left alone", self.large_part))
        self.large = SizeTable("Also large", ("What", "To free it", "Size"), 2, self.large_part)
        self.large.itemSelectionChanged.connect(self._enable)
        self.discard = QPushButton(
            theme.icon("delete"), "Move the chosen runs to the &trash", self.large_part
        )
        self.discard.clicked.connect(self._discard)
        column.addWidget(self.large)
        column.addLayout(button_row([self.discard]))
        self.column.addWidget(self.large_part)
        self.large_part.hide()
        self._enable()

    # Measuring

    @Slot(object)
    def _show(self, facts: DiskFacts) -> None:
        self.facts = facts
        use = facts.use
        self.summary.setText(f"{size(use.total_bytes)} in all, {size(use.free_bytes)} free on this disk.")
        unreadable = [f"Cannot look into {place}." for place in use.unreadable]
        self.problem.say(" ".join(unreadable), "warn")
        self.kinds.show_facts(facts)
        self._show_trash(facts)
        rows = [(one.what, one.remedy, size(one.size_bytes)) for one in facts.large]
        self.large.clearSelection()
        self.large.show_rows(rows, len(rows))
        self.large_part.setVisible(bool(rows))

    def _show_trash(self, facts: DiskFacts) -> None:
        count = len(facts.trash)
        amount = size(facts.trash_bytes)
        self.trash.setText(
            f"{counted(count, 'deleted run')}, {amount}." if count else "The trash is empty: nothing to free."
        )
        self.free.setText(f"Fr&ee {amount}..." if facts.trash_bytes else "Empty the trash...")
        self.free.setVisible(bool(count))
        if not self.question.isHidden():
            self._ask_about(facts)
        self.free.setEnabled(bool(count) and self._emptying is None and self.question.isHidden())

    @Slot(str)
    def _failed(self, text: str) -> None:
        self.problem.say(text, "bad")

    @Slot()
    def _measured(self) -> None:
        self._job = None
        self.again.setEnabled(True)
        if self._once_more:
            self._once_more = False
            self.measure()

    @Slot(object)
    def _runs_changed(self, change: RunsChange) -> None:
        if not change.is_all and (change.removed or change.configs):
            self._soon.start()

    # The trash

    @Slot()
    def _ask(self) -> None:
        if self.facts is not None:
            self.done.clear()
            self._ask_about(self.facts)
            self.free.setEnabled(False)

    def _ask_about(self, facts: DiskFacts) -> None:
        """Show what would go; what the person agrees to is what is shown then."""
        if not facts.trash:
            self.question.hide()
            return
        listed = facts.trash[:_LISTED]
        rows = [(one.name, one.state, one.deleted, size(one.size_bytes)) for one in listed]
        self.preview.show_rows(rows, _ROWS_IN_VIEW)
        rest = facts.trash[_LISTED:]
        left = size(sum(one.size_bytes for one in rest))
        self.rest.setText(f"and {counted(len(rest), 'more run')}, {left}")
        self.rest.setVisible(bool(rest))
        what = counted(len(facts.trash), "run")
        self.question.ask(
            f"{what} would be removed for good, with everything recorded of them: {size(facts.trash_bytes)}.",
            f"&Remove {what} for good",
        )

    @Slot()
    def _kept(self) -> None:
        self.free.setEnabled(True)
        self.free.setFocus()

    @Slot()
    def _empty(self) -> None:
        if self.facts is None or self._emptying is not None:
            return
        session, wanted = self.session, self.facts.trash
        self.question.hide()
        self.bar.setRange(0, len(wanted))
        self.bar.setValue(0)
        self.bar.show()
        self.cancel.setEnabled(True)
        self.cancel.show()
        job = session.jobs.run(
            lambda control: empty_trash(session.workspace, session.store, wanted, control), "Empty the trash"
        )
        self._emptying = job
        job.progressed.connect(self._progressed)
        job.succeeded.connect(self._emptied)
        job.failed.connect(self._not_emptied)
        job.cancelled.connect(self._stopped)
        job.ended.connect(self._ended)

    @Slot()
    def _cancel(self) -> None:
        if self._emptying is not None:
            self._emptying.cancel()
            self.cancel.setEnabled(False)

    @Slot(object)
    def _progressed(self, progress: Progress) -> None:
        self.bar.setValue(int(progress.done))

    @Slot(object)
    def _emptied(self, text: str) -> None:
        self.done.say(text)

    @Slot(str)
    def _not_emptied(self, text: str) -> None:
        self.done.say(text, "bad")

    @Slot()
    def _stopped(self) -> None:
        self.done.say("Cancelled: what was removed by then is gone, the rest is still in the trash.", "warn")

    @Slot()
    def _ended(self) -> None:
        self._emptying = None
        self.bar.hide()
        self.cancel.hide()
        self.facts = None
        self.refresh()

    # Other large things

    @Slot()
    def _enable(self) -> None:
        self.discard.setEnabled(bool(self._chosen_runs()))

    def _chosen_runs(self) -> list[str]:
        if self.facts is None:
            return []
        rows = [index.row() for index in self.large.selectionModel().selectedRows()]
        chosen = [self.facts.large[row].run_id for row in rows if row < len(self.facts.large)]
        return [run_id for run_id in chosen if run_id is not None]

    @Slot()
    def _discard(self) -> None:
        self.session.actions.delete(self._chosen_runs())

"""The side panel of the Runs page: what is known of the chosen lines, how they stand, and what comes next.

It reads notes, test accuracies and logs in the background when the choice or its states change, not at every
step of a run. Why a run waits depends on slots and other runs: that is read again while a chosen one waits.
"""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, QTimer, Slot
from PySide6.QtWidgets import QFrame, QHBoxLayout, QScrollArea, QVBoxLayout, QWidget

from iterand_engine.machine import texts as shown
from iterand_engine.results.groups import Group, group_of
from iterand_engine.results.next_steps import StepKind
from iterand_engine.results.sweep_grid import grid_of
from iterand_engine.store import RunRow, RunState
from iterand_gui.live.tasks import Control
from iterand_gui.look import theme
from iterand_gui.pages.runs import details, panel_facts
from iterand_gui.pages.runs.chosen import Chosen
from iterand_gui.pages.runs.details import Details, Wanted
from iterand_gui.pages.runs.findings import RunFinding, findings, in_need
from iterand_gui.pages.runs.labels_part import LabelsPart
from iterand_gui.pages.runs.panel_parts import (
    ColourMark,
    FactList,
    FindingView,
    QuietSteps,
    Title,
    Words,
    line,
)
from iterand_gui.pages.runs.sweep_grid import SweepGrid
from iterand_gui.session.next_steps import Step, do, next_steps
from iterand_gui.session.session import Session

READ_AFTER_MS = 60
READ_AGAIN_MS = 2_000  # while a chosen run waits
_HIGHEST_GRID_PX = 420


class SidePanel(QScrollArea):
    """Shows one choice at a time.

    Args:
        session: the window's.
        parent: of the widget.
    """

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._chosen = Chosen()
        self._details, self._wanted = Details(), Wanted()
        self.setAccessibleName("Details of the chosen runs")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        inside = QWidget(self)
        self.mark, self.title = ColourMark(inside), Title(inside)
        self.about = Words(inside, muted=True)
        self.facts, self.quiet = FactList(inside), QuietSteps(inside)
        self.findings: list[FindingView] = []
        self._findings_box = QVBoxLayout()
        self.grid = SweepGrid(inside)
        self.cell_title, self.cell_facts = Title(inside, 1.0), FactList(inside)
        self.labels = LabelsPart(inside)
        self._rules = [line(inside), line(inside)]
        self._lay_out(inside)
        self.grid.cell_chosen.connect(self._show_cell)
        self.grid.open_asked.connect(self._open_cell)
        self.quiet.step_asked.connect(self._do_quiet)
        self.labels.tags_changed.connect(session.actions.change_tags)
        self.labels.notes_changed.connect(session.actions.set_notes)
        self._read_soon = QTimer(self, singleShot=True, interval=READ_AFTER_MS)
        self._read_soon.timeout.connect(self._read)
        self._read_again = QTimer(self, interval=READ_AGAIN_MS)
        self._read_again.timeout.connect(self.slots_changed)

    @property
    def group(self) -> Group | None:
        """The group whose results are shown: the chosen one, or that of the sweep's current cell."""
        if self._chosen.sweep is not None:
            return self.grid.group
        if self._chosen.lines != 1:
            return None
        return self._chosen.group or group_of("", self._chosen.rows)

    def show_chosen(self, chosen: Chosen) -> None:
        """Show other lines, or the same as they stand now."""
        if chosen.sweep is None or self._chosen.sweep is None or chosen.sweep.id != self._chosen.sweep.id:
            self.grid.forget()
        self._chosen = chosen
        if chosen.sweep is not None:
            self._show_sweep()
        elif chosen.lines == 1:
            self._show_group()
        elif chosen.lines:
            self._show_several()
        else:
            self._show_nothing()
        self.quiet.show_steps(self._quiet_steps())
        is_sweep = chosen.sweep is not None
        self.mark.show_key(_colour_key(chosen))
        for widget in (self.grid, self.cell_title, self.cell_facts):
            widget.setVisible(is_sweep)
        self.labels.setVisible(bool(chosen.lines) and not is_sweep)
        self._rules[0].setVisible(bool(self.findings))
        self._rules[1].setVisible(self.labels.isVisibleTo(self))
        self._ask()

    def settings_changed(self) -> None:
        """The lock may be another: read again."""
        self._details, self._wanted = Details(), Wanted()
        self._ask()

    @Slot()
    def slots_changed(self, _slots: object = None) -> None:
        """Why a run waits may be another: read again."""
        if self._wanted.waiting is not None and self.isVisible():
            self._read_soon.start()

    def leave(self) -> None:
        """Save what is being written, and read no more."""
        self.labels.save()
        self._read_again.stop()

    # What is shown.

    def _show_group(self) -> None:
        group = self.group
        assert group is not None  # one line is chosen
        newest = group.runs[0]
        self._say(newest.name, panel_facts.about(newest))
        self.facts.show_facts(panel_facts.group_facts(group, self._details.tests))
        rows = [self._session.watcher.runs.get(row.id, row) for row in group.seeds]
        self._report(findings(rows, self._session.watcher.configs))
        noted = group.runs[-1]
        title = f"N&otes, kept with seed {noted.seed}" if len(group.runs) > 1 else "N&otes"
        self._show_labels([row.id for row in group.runs], noted, title)

    def _show_sweep(self) -> None:
        sweep, watcher = self._chosen.sweep, self._session.watcher
        assert sweep is not None  # who calls knows
        rows = [row for row in self._chosen.rows if row.id in watcher.configs]
        rows.sort(key=lambda row: row.created_at, reverse=True)
        axes = {option: values for option, values in sweep.axes.items() if isinstance(values, list)}
        grid = grid_of(axes, [(row, watcher.configs[row.id]) for row in rows])
        groups = list({group.key: group for group in grid.cells.values()}.values())
        self.facts.show_facts(panel_facts.sweep_facts(sweep, groups))
        self.grid.show_grid(grid)
        said = (shown.counted(len(rows), "run"), "validation accuracy in %", self.grid.caption)
        self._say(sweep.name, " · ".join(said))
        self.grid.setFixedHeight(min(self.grid.sizeHint().height(), _HIGHEST_GRID_PX))
        self._show_cell(self.grid.group)
        self._report(findings(rows, watcher.configs))

    def _show_cell(self, group: Group | None) -> None:
        self.cell_title.setText(self.grid.words)
        facts = panel_facts.group_facts(group, self._details.tests) if group is not None else []
        self.cell_facts.show_facts(facts or [("Runs", "none in this cell")])
        self._ask()

    def _show_several(self) -> None:
        rows = self._chosen.rows
        self._say(shown.counted(len(rows), "run"), f"in {shown.counted(self._chosen.lines, 'line')}")
        self.facts.show_facts(panel_facts.several_facts(rows))
        self._report(findings(rows, self._session.watcher.configs))
        self._show_labels(self._chosen.ids, None, "")

    def _show_nothing(self) -> None:
        self._say("No run is chosen", "Choose lines in the table: what is known of them is said here.")
        self.facts.show_facts(())
        watcher = self._session.watcher
        self._report(in_need(watcher.runs.values(), watcher.configs))
        self._show_labels((), None, "")

    def _say(self, title: str, about: str) -> None:
        self.title.setText(title)
        self.about.say(about)

    def _show_labels(self, ids: Sequence[str], noted: RunRow | None, title: str) -> None:
        runs = self._session.watcher.runs
        tags = [set(runs[run_id].tags) for run_id in ids if run_id in runs]
        common = sorted(set.intersection(*tags)) if tags else []
        self.labels.show_runs(ids, common, noted.id if noted is not None else None, title)

    def _report(self, found: Sequence[RunFinding]) -> None:
        while len(self.findings) > len(found):
            view = self.findings.pop()
            self._findings_box.removeWidget(view)
            view.hide()
            view.deleteLater()
        while len(self.findings) < len(found):
            view = FindingView(self)
            view.step_asked.connect(self._do)
            view.log_asked.connect(self._session.actions.open_log)
            self._findings_box.addWidget(view)
            self.findings.append(view)
        for view, finding in zip(self.findings, found, strict=True):
            known, run_id = self._details, finding.run_id
            why = known.waits.get(run_id, "") if finding.state is RunState.QUEUED else ""
            view.show_finding(finding, why, known.logs.get(run_id, ""))

    def _do(self, finding: RunFinding, step: Step) -> None:
        session, actions = self._session, self._session.actions
        match step.kind:
            case StepKind.RESUME:
                actions.resume(finding.ids[::-1])  # as they were made
            case StepKind.STOP:
                actions.stop(finding.ids)
            case StepKind.FIRST:
                actions.move_first(finding.ids[::-1])
            case _:
                row = session.watcher.runs.get(finding.run_id)
                if row is not None:
                    do(session, step.kind, row, session.watcher.configs.get(row.id, {}))

    def _quiet_steps(self) -> list[Step]:
        """What finished runs of one line offer; others have it beside what is said of them."""
        row, is_alike = self._chosen.current, self._chosen.lines == 1 and self._chosen.sweep is None
        if row is None or not is_alike or self.findings:
            return []
        return [step for step in next_steps(row, {}) if step.kind in (StepKind.SEEDS, StepKind.CLONE)]

    @Slot(object)
    def _do_quiet(self, kind: StepKind) -> None:
        row = self._chosen.current
        if row is not None:
            do(self._session, kind, row, self._session.watcher.configs.get(row.id, {}))

    def _open_cell(self, group: Group) -> None:
        self._session.actions.open_run.emit(group.runs[0].id)

    # What is read.

    def _ask(self) -> None:
        wanted = self._to_read()
        if wanted != self._wanted:
            self._wanted = wanted
            self._read_soon.start()
        if wanted.waiting is None:
            self._read_again.stop()
        elif not self._read_again.isActive() and self.isVisible():
            self._read_again.start()

    def _to_read(self) -> Wanted:
        group, chosen = self.group, self._chosen
        said = [view.finding for view in self.findings if view.finding is not None]
        queued = next((one.run_id for one in said if one.state is RunState.QUEUED), None)
        return Wanted(
            notes_of=group.runs[-1].id if group is not None and chosen.sweep is None else None,
            tests_of=tuple(row.id for row in group.counted) if group is not None else (),
            logs_of=tuple(one.run_id for one in said if one.has_log) if chosen.lines else (),
            waiting=queued if chosen.lines == 1 else None,
            stand=tuple((one.state, one.ids) for one in said) if queued and chosen.lines == 1 else (),
        )

    def _read(self) -> None:
        session, wanted = self._session, self._wanted
        workspace, store, settings = session.workspace, session.store, session.settings

        def work(_: Control) -> tuple[Wanted, Details]:
            return wanted, details.read(workspace, store, settings, wanted)

        job = session.readings.run(work, "Read details")
        job.succeeded.connect(self._take)
        job.failed.connect(session.messages.error)

    def _take(self, found: tuple[Wanted, Details]) -> None:
        wanted, read = found
        if wanted != self._wanted:
            return  # something else is shown by now
        self._details = read
        if wanted.notes_of is not None:
            self.labels.show_notes(wanted.notes_of, read.notes)
        self.show_chosen(self._chosen)

    def _lay_out(self, inside: QWidget) -> None:
        self._findings_box.setSpacing(theme.SPACE_M)
        column = QVBoxLayout(inside)
        column.setContentsMargins(theme.SPACE_L, theme.SPACE_S, theme.SPACE_M, theme.SPACE_M)
        column.setSpacing(theme.SPACE_M)
        heading = QVBoxLayout()
        heading.setSpacing(theme.SPACE_XS)
        name = QHBoxLayout()
        name.setSpacing(theme.SPACE_S)
        name.addWidget(self.mark)
        name.addWidget(self.title)
        heading.addLayout(name)
        heading.addWidget(self.about)
        column.addLayout(heading)
        for widget in (self.facts, self.quiet, self.grid, self.cell_title, self.cell_facts, self._rules[0]):
            column.addWidget(widget)
        column.addLayout(self._findings_box)
        column.addWidget(self._rules[1])
        column.addWidget(self.labels)
        column.addStretch(1)
        self.setWidget(inside)


def _colour_key(chosen: Chosen) -> str:
    """Whose colour a single line has in plots: its run's, or its group's where there are several seeds."""
    if chosen.lines != 1 or chosen.sweep is not None or chosen.current is None:
        return ""
    is_group = chosen.group is not None and len(chosen.group.runs) > 1
    return chosen.current.group_key if is_group else chosen.current.id

"""Choose what to train; several values in a field make a sweep; see what it would be; queue it.

The form, the probe and the planner each work for themselves: what is asked last counts, and an answer to an
older question is dropped. Nothing here waits.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PySide6.QtCore import QDir, Qt, QTemporaryFile, QTimer, Slot
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QHBoxLayout, QSplitter, QTabWidget, QVBoxLayout, QWidget

from iterand_engine.config import to_yaml
from iterand_engine.errors import UserError
from iterand_engine.presets import Preset
from iterand_engine.probe_messages import Answer
from iterand_gui import theme
from iterand_gui.format import counted
from iterand_gui.live.tasks import Output
from iterand_gui.pages.base import Command, Json, Page
from iterand_gui.pages.new.launch import Launch
from iterand_gui.pages.new.outlook import MOST_ASKED, Outlook, Planned, kind_key, look_ahead, make_plan
from iterand_gui.pages.new.presets import PresetList
from iterand_gui.pages.new.summary import Summary
from iterand_gui.pages.new.yaml_pane import YamlPane
from iterand_gui.session import Session
from iterand_gui.widgets.option_form import FormState, OptionForm

_PLAN_AFTER_MS = 60
_SIZES = [270, 540, 330]
_QUICK_START = "quickstart"
_TOPIC = "new"
_EDITED = "The text was edited: Use this text shows what it would be, Queue uses and queues it."


class NewPage(Page):
    """Form at the left, outlook at the right, and one button: Queue."""

    title = "New"
    icon = "new"

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self._planned: Planned | None = None
        self._outlook: Outlook | None = None
        self._answers: dict[str, Answer] = {}
        self._step_s: dict[str, float] = {}
        self._notes: tuple[str, ...] = ()
        self._asking: dict[str, str] = {}  # kinds by topic
        self._turn = 0  # of the form: what belongs to an older one is dropped
        self._queue_turn: int | None = None  # the form that is queued once its plan is made
        self._is_shown = False
        self.presets = PresetList(self)
        self.form = OptionForm(Path.home(), self)
        self.yaml = YamlPane(self)
        self.summary = Summary(self)
        self._build()
        self._planner = QTimer(self, singleShot=True, interval=_PLAN_AFTER_MS)
        self._planner.timeout.connect(self._plan)
        self.presets.chosen.connect(self._start_from_preset)
        self.form.changed.connect(self._form_changed)
        self.yaml.taken.connect(self._start_from)
        self.yaml.edited.connect(self._yaml_edited)
        self.summary.measure_asked.connect(self._measure)
        session.probe.answered.connect(self._answered)
        session.probe.failed.connect(self._not_answered)
        session.own_code_changed.connect(self._renew)
        self._start_from(next(p for p in self._all_presets() if p.name == _QUICK_START).mapping)

    def showing(self) -> None:
        """Ask the probe about the form as it is."""
        self._is_shown = True
        self._form_changed(self.form.state)

    def hiding(self) -> None:
        """Ask nothing more."""
        self._is_shown = False
        self._planner.stop()
        self._forget_questions()

    def take(self, what: object) -> None:
        """Start from a partial configuration; None leaves the form as it is."""
        if isinstance(what, Mapping):
            self._start_from(dict(what))

    def commands(self) -> list[Command]:
        """What can be done here."""
        return [
            Command("Queue these runs", self.queue, "Ctrl+Return", self.launch.button.isEnabled),
            Command("Search all options", self.form.focus_search, "Ctrl+F"),
            Command("Reset all options", self.form.reset_all),
            Command("Show as YAML", lambda: self._tabs.setCurrentWidget(self.yaml)),
            Command("Show as form", lambda: self._tabs.setCurrentWidget(self.form)),
        ]

    def save_state(self) -> Json:
        """Sizes and unfolded groups."""
        return {"sizes": self._splitter.sizes(), "groups": self.form.save_open_groups()}

    def restore_state(self, state: Mapping[str, object]) -> None:
        """Take sizes and unfolded groups up again."""
        sizes, groups = state.get("sizes"), state.get("groups")
        fits = (
            isinstance(sizes, list) and len(sizes) == len(_SIZES) and all(isinstance(s, int) for s in sizes)
        )
        self._splitter.setSizes(sizes if fits and isinstance(sizes, list) else _SIZES)
        self.form.restore_open_groups(
            [g for g in groups if isinstance(g, str)] if isinstance(groups, list) else []
        )

    @Slot()
    def queue(self) -> None:
        """Queue what one sees, an edited text as well, once it is planned; or lead to what is wrong."""
        if self.yaml.is_edited and not self.yaml.take():
            self._tabs.setCurrentWidget(self.yaml)
            self.yaml.text.setFocus()
            return
        if self.form.state.problems:
            self._go_to_problem()
            return
        self._queue_turn = self._turn
        self._queue_planned()

    def _queue_planned(self) -> None:
        if self._planned is None or self._queue_turn != self._turn:
            return
        self._queue_turn = None
        if self._planned.missing:
            self._go_to_problem()
        else:
            self.session.actions.queue(self._planned.plan, on_done=self._queued)

    def _queued(self) -> None:
        self.session.actions.show_page.emit("runs")

    # Building

    def _build(self) -> None:
        self._tabs = QTabWidget(self)
        self._tabs.setDocumentMode(True)
        self._tabs.addTab(self.form, "F&orm")
        self._tabs.addTab(self.yaml, "&YAML")
        self._tabs.setAccessibleName("Options as form or text")
        self._tabs.currentChanged.connect(self._tab_changed)
        self.launch = Launch(self)
        self.launch.button.clicked.connect(self.queue)
        self.launch.go_asked.connect(self._go_to_problem)
        self.launch.downloads_asked.connect(self._open_downloads)
        right = QWidget(self)
        column = QVBoxLayout(right)
        column.setContentsMargins(theme.SPACE_M, 0, 0, 0)
        column.setSpacing(theme.SPACE_M)
        column.addWidget(self.summary, 1)
        column.addWidget(self.launch)
        self._splitter = QSplitter(Qt.Orientation.Horizontal, self)
        self._splitter.setChildrenCollapsible(False)
        for widget, stretch in ((self.presets, 0), (self._tabs, 1), (right, 0)):
            self._splitter.addWidget(widget)
            self._splitter.setStretchFactor(self._splitter.count() - 1, stretch)
        self._splitter.setSizes(_SIZES)
        row = QHBoxLayout(self)
        row.setContentsMargins(theme.SPACE_L, theme.SPACE_L, theme.SPACE_L, theme.SPACE_L)
        row.addWidget(self._splitter)
        QShortcut(QKeySequence("Ctrl+Return"), self, self.queue)
        self.setFocusProxy(self.form)

    def _all_presets(self) -> list[Preset]:
        from iterand_engine.presets import presets

        return list(presets().values())

    # From choices to a plan

    @Slot(object)
    def _start_from_preset(self, preset: Preset) -> None:
        self._start_from(preset.mapping)

    @Slot(object)
    def _start_from(self, mapping: dict[str, Any]) -> None:
        try:
            self.form.start_from(mapping)
        except UserError as error:
            self.session.messages.error(str(error))
            return
        self.yaml.drop_edits()
        self._tabs.setCurrentWidget(self.form)

    @Slot(object)
    def _form_changed(self, state: FormState) -> None:
        self._turn += 1
        self._planned = None
        self._notes = ()
        if state.config is not None:
            self.yaml.show_config(state.config)
        self._show_button()
        if state.problems or state.config is None or self.yaml.is_edited:
            self._planner.stop()
            self._forget_questions()
            self.summary.show_plan(None)
            self.summary.show_outlook(None, [_EDITED] if self.yaml.is_edited else [])
        elif self._is_shown:
            self._planner.start()

    @Slot()
    def _yaml_edited(self) -> None:
        self._form_changed(self.form.state)

    @Slot()
    def _renew(self) -> None:
        """Own code was enabled or disabled: other options, other answers."""
        self._answers.clear()
        self.form.renew()

    @Slot(int)
    def _tab_changed(self, _: int) -> None:
        config = self.form.state.config
        if config is not None:
            self.yaml.show_config(config)

    @Slot()
    def _plan(self) -> None:
        state, turn, workspace = self.form.state, self._turn, self.session.workspace
        job = self.session.jobs.run(
            lambda _: make_plan(workspace, state.base, state.sets, state.seeds, self.form.folder), "Plan"
        )
        job.succeeded.connect(lambda planned: self._take_plan(turn, planned))
        job.failed.connect(lambda text: self._cannot_plan(turn, text))

    def _take_plan(self, turn: int, planned: Planned) -> None:
        if turn != self._turn:
            return
        self._planned = planned
        self._notes = planned.plan.notes
        self.summary.show_plan(planned.plan)
        self.form.tell({one.option: one.sentence for one in planned.missing})
        self._show_button()
        self._queue_planned()
        self._forget_questions()
        kinds = {kind_key(kind.config): kind.config for kind in planned.kinds[:MOST_ASKED]}
        for number, (key, config) in enumerate(kinds.items()):
            if key not in self._answers:
                topic = f"{_TOPIC}{number}"
                self._asking[topic] = key
                self.session.probe.ask(config, topic)
        self._look_ahead()

    def _cannot_plan(self, turn: int, text: str) -> None:
        if turn == self._turn:
            self.launch.show_trouble(text)
            self.summary.show_outlook(None)

    def _forget_questions(self) -> None:
        for topic in self._asking:
            self.session.probe.forget(topic)
        self._asking.clear()

    # From a plan to what it would be

    @Slot(str, object)
    def _answered(self, topic: str, answer: Answer) -> None:
        key = self._asking.pop(topic, None)
        if key is not None:
            self._answers[key] = answer
            self._look_ahead()

    @Slot(str, str)
    def _not_answered(self, topic: str, text: str) -> None:
        if self._asking.pop(topic, None) is not None:
            self._notes = tuple(dict.fromkeys((*self._notes, text)))
            self.summary.show_outlook(self._outlook, self._notes)

    def _look_ahead(self) -> None:
        planned, turn, session = self._planned, self._turn, self.session
        if planned is None:
            return
        answers, step_s = dict(self._answers), dict(self._step_s)
        job = session.jobs.run(
            lambda _: look_ahead(session.workspace, session.store, planned, answers, step_s), "Look ahead"
        )
        job.succeeded.connect(lambda outlook: self._take_outlook(turn, outlook))
        job.failed.connect(session.messages.error)

    def _take_outlook(self, turn: int, outlook: Outlook) -> None:
        if turn == self._turn:
            self._outlook = outlook
            notes = self._notes
            if outlook.first is not None:
                notes = (*notes, *outlook.first.notes)
            self.summary.show_outlook(outlook, notes)

    @Slot()
    def _measure(self) -> None:
        """Time steps of the kinds that no run was recorded of, one after the other."""
        planned = self._planned
        if planned is None:
            return
        missing = [k.config for k in planned.kinds[:MOST_ASKED] if kind_key(k.config) not in self._step_s]
        if not missing:
            self.summary.show_measuring(False)
            return
        config = missing[0]
        file = QTemporaryFile(QDir.temp().filePath("iterand-XXXXXX.yaml"), self)
        file.open()
        file.write(to_yaml(config).encode())
        file.close()
        self.summary.show_measuring(True)
        job = self.session.jobs.command(["measure", file.fileName(), "--json"], "Measure")
        job.ended.connect(file.deleteLater)
        job.succeeded.connect(lambda output: self._measured(kind_key(config), output))
        job.failed.connect(self._not_measured)

    def _measured(self, key: str, output: Output) -> None:
        self._step_s[key] = float(json.loads(output.text)["step_s"])
        self._look_ahead()
        self._measure()

    def _not_measured(self, text: str) -> None:
        self.summary.show_measuring(False)
        self.session.messages.error(text)

    def _show_button(self) -> None:
        problems = self.form.state.problems
        if self.yaml.is_edited:
            self.launch.show_ready("&Queue this text")
        elif problems:
            self.launch.show_ready(counted(len(problems), "problem") + ": go there")
        elif self._planned is None:
            self.launch.show_ready("&Queue", enabled=False)
        elif self._planned.missing:
            self.launch.show_missing(self._planned.missing)
        else:
            self.launch.show_ready(f"&Queue {counted(len(self._planned.plan.cells), 'run')}")

    @Slot()
    def _go_to_problem(self) -> None:
        self._tabs.setCurrentWidget(self.form)
        self.form.focus_problem()

    @Slot()
    def _open_downloads(self) -> None:
        self.session.actions.open_settings.emit("data")

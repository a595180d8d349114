"""Choose what to train; several values in a field make a sweep; see what it would be; queue it.

The form, the probe and the planner each work for themselves: what is asked last counts, and an answer to an
older question is dropped. Nothing here waits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, QTimer, Slot
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QHBoxLayout, QSplitter, QTabWidget, QVBoxLayout, QWidget

from iterand_engine.config.presets import Preset
from iterand_engine.errors import UserError
from iterand_engine.machine.texts import counted
from iterand_gui.forms.form import OptionForm
from iterand_gui.forms.head import ALL_KEYS
from iterand_gui.forms.values import Entries, FormState, varying
from iterand_gui.look import theme
from iterand_gui.pages.base import Page
from iterand_gui.pages.new.forecast import Forecast
from iterand_gui.pages.new.launch import LaunchBar
from iterand_gui.pages.new.outlook import Planned, make_plan
from iterand_gui.pages.new.presets import PresetList
from iterand_gui.pages.new.summary import Summary
from iterand_gui.pages.new.yaml_pane import YamlPane
from iterand_gui.session.actions import Clone
from iterand_gui.session.command import Command, Json
from iterand_gui.session.session import Session

_PLAN_AFTER_MS = 60
_SIZES = [270, 540, 330]
_QUICK_START = "quickstart"
_EDITED = "The text was edited: Use this text shows what it would be, Queue uses and queues it."


@dataclass(frozen=True)
class _Edits:
    """What a person changed: in the form, and in the text where that was not taken yet."""

    entries: Entries
    text: str | None


class NewPage(Page):
    """Form at the left, outlook at the right, and one button: Queue."""

    title = "New"
    icon = "new"

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self._planned: Planned | None = None
        self._turn = 0  # of the form: what belongs to an older one is dropped
        self._queue_turn: int | None = None  # the form that is queued once its plan is made
        self._dropped: _Edits | None = None  # what the last new start threw away
        self._is_shown = False
        self.presets = PresetList(self)
        self.form = OptionForm(Path.home(), self)
        self.yaml = YamlPane(self)
        self.summary = Summary(self)
        self.forecast = Forecast(session, self)
        self._build()
        self._planner = QTimer(self, singleShot=True, interval=_PLAN_AFTER_MS)
        self._planner.timeout.connect(self._plan)
        self.presets.chosen.connect(self._start_from_preset)
        self.form.changed.connect(self._form_changed)
        self.yaml.taken.connect(self._start_from_text)
        self.yaml.opened.connect(self._start_from)
        self.yaml.edited.connect(self._yaml_edited)
        self.summary.measure_asked.connect(self.forecast.measure)
        self.forecast.said.connect(self.summary.show_outlook)
        self.forecast.measuring.connect(self.summary.show_measuring)
        session.extensions_changed.connect(self._renew)
        self._start_from(next(p for p in self._all_presets() if p.name == _QUICK_START).mapping)

    def showing(self) -> None:
        """Ask the probe about the form as it is."""
        self._is_shown = True
        self._form_changed(self.form.state)

    def hiding(self) -> None:
        self._is_shown = False
        self._planner.stop()
        self.forecast.forget()

    def take(self, what: object) -> None:
        """Start from a partial configuration or a clone; None leaves the form as it is."""
        if isinstance(what, Clone):
            self._start_from(what.options)
            for option, value in what.changes.items():
                self.form.change(option, value)
        elif isinstance(what, Mapping):
            self._start_from(what)

    def commands(self) -> list[Command]:
        """What can be done here."""
        return [
            Command("Queue these runs", self.queue, "Ctrl+Return", self.launch.button.isEnabled),
            Command("Search all options", self.form.focus_search, "Ctrl+F"),
            Command("Unfold or fold all options", self.form.fold_all, ALL_KEYS),
            Command("Reset all options", self._reset_all),
            Command("Bring back the edits that were replaced", self._undo, "", self._can_undo),
            Command("Show as YAML", lambda: self._tabs.setCurrentWidget(self.yaml)),
            Command("Show as form", lambda: self._tabs.setCurrentWidget(self.form)),
        ]

    def save_state(self) -> Json:
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
            checked = self.forecast.knows(self._planned)
            self.session.actions.queue(self._planned.plan, checked=checked, on_done=self._queued)

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
        self.launch = LaunchBar(self)
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
        from iterand_engine.config.presets import presets

        return list(presets().values())

    # From choices to a plan

    @Slot(object)
    def _start_from_preset(self, preset: Preset) -> None:
        self._start_from(preset.mapping)

    @Slot(object)
    def _start_from_text(self, mapping: Mapping[str, Any]) -> None:
        # The text holds the form's edits, but for the further values of a sweep.
        entries, is_sweep = self.form.entries, bool(varying(self.form.state))
        self._replace(mapping, _Edits(entries, None) if is_sweep else None)

    @Slot(object)
    def _start_from(self, mapping: Mapping[str, Any]) -> None:
        self._replace(mapping, self._edits())

    def _replace(self, mapping: Mapping[str, Any], edits: _Edits | None) -> None:
        try:
            self.form.start_from(mapping)
        except UserError as error:
            self.session.messages.error(str(error))
            return
        self.yaml.drop_edits()
        self._tabs.setCurrentWidget(self.form)
        self._offer(edits)

    @Slot()
    def _reset_all(self) -> None:
        edits = self._edits()
        self.form.reset_all()
        self._offer(edits)

    def _can_undo(self) -> bool:
        return self._dropped is not None

    def _edits(self) -> _Edits | None:
        """What a new start throws away; None where nothing was changed."""
        entries = self.form.entries
        text = self.yaml.text.toPlainText() if self.yaml.is_edited else None
        return _Edits(entries, text) if entries.texts or text is not None else None

    def _offer(self, edits: _Edits | None) -> None:
        """Say that edits were thrown away, and offer to bring them back."""
        if edits is None:
            return
        self._dropped = edits
        # One sentence for all: of several such lines only the newest is shown, which is the one that counts.
        self.session.messages.say("The edits of the form were replaced.", ("Undo", self._undo))

    @Slot()
    def _undo(self) -> None:
        edits, self._dropped = self._dropped, None
        if edits is None:
            return
        newer = self._edits()
        self.yaml.drop_edits()
        self.form.restore(edits.entries)
        if edits.text is not None:
            self.yaml.text.setPlainText(edits.text)
        self._tabs.setCurrentWidget(self.form if edits.text is None else self.yaml)
        self._offer(newer)

    @Slot(object)
    def _form_changed(self, state: FormState) -> None:
        self._turn += 1
        self._planned = None
        if state.config is not None:
            self.yaml.show_config(state.config, varying(state))
        self._show_button()
        if state.problems or state.config is None or self.yaml.is_edited:
            self._planner.stop()
            self.forecast.forget()
            self.summary.show_plan(None)
            self.summary.show_outlook(None, [_EDITED] if self.yaml.is_edited else [])
        elif self._is_shown:
            self._planner.start()

    @Slot()
    def _yaml_edited(self) -> None:
        self._form_changed(self.form.state)

    @Slot()
    def _renew(self) -> None:
        """Take up other options and answers: an extension was enabled or disabled."""
        self.forecast.renew()
        self.form.renew()

    @Slot(int)
    def _tab_changed(self, _: int) -> None:
        state = self.form.state
        if state.config is not None:
            self.yaml.show_config(state.config, varying(state))

    @Slot()
    def _plan(self) -> None:
        state, turn, workspace = self.form.state, self._turn, self.session.workspace
        job = self.session.jobs.run(
            lambda _: make_plan(workspace, state.base, state.changes, self.form.folder), "Plan"
        )
        job.succeeded.connect(lambda planned: self._take_plan(turn, planned))
        job.failed.connect(lambda text: self._cannot_plan(turn, text))

    def _take_plan(self, turn: int, planned: Planned) -> None:
        if turn != self._turn:
            return
        self._planned = planned
        self.summary.show_plan(planned.plan)
        self.form.show_problems({one.option: one.sentence for one in planned.missing})
        self._show_button()
        self.forecast.ask(planned)
        self._queue_planned()

    def _cannot_plan(self, turn: int, text: str) -> None:
        if turn == self._turn:
            self.launch.show_trouble(text)
            self.summary.show_outlook(None)

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

"""What a plan would be, bit by bit as the probe answers: asks, remembers, times steps, and reports.

What is asked last counts; an answer to an older question is remembered but not said.
"""

from __future__ import annotations

import json

from PySide6.QtCore import QDir, QObject, QTemporaryFile, Signal, Slot

from iterand_engine.config.run_config import to_yaml
from iterand_engine.preflight.messages import Answer
from iterand_gui.live.tasks import Output
from iterand_gui.pages.new.outlook import MOST_ASKED, Outlook, Planned, kind_key, look_ahead
from iterand_gui.session.session import Session

_TOPIC = "new"


class Forecast(QObject):
    """Looks ahead of one plan at a time."""

    said = Signal(object, object)  # Outlook or None, tuple[str, ...]: notes on it
    measuring = Signal(bool)  # whether steps are being timed

    def __init__(self, session: Session, parent: QObject) -> None:
        super().__init__(parent)
        self._session = session
        self._planned: Planned | None = None
        self._outlook: Outlook | None = None
        self._notes: tuple[str, ...] = ()
        self.answers: dict[str, Answer] = {}  # by kind
        self._step_s: dict[str, float] = {}
        self._asking: dict[str, str] = {}  # kinds by topic
        session.probe.answered.connect(self._answered)
        session.probe.failed.connect(self._not_answered)

    def ask(self, planned: Planned) -> None:
        """Look ahead of this plan; `said` follows, several times."""
        self.forget()
        self._planned = planned
        self._outlook = None
        self._notes = planned.plan.notes
        kinds = {kind_key(kind.config): kind.config for kind in planned.kinds[:MOST_ASKED]}
        for number, (key, config) in enumerate(kinds.items()):
            if key not in self.answers:
                topic = f"{_TOPIC}{number}"
                self._asking[topic] = key
                self._session.probe.ask(config, topic)
        self._look_ahead()

    def knows(self, planned: Planned) -> bool:
        """Whether the probe has answered for every run of a plan, so that all of them can train."""
        return all(kind_key(kind.config) in self.answers for kind in planned.kinds)

    def forget(self) -> None:
        """Ask and say nothing more."""
        for topic in self._asking:
            self._session.probe.forget(topic)
        self._asking.clear()
        self._planned = None

    def renew(self) -> None:
        """Ask again: an extension was enabled or disabled."""
        self.answers.clear()

    @Slot(str, object)
    def _answered(self, topic: str, answer: Answer) -> None:
        key = self._asking.pop(topic, None)
        if key is not None:
            self.answers[key] = answer
            self._look_ahead()

    @Slot(str, str)
    def _not_answered(self, topic: str, text: str) -> None:
        missing = self._planned.missing if self._planned is not None else ()
        said = any(text == one.sentence for one in missing)  # beside its field
        if self._asking.pop(topic, None) is not None and not said:
            self._notes = tuple(dict.fromkeys((*self._notes, text)))
            self.said.emit(self._outlook, self._notes)

    def _look_ahead(self) -> None:
        planned, session = self._planned, self._session
        if planned is None:
            return
        answers, step_s = dict(self.answers), dict(self._step_s)
        job = session.jobs.run(
            lambda _: look_ahead(session.workspace, session.store, planned, answers, step_s), "Look ahead"
        )
        job.succeeded.connect(lambda outlook: self._take_outlook(planned, outlook))
        job.failed.connect(session.messages.error)

    def _take_outlook(self, planned: Planned, outlook: Outlook) -> None:
        if planned is self._planned:
            self._outlook = outlook
            of_probe = (note for answer in outlook.answers for note in answer.notes)
            self.said.emit(outlook, tuple(dict.fromkeys((*self._notes, *of_probe))))

    @Slot()
    def measure(self) -> None:
        """Time steps of the kinds that no run was recorded of, one after the other."""
        planned = self._planned
        kinds = planned.kinds[:MOST_ASKED] if planned is not None else ()
        missing = [kind.config for kind in kinds if kind_key(kind.config) not in self._step_s]
        self.measuring.emit(bool(missing))
        if not missing:
            return
        config = missing[0]
        file = QTemporaryFile(QDir.temp().filePath("iterand-XXXXXX.yaml"), self)
        file.open()
        file.write(to_yaml(config).encode())
        file.close()
        job = self._session.jobs.command(["measure", file.fileName(), "--json"], "Measure")
        job.ended.connect(file.deleteLater)
        job.succeeded.connect(lambda output: self._measured(kind_key(config), output))
        job.failed.connect(self._not_measured)

    def _measured(self, key: str, output: Output) -> None:
        self._step_s[key] = float(json.loads(output.text)["step_s"])
        self._look_ahead()
        self.measure()

    def _not_measured(self, text: str) -> None:
        self.measuring.emit(False)
        self._session.messages.error(text)

"""What a comparison needs beside the rows: test accuracies, names of devices, kept weights. Nothing waits.

Test accuracy comes through the store's one function with the workspace's lock, and is forgotten the moment
the lock is closed. Kept weights come from the probe, and only once they are asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from iterand_engine.config.run_config import RunConfig
from iterand_engine.errors import UserError
from iterand_engine.machine.settings import Settings
from iterand_engine.preflight.messages import Answer
from iterand_engine.store import Locked, RunRow, RunState, Store
from iterand_gui.live.tasks import Control
from iterand_gui.pages.compare.entries import ComparedEntry, Comparison

if TYPE_CHECKING:
    from iterand_gui.session.session import Session

_TOPIC = "compare "


@dataclass(frozen=True)
class Read:
    """What one job found; `lock` is the setting that it read test accuracies with."""

    lock: bool
    test: dict[str, float | Locked | None]
    devices: dict[str, str]


@dataclass
class Known:
    """Test accuracy and device by run id; kept weights, or why they are not known, by group key."""

    test: dict[str, float | Locked | None] = field(default_factory=dict)
    devices: dict[str, str] = field(default_factory=dict)
    kept: dict[str, int] = field(default_factory=dict)
    no_kept: dict[str, str] = field(default_factory=dict)


class ComparedFacts(QObject):
    """Reads what is missing, and keeps it."""

    changed = Signal()

    def __init__(self, session: Session, parent: QObject) -> None:
        super().__init__(parent)
        self._session = session
        self.known = Known()
        self._rows: tuple[RunRow, ...] = ()
        self._asked: object = None  # what was asked of the store last
        self._asked_kept: set[str] = set()
        self._hears_probe = False
        session.settings_changed.connect(self._settings_changed)
        session.extensions_changed.connect(self._extensions_changed)

    def want(self, comparison: Comparison) -> None:
        """Read what is not known of these."""
        self._rows = tuple(run for entry in comparison.entries for run in entry.group.seeds)
        self._read()

    def want_kept(self, comparison: Comparison) -> None:
        """Ask how many weights these keep; the probe is started with the first question."""
        for entry in comparison.entries:
            key = entry.lead.group_key
            if key not in self.known.kept and key not in self.known.no_kept and key not in self._asked_kept:
                self._ask(key, entry)

    def forget(self) -> None:
        """Nothing that was asked and is not answered yet is needed any more."""
        if self._hears_probe:
            for key in self._asked_kept:
                self._session.probe.forget(_TOPIC + key)
        self._asked_kept.clear()
        self._rows, self._asked = (), None

    @property
    def waits_for_kept(self) -> bool:
        """Whether the probe still has to answer."""
        return bool(self._asked_kept)

    def _read(self) -> None:
        lock = self._session.settings.test_lock
        finished = tuple((row.id, row.test_unlocked) for row in self._rows if row.state is RunState.FINISHED)
        began = tuple(row.id for row in self._rows if row.step and row.id not in self.known.devices)
        asked = lock, finished, began
        if asked == self._asked or not (finished or began):
            return
        self._asked = asked
        store, ids = self._session.store, [run_id for run_id, _ in finished]
        job = self._session.jobs.run(lambda control: _read(control, store, ids, began, lock), "Read results")
        job.succeeded.connect(self._take)
        job.failed.connect(self._session.messages.error)

    def _take(self, read: Read) -> None:
        self.known.devices |= read.devices
        if read.lock == self._session.settings.test_lock:  # else what was read does not count any more
            self.known.test |= read.test
        self.changed.emit()

    def _settings_changed(self, settings: Settings) -> None:
        self.known.test.clear()
        self._asked = None
        self.changed.emit()
        if self._rows:
            self._read()

    def _extensions_changed(self) -> None:
        """What could not be counted may be known now."""
        self.known.no_kept.clear()
        self.changed.emit()

    def _ask(self, key: str, entry: ComparedEntry) -> None:
        try:
            config = RunConfig.from_mapping(entry.config)
        except UserError as error:
            self.known.no_kept[key] = str(error)
            return
        if not self._hears_probe:
            self._hears_probe = True
            self._session.probe.answered.connect(self._answered)
            self._session.probe.failed.connect(self._not_answered)
        self._asked_kept.add(key)
        self._session.probe.ask(config, _TOPIC + key)

    def _answered(self, topic: str, answer: Answer) -> None:
        if topic.startswith(_TOPIC):
            key = topic.removeprefix(_TOPIC)
            self._asked_kept.discard(key)
            self.known.kept[key] = answer.kept
            self.changed.emit()

    def _not_answered(self, topic: str, sentence: str) -> None:
        if topic.startswith(_TOPIC):
            key = topic.removeprefix(_TOPIC)
            self._asked_kept.discard(key)
            self.known.no_kept[key] = sentence
            self.changed.emit()


def _read(control: Control, store: Store, finished: Sequence[str], began: Sequence[str], lock: bool) -> Read:
    """In the background: test accuracies, and what each run was trained on."""
    test = store.reader.test_accuracies(finished, lock=lock)
    devices = {}
    for run_id in began:
        control.check()
        try:
            environments = store.reader.run(run_id).environments
        except UserError:  # it went into the trash meanwhile
            continue
        names = dict.fromkeys(str(e.snapshot["device"]) for e in environments if "device" in e.snapshot)
        devices[run_id] = ", ".join(names)
    return Read(lock, test, devices)

"""Asks the probe process what a configuration means in weights, memory and disk, without ever waiting.

Questions come as fast as the user types: each waits a moment, and of one topic only the newest is asked and
answered. A probe that died or does not answer is started again with the next question. The engine's
`probing` does the same for the command line, with the same process and messages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QObject, QProcess, QTimer, Signal, Slot

from iterand_engine.config.run_config import RunConfig
from iterand_engine.errors import UserError
from iterand_engine.machine.devices import Device, list_devices
from iterand_engine.machine.workspace import Workspace
from iterand_engine.preflight.messages import READY, Reply, Request, decode, encode
from iterand_engine.preflight.probe_client import (
    ANSWER_S,
    START_S,
    probe_command,
    probe_environment,
    why_no_answer,
)
from iterand_gui.live.lines import LineReader
from iterand_gui.live.tasks import Control, Jobs, kill_process, make_process

DEBOUNCE_MS = 100
_QUIT_WITHIN_MS = 2_000


@dataclass(frozen=True)
class _Asked:
    topic: str
    config: RunConfig


class QtProbeClient(QObject):
    """One question at a time to one process; every signal names the topic that was asked about."""

    answered = Signal(str, object)  # topic, Answer
    failed = Signal(str, str)  # topic, one sentence
    busy_changed = Signal(bool)  # whether a question waits for its answer

    def __init__(
        self,
        workspace: Workspace,
        parent: QObject | None = None,
        *,
        command: Sequence[str] | None = None,
        answer_s: float = ANSWER_S,
    ) -> None:
        """Make a client; the process starts with the first question.

        Args:
            workspace: its data and extensions are those that the probe sees.
            parent: of the object.
            command: starts another program than the probe, for tests.
            answer_s: how long an answer may take.
        """
        super().__init__(parent)
        self._words = tuple(command or probe_command(workspace))
        self._answer_s = answer_s
        self._jobs = Jobs(workspace.root, self)
        self._devices: tuple[Device, ...] | None = None
        self._looking_for_devices = False
        self._waiting: dict[str, RunConfig] = {}
        self._current: _Asked | None = None
        self._number = READY
        self._process: QProcess | None = None
        self._is_ready = False
        self._was_busy = False
        self._debounce = QTimer(self, singleShot=True, interval=DEBOUNCE_MS)
        self._debounce.timeout.connect(self._go_on)
        self._deadline = QTimer(self, singleShot=True)
        self._deadline.timeout.connect(self._too_late)

    @property
    def is_busy(self) -> bool:
        """Whether a question waits for its answer."""
        return bool(self._waiting) or self._current is not None

    def ask(self, config: RunConfig, topic: str = "") -> None:
        """Ask what a run would be; `answered` or `failed` follows unless a newer question comes first.

        Args:
            config: checked.
            topic: of its questions only the newest counts.
        """
        self._waiting.pop(topic, None)  # the newest question is asked last
        self._waiting[topic] = config
        self._debounce.start()
        self._report_busy()

    def forget(self, topic: str = "") -> None:
        """Drop a question; if it is being answered, the answer is dropped too."""
        self._waiting.pop(topic, None)
        if self._current is not None and self._current.topic == topic:
            self._current = _Asked(_FORGOTTEN, self._current.config)
        self._report_busy()

    @Slot()
    def restart(self) -> None:
        """Use a new process from now on, because an extension was enabled or disabled."""
        current, self._current = self._current, None
        self._stop_process()
        if current is not None and current.topic != _FORGOTTEN:
            self._waiting.setdefault(current.topic, current.config)
        self._go_on()

    def close(self) -> None:
        """End the process; before quitting."""
        self._waiting.clear()
        self._current = None
        self._debounce.stop()
        self._stop_process()
        self._jobs.close()

    @Slot()
    def _go_on(self) -> None:
        """Take the next step towards the next answer."""
        if self._current is None and self._waiting and not self._debounce.isActive():
            if self._devices is None:
                self._look_for_devices()
            elif self._process is None:
                self._start_process()
            elif self._is_ready:
                self._send()
        self._report_busy()

    def _look_for_devices(self) -> None:
        # Once, and elsewhere: a driver may take long to answer.
        if self._looking_for_devices:
            return
        self._looking_for_devices = True
        job = self._jobs.run(_devices, "Look for devices")
        job.succeeded.connect(self._devices_found)
        job.failed.connect(self._no_devices)

    @Slot(object)
    def _devices_found(self, devices: tuple[Device, ...]) -> None:
        self._looking_for_devices = False
        self._devices = devices
        self._go_on()

    @Slot(str)
    def _no_devices(self, sentence: str) -> None:
        self._looking_for_devices = False
        self._fail_all(sentence)

    def _start_process(self) -> None:
        self._is_ready = False
        process = make_process(self._words, probe_environment(), self)
        self._process = process
        self._out = LineReader("stdout")
        self._err = LineReader("stderr")
        self._last_words = ""
        process.readyReadStandardOutput.connect(self._read)
        process.readyReadStandardError.connect(self._hear)
        process.finished.connect(self._ended)
        process.errorOccurred.connect(self._not_started)
        process.start()
        self._deadline.start(round(START_S * 1000))

    def _send(self) -> None:
        assert self._process is not None
        topic, config = next(iter(self._waiting.items()))
        del self._waiting[topic]
        self._number += 1
        try:
            request = Request.of(self._number, config, topic=topic, devices=self._devices)
        except UserError as error:
            self.failed.emit(topic, str(error))
            self._go_on()
            return
        self._current = _Asked(topic, config)
        self._process.write(encode(request))
        self._deadline.start(round(self._answer_s * 1000))

    @Slot()
    def _read(self) -> None:
        if self._process is None:
            return
        for line in self._out.feed(bytes(self._process.readAllStandardOutput().data())):
            try:
                reply = decode(Reply, line.text.encode())
            except ValueError:
                self._give_up(f"it printed {line.text[:80]!r}")
                return
            self._take(reply)

    def _take(self, reply: Reply) -> None:
        if reply.id == READY:
            self._is_ready = True
            self._deadline.stop()
        elif reply.id == self._number and self._current is not None:
            self._deadline.stop()
            asked, self._current = self._current, None
            if asked.topic not in self._waiting and asked.topic != _FORGOTTEN:
                if reply.answer is not None:
                    self.answered.emit(asked.topic, reply.answer)
                else:
                    self.failed.emit(asked.topic, reply.error or "The probe gave no answer.")
        self._go_on()

    @Slot()
    def _hear(self) -> None:
        if self._process is not None:
            for line in self._err.feed(bytes(self._process.readAllStandardError().data())):
                self._last_words = line.text.strip() or self._last_words

    @Slot()
    def _too_late(self) -> None:
        self._give_up("")

    @Slot()
    def _ended(self) -> None:
        if self._process is not None:
            self._read()
            self._hear()
            code = self._process.exitCode()
            self._give_up(f"exit code {code}" + (f", {self._last_words!r}" if self._last_words else ""))

    @Slot(QProcess.ProcessError)
    def _not_started(self, error: QProcess.ProcessError) -> None:
        if error is QProcess.ProcessError.FailedToStart:
            self._give_up("it could not be started")

    def _give_up(self, died: str) -> None:
        """End the process and report the question that it leaves without an answer."""
        was_ready, asked = self._is_ready, self._current
        self._current = None
        self._stop_process()
        if not was_ready:
            why = f"({died})" if died else f"within {START_S:g} s"
            self._fail_all(f"The probe did not start {why}: `iterand doctor` checks the installation.")
            return
        if asked is not None and asked.topic != _FORGOTTEN and asked.topic not in self._waiting:
            self.failed.emit(asked.topic, why_no_answer(asked.config, died, self._answer_s))
        self._go_on()

    def _fail_all(self, sentence: str) -> None:
        topics = list(self._waiting)
        self._waiting.clear()
        for topic in topics:
            self.failed.emit(topic, sentence)
        self._report_busy()

    def _stop_process(self) -> None:
        self._deadline.stop()
        process, self._process = self._process, None
        self._is_ready = False
        if process is None:
            return
        process.blockSignals(True)  # its signals would now be taken for those of the next process
        if process.state() != QProcess.ProcessState.NotRunning:
            kill_process(process)
            process.waitForFinished(_QUIT_WITHIN_MS)  # it is being killed: this takes a moment
        process.deleteLater()

    def _report_busy(self) -> None:
        if self.is_busy != self._was_busy:
            self._was_busy = self.is_busy
            self.busy_changed.emit(self._was_busy)


_FORGOTTEN = "\0"


def _devices(control: Control) -> tuple[Device, ...]:
    return list_devices()

"""Work that takes longer than a frame: functions in a few threads, `iterand ...` commands as processes.

A `Job` signals its progress and its end on the thread on which it was made; nothing waits and no dialog
opens. Limits: a function is only asked to cancel and must look (`Control.check`); what needs torch is a
command, never a function.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PySide6.QtCore import (
    QObject,
    QProcess,
    QProcessEnvironment,
    QRunnable,
    Qt,
    QThreadPool,
    QTimer,
    Signal,
    Slot,
)

from iterand_engine.errors import ExitCode, UserError
from iterand_engine.machine.launch import SAFE_FOLDER, python_environment
from iterand_engine.machine.workspace import ENVIRONMENT_VARIABLE
from iterand_gui.live.lines import LineReader, Progress, TextLine, read_progress

THREADS = 2
_REPORT_EVERY_S = 0.05
_CANCEL_WITHIN_MS = 5_000
_QUIT_WITHIN_MS = 3_000
_KEPT_LINES = 2_000
_unheard: list[object] = []  # pools with jobs that do not look whether they are cancelled: never destroyed


class Cancelled(Exception):  # noqa: N818 - what the user wanted, no fault
    """Ends a background function that was asked to cancel."""


@dataclass(frozen=True)
class Output:
    """What a command printed: results on stdout, notes and errors on stderr (its last lines)."""

    text: str
    notes: tuple[str, ...]


class Job(QObject):
    """One piece of work under way; it deletes itself some time after it ended."""

    progressed = Signal(object)  # Progress
    succeeded = Signal(object)  # what the function returned, or the command's Output
    failed = Signal(str)  # one sentence
    cancelled = Signal()
    ended = Signal()  # after each of these three

    def __init__(self, title: str, parent: QObject) -> None:
        super().__init__(parent)
        self.title = title
        self.is_running = True
        self.is_cancelling = False

    def cancel(self) -> None:
        """Ask it to end; `cancelled` follows, unless it was done already."""
        self.is_cancelling = True

    def _end(self, emit: Callable[[], None]) -> None:
        self.is_running = False
        try:
            emit()
        finally:
            self.ended.emit()


class Control:
    """The connection of a background function to its job: requests to cancel, and reports of progress."""

    def __init__(self, report: Callable[[Progress], None]) -> None:
        self._report = report
        self._reported_s = 0.0
        self.cancelled = False

    def check(self) -> None:
        """Raise `Cancelled` if the user asked for that."""
        if self.cancelled:
            raise Cancelled

    def report(self, done: float, total: float | None = None, text: str = "") -> None:
        """Report progress, cheaply enough for every item; raises `Cancelled` as `check` does."""
        self.check()
        now_s = time.monotonic()
        if done == total or now_s - self._reported_s >= _REPORT_EVERY_S:
            self._reported_s = now_s
            self._report(Progress(done, total, text))


class FunctionJob(Job):
    """A function that runs in the pool. It must touch no widget and no model."""

    _reported = Signal(object)  # emitted by the pool's thread

    def __init__(self, function: Callable[[Control], Any], title: str, parent: QObject) -> None:
        super().__init__(title, parent)
        self._control = Control(self._reported.emit)
        self.runnable = _Runnable(function, self._control, self._reported)
        self._reported.connect(self._hear, Qt.ConnectionType.QueuedConnection)

    def cancel(self) -> None:
        """Ask the function to end at its next look."""
        super().cancel()
        self._control.cancelled = True

    @Slot(object)
    def _hear(self, said: Progress | _Outcome) -> None:
        match said:
            case Progress():
                self.progressed.emit(said)
            case _Outcome(error=None):
                self._end(lambda: self.succeeded.emit(said.value))
            case _Outcome(error=Cancelled()):
                self._end(self.cancelled.emit)
            case _Outcome(error=error):
                self._end(lambda: self.failed.emit(_sentence(self.title, error)))
                if error is not None and not isinstance(error, UserError | OSError):
                    raise error  # a defect of the program: shown and logged where all of them are


@dataclass(frozen=True)
class _Outcome:
    value: Any = None
    error: BaseException | None = None


class _Runnable(QRunnable):
    def __init__(self, function: Callable[[Control], Any], control: Control, reported: Any) -> None:
        super().__init__()
        self.setAutoDelete(False)  # the job holds it
        self._function = function
        self._control = control
        self._reported = reported

    def run(self) -> None:
        try:
            self._control.check()
            outcome = _Outcome(self._function(self._control))
        except BaseException as error:  # noqa: BLE001 - the edge of the thread: raised again by the job
            outcome = _Outcome(error=error)
        with suppress(RuntimeError):  # the job was deleted, so nobody waits for the outcome
            self._reported.emit(outcome)


class CommandJob(Job):
    """An `iterand ...` command in a child process; its lines report progress (see `lines`)."""

    line = Signal(object)  # Line: each line of text that is no progress

    def __init__(self, arguments: Sequence[str], workspace: Path, title: str, parent: QObject) -> None:
        super().__init__(title, parent)
        self._results: list[str] = []
        self._notes: list[str] = []
        self._readers = (LineReader("stdout"), LineReader("stderr"))
        words = (sys.executable, "-m", "iterand_engine.cli", *arguments)
        place = {ENVIRONMENT_VARIABLE: str(workspace), "PYTHONUNBUFFERED": "1"}
        self._process = make_process(words, {**python_environment(), **place}, self)
        self._process.readyReadStandardOutput.connect(self._read)
        self._process.readyReadStandardError.connect(self._read)
        self._process.finished.connect(self._finished)
        self._process.errorOccurred.connect(self._not_started)
        self._kill_timer = QTimer(self, singleShot=True, interval=_CANCEL_WITHIN_MS)
        self._kill_timer.timeout.connect(self.kill)

    @Slot()
    def start(self) -> None:
        """Start the process; `Jobs` does."""
        self._process.start()

    def cancel(self) -> None:
        """Ask the process to end, and end it after some seconds."""
        super().cancel()
        self._process.terminate()
        self._kill_timer.start()

    @Slot()
    def kill(self) -> None:
        """End the process and those that it started."""
        kill_process(self._process)

    def wait(self, milliseconds: int) -> bool:
        """For quitting only: wait for the end of the process."""
        gone = QProcess.ProcessState.NotRunning
        return self._process.state() == gone or self._process.waitForFinished(milliseconds)

    @Slot()
    def _read(self) -> None:
        out, err = self._readers
        for line in out.feed(bytes(self._process.readAllStandardOutput().data())):
            self._take(line, self._results)
        for line in err.feed(bytes(self._process.readAllStandardError().data())):
            self._take(line, self._notes)

    def _take(self, line: TextLine, kept: list[str]) -> None:
        progress = read_progress(line.text)
        if progress is not None:
            self.progressed.emit(progress)
            return
        kept.append(line.text)
        if kept is self._notes:
            del kept[:-_KEPT_LINES]
        self.line.emit(line)

    @Slot(int, QProcess.ExitStatus)
    def _finished(self, code: int, status: QProcess.ExitStatus) -> None:
        self._kill_timer.stop()
        self._read()
        for reader, kept in zip(self._readers, (self._results, self._notes), strict=True):
            for line in reader.rest():
                self._take(line, kept)
        if status is QProcess.ExitStatus.NormalExit and code == ExitCode.OK:
            output = Output("\n".join(self._results), tuple(self._notes))
            self._end(lambda: self.succeeded.emit(output))
        elif self.is_cancelling or code == ExitCode.STOPPED:
            self._end(self.cancelled.emit)
        else:
            self._end(lambda: self.failed.emit(self._why(code, status)))

    def _why(self, code: int, status: QProcess.ExitStatus) -> str:
        said = next((note for note in reversed(self._notes) if note.strip()), "")
        if status is QProcess.ExitStatus.CrashExit:
            return f"{self.title}: the process was ended from outside or crashed. {said}".strip()
        return said or f"{self.title}: the command ended with exit code {code}."

    @Slot(QProcess.ProcessError)
    def _not_started(self, error: QProcess.ProcessError) -> None:
        if error is QProcess.ProcessError.FailedToStart:
            text = f"{self.title}: {self._process.program()} could not be started."
            self._end(lambda: self.failed.emit(text))


class Jobs(QObject):
    """Starts jobs and knows those under way.

    Whoever makes one closes it: when Qt's pool is destroyed it waits for its threads, for ever where Python's
    lock is held meanwhile.
    """

    changed = Signal()  # a job began or ended

    def __init__(self, workspace: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._pool = QThreadPool(self)
        self._pool.setMaxThreadCount(THREADS)
        self._running: list[Job] = []
        self._is_closed = False

    @property
    def running(self) -> tuple[Job, ...]:
        """The jobs under way, oldest first."""
        return tuple(self._running)

    def run(self, function: Callable[[Control], Any], title: str) -> FunctionJob:
        """Run a function in a thread.

        Args:
            function: gets a `Control`; raises UserError with a sentence for the user.
            title: what is being done, for the status bar and for errors.
        """
        job = FunctionJob(function, title, self)
        self._add(job)
        if self._is_closed:
            job.cancel()
        self._pool.start(job.runnable)
        return job

    def command(self, arguments: Sequence[str], title: str) -> CommandJob:
        """Run `iterand ARGUMENTS` on this workspace; `title` as in `run`."""
        job = CommandJob(arguments, self._workspace, title, self)
        self.start(job)
        return job

    def start(self, job: CommandJob) -> None:
        """Start a command that was made elsewhere."""
        self._add(job)
        # Later, so that the caller can connect to it before it fails.
        QTimer.singleShot(0, job, job.start)

    def close(self) -> None:
        """Cancel all jobs, also later ones, and wait some seconds at most for each; before quitting."""
        self._is_closed = True
        for job in self._running:
            job.cancel()
        for job in self._running:
            if isinstance(job, CommandJob) and not job.wait(_QUIT_WITHIN_MS):
                job.kill()
                job.wait(_QUIT_WITHIN_MS)
        if not self._pool.waitForDone(_QUIT_WITHIN_MS):
            self._pool.setParent(None)
            _unheard.extend((self._pool, *self._running))

    def _add(self, job: Job) -> None:
        self._running.append(job)
        job.ended.connect(self._ended)
        self.changed.emit()

    @Slot()
    def _ended(self) -> None:
        for job in [job for job in self._running if not job.is_running]:
            self._running.remove(job)
            job.deleteLater()
        self.changed.emit()


def make_process(words: Sequence[str], environment: Mapping[str, str], parent: QObject) -> QProcess:
    """A process that is not started yet; in a session of its own, so that its children can be ended with it.

    Args:
        words: the program and its arguments; its paths are absolute, as it starts in `SAFE_FOLDER`.
        environment: the whole of it.
        parent: of the object.
    """
    process = QProcess(parent)
    process.setProgram(words[0])
    process.setArguments(list(words[1:]))
    process.setWorkingDirectory(str(SAFE_FOLDER))
    whole = QProcessEnvironment()
    for name, value in environment.items():
        whole.insert(name, value)
    process.setProcessEnvironment(whole)
    if sys.platform != "win32":
        process.setUnixProcessParameters(QProcess.UnixProcessFlag.CreateNewSession)
    return process


def kill_process(process: QProcess) -> None:
    """End a process of `make_process`, and those that it started, whatever they are doing."""
    pid = process.processId()
    if pid and hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
    process.kill()


def _sentence(title: str, error: BaseException | None) -> str:
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, OSError):
        where = f" ({error.filename})" if error.filename else ""
        return f"{title}: {error.strerror or error}{where}."
    return f"{title}: a defect of the program ended it ({type(error).__name__}: {error})."

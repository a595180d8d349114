"""Jobs off the GUI thread: functions and commands report their progress and their end."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QProcess
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from iterand_engine.errors import UserError
from iterand_gui.live.lines import LineReader, Progress, read_progress
from iterand_gui.live.tasks import CommandJob, Control, Job, Jobs, Output
from tests.gui.ending import put_away
from tests.patience import PATIENCE_S, WAIT_MS


@pytest.fixture
def jobs(qtbot: QtBot, workspace_dir: Path) -> Iterator[Jobs]:
    made = Jobs(workspace_dir)
    yield made
    made.close()
    put_away(made)


class Heard:
    """What a job reported, in order, and on which threads."""

    def __init__(self, job: Job) -> None:
        self.said: list[Any] = []
        self.threads: set[threading.Thread] = set()
        job.progressed.connect(self._note("progressed"))
        job.succeeded.connect(self._note("succeeded"))
        job.failed.connect(self._note("failed"))
        job.cancelled.connect(self._note("cancelled"))

    def _note(self, name: str) -> Callable[..., None]:
        def note(*values: object) -> None:
            self.threads.add(threading.current_thread())
            self.said.append((name, *values))

        return note


def ended(qtbot: QtBot, job: Job, timeout_ms: int = WAIT_MS) -> Heard:
    heard = Heard(job)
    with qtbot.waitSignal(job.ended, timeout=timeout_ms):
        pass
    return heard


def script_job(jobs: Jobs, script: str, title: str = "Script") -> CommandJob:
    """A command job that runs a script instead of `iterand`."""
    job = CommandJob([], Path(), title, jobs)
    process = job.findChild(QProcess)
    assert isinstance(process, QProcess)
    process.setArguments(["-c", script])
    jobs.start(job)
    return job


def test_that_a_function_runs_off_the_gui_thread_and_reports_on_it(qtbot: QtBot, jobs: Jobs) -> None:
    def work(control: Control) -> tuple[str, threading.Thread]:
        control.report(1, 1, "one")
        return "result", threading.current_thread()

    heard = ended(qtbot, jobs.run(work, "Work"))
    (_, progress), (name, (value, thread)) = heard.said
    assert progress == Progress(1, 1, "one")
    assert (name, value) == ("succeeded", "result")
    assert heard.threads == {threading.main_thread()}
    assert thread is not threading.main_thread()


def test_that_a_known_error_is_one_sentence(qtbot: QtBot, jobs: Jobs, tmp_path: Path) -> None:
    def wrong(control: Control) -> None:
        raise UserError("The disk is full; free some space.")

    def missing(control: Control) -> None:
        (tmp_path / "absent").read_bytes()

    assert ended(qtbot, jobs.run(wrong, "Export")).said == [("failed", "The disk is full; free some space.")]
    (outcome,) = ended(qtbot, jobs.run(missing, "Export")).said
    assert outcome == ("failed", f"Export: No such file or directory ({tmp_path / 'absent'}).")


def test_that_a_defect_is_raised_again_where_all_are_shown(qtbot: QtBot, jobs: Jobs) -> None:
    def broken(control: Control) -> None:
        raise KeyError("no such thing")

    with qtbot.captureExceptions() as caught:
        heard = ended(qtbot, jobs.run(broken, "Export"))
    assert [type(error) for _, error, _ in caught] == [KeyError]
    assert heard.said[0][0] == "failed"
    assert not jobs.running


def test_that_a_function_can_be_cancelled(qtbot: QtBot, jobs: Jobs) -> None:
    began = threading.Event()

    def long(control: Control) -> None:
        began.set()
        for number in range(10_000_000):
            control.report(number)
            time.sleep(0.001)

    job = jobs.run(long, "Long")
    assert began.wait(PATIENCE_S)
    assert job in jobs.running
    job.cancel()
    assert ended(qtbot, job).said[-1] == ("cancelled",)
    assert not jobs.running


def test_that_progress_is_reported_at_most_twenty_times_a_second() -> None:
    reports: list[Progress] = []
    control = Control(reports.append)
    for number in range(1, 5_001):
        control.report(number, 5_000)
    assert reports[-1] == Progress(5_000, 5_000)
    assert len(reports) < 500


def test_that_a_command_gives_its_output(qtbot: QtBot, jobs: Jobs) -> None:
    job = jobs.command(["presets"], "Presets")
    ((name, output),) = ended(qtbot, job).said
    assert name == "succeeded"
    assert isinstance(output, Output)
    assert "quickstart" in output.text


@pytest.mark.usefixtures("workspace")
def test_that_a_failed_command_says_so_in_the_engines_words(qtbot: QtBot, jobs: Jobs) -> None:
    job = jobs.command(["show", "nobody"], "Show")
    ((name, sentence),) = ended(qtbot, job).said
    assert name == "failed"
    assert sentence == "No run has the name 'nobody' or an id that begins so."


def test_that_a_command_works_on_the_workspace_of_the_window(
    qtbot: QtBot, jobs: Jobs, workspace_dir: Path
) -> None:
    script = "import os; print(os.environ['ITERAND_WORKSPACE'], os.environ['PYTHONUNBUFFERED'])"
    job = CommandJob([], workspace_dir, "Script", jobs)
    process = job.findChild(QProcess)
    assert isinstance(process, QProcess)
    process.setArguments(["-c", script])
    jobs.start(job)
    ((_, output),) = ended(qtbot, job).said
    assert output.text == f"{workspace_dir} 1"


def test_that_a_command_reports_its_progress_while_it_runs(qtbot: QtBot, jobs: Jobs) -> None:
    script = """
import json, sys, time
print("first", file=sys.stderr)
print(json.dumps({"progress": {"done": 1, "total": 4, "text": "file"}}))
sys.stdin.close()
time.sleep(600)
"""
    job = script_job(jobs, script)
    with qtbot.waitSignal(job.progressed, timeout=WAIT_MS) as signal:
        pass
    assert signal.args == [Progress(1, 4, "file")]
    assert job.is_running
    job.cancel()
    assert ended(qtbot, job).said[-1] == ("cancelled",)


@pytest.mark.skipif(sys.platform == "win32", reason="process groups")
def test_that_a_killed_command_takes_its_children_along(qtbot: QtBot, jobs: Jobs) -> None:
    script = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid)
time.sleep(600)
"""
    job = script_job(jobs, script)
    with qtbot.waitSignal(job.line, timeout=WAIT_MS) as signal:
        pass
    assert signal.args is not None
    child = psutil.Process(int(signal.args[0].text))
    job.cancel()
    job.kill()
    assert ended(qtbot, job).said[-1] == ("cancelled",)
    qtbot.waitUntil(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, timeout=WAIT_MS)


def test_that_a_crash_is_reported_with_the_last_words(qtbot: QtBot, jobs: Jobs) -> None:
    script = "import os, sys; print('last words', file=sys.stderr); os.abort()"
    ((name, sentence),) = ended(qtbot, script_job(jobs, script, "Export")).said
    assert name == "failed"
    assert sentence == "Export: the process was ended from outside or crashed. last words"


def test_that_a_command_that_cannot_start_fails(qtbot: QtBot, jobs: Jobs) -> None:
    job = CommandJob([], Path(), "Export", jobs)
    process = job.findChild(QProcess)
    assert isinstance(process, QProcess)
    process.setProgram("/nowhere/at/all")
    jobs.start(job)
    ((name, sentence),) = ended(qtbot, job).said
    assert name == "failed"
    assert sentence == "Export: /nowhere/at/all could not be started."


def test_that_nothing_waits_for_ever_for_a_job_that_does_not_hear(
    qtbot: QtBot, workspace_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("iterand_gui.live.tasks._QUIT_WITHIN_MS", 10)
    jobs = Jobs(workspace_dir)
    began, may_end, has_ended = threading.Event(), threading.Event(), threading.Event()

    def deaf(_: Control) -> None:
        began.set()
        may_end.wait(PATIENCE_S)
        has_ended.set()

    jobs.run(deaf, "Deaf")
    assert began.wait(PATIENCE_S)
    jobs.close()
    late = ended(qtbot, jobs.run(lambda _: None, "Late"))
    jobs.deleteLater()
    window = QWidget()
    qtbot.addWidget(window)
    with qtbot.waitExposed(window):  # destroys what is to go, with Python's lock held
        window.show()
    may_end.set()
    assert has_ended.wait(PATIENCE_S)
    assert late.said == [("cancelled",)]


def test_that_closing_ends_what_runs(qtbot: QtBot, workspace_dir: Path) -> None:
    jobs = Jobs(workspace_dir)
    job = script_job(jobs, "print('here'); import time; time.sleep(600)")
    with qtbot.waitSignal(job.line, timeout=WAIT_MS):
        pass

    def until_cancelled(control: Control) -> None:
        while True:
            control.check()
            time.sleep(0.005)

    jobs.run(until_cancelled, "Endless")
    jobs.close()
    me = psutil.Process(os.getpid())
    assert not [child for child in me.children() if "time.sleep(600)" in " ".join(child.cmdline())]


@given(st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]))), st.data())
def test_that_lines_come_out_whole_however_they_were_cut(lines: list[str], data: st.DataObject) -> None:
    sent = "".join(f"{line}\n" for line in lines).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=6)))
    reader = LineReader("stdout")
    pieces = [sent[a:b] for a, b in zip([0, *cuts], [*cuts, len(sent)], strict=True)]
    assert [line.text for piece in pieces for line in reader.feed(piece)] == lines
    assert list(reader.rest()) == []


def test_that_a_line_with_carriage_returns_counts_as_its_last_part() -> None:
    reader = LineReader("stderr")
    assert [line.text for line in reader.feed(b"10 %\r20 %\r\nrest")] == ["20 %"]
    assert [line.text for line in reader.rest()] == ["rest"]


@pytest.mark.parametrize(
    "text", ["", "plain", '{"progress": 3}', '{"progress": {"done": "x"}}', '{"progress"']
)
def test_that_other_text_is_no_progress(text: str) -> None:
    assert read_progress(text) is None


def test_that_progress_without_a_total_has_no_share() -> None:
    assert read_progress('{"progress": {"done": 3}}') == Progress(3.0)
    assert Progress(3.0).share is None
    assert Progress(3.0, 4.0).share == 0.75

"""Ask the probe: start it, wait with a deadline, and start it again where it died or does not answer.

For the command line and scripts; the window talks to the same process through Qt, with the same launch and
messages. Torch-free.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from queue import Empty, Queue
from types import TracebackType
from typing import BinaryIO, Self, cast

import psutil

from iterand_engine.config.run_config import RunConfig
from iterand_engine.errors import UserError
from iterand_engine.machine.devices import Device, find_device
from iterand_engine.machine.launch import SAFE_FOLDER, python_environment
from iterand_engine.machine.settings import Settings
from iterand_engine.machine.workspace import Workspace
from iterand_engine.preflight.estimates import disk_warning, memory_warning
from iterand_engine.preflight.messages import READY, Answer, Reply, Request, decode, encode

START_S = 120.0  # how long the probe may take to be ready; importing torch from a cold disk takes most of it
QUEUEING_S = 60.0  # for answers before queueing, where a large folder may have to be listed
ANSWER_S = 10.0  # how long an answer may take; those of the catalog's networks take about a tenth of a second


def probe_command(workspace: Workspace) -> list[str]:
    """The words that start the probe."""
    return [
        sys.executable,
        "-m",
        "iterand_engine.preflight.probe_process",
        "--workspace",
        str(workspace.root),
    ]


def probe_environment() -> dict[str, str]:
    """The probe's environment: no GPU and one thread."""
    return {**python_environment(), "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}


def why_no_answer(config: RunConfig, died: str, timeout_s: float) -> str:
    """Say why there is no answer about a configuration, in one sentence.

    Args:
        config: the one that was asked about.
        died: how the probe ended over it; empty where the probe lives but does not answer.
        timeout_s: how long the probe had.
    """
    name = repr(config.display_name)
    if died:
        return (
            f"The probe ended over {name} ({died}); an extension must not end the process, and the network "
            "must fit in memory."
        )
    return (
        f"The probe gave no answer about {name} within {timeout_s:g} s; an extension may never return, or "
        "the data is slow to read."
    )


def why_not_started(died: str) -> str:
    """The sentence for a probe that never became ready; `died` as in `why_no_answer`."""
    how = f"({died})" if died else f"within {START_S:g} s"
    return f"The probe did not start {how}: `iterand doctor` checks the installation."


class CannotTrain(UserError):  # noqa: N818 - a finding, not a fault of this program
    """The probe has found what would end a run of the configuration before its first step."""


class _Died(Exception):  # noqa: N818 - an event, which the user reads in other words
    """The probe's process has ended."""


class _Late(Exception):  # noqa: N818
    """The probe did not answer in time."""


class _Child:
    """One probe process, and a thread that reads what it says."""

    def __init__(self, workspace: Workspace) -> None:
        self._said = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115 - what extensions print
        self._process = subprocess.Popen(
            probe_command(workspace),
            cwd=SAFE_FOLDER,
            env=probe_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            start_new_session=True,  # Ctrl+C is for whoever asks; the end of stdin ends the probe
        )
        self._replies: Queue[Reply | None] = Queue()
        self._reader = threading.Thread(target=self._read, name="probe-reader", daemon=True)
        self._reader.start()

    def send(self, request: Request) -> None:
        """Write a request to the probe; raises `_Died` where the probe no longer reads."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(encode(request))
            self._process.stdin.flush()
        except OSError:
            raise _Died from None

    def reply(self, number: int, timeout_s: float) -> Reply:
        """Wait for the reply to a request, and drop replies to earlier ones; raises `_Late` or `_Died`."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                found = self._replies.get(timeout=max(0.0, deadline - time.monotonic()))
            except Empty:
                raise _Late from None
            if found is None:
                raise _Died
            if found.id == number:
                return found

    def last_words(self) -> str:
        """How the process ended: its exit code, and the last line it wrote."""
        code = self._process.wait()
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").strip().splitlines()
        return f"exit code {code}" + (f", {lines[-1].strip()!r}" if lines else "")

    def end(self) -> None:
        """Kill the process and close its streams."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for stream in (self._process.stdin, self._process.stdout, self._said):
            if stream is not None:
                stream.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with suppress(ValueError):  # a line that is no reply does not come from a probe
            for line in self._process.stdout:
                self._replies.put(decode(Reply, line))
        self._replies.put(None)


class ProbeClient:
    """Asks one question at a time; a context manager, usable from several threads.

    Args:
        workspace: whose data and extensions the probe sees.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._child: _Child | None = None
        self._number = READY
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def ask(
        self, config: RunConfig, *, timeout_s: float = ANSWER_S, devices: Sequence[Device] | None = None
    ) -> Answer:
        """Ask what a run of this configuration would be, and wait for the answer.

        Args:
            config: checked; it may use extensions that are enabled.
            timeout_s: for the answer; the start of a probe has its own deadline.
            devices: of this machine, where they are known already.
        Raises:
            CannotTrain: a run of this configuration would end at its start; the sentence says why.
            UserError: there is no answer; the sentence says why.
        """
        with self._lock:
            self._number += 1
            request = Request.of(self._number, config, devices=devices)
            try:
                return self._asked(request, timeout_s)
            except (_Late, _Died) as trouble:
                raise UserError(why_no_answer(config, self._buried(trouble), timeout_s)) from None

    def close(self) -> None:
        """End the probe's process; the next question starts another."""
        with self._lock:
            self._end()

    def _asked(self, request: Request, timeout_s: float) -> Answer:
        child = self._child or self._started()
        child.send(request)
        reply = child.reply(request.id, timeout_s)
        if reply.cannot_train:
            raise CannotTrain(str(reply.error))
        if reply.answer is None:
            raise UserError(reply.error or "The probe gave no answer.")
        return reply.answer

    def _started(self) -> _Child:
        self._child = _Child(self._workspace)
        try:
            self._child.reply(READY, START_S)
        except (_Late, _Died) as trouble:
            raise UserError(why_not_started(self._buried(trouble))) from None
        return self._child

    def _buried(self, trouble: Exception) -> str:
        """End the probe, and return how it had died; an empty text where it had not."""
        assert self._child is not None
        died = self._child.last_words() if isinstance(trouble, _Died) else ""
        self._end()
        return died

    def _end(self) -> None:
        if self._child is not None:
            self._child.end()
            self._child = None


def check_before_queueing(workspace: Workspace, configs: Sequence[RunConfig]) -> list[str]:
    """Refuse runs that cannot train, and warn of what is likely not to fit; equal needs share a question.

    Args:
        workspace: where they are queued.
        configs: of the runs, checked.
    Returns:
        Sentences to show; none where all fits. What cannot be found out is such a sentence, never an error.
    Raises:
        UserError: some of them cannot train, so that none should be queued; or the settings cannot be read.
    """
    at_once = Settings.load(workspace).slots_per_device
    alike: dict[str, list[RunConfig]] = {}
    for config in configs:
        alike.setdefault(_needs(config), []).append(config)
    found: list[str] = []
    needed: list[tuple[Answer, int]] = []
    wrong: list[tuple[RunConfig, int, CannotTrain]] = []
    with ProbeClient(workspace) as probe:
        for group in alike.values():
            network = f"{group[0].model.name} x{group[0].model.width_factor:g}"
            try:
                answer = probe.ask(group[0], timeout_s=QUEUEING_S)
                device = find_device(group[0].compute.device)
            except CannotTrain as error:
                wrong.append((group[0], len(group), error))
                continue
            except UserError as error:
                found.append(f"{network}: memory not known: {error}")
                continue
            needed.append((answer, len(group)))
            warning = memory_warning(answer, device, at_once=at_once)
            found += [f"{network}: {text}" for text in (*answer.notes, warning) if text]
    if wrong:
        raise UserError(_why_none(wrong, len(configs)))
    warning = disk_warning(needed, psutil.disk_usage(str(workspace.root)).free)
    return found if warning is None else [*found, warning]


def _why_none(wrong: Sequence[tuple[RunConfig, int, CannotTrain]], runs: int) -> str:
    """The sentence that refuses runs; it gives the reason of the first that cannot train."""
    config, _, error = wrong[0]
    if runs == 1:
        return str(error)
    count = sum(alike for _, alike, _ in wrong)
    which = f"{count} of {runs} runs cannot train, {config.display_name!r} first"
    return f"Nothing is queued, since {which}: {error}"


def _needs(config: RunConfig) -> str:
    """The options that memory and disk depend on, as text; runs with equal texts need the same."""
    mapping = config.to_mapping()
    training = {name: mapping["training"][name] for name in ("batch_size", "epochs", "optimizer", "momentum")}
    method = {name: mapping["method"].get(name) for name in ("name", "layers")}
    kinds = [mapping[section] for section in ("model", "data", "compute", "recording")]
    return json.dumps([*kinds, training, method], sort_keys=True)

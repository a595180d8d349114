"""One held slot: takes run after run from the queue, each into a worker process, and judges how it ended.

Everything happens in `tick`, which returns at once. Its changes are conditional on tokens, so a tick that
failed is simply repeated. Limits: a worker outlives the slot's process on purpose; the place then stays taken
until the run has ended, whoever holds the slot by then.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from iterand_engine.errors import ExitCode, OwnershipLost, UserError
from iterand_engine.machine import processes
from iterand_engine.machine.environment import program_stamp
from iterand_engine.machine.launch import Launcher, start_child
from iterand_engine.machine.run_log import last_lines, log_path
from iterand_engine.machine.settings import Settings
from iterand_engine.machine.workspace import Workspace
from iterand_engine.slots.launches import slot_launch, worker_launch
from iterand_engine.slots.on_end import announce_closed, announce_run
from iterand_engine.slots.places import our_processes, places, threads_at
from iterand_engine.store import RunState, Store, slots
from iterand_engine.store import queue as store_queue
from iterand_engine.store.records import Claim, SlotKey, SlotPlace
from iterand_engine.store.runs import request_stop

BEAT_S = 2.0
LOOK_S = 0.3  # between two looks for a run
CHECK_S = 2.0  # between two looks at settings, program and device while there is no run
TROUBLE_S = 5.0
TROUBLES = 60  # errors in a row, after which the slot gives up


@dataclass(frozen=True)
class EndedRun:
    """A run whose worker has ended, with its state at that time."""

    run_id: str
    state: RunState


@dataclass(frozen=True)
class Worker:
    """A worker that this process started; its part of the log begins at byte `log_start`."""

    claim: Claim
    process: subprocess.Popen[bytes]
    log_start: int

    def has_ended(self) -> bool:
        """Return whether the worker has ended; if so, end processes that it left behind, such as loaders."""
        if self.process.returncode is None and self.process.poll() is not None:
            _end_group(self.process.pid)
        return self.process.returncode is not None


def slot_name(key: SlotKey) -> str:
    """Name a slot for users: `Slot 0 of cpu`."""
    return f"Slot {key.position} of {key.device}"


def take_hold(
    workspace: Workspace, store: Store, place: SlotPlace, say: Callable[[str], None], launcher: Launcher
) -> HeldSlot | None:
    """Hold a slot; None, with a sentence to `say`, where another process holds it or it is closed."""
    program = program_stamp()
    names = {"device_name": place.device_name, "device_kind": place.device_kind}
    try:
        token = slots.hold(store, place.key, **names, identity=processes.current(), program=program)
    except UserError as error:
        say(str(error))
        return None
    if token is None:
        say(f"{slot_name(place.key)} is held by another process, which drains the queue for it.")
        return None
    return HeldSlot(workspace, store, place, token, program, say, launcher)


class HeldSlot:
    """A slot that this process holds.

    Args:
        workspace, store: the queue's.
        place: the slot.
        token: its holder's.
        program: the version that this process was started from; another one on disk prevents further starts.
        say: gets a sentence about each start, each end, and each error.
        launcher: starts processes that outlive this one.
    """

    def __init__(
        self,
        workspace: Workspace,
        store: Store,
        place: SlotPlace,
        token: str,
        program: str,
        say: Callable[[str], None],
        launcher: Launcher,
    ) -> None:
        self._workspace, self._store, self._place, self._token = workspace, store, place, token
        self._program, self._say, self._launcher = program, say, launcher
        self._key = place.key
        self._worker: Worker | None = None
        self._hindrance: str | None = None
        self._threads = 1
        self._told_to_leave = self._leaving = self._stopping = self._restarting = False
        self._beat_at_s = self._look_at_s = self._check_at_s = self._resting_until_s = 0.0
        self._idle_since_s = time.monotonic()
        self._troubles = 0
        self.is_done = self.is_closed = False
        self.ended: list[EndedRun] = []

    def leave(self) -> None:
        """Ask the run to save and stop, and give up the slot once it has ended."""
        if not self._told_to_leave:
            self._told_to_leave = self._leaving = self._stopping = True
            self._look_at_s = 0.0

    def tick(self, idle_s: float) -> None:
        """Send a heartbeat, start a run, or judge one that ended, whatever is due now; never blocks for long.

        Args:
            idle_s: how long to look for a run before the slot is released.
        Raises:
            OwnershipLost: another process holds the slot now; a worker goes on.
            Exception: an error that occurred in many ticks in a row.
        """
        now_s = time.monotonic()
        if now_s < self._resting_until_s:
            return
        try:
            self._tick(now_s, idle_s)
        except OwnershipLost:
            raise
        except Exception as error:
            self._troubles += 1
            if self._troubles >= TROUBLES:
                raise
            self._resting_until_s = now_s + TROUBLE_S
            if self._troubles == 1:
                self._say(f"{slot_name(self._key)}: {error} Trying again every {TROUBLE_S:.0f} s.")
        else:
            self._troubles = 0

    def _tick(self, now_s: float, idle_s: float) -> None:
        if self._worker is not None and self._worker.has_ended():
            self._judge(self._worker)
        if self._stopping and self._worker is not None:
            request_stop(self._store, self._worker.claim.run_id)
            self._stopping = False
        if now_s >= self._beat_at_s:
            self._beat(now_s)
        if self._worker is None and now_s >= self._look_at_s:
            self._look(now_s, idle_s)

    def _beat(self, now_s: float) -> None:
        request = slots.beat(self._store, self._key, self._token, self._hindrance)
        self._beat_at_s = now_s + BEAT_S
        self._restarting = self._restarting or request == "restart"
        self._leaving = self._leaving or request is not None

    def _look(self, now_s: float, idle_s: float) -> None:
        """Start the next run, or note why there is none; release the slot when nothing is left to do."""
        self._look_at_s = now_s + LOOK_S
        leaves = self._leaving or self.is_closed
        if not leaves and now_s >= self._check_at_s:
            leaves = not self._is_offered()
            self._check_at_s = now_s + CHECK_S
        if leaves:
            self._release(only_if_idle=False)
            return
        claim = None if self._hindrance else slots.claim_next(self._store, self._key, self._token)
        if claim is not None:
            self._start(claim)
        elif now_s - self._idle_since_s >= idle_s:
            self._release(only_if_idle=True)

    def _is_offered(self) -> bool:
        """Whether the settings still have this slot; notes what prevents a start, e.g. a changed program."""
        settings = Settings.load(self._workspace)
        offered = places(settings, our_processes(self._store))
        here = next((offer for offer in offered if offer.place.key == self._key), None)
        if here is None:
            self._say(f"{slot_name(self._key)} is no longer in the settings.")
            return False
        self._threads = threads_at(self._place, settings, offered)
        hindrance = self._changed_program() or here.skipped
        if hindrance != self._hindrance:
            self._hindrance = hindrance
            self._beat_at_s = 0.0
            self._say(f"{slot_name(self._key)} is {hindrance or 'free again'}.")
        return True

    def _changed_program(self) -> str | None:
        now = program_stamp()
        if now == self._program:
            return None
        return f"held: the program changed from {self._program} to {now}"

    def _start(self, claim: Claim) -> None:
        try:
            launch = worker_launch(self._workspace, claim, self._threads)
            log_start = launch.log.stat().st_size if launch.log.exists() else 0
            process = start_child(launch)
        except (OSError, UserError) as error:
            reason = f"its worker could not be started ({str(error).rstrip('.')})"
            store_queue.died(self._store, claim.run_id, claim.token, reason, "")
            raise UserError(f"Run {claim.run_id}: {reason}.") from error
        self._worker = Worker(claim, process, log_start)
        self._say(f"run {claim.run_id} starts on {slot_name(self._key)}")

    def _judge(self, worker: Worker) -> None:
        """Store how a run ended if its worker did not store it itself, and run the command `on_end`."""
        run_id, code = worker.claim.run_id, worker.process.returncode
        if code == ExitCode.DEVICE:
            self._close(run_id)
        else:
            log = log_path(self._workspace, run_id)
            tail = last_lines(log, since=worker.log_start)
            store_queue.died(self._store, run_id, worker.claim.token, _how(code), tail)
        found = self._store.reader.runs(ids=[run_id])
        self._worker = None
        self._look_at_s = self._check_at_s = 0.0
        self._idle_since_s = time.monotonic()
        for run in found:  # empty if the run was deleted meanwhile
            self._say(f"run {run_id} {run.state}" + (f": {run.reason}" if run.reason else ""))
            self.ended.append(EndedRun(run_id, run.state))
            self._announce(lambda: announce_run(self._workspace, self._store, run_id, self._launcher))

    def _close(self, run_id: str) -> None:
        """Close the slot whose device failed; its run goes to the head of the queue."""
        found = self._store.reader.runs(ids=[run_id])
        reason = (found[0].reason if found else None) or "its device failed"
        slots.device_error(self._store, self._key, self._token, run_id, reason.rstrip("."))
        self.is_closed = True
        self._say(f"{slot_name(self._key)} is closed: {reason}")
        self._announce(lambda: announce_closed(self._workspace, self._key, reason, self._launcher))

    def _announce(self, announce: Callable[[], None]) -> None:
        try:
            announce()
        except UserError as error:  # the command on_end is the user's; a run's end does not depend on it
            self._say(str(error))

    def _release(self, *, only_if_idle: bool) -> None:
        if not slots.release(self._store, self._key, self._token, only_if_idle=only_if_idle):
            return
        self.is_done = True
        if self._restarting:
            self._launcher(slot_launch(self._workspace, self._key))


def _how(code: int) -> str:
    """Say how a process ended that left no message, without a full stop."""
    if code >= 0:
        return f"its worker ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    hint = " (the system does that where memory runs out)" if name == "SIGKILL" else ""
    return f"its worker was killed by {name}{hint}"


def _end_group(pid: int) -> None:
    """End the rest of the process group that a process led; its number is not reused so soon."""
    if hasattr(os, "killpg"):  # not on Windows
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)

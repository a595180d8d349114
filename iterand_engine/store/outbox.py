"""The queue and thread behind a `Recorder`: items are committed in their order, soon and once.

The thread commits every 0.2 s while something waits, and every 2 s as a heartbeat. Items that cannot be
written now (database locked, disk full) stay queued for the next try. Any other error ends the thread and is
raised in the threads that use the outbox.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from sqlalchemy.exc import DBAPIError

from iterand_engine.store import dialect
from iterand_engine.store.run_writer import Item, Points, ProgressNote, RunEnded, RunWriter
from iterand_engine.store.states import HEARTBEAT_S

COMMIT_EVERY_S = 0.2
BUFFER_BYTES = 64 * 2**20
# So long a wait lets the items of one flush of the training loop share a transaction.
_GATHER_S = 0.02
_RETRY_S = 0.2
_SAY_AFTER_S = 5.0


class Outbox:
    """Hands items to a `RunWriter` from a thread of its own."""

    def __init__(
        self, writer: RunWriter, name: str, say: Callable[[str], None], buffer_bytes: int = BUFFER_BYTES
    ) -> None:
        """Start the thread.

        Args:
            writer: loaded; used and closed by the thread from now on.
            name: the thread's name.
            say: gets one sentence when writing is held up, and when it goes on.
            buffer_bytes: of points that may wait before `put` waits.
        """
        self._writer = writer
        self._say = say
        self._buffer_bytes = buffer_bytes
        self._changed = threading.Condition()
        self._waiting: deque[Item] = deque()
        self._waiting_bytes = 0
        self._progress: ProgressNote | None = None
        # Counts of what was handed over, of that committed, and of that to be committed without delay.
        self._handed = self._committed = self._urgent = 0
        self._waiting_since_s = 0.0
        self._last_commit_s = self._retry_at_s = time.monotonic()
        self._held_up_since_s: float | None = None
        self._said_held_up = self._said_full = False
        self._stop_requested = False
        self._ended = self._closing = False
        self._failure: Exception | None = None
        self._failure_reported = False
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def put(self, item: Item) -> None:
        """Queue an item; wait only while the buffer is full. Raises the error that ended the writing."""
        size_bytes = item.size_bytes if isinstance(item, Points) else 0
        if not self._has_room(size_bytes):
            self._wait_for_room(size_bytes)
        with self._changed:
            self._check_open()
            self._waiting.append(item)
            self._waiting_bytes += size_bytes
            self._ended = isinstance(item, RunEnded)
            self._note_handed()

    def report(self, progress: ProgressNote) -> None:
        """Replace the progress that the next commit writes."""
        with self._changed:
            self._check_open()
            self._progress = progress
            self._note_handed()

    def drain(self) -> None:
        """Wait until everything queued so far is committed. Raises the error that ended the writing."""
        with self._changed:
            target = self._urgent = self._handed
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._failure is not None or self._committed >= target)
            self._raise_failure()

    @property
    def stop_requested(self) -> bool:
        """Whether a stop was asked for, as of the last commit. Raises the error that ended the writing."""
        self._raise_failure()
        return self._stop_requested

    def close(self, *, quietly: bool = False) -> Exception | None:
        """Commit what waits, and end the thread.

        Args:
            quietly: do not raise, because the caller already handles a graver error.
        Returns:
            With `quietly`, the failure that no call has raised yet; else None.
        """
        with self._changed:
            self._closing = True
            self._urgent = self._handed
            self._changed.notify_all()
        self._thread.join()
        if quietly or self._failure_reported:
            return None if self._failure_reported else self._failure
        self._raise_failure()
        return None

    def _wait_for_room(self, size_bytes: int) -> None:
        if not self._said_full:
            self._said_full = True
            self._say(
                f"{self._waiting_bytes / 2**20:.0f} MB of recorded values wait for the database: training"
                " waits until they are written."
            )
        with self._changed:
            self._urgent = self._handed
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._failure is not None or self._has_room(size_bytes))

    def _has_room(self, size_bytes: int) -> bool:
        return not self._waiting_bytes or self._waiting_bytes + size_bytes <= self._buffer_bytes

    def _check_open(self) -> None:
        self._raise_failure()
        if self._ended or self._closing:
            raise RuntimeError("the recorder is closed or its run has ended: nothing more can be recorded")

    def _raise_failure(self) -> None:
        if self._failure is not None:
            self._failure_reported = True
            raise self._failure

    def _note_handed(self) -> None:
        if (
            self._handed == self._committed
        ):  # otherwise the thread is awake already; to wake it costs the training thread time
            self._waiting_since_s = time.monotonic()
            self._changed.notify_all()
        self._handed += 1

    def _work(self) -> None:
        try:
            while self._wait_until_due():
                self._commit()
        except Exception as error:  # noqa: BLE001 - raised again in the threads that use the outbox
            with self._changed:
                self._failure = error
                self._waiting.clear()
                self._waiting_bytes = 0
                self._changed.notify_all()
        finally:
            self._writer.close()

    def _wait_until_due(self) -> bool:
        """Sleep until the next commit is due; False once the outbox is closed and empty."""
        with self._changed:
            while True:
                done = self._handed == self._committed
                if done and (self._closing or self._ended):
                    return False
                wait_s = self._due_s() - time.monotonic()
                if wait_s <= 0:
                    return True
                self._changed.wait(wait_s)

    def _due_s(self) -> float:
        if self._urgent > self._committed:
            return self._retry_at_s
        if self._handed > self._committed:
            regular_s = max(self._waiting_since_s + _GATHER_S, self._last_commit_s + COMMIT_EVERY_S)
            return max(regular_s, self._retry_at_s)
        return max(self._last_commit_s + HEARTBEAT_S, self._retry_at_s)

    def _commit(self) -> None:
        with self._changed:
            items, progress, handed = list(self._waiting), self._progress, self._handed
        try:
            stop_requested = self._writer.commit(items, progress)
        except DBAPIError as error:
            if not dialect.is_transient(error):
                raise
            self._hold_up(error)
            return
        with self._changed:
            for item in items:
                self._waiting.popleft()
                self._waiting_bytes -= item.size_bytes if isinstance(item, Points) else 0
            if self._progress is progress:
                self._progress = None
            self._committed = handed
            self._last_commit_s = self._waiting_since_s = time.monotonic()
            self._stop_requested = stop_requested
            self._changed.notify_all()
        self._go_on()

    def _hold_up(self, error: DBAPIError) -> None:
        now_s = time.monotonic()
        self._retry_at_s = now_s + _RETRY_S
        if self._held_up_since_s is None:
            self._held_up_since_s = now_s
        if not self._said_held_up and now_s - self._held_up_since_s >= _SAY_AFTER_S:
            self._said_held_up = True
            self._say(
                f"The database cannot be written ({error.orig}): training goes on, and what is recorded waits"
                " in memory."
            )

    def _go_on(self) -> None:
        if self._said_held_up or (self._said_full and not self._waiting):
            self._said_full = False
            self._say("The database can be written again.")
        self._held_up_since_s, self._said_held_up = None, False

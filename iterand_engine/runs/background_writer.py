"""One thread that writes files beside the training: in order, one at a time; it hands errors back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Queue


class BackgroundWriter:
    """Runs jobs in order on its own thread; at most two wait, so a slow disk slows training.

    A job's error is raised by the next call of `submit`, `wait` or `close`.
    """

    def __init__(self) -> None:
        self._jobs: Queue[Callable[[], None] | None] = Queue(maxsize=2)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="background-writer", daemon=True)
        self._thread.start()

    def submit(self, job: Callable[[], None]) -> None:
        """Queue a job; blocks while two already wait."""
        self._raise()
        self._jobs.put(job)

    def wait(self) -> None:
        """Block until every job is done."""
        self._jobs.join()
        self._raise()

    def close(self) -> None:
        """Finish all jobs and end the thread."""
        self._jobs.put(None)
        self._thread.join()
        self._raise()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                if self._error is None:
                    job()
            except BaseException as error:  # noqa: BLE001 - handed to the training thread
                self._error = error
            finally:
                self._jobs.task_done()

    def _raise(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error

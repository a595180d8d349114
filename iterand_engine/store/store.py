"""Opens a workspace's database; makes, claims and stops runs (being filled in)."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

from iterand_engine.processes import ProcessIdentity
from iterand_engine.store.records import Json, NewRun, RunRow, RunState
from iterand_engine.workspace import Workspace


class Store:
    """A workspace's database. Also a context manager. Safe to use from several threads."""

    workspace: Workspace

    @classmethod
    def open(cls, workspace: Workspace) -> Store:
        """Open, making or upgrading the database where needed."""
        raise NotImplementedError

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        raise NotImplementedError

    def create_run(self, new: NewRun, state: RunState = RunState.QUEUED) -> str:
        """Add a run and return its id. STARTING = not for the queue: the maker claims it within a minute."""
        raise NotImplementedError

    def claim(self, run_id: str) -> str:
        """queued, stopped, interrupted or just made as STARTING -> starting, with a fresh owner token (returned).

        Clears a stop request. Raises UserError where the run is in another state.
        """
        raise NotImplementedError

    def adopt(self, run_id: str, token: str, identity: ProcessIdentity, environment: Json) -> None:
        """The claiming worker makes itself known (still `starting`; the first `Recorder.progress` makes it running)."""
        raise NotImplementedError

    def resolve(self, text: str) -> str:
        """Run id for an id, a unique prefix of one, or a name."""
        raise NotImplementedError

    def request_stop(self, run_id: str) -> RunState:
        """Ask for a stop; returns the state thereafter (stopping, stopped for a queued run, or how it already ended)."""
        raise NotImplementedError

    def clear_request(self, run_id: str) -> None:
        raise NotImplementedError

    def live_runs(self) -> list[RunRow]:
        """Runs that a process trains now or is about to."""
        raise NotImplementedError

    def settle(self) -> list[str]:
        """Store `interrupted` for every run whose process is gone; returns their ids."""
        raise NotImplementedError

    def unlock(self, run_ids: Sequence[str], scope: str = "run") -> None:
        """Record that the test accuracy of these runs may be seen under the lock."""
        raise NotImplementedError

"""Opens a workspace's database; makes, claims, adopts, stops and names runs.

Every change is one transaction that begins with the write lock, raises the run's revision, and judges the run
as it is then. Limits: what a run records is written by its owner through `Recorder`, not here.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from types import TracebackType
from typing import cast

from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.exc import DBAPIError

from iterand_engine.errors import OwnershipLost, UserError
from iterand_engine.machine.processes import ProcessIdentity
from iterand_engine.machine.workspace import Workspace
from iterand_engine.store import dialect, run_select, run_update, schema, slot_rows
from iterand_engine.store.migrate import check_database, prepare_database
from iterand_engine.store.records import Json, NewRun, RunRow, RunState

_STOP = RunState.STOPPED.value
_run = schema.run


class Store:
    """A workspace's database; a context manager, usable from several threads.

    `was_upgraded` is whether opening it brought an older database to the present schema: then
    `fingerprints.fill_fingerprints` adds what the upgrade alone could not know.
    """

    was_upgraded = False

    def __init__(self, workspace: Workspace) -> None:
        """Connect to a database of the present schema; use `open`."""
        self.workspace = workspace
        self._reader = dialect.read_engine(workspace.db_path)
        self._writer = dialect.write_engine(workspace.db_path)

    @classmethod
    def open(cls, workspace: Workspace) -> Store:
        """Open, making or upgrading the database where needed (a backup of an older one is kept beside it).

        Raises:
            UserError: the file is no such database, newer than this program, damaged or locked; or it must be
                upgraded while runs are being trained.
        """
        backup = prepare_database(workspace.db_path)
        store = cls(workspace)
        store.was_upgraded = backup is not None
        return store

    @classmethod
    def open_to_read(cls, workspace: Workspace) -> Store:
        """Open a database of the present schema for queries: nothing is made, upgraded or repaired.

        Raises:
            UserError: there is no database yet, it must be upgraded first, or as in `open`.
        """
        check_database(workspace.db_path)
        return cls(workspace)

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give all connections back and put the write-ahead log away where nobody else uses it."""
        self._reader.dispose()
        self._writer.dispose()
        self.tidy()

    def tidy(self) -> bool:
        """Empty the write-ahead log into the database; False where others are at work. For idle moments."""
        return dialect.checkpoint_log(self.workspace.db_path)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One state of the database, for as short as may be: an open reader keeps the log from shrinking."""
        with self._reader.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that holds the write lock; all or nothing.

        Raises:
            UserError: another program holds the database for longer than half a minute.
        """
        try:
            with self._writer.begin() as connection:
                yield connection
        except DBAPIError as error:
            if not dialect.is_locked(error):
                raise
            raise UserError(
                f"The database {self.workspace.db_path} has been locked by another program for"
                f" {dialect.BUSY_TIMEOUT_S:.0f} s: close that and try again."
            ) from error

    def create_run(self, new: NewRun, waiter: ProcessIdentity | None = None, first: bool = False) -> str:
        """Add a run to the queue.

        Args:
            new: what it is.
            waiter: a process that will train it itself, see `slots.claim_waiting`.
            first: at the head of the queue rather than its tail.
        Returns:
            Its id.
        """
        with self.writing() as connection:
            (run_id,) = _insert_runs(connection, [new], first, waiter)
        return run_id

    def create_runs(self, news: Sequence[NewRun], first: bool = False) -> list[str]:
        """Add runs to the queue, all or none, in their order; returns their ids."""
        with self.writing() as connection:
            return _insert_runs(connection, news, first, None)

    def claim(self, run_id: str) -> str:
        """Take a run that nobody trains, to be adopted within a minute: it becomes `starting`.

        Returns:
            A fresh owner token; whoever held an older one can write no more.
        Raises:
            UserError: no such run, or its state is not queued, stopped, interrupted or failed.
        """
        with self.writing() as connection:
            row = run_update.run_row(connection, run_id)
            state = run_update.state_of(row)
            if state not in run_update.CLAIMABLE:
                raise run_update.not_claimable(row, state)
            if state is not RunState(row.state):
                run_update.interrupt(connection, row)
            return run_update.take(connection, row)

    def adopt(self, run_id: str, token: str, identity: ProcessIdentity, environment: Json) -> None:
        """Make the process known that trains a claimed run; its first progress makes the run `running`.

        Args:
            run_id, token: as claimed.
            identity: of the process, from `processes.current`.
            environment: where this start takes place (platform, packages, device, threads), JSON values;
                empty where the run cannot be started, which then counts as no start.
        Raises:
            OwnershipLost: the token is no longer the run's, or another process adopted it.
        """
        starts = schema.environment
        with self.writing() as connection:
            now = dialect.now()
            adopted = update(_run).where(
                _run.c.id == run_id, _run.c.owner_token == token, _run.c.owner_pid.is_(None)
            )
            done = connection.execute(
                adopted.values(
                    owner_deadline=None,
                    lost_starts=0,
                    owner_host=identity.host,
                    owner_pid=identity.pid,
                    owner_start_ticks=identity.start_ticks,
                    owner_boot_id=identity.boot_id,
                    heartbeat_at=now,
                    started_at=func.coalesce(_run.c.started_at, now),
                    revision=_run.c.revision + 1,
                )
            )
            if done.rowcount == 0:
                raise OwnershipLost(f"another process owns run {run_id} now")
            if not environment:
                return
            count = select(func.count()).select_from(starts).where(starts.c.run_id == run_id)
            number = connection.execute(count).scalar_one()
            connection.execute(
                insert(starts).values(run_id=run_id, start=number, at=now, snapshot=dict(environment))
            )

    def resolve(self, text: str) -> str:
        """The run that a user means.

        Args:
            text: an id, the beginning of just one id, or the name of just one run.
        Raises:
            UserError: none is meant, or several (named with their ids).
        """
        with self.reading() as connection:
            return run_update.named(connection, text, _run.c.deleted_at.is_(None))

    def request_stop(self, run_id: str) -> RunState:
        """Ask a run to save and stop.

        Returns:
            How it stands then: `stopping`, `stopped` where it was only queued, or how it had already ended.
        Raises:
            UserError: no such run.
        """
        with self.writing() as connection:
            row = run_update.run_row(connection, run_id)
            state = run_update.state_of(row)
            if state.is_live:
                run_update.change(connection, run_id, {"desired_state": _STOP})
                return RunState.STOPPING
            lost = state is not RunState(row.state) and row.owner_pid is None
            if state is RunState.QUEUED or lost:
                run_update.end(connection, run_id, RunState.STOPPED, "stopped", "stopped before it started")
                return RunState.STOPPED
            if state is not RunState(row.state):
                run_update.interrupt(connection, row)
            return state

    def clear_request(self, run_id: str) -> None:
        """Take a request to stop back, if the run's process has not read it yet."""
        with self.writing() as connection:
            run_update.run_row(connection, run_id)
            run_update.change(connection, run_id, {"desired_state": None})

    def live_runs(self) -> list[RunRow]:
        """Runs that a process trains now or is about to, newest first."""
        with self.reading() as connection:
            query = run_select.row_query().where(run_select.LOOKS_LIVE)
            rows = connection.execute(query.order_by(_run.c.number.desc())).all()
        return [row for row in map(run_select.run_row_of, rows) if row.state.is_live]

    def settle(self) -> list[str]:
        """Store what became of runs whose process is gone or never came.

        They are `interrupted`; a start that nobody adopted goes back to the head of the queue, twice, then it
        is `failed`. A run that died in a slot is left to the slot's process, which says how it died.

        Returns:
            Their ids.
        """
        with self.writing() as connection:
            return run_update.settle(connection, slot_rows.in_held_slots(connection))

    def unlock(self, run_ids: Sequence[str], scope: str = "run") -> None:
        """Let the test accuracy of runs be seen under the lock, and record that.

        Args:
            run_ids: the runs; all or none are unlocked.
            scope: what the user named: run, group or sweep.
        Raises:
            UserError: no such run.
        """
        with self.writing() as connection:
            for run_id in run_ids:
                run_update.run_row(connection, run_id)
                run_update.change(connection, run_id, {"test_unlocked": True})
                connection.execute(insert(schema.unlock).values(run_id=run_id, at=dialect.now(), scope=scope))


def _insert_runs(
    connection: Connection, news: Sequence[NewRun], first: bool, waiter: ProcessIdentity | None
) -> list[str]:
    run_ids = [new.id or str(uuid.uuid4()) for new in news]
    ranks = run_update.ranks_for(connection, run_ids, first=first, waiter=waiter)
    waiting = run_update.waiting(waiter)
    for run_id, new, rank in zip(run_ids, news, ranks, strict=True):
        values = _new_values(new) | {"id": run_id, "queue_rank": rank} | waiting
        connection.execute(insert(_run).values(values))
    return run_ids


def _new_values(new: NewRun) -> dict[str, object]:
    data, model, method = (
        cast(Mapping[str, object], new.config[part]) for part in ("data", "model", "method")
    )
    return {
        "name": new.name,
        "state": RunState.QUEUED,
        "created_at": dialect.now(),
        "elapsed_s": 0.0,
        "config": dict(new.config),
        "group_key": new.group_key,
        "seed": new.seed,
        "dataset": data["dataset"],
        "model": model["name"],
        "method": method["name"],
        "width_factor": model["width_factor"],
        "precision": new.precision,
        "device_kind": new.device_kind,
        "program_version": new.program_version,
        "git_commit": new.git_commit,
        "step": 0,
        "epoch": 0,
        "total_steps": new.total_steps,
        "test_unlocked": False,
        "revision": 1,
        "rewind": 0,
        "extensions": [asdict(use) for use in new.extensions] or None,
        "fingerprint": new.fingerprint,
        "behaviour": dict(new.behaviour) if new.behaviour else None,
    }

"""Opens a workspace's database; makes, claims, adopts, stops and names runs.

Every change is one transaction that begins with the write lock, raises the run's revision, and judges the run
as it is then. Limits: what a run records is written by its owner through `Recorder`, not here.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, cast

from sqlalchemy import Connection, Row, func, insert, or_, select, update
from sqlalchemy.exc import DBAPIError

from iterand_engine.errors import OwnershipLost, UserError, suggestion
from iterand_engine.processes import ProcessIdentity
from iterand_engine.store import dialect, queries, schema
from iterand_engine.store.migrate import check_database, prepare_database
from iterand_engine.store.records import Json, NewRun, RunRow, RunState
from iterand_engine.store.schema import OWNER_COLUMNS
from iterand_engine.store.states import ADOPT_WITHIN_S, derived_state
from iterand_engine.workspace import Workspace

CLAIMABLE = (RunState.QUEUED, RunState.STOPPED, RunState.INTERRUPTED, RunState.FAILED)
_STOP = RunState.STOPPED.value
_LISTED = 10
_run = schema.run


class Store:
    """A workspace's database; a context manager, usable from several threads."""

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
        prepare_database(workspace.db_path)
        return cls(workspace)

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

    def create_run(self, new: NewRun, state: RunState = RunState.QUEUED) -> str:
        """Add a run.

        Args:
            new: what it is.
            state: QUEUED, or STARTING: not for the queue, its maker claims it within a minute.
        Returns:
            Its id.
        """
        if state not in (RunState.QUEUED, RunState.STARTING):
            raise ValueError(f"a new run cannot be {state}")
        run_id = str(uuid.uuid4())
        deadline = dialect.now() + ADOPT_WITHIN_S if state is RunState.STARTING else None
        with self.writing() as connection:
            connection.execute(
                insert(_run).values(id=run_id, state=state, owner_deadline=deadline, **_new_values(new))
            )
        return run_id

    def claim(self, run_id: str) -> str:
        """Take a run that nobody trains, to be adopted within a minute: it becomes `starting`.

        Returns:
            A fresh owner token; whoever held an older one can write no more.
        Raises:
            UserError: no such run, or its state is not queued, stopped, interrupted, failed or new.
        """
        token = uuid.uuid4().hex
        with self.writing() as connection:
            row = _one(connection, run_id)
            state = derived_state(queries.signs_of(row))
            is_new = row.state == RunState.STARTING and row.owner_token is None
            if state not in CLAIMABLE and not is_new:
                raise UserError(_not_claimable(row, state))
            if state is RunState.INTERRUPTED and not is_new:
                _interrupt(connection, row)
            fresh = dict.fromkeys((*OWNER_COLUMNS, "reason", "ended_at", "last_step_at", "usual_step_s"))
            taken = {
                "state": RunState.STARTING,
                "desired_state": row.desired_state if is_new else None,
                "owner_token": token,
                "owner_deadline": dialect.now() + ADOPT_WITHIN_S,
            }
            _change(connection, run_id, fresh | taken)
        return token

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
        prefix = _run.c.id.startswith(text.lower(), autoescape=True)
        query = select(_run.c.id, _run.c.name).where(or_(_run.c.name == text, prefix)) if text else None
        with self.reading() as connection:
            rows = [] if query is None else connection.execute(query.order_by(_run.c.number.desc())).all()
            if not rows:
                names = connection.execute(select(_run.c.name).distinct()).scalars().all()
                near = suggestion(text, names)
                raise UserError(f"No run has the name {text!r} or an id that begins so{near}.")
        if len(rows) == 1 or text in (row.id for row in rows):
            return text if len(rows) > 1 else str(rows[0].id)
        listed = ", ".join(f"{row.id} ({row.name})" for row in rows[:_LISTED])
        more = f" and {len(rows) - _LISTED} more" if len(rows) > _LISTED else ""
        raise UserError(f"{text!r} means {len(rows)} runs: name one by its id: {listed}{more}.")

    def request_stop(self, run_id: str) -> RunState:
        """Ask a run to save and stop.

        Returns:
            How it stands then: `stopping`, `stopped` where it was only queued, or how it had already ended.
        Raises:
            UserError: no such run.
        """
        with self.writing() as connection:
            row = _one(connection, run_id)
            state = derived_state(queries.signs_of(row))
            if state is RunState.QUEUED:
                ended = {"state": RunState.STOPPED, "ended_at": dialect.now()}
                _change(connection, run_id, ended | {"reason": "stopped before it started"})
                return RunState.STOPPED
            if state.is_live:
                _change(connection, run_id, {"desired_state": _STOP})
                return RunState.STOPPING
            if state is not RunState(row.state):
                _interrupt(connection, row)
            return state

    def clear_request(self, run_id: str) -> None:
        """Take a request to stop back, if the run's process has not read it yet."""
        with self.writing() as connection:
            _one(connection, run_id)
            _change(connection, run_id, {"desired_state": None})

    def live_runs(self) -> list[RunRow]:
        """Runs that a process trains now or is about to, newest first."""
        with self.reading() as connection:
            rows = queries.select_rows(connection, queries.row_query().where(_LOOKS_LIVE))
        return [row for row in rows if row.state.is_live]

    def settle(self) -> list[str]:
        """Store `interrupted` for every run whose process is gone.

        Returns:
            Their ids.
        """
        with self.writing() as connection:
            rows = connection.execute(queries.row_query().where(_LOOKS_LIVE)).all()
            dead = [row for row in rows if derived_state(queries.signs_of(row)) is RunState.INTERRUPTED]
            for row in dead:
                _interrupt(connection, row)
        return [str(row.id) for row in dead]

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
                _one(connection, run_id)
                _change(connection, run_id, {"test_unlocked": True})
                connection.execute(insert(schema.unlock).values(run_id=run_id, at=dialect.now(), scope=scope))


_LOOKS_LIVE = _run.c.state.in_((RunState.STARTING, RunState.RUNNING))


def _one(connection: Connection, run_id: str) -> Row[Any]:
    query = queries.row_query().where(_run.c.id == run_id)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise queries.unknown_run(run_id)
    return row


def _change(connection: Connection, run_id: str, values: Mapping[str, object]) -> None:
    raised = {"revision": _run.c.revision + 1}
    connection.execute(update(_run).where(_run.c.id == run_id).values({**values, **raised}))


def _interrupt(connection: Connection, row: Row[Any]) -> None:
    """Write down that a run's process went without a word; its token dies with that."""
    who = f"process {row.owner_pid}" if row.owner_pid is not None else "process that was to train it"
    reason = f"the {who} ended without a word at step {row.step}"
    released = dict.fromkeys((*OWNER_COLUMNS, "desired_state"))
    ended = {"state": RunState.INTERRUPTED, "reason": reason, "ended_at": row.heartbeat_at or dialect.now()}
    _change(connection, row.id, released | ended)
    connection.execute(
        insert(schema.event).values(
            run_id=row.id, at=dialect.now(), level="warning", step=row.step, text=f"Interrupted: {reason}."
        )
    )


def _not_claimable(row: Row[Any], state: RunState) -> str:
    if state.is_live:
        who = f"by process {row.owner_pid}" if row.owner_pid is not None else "by a process that is starting"
        return f"Run {row.id} is {state}: it is being trained {who}, so stop it first or wait for its end."
    return f"Run {row.id} is {state}: only one that is queued, stopped, interrupted or failed can go on."


def _new_values(new: NewRun) -> dict[str, object]:
    data, model, method = (
        cast(Mapping[str, object], new.config[part]) for part in ("data", "model", "method")
    )
    return {
        "name": new.name,
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
    }

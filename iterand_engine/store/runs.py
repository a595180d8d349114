"""Changes of runs from outside their training: create, claim, adopt, ask to stop, unlock.

Every change is one transaction that begins with the write lock, judges the run's present state, and raises
its revision. Limits: the owner of a run writes its results through `Recorder`, not here.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, cast

from sqlalchemy import Connection, func, insert, select, update

from iterand_engine.errors import OwnershipLost
from iterand_engine.machine.processes import ProcessIdentity
from iterand_engine.store import dialect, run_update, schema, slot_rows
from iterand_engine.store.records import Json, NewRun, RunState
from iterand_engine.store.states import STATES

if TYPE_CHECKING:
    from iterand_engine.store.store import Store

_STOP = RunState.STOPPED.value
_run = schema.run


def create_run(store: Store, new: NewRun, waiter: ProcessIdentity | None = None, first: bool = False) -> str:
    """Add a run to the queue.

    Args:
        new: the run.
        waiter: a process that will train it itself, see `slots.claim_waiting`.
        first: at the head of the queue, not at its tail.
    Returns:
        The run's id.
    """
    with store.writing() as connection:
        (run_id,) = _insert_runs(connection, [new], first, waiter)
    return run_id


def create_runs(store: Store, news: Sequence[NewRun], first: bool = False) -> list[str]:
    """Add runs to the queue, all or none, in their order; return their ids."""
    with store.writing() as connection:
        return _insert_runs(connection, news, first, None)


def claim_run(store: Store, run_id: str) -> str:
    """Claim a run that nobody trains: it becomes `starting`, and a process must adopt it within a minute.

    Returns:
        A fresh owner token; the holder of an older one can no longer write.
    Raises:
        UserError: there is no such run, or its state is not queued, stopped, interrupted or failed.
    """
    with store.writing() as connection:
        row = run_update.run_row(connection, run_id)
        state = run_update.state_of(row)
        if state not in run_update.CLAIMABLE:
            raise run_update.not_claimable(row, state)
        if state is not STATES[row.state]:
            run_update.interrupt(connection, row)
        return run_update.take(connection, row)


def adopt_run(store: Store, run_id: str, token: str, identity: ProcessIdentity, environment: Json) -> None:
    """Store which process trains a claimed run; its first progress makes the run `running`.

    Args:
        run_id, token: as claimed.
        identity: the process, from `processes.current`.
        environment: platform, packages, device and threads of this start, as JSON values; empty where the
            run cannot be started, which then does not count as a start.
    Raises:
        OwnershipLost: the token is no longer the run's, or another process has adopted it.
    """
    starts = schema.environment
    with store.writing() as connection:
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


def request_stop(store: Store, run_id: str) -> RunState:
    """Ask a run to save and stop.

    Returns:
        Its new state: `stopping`, `stopped` where it was only queued, or the state in which it had ended.
    Raises:
        UserError: there is no such run.
    """
    with store.writing() as connection:
        row = run_update.run_row(connection, run_id)
        state = run_update.state_of(row)
        if state.is_live:
            run_update.change(connection, run_id, {"desired_state": _STOP})
            return RunState.STOPPING
        lost = state is not STATES[row.state] and row.owner_pid is None
        if state is RunState.QUEUED or lost:
            run_update.end(connection, run_id, RunState.STOPPED, "stopped", "stopped before it started")
            return RunState.STOPPED
        if state is not STATES[row.state]:
            run_update.interrupt(connection, row)
        return state


def clear_request(store: Store, run_id: str) -> None:
    """Withdraw a request to stop, if the run's process has not read it yet."""
    with store.writing() as connection:
        run_update.run_row(connection, run_id)
        run_update.change(connection, run_id, {"desired_state": None})


def settle_runs(store: Store) -> list[str]:
    """Store the new state of runs whose process is gone or never started.

    They become `interrupted`. A claim that no process adopted goes back to the head of the queue, up to
    twice, and is then `failed`. A run that died in a slot is left to the slot's process, which stores how.

    Returns:
        The ids of the changed runs.
    """
    with store.writing() as connection:
        return run_update.settle(connection, slot_rows.in_held_slots(connection))


def unlock_runs(store: Store, run_ids: Sequence[str], scope: str = "run") -> None:
    """Show the test accuracy of runs in spite of the lock, and record that.

    Args:
        run_ids: the runs; all or none are unlocked.
        scope: what the user named: run, group or sweep.
    Raises:
        UserError: there is no such run.
    """
    with store.writing() as connection:
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

"""Slots: places on devices, who holds them, and which run occupies each.

A slot's process holds it, sends heartbeats, and claims one run after the other; `iterand train` claims for
itself. A place is free for another run exactly when no live run occupies it, whoever holds it. Every change
is one transaction that begins with the write lock, so no place ever goes to two runs. See docs/store.md.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, cast

from sqlalchemy import ColumnElement, Connection, Row, and_, func, literal, or_, select, tuple_

from iterand_engine.errors import UserError
from iterand_engine.machine.processes import ProcessIdentity
from iterand_engine.store import dialect, run_select, run_update, schema, slot_rows
from iterand_engine.store.records import Claim, RunState, SlotKey, SlotPlace, SlotRow
from iterand_engine.store.states import HEARTBEAT_S

if TYPE_CHECKING:
    from iterand_engine.store.store import Store

Request = Literal["exit", "restart"]
_run = schema.run
_slot = schema.slot
_HOLDER = ("holder_token", "holder_pid", "holder_start_ticks", "holder_boot_id", "heartbeat_at", "request")
_CLOSURE = ("closed_reason", "closed_at", "closed_boot_id")
_ASKED_DEVICE = _run.c.config["compute"]["device"].as_string()


def hold(
    store: Store,
    key: SlotKey,
    *,
    device_name: str,
    device_kind: str,
    identity: ProcessIdentity,
    program: str,
) -> str | None:
    """Make a process the one that drains the queue for a slot; a run that occupies it goes on.

    Args:
        key: a slot of this machine; its row is made if it is missing.
        device_name, device_kind: its device's.
        identity: the process.
        program: the version that the process was started from, to be compared after an upgrade.
    Returns:
        The holder's token; None where a living process holds the slot already.
    Raises:
        UserError: the slot is closed.
    """
    token = uuid.uuid4().hex
    values = {
        "device_name": device_name,
        "device_kind": device_kind,
        "holder_token": token,
        "holder_pid": identity.pid,
        "holder_start_ticks": identity.start_ticks,
        "holder_boot_id": identity.boot_id,
        "heartbeat_at": dialect.now(),
        "started_at": dialect.now(),
        "program": program,
        **dict.fromkeys((*_CLOSURE, "message", "request")),
    }
    with store.writing() as connection:
        row = slot_rows.find(connection, key)
        if row is not None and slot_rows.is_held(row):
            return None
        if row is not None and slot_rows.is_closed(row):
            raise UserError(
                f"Slot {key.position} of {device_name} ({key.device}) is closed ({row.closed_reason}):"
                " it takes no run until it is opened again."
            )
        slot_rows.put(connection, key, values)
    return token


def beat(store: Store, key: SlotKey, token: str, message: str | None) -> Request | None:
    """Store a heartbeat of a slot's process, with one sentence about what it does; due every 15 s.

    Returns:
        The request that the process has to follow, as long as it holds the slot; None without one.
    Raises:
        OwnershipLost: the token is no longer the holder's.
    """
    with store.writing() as connection:
        row = slot_rows.held_row(connection, key, token)
        slot_rows.change(connection, key, {"heartbeat_at": dialect.now(), "message": message})
        return cast(Request | None, row.request)


def claim_next(store: Store, key: SlotKey, token: str) -> Claim | None:
    """Claim the next run for a slot, after storing the state of runs that died or never started.

    Returns:
        The run with a fresh owner token; None where the slot is closed or occupied, nothing is queued for its
        device, or a process that waits will train the next run itself.
    Raises:
        OwnershipLost: the token is no longer the holder's.
    """
    with store.writing() as connection:
        slot = slot_rows.held_row(connection, key, token)
        run_update.settle(connection, slot_rows.in_held_slots(connection, but=key))
        if slot_rows.is_closed(slot) or slot.run_id in slot_rows.live_occupants(connection):
            return None
        run = _next_run(connection, slot_rows.place_of(slot))
        return None if run is None else _occupy(connection, key, run)


def claim_waiting(store: Store, run_id: str, places: Sequence[SlotPlace]) -> Claim | list[SlotRow]:
    """Take the first free place for a queued run that this process waits to train; called again and again.

    A process that has not called for 15 s no longer counts as waiting, and slots may take its run.

    Args:
        run_id: queued with this process as its waiter.
        places: the places of this machine to use; those that do not suit the run are left out.
    Returns:
        The claim; or, where every place is closed, occupied or wanted by an earlier waiter, the rows of those
        places that have a row.
    Raises:
        UserError: there is no such run, or it is no longer queued.
    """
    with store.writing() as connection:
        run = run_update.run_row(connection, run_id)
        if run.state != RunState.QUEUED:
            raise UserError(f"Run {run_id} is {run_update.state_of(run)}: it no longer waits in the queue.")
        live = slot_rows.live_occupants(connection)
        suited = [place for place in places if _suits(connection, run_id, place)]
        for place in suited:
            slot = slot_rows.find(connection, place.key)
            free = slot is None or not (slot_rows.is_closed(slot) or slot.run_id in live)
            if free and not _wanted_before(connection, run, place):
                names = {"device_name": place.device_name, "device_kind": place.device_kind}
                slot_rows.put(connection, place.key, names)
                return _occupy(connection, place.key, run)
        if run.waiter is not None and run.now - (run.heartbeat_at or 0.0) >= HEARTBEAT_S:
            run_update.change(connection, run_id, {"heartbeat_at": dialect.now()})
        keys = [slot_rows.key_values(place.key) for place in suited]
        return slot_rows.slot_rows(
            connection, tuple_(_slot.c.host, _slot.c.device, _slot.c.position).in_(keys)
        )


def vacate(store: Store, key: SlotKey) -> None:
    """Clear an occupant that is not live, and delete the slot's row if it then says nothing."""
    with store.writing() as connection:
        slot = slot_rows.find(connection, key)
        if slot is not None:
            slot_rows.tidy(connection, slot)


def release(store: Store, key: SlotKey, token: str, *, only_if_idle: bool) -> bool:
    """Give up a slot; a run that occupies it goes on.

    Args:
        key, token: as held; if another process holds the slot by now, nothing happens.
        only_if_idle: keep the slot while a run is queued for its device, also one that a process waits for,
            unless the slot is closed.
    Returns:
        Whether this token no longer holds the slot.
    """
    with store.writing() as connection:
        slot = slot_rows.find(connection, key)
        if slot is None or slot.holder_token != token:
            return True
        if (
            only_if_idle
            and not slot_rows.is_closed(slot)
            and _has_queued(connection, slot_rows.place_of(slot))
        ):
            return False
        slot_rows.change(connection, key, dict.fromkeys((*_HOLDER, "message")))
        released = slot_rows.find(connection, key)
        assert released is not None  # it was changed in this transaction
        slot_rows.tidy(connection, released)
        return True


def close(store: Store, key: SlotKey, token: str, reason: str) -> None:
    """Close a slot until the user reopens it or the machine boots again.

    Args:
        key, token: as held.
        reason: one sentence without its full stop.
    Raises:
        OwnershipLost: the token is no longer the holder's.
    """
    with store.writing() as connection:
        slot_rows.close(connection, slot_rows.held_row(connection, key, token), reason)


def reopen(store: Store, host: str, device: str | None) -> list[SlotKey]:
    """Open closed slots again.

    Args:
        host: the slots' machine.
        device: the device's id or the beginning of it; None for all devices of the host.
    Returns:
        The slots that were closed.
    """
    wanted = [_slot.c.host == host, _slot.c.closed_reason.is_not(None)]
    if device is not None:
        wanted.append(_slot.c.device.startswith(device, autoescape=True))
    with store.writing() as connection:
        rows = connection.execute(slot_rows.slot_query().where(*wanted)).all()
        for row in rows:
            slot_rows.change(connection, slot_rows.key_of(row), dict.fromkeys(_CLOSURE))
            opened = slot_rows.find(connection, slot_rows.key_of(row))
            assert opened is not None  # it was changed in this transaction
            slot_rows.tidy(connection, opened)
    return [slot_rows.key_of(row) for row in rows]


def ask(store: Store, keys: Sequence[SlotKey], request: Request) -> None:
    """Ask the processes that hold slots to end, or to restart, once their runs have ended."""
    with store.writing() as connection:
        for key in keys:
            slot_rows.change(connection, key, {"request": request}, _slot.c.holder_token.is_not(None))


def device_error(store: Store, key: SlotKey, slot_token: str, run_id: str, reason: str) -> RunState:
    """Close a slot whose device failed, and put the run that the device ended at the head of the queue.

    Args:
        key, slot_token: as held.
        run_id: a run that its worker left interrupted or failed; one that was resumed since is left alone.
        reason: one sentence without its full stop.
    Returns:
        The run's new state: `queued`, `failed` at its third device error, or that of a resumed run.
    Raises:
        OwnershipLost: the token is no longer the holder's.
        UserError: there is no such run.
    """
    with store.writing() as connection:
        slot_rows.close(connection, slot_rows.held_row(connection, key, slot_token), reason)
        row = run_update.run_row(connection, run_id, in_trash=True)
        state = run_update.state_of(row)
        if row.deleted_at is not None or state not in (RunState.INTERRUPTED, RunState.FAILED):
            return state
        return run_update.count_device_error(connection, row, reason)


def _wants(place: SlotPlace) -> ColumnElement[bool]:
    """The condition for runs that suit a place: its kind of device, and its GPU where the run names one."""
    named = func.substr(_ASKED_DEVICE, 1, 4) == "GPU-"
    this = func.substr(literal(place.key.device), 1, func.length(_ASKED_DEVICE)) == _ASKED_DEVICE
    return and_(_run.c.device_kind == place.device_kind, or_(_ASKED_DEVICE.is_(None), ~named, this))


def _suits(connection: Connection, run_id: str, place: SlotPlace) -> bool:
    query = select(_run.c.id).where(_run.c.id == run_id, _wants(place))
    return connection.execute(query).first() is not None


def _has_queued(connection: Connection, place: SlotPlace) -> bool:
    return connection.execute(run_select.queue_query().where(_wants(place)).limit(1)).first() is not None


def _next_run(connection: Connection, place: SlotPlace) -> Row[Any] | None:
    """The first queued run for a place; None where a process that waits on its host comes first."""
    with connection.execute(run_select.queue_query().where(_wants(place))) as rows:
        for row in rows:
            if not run_select.is_waiting(row):
                return row
            if row.waiter["host"] == place.key.host:
                return None
    return None


def _wanted_before(connection: Connection, run: Row[Any], place: SlotPlace) -> bool:
    """Whether a process that waits on the place's host comes before this run."""
    earlier = (_run.c.queue_rank < run.queue_rank, _run.c.waiter.is_not(None), _wants(place))
    rows = connection.execute(run_select.queue_query().where(*earlier)).all()
    return any(run_select.is_waiting(row) and row.waiter["host"] == place.key.host for row in rows)


def _occupy(connection: Connection, key: SlotKey, run: Row[Any]) -> Claim:
    token = run_update.take(connection, run)
    slot_rows.change(connection, key, {"run_id": run.id})
    return Claim(run.id, token, key)

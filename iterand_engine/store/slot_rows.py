"""The rows of slots, for the modules that read and change them, on a connection of the caller.

Limits: `slots` checks who may change a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, delete, insert, select, update

from iterand_engine.errors import OwnershipLost
from iterand_engine.machine import processes
from iterand_engine.machine.processes import ProcessIdentity
from iterand_engine.store import dialect, run_select, run_update, schema
from iterand_engine.store.records import SlotKey, SlotPlace, SlotRow
from iterand_engine.store.states import lives, owner_of

_slot = schema.slot


def in_held_slots(connection: Connection, *, but: SlotKey | None = None) -> set[str]:
    """Ids of the runs in slots that living processes hold."""
    rows = connection.execute(slot_query().where(_slot.c.run_id.is_not(None)))
    return {str(row.run_id) for row in rows if is_held(row) and key_of(row) != but}


def slot_rows(connection: Connection, *wanted: ColumnElement[bool]) -> list[SlotRow]:
    """Read slots with their present state, by host, device and position."""
    rows = connection.execute(slot_query().where(*wanted)).all()
    live = live_occupants(connection) if any(row.run_id is not None for row in rows) else set()
    return [_slot_row(row, live) for row in rows]


def _slot_row(row: Row[Any], live: set[str]) -> SlotRow:
    return SlotRow(
        key=key_of(row),
        device_name=row.device_name,
        device_kind=row.device_kind,
        holder=_holder_of(row),
        held=is_held(row),
        run_id=row.run_id if row.run_id in live else None,
        message=row.message,
        closed_reason=row.closed_reason if is_closed(row) else None,
        program=row.program,
        started_at=row.started_at,
    )


@cache  # to build the statement takes longer than to run it
def slot_query() -> Select[Any]:
    """Selects the rows of slots and `now`, by host, device and position."""
    order = (_slot.c.host, _slot.c.device, _slot.c.position)
    return select(_slot, dialect.now().label("now")).order_by(*order)


def find(connection: Connection, key: SlotKey) -> Row[Any] | None:
    """Read the row of a slot; None where it has no row."""
    return connection.execute(slot_query().where(_is(key))).one_or_none()


def held_row(connection: Connection, key: SlotKey, token: str) -> Row[Any]:
    """Read the row of a slot; raises OwnershipLost unless `token` is its holder's."""
    row = find(connection, key)
    if row is None or row.holder_token != token:
        raise OwnershipLost(f"another process holds slot {key.position} of {key.device} now")
    return row


def _is(key: SlotKey) -> ColumnElement[bool]:
    at = _slot.c
    return and_(at.host == key.host, at.device == key.device, at.position == key.position)


def key_of(row: Row[Any]) -> SlotKey:
    """The key of a slot's row."""
    return SlotKey(row.host, row.device, row.position)


def key_values(key: SlotKey) -> tuple[str, str, int]:
    """A key as a tuple for a row value of SQL: host, device, position."""
    return key.host, key.device, key.position


def place_of(row: Row[Any]) -> SlotPlace:
    """The place of a slot's row."""
    return SlotPlace(key_of(row), row.device_name, row.device_kind)


def _holder_of(row: Row[Any]) -> ProcessIdentity | None:
    return owner_of(row.host, row.holder_pid, row.holder_start_ticks, row.holder_boot_id)


def is_held(row: Row[Any]) -> bool:
    """Whether a living process holds the slot."""
    holder = _holder_of(row)
    return holder is not None and lives(holder, row.heartbeat_at, row.now)


def is_closed(row: Row[Any]) -> bool:
    """Whether the slot is closed; a closure ends when its machine boots again, as far as that is known."""
    rebooted = row.host == processes.host_id() and row.closed_boot_id != processes.boot_id()
    return row.closed_reason is not None and not rebooted


def live_occupants(connection: Connection) -> set[str]:
    """Ids of the live runs that occupy slots."""
    occupants = select(_slot.c.run_id).where(_slot.c.run_id.is_not(None))
    rows = connection.execute(
        run_select.row_query().where(run_select.LOOKS_LIVE, schema.run.c.id.in_(occupants))
    )
    return {str(row.id) for row in rows if run_update.state_of(row).is_live}


def put(connection: Connection, key: SlotKey, values: Mapping[str, object]) -> None:
    """Write columns of a slot's row, which is made if it is missing."""
    if find(connection, key) is None:
        connection.execute(insert(_slot).values(**asdict(key), **values))
    else:
        change(connection, key, values)


def change(
    connection: Connection, key: SlotKey, values: Mapping[str, object], *more: ColumnElement[bool]
) -> None:
    """Write columns of a slot's row if it meets the further conditions."""
    connection.execute(update(_slot).where(_is(key), *more).values(**values))


def close(connection: Connection, slot: Row[Any], reason: str) -> None:
    """Store that a slot is closed, until its machine boots again."""
    closed = {"closed_reason": reason, "closed_at": dialect.now(), "closed_boot_id": slot.holder_boot_id}
    change(connection, key_of(slot), closed)


def tidy(connection: Connection, slot: Row[Any]) -> None:
    """Clear an occupant that has ended, and delete a row without holder, occupant and closure."""
    if slot.run_id in live_occupants(connection):
        return
    if is_held(slot) or is_closed(slot):
        change(connection, key_of(slot), {"run_id": None})
    else:
        connection.execute(delete(_slot).where(_is(key_of(slot))))

"""The SQL that reads series and their points: older points lie in blocks, the newest in the run's chunks."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain, groupby
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import (
    ColumnElement,
    Connection,
    CursorResult,
    Row,
    Select,
    Table,
    case,
    func,
    literal,
    select,
)

from iterand_engine.store import schema
from iterand_engine.store.blocks import Packed, Room, unpack
from iterand_engine.store.records import Series, SeriesAxis

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_block, _chunk = schema.series_block, schema.series_chunk


@dataclass(frozen=True)
class StoredSeries:
    """A declared series: how many points are stored, and the step of the newest (None before the first)."""

    id: int
    name: str
    axis: SeriesAxis
    layers: tuple[str, ...] | None
    points: int
    last_step: int | None

    @property
    def width(self) -> int:
        """Number of values per point."""
        return 1 if self.layers is None else len(self.layers)


def stored_series(connection: Connection, run_id: str) -> list[StoredSeries]:
    """Read all series of a run in the order declared."""
    query = _heads().where(schema.series.c.run_id == run_id).order_by(schema.series.c.id)
    return [
        StoredSeries(row.id, row.name, cast(SeriesAxis, row.axis), _layers(row), row.points, row.last_step)
        for row in connection.execute(query)
    ]


def last_values(
    connection: Connection, run_ids: Sequence[str], name: str | None = None
) -> list[tuple[str, str, float]]:
    """Run id, name and newest value of the series with one value a point that have a point.

    Args:
        connection: a reader's.
        run_ids: the runs'.
        name: only the series of this name.
    """
    at = schema.series.c
    query = _last_values().where(at.run_id.in_(run_ids), *([] if name is None else [at.name == name]))
    rows = connection.execute(query)
    return [(row.run_id, row.name, struct.unpack("<f", row.value)[0]) for row in rows if row.points]


def series_keys(connection: Connection, name: str, run_ids: Sequence[str]) -> Sequence[Row[Any]]:
    """Rows of the series `name` of runs, as `_heads` selects them."""
    at = schema.series.c
    query = _heads().where(at.name == name, at.run_id.in_(run_ids), schema.run.c.deleted_at.is_(None))
    return connection.execute(query).all()


def read_series(
    connection: Connection, name: str, keys: Sequence[Row[Any]], firsts: Sequence[int]
) -> list[Series]:
    """Read series from their points number `firsts` on, all in one statement.

    Args:
        connection: a reader's.
        name: the series' name.
        keys: from `series_keys`, in the same transaction.
        firsts: for each the number of the first point wanted.
    """
    wanted = {key.id: first for key, first in zip(keys, firsts, strict=True)}
    read: dict[int, tuple[NDArray[np.int64], NDArray[np.float32]]] = {}
    whole = [key for key in keys if not wanted[key.id]]
    room = Room(sum(key.points for key in whole), sum(key.points * (_width(key) or 1) for key in whole))
    chunks = _chunks_from(connection, keys, wanted)
    blocks = connection.execute(_pieces_from(_block, wanted).order_by(_block.c.series_id, _block.c.ordinal))
    for key, pieces in _by_series(sorted(keys, key=lambda key: int(key.id)), blocks, chunks):
        begin = next(pieces, None)
        if begin is not None:
            rows = (packed(row) for row in chain([begin], pieces))
            count, skip = key.points - begin.first_index, wanted[key.id] - begin.first_index
            steps, values = unpack(rows, count, _width(key), None if wanted[key.id] else room)
            read[key.id] = steps[skip:], values[skip:]
    return [
        Series(
            key.run_id,
            name,
            cast(SeriesAxis, key.axis),
            _layers(key),
            *(read.get(key.id) or unpack((), 0, _width(key))),
            first,
            key.rewind,
        )
        for key, first in zip(keys, firsts, strict=True)
    ]


def _by_series(
    keys: Sequence[Row[Any]], blocks: CursorResult[Any], chunks: Mapping[int, Sequence[Row[Any]]]
) -> Iterator[tuple[Row[Any], Iterator[Row[Any]]]]:
    """Yield each key, by id, with the rows of its blocks, which come by id, and then those of its chunks."""
    groups = groupby(blocks, key=lambda row: int(row.series_id))
    id_, rows = next(groups, (None, iter(())))
    for key in keys:
        if key.id == id_:
            yield key, chain(rows, chunks.get(key.id, ()))
            id_, rows = next(groups, (None, iter(())))
        else:
            yield key, iter(chunks.get(key.id, ()))


def _chunks_from(
    connection: Connection, keys: Sequence[Row[Any]], firsts: Mapping[int, int]
) -> dict[int, list[Row[Any]]]:
    """Rows of chunks, by series id, that hold points from the given numbers on."""
    numbers = [key.run_number for key in keys]
    query = _pieces_from(_chunk, firsts).where(_chunk.c.run_number.in_(numbers))
    found: dict[int, list[Row[Any]]] = {}
    for row in connection.execute(query.order_by(_chunk.c.run_number, _chunk.c.ordinal)):
        found.setdefault(row.series_id, []).append(row)
    return found


def _pieces_from(table: Table, firsts: Mapping[int, int]) -> Select[Any]:
    """Select the pieces in a table that hold points from the given numbers on, by series id."""
    partly = {id_: first for id_, first in firsts.items() if first}
    start = case(partly, value=table.c.series_id, else_=0) if partly else literal(0)
    return pieces_query(table).where(
        table.c.series_id.in_(firsts), table.c.first_index + table.c.count > start
    )


def pieces_query(table: Table) -> Select[Any]:
    """Selects the rows of pieces in a table of blocks or chunks, for `packed`."""
    at = table.c
    return select(
        at.series_id,
        at.ordinal,
        at.first_index,
        at.packing,
        at.count.label("size"),
        at.first_step,
        at.steps,
        at.points,
    )


def packed(row: Row[Any]) -> Packed:
    """The piece of a row of a `pieces_query`."""
    return Packed(row.packing, row.size, row.first_step, row.steps, row.points)


def _width(key: Row[Any]) -> int | None:
    return None if key.layers is None else len(key.layers)


def _layers(row: Row[Any]) -> tuple[str, ...] | None:
    return None if row.layers is None else tuple(row.layers)


@cache  # to build the statement takes longer than to run it
def _heads() -> Select[Any]:
    """Selects series of runs, with the number of points and the newest step of each."""
    at, run = schema.series.c, schema.run.c
    points = [table.c.first_index + table.c.count for table in (_chunk, _block)]
    columns = (at.id, at.run_id, at.name, at.axis, at.layers, run.number.label("run_number"), run.rewind)
    return select(
        *columns,
        func.coalesce(*points, 0).label("points"),
        func.coalesce(_chunk.c.last_step, _block.c.last_step).label("last_step"),
    ).select_from(
        schema.series.join(schema.run)
        .outerjoin(_chunk, (_chunk.c.run_number == run.number) & (_chunk.c.ordinal == _newest_chunk()))
        .outerjoin(_block, (_block.c.series_id == at.id) & (_block.c.ordinal == _newest_block()))
    )


@cache
def _last_values() -> Select[Any]:
    """As `_heads`, with the newest value of series with one value a point, as `value`."""
    values = [func.substr(table.c.points, -4) for table in (_chunk, _block)]
    query = _heads().add_columns(func.coalesce(*values).label("value"))
    return query.where(schema.series.c.layers.is_(None)).order_by(schema.series.c.id)


def _newest_chunk() -> ColumnElement[int]:
    other = _chunk.alias()
    of_series = (other.c.run_number == schema.run.c.number) & (other.c.series_id == schema.series.c.id)
    newest = select(other.c.ordinal).where(of_series).order_by(other.c.ordinal.desc()).limit(1)
    return newest.correlate(schema.run, schema.series).scalar_subquery()


def _newest_block() -> ColumnElement[int]:
    other = _block.alias()
    newest = select(func.max(other.c.ordinal)).where(other.c.series_id == schema.series.c.id)
    return newest.correlate(schema.series).scalar_subquery()

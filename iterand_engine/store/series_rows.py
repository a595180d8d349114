"""The SQL of series and their blocks, for the modules that write and those that read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, groupby
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    case,
    delete,
    func,
    insert,
    literal,
    select,
)

from iterand_engine.store import dialect, schema
from iterand_engine.store.blocks import EMPTY, Block, Room, cut, unpack
from iterand_engine.store.records import Series, SeriesAxis

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_block = schema.series_block
_BLOCK_COLUMNS = (_block.c.ordinal, _block.c.first_index, _block.c.steps, _block.c.points)


@dataclass(frozen=True)
class StoredSeries:
    """A declared series and its last block (EMPTY before the first point)."""

    id: int
    name: str
    axis: SeriesAxis
    layers: tuple[str, ...] | None
    tail: Block

    @property
    def width(self) -> int:
        """Number of values per point."""
        return 1 if self.layers is None else len(self.layers)

    @property
    def points(self) -> int:
        """Number of stored points of the series."""
        return self.tail.first_index + self.tail.count

    @property
    def last_step(self) -> int | None:
        """Step of the newest point; None before the first."""
        return self.tail.last_step if self.tail.count else None


def stored_series(connection: Connection, run_id: str) -> list[StoredSeries]:
    """Read all series of a run in the order declared, each with its last block."""
    query = (
        select(schema.series, *_BLOCK_COLUMNS)
        .select_from(schema.series.outerjoin(_block, _is_tail()))
        .where(schema.series.c.run_id == run_id)
        .order_by(schema.series.c.id)
    )
    return [_stored(row) for row in connection.execute(query)]


def tails(connection: Connection, name: str, run_ids: Sequence[str]) -> list[tuple[str, Block]]:
    """Read run id and last block of the series `name` of runs; runs without a point of it are left out."""
    at = schema.series.c
    query = (
        select(at.run_id, *_BLOCK_COLUMNS)
        .select_from(schema.series.join(_block, _is_tail()))
        .where(at.name == name, at.run_id.in_(run_ids))
    )
    return [(run_id, Block(*block)) for run_id, *block in connection.execute(query)]


def series_keys(connection: Connection, name: str, run_ids: Sequence[str]) -> Sequence[Row[Any]]:
    """Rows of the series `name` of runs: `id`, `run_id`, `axis`, `layers`, `points`, the run's `rewind`."""
    at, run = schema.series.c, schema.run.c
    points = func.coalesce(_block.c.first_index + _block.c.count, 0).label("points")
    query: Select[Any] = (
        select(at.id, at.run_id, at.axis, at.layers, points, run.rewind)
        .select_from(schema.series.join(schema.run).outerjoin(_block, _is_tail()))
        .where(at.name == name, at.run_id.in_(run_ids), run.deleted_at.is_(None))
    )
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
    by_id = {key.id: key for key in keys}
    whole = [key for key in keys if not wanted[key.id]]
    room = Room(sum(key.points for key in whole), sum(key.points * (_width(key) or 1) for key in whole))
    for id_, found in groupby(connection.execute(_blocks_from(wanted)), key=lambda row: row.series_id):
        begin = next(found)
        packed = ((row.steps, row.points) for row in chain([begin], found))
        skip = wanted[id_] - begin.first_index
        count = by_id[id_].points - begin.first_index
        steps, values = unpack(packed, count, _width(by_id[id_]), None if wanted[id_] else room)
        read[id_] = steps[skip:], values[skip:]
    return [
        Series(
            key.run_id,
            name,
            cast(SeriesAxis, key.axis),
            None if key.layers is None else tuple(key.layers),
            *(read.get(key.id) or unpack((), 0, _width(key))),
            first,
            key.rewind,
        )
        for key, first in zip(keys, firsts, strict=True)
    ]


def _width(key: Row[Any]) -> int | None:
    return None if key.layers is None else len(key.layers)


def _blocks_from(firsts: Mapping[int, int]) -> Select[Any]:
    """Select the blocks, in order, that hold points from the given numbers on, by series id."""
    partly = {id_: first for id_, first in firsts.items() if first}
    start = case(partly, value=_block.c.series_id, else_=0) if partly else literal(0)
    return (
        select(_block.c.series_id, _block.c.first_index, _block.c.steps, _block.c.points)
        .where(_block.c.series_id.in_(firsts), _block.c.first_index + _block.c.count > start)
        .order_by(_block.c.series_id, _block.c.ordinal)
    )


def _is_tail() -> ColumnElement[bool]:
    """The condition that joins a series to its last block."""
    other = _block.alias()
    newest = select(func.max(other.c.ordinal)).where(other.c.series_id == schema.series.c.id)
    return (_block.c.series_id == schema.series.c.id) & (
        _block.c.ordinal == newest.correlate(schema.series).scalar_subquery()
    )


def _stored(row: Row[tuple[object, ...]]) -> StoredSeries:
    tail = EMPTY if row.ordinal is None else Block(row.ordinal, row.first_index, row.steps, row.points)
    layers = None if row.layers is None else tuple(row.layers)
    return StoredSeries(row.id, row.name, cast(SeriesAxis, row.axis), layers, tail)


def add_series(
    connection: Connection, run_id: str, name: str, axis: SeriesAxis, layers: tuple[str, ...] | None
) -> StoredSeries:
    """Insert a series of a run, without points."""
    values = {
        "run_id": run_id,
        "name": name,
        "axis": axis,
        "layers": None if layers is None else list(layers),
    }
    key = connection.execute(insert(schema.series).values(values)).inserted_primary_key
    assert key is not None  # one row was inserted
    return StoredSeries(int(key[0]), name, axis, layers, EMPTY)


def put_blocks(connection: Connection, blocks: Sequence[tuple[int, Block]]) -> None:
    """Write blocks, each given with its series id; a block with the same place is replaced."""
    if not blocks:
        return
    rows = [
        {
            "series_id": series_id,
            "ordinal": block.ordinal,
            "first_index": block.first_index,
            "count": block.count,
            "first_step": block.first_step,
            "last_step": block.last_step,
            "steps": block.steps,
            "points": block.values,
        }
        for series_id, block in blocks
    ]
    connection.execute(dialect.upsert(_block, ["series_id", "ordinal"]), rows)


def cut_series(connection: Connection, series: StoredSeries, step: int) -> StoredSeries:
    """Remove a series' points from `step` on; return the series that is left."""
    if series.last_step is None or series.last_step < step:
        return series
    of_series = _block.c.series_id == series.id
    connection.execute(delete(_block).where(of_series, _block.c.first_step >= step))
    row = connection.execute(
        select(*_BLOCK_COLUMNS).where(of_series).order_by(_block.c.ordinal.desc()).limit(1)
    ).one_or_none()
    if row is None:
        return replace(series, tail=EMPTY)
    tail = cut(Block(*row), step)  # not empty: its first step lies before `step`
    put_blocks(connection, [(series.id, tail)])
    return replace(series, tail=tail)

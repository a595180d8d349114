"""The SQL that writes the points of series: first into chunks of their run, and from there into blocks.

A commit adds some bytes to each of several series. Rows of their own for them in the table of blocks would
write several pages for each series; a run's chunks lie in the order written, so that one commit writes one
page of them. Once 64 KB wait there, all are moved into blocks. Limits: only a run's owner writes, in its
transactions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select

from iterand_engine.store import schema
from iterand_engine.store.blocks import Block, Packing, cut, is_joined, pack_deltas, plain_steps, split
from iterand_engine.store.records import SeriesAxis
from iterand_engine.store.series_rows import StoredSeries, packed, pieces_query

CHUNKS_BYTES = 64 * 1024
_ROW_BYTES = 32  # what a chunk takes besides its points, about
_block, _chunk = schema.series_block, schema.series_chunk


@dataclass(frozen=True)
class Chunks:
    """The chunks of one run: its number, the place of the next chunk, and how many bytes wait in all."""

    run_number: int
    next_ordinal: int = 0
    size_bytes: int = 0


@dataclass(frozen=True)
class NewPoints:
    """Points behind those that a series has, as a `Block` holds them; at least one."""

    series: StoredSeries
    steps: bytes
    values: bytes

    @property
    def block(self) -> Block:
        """The points at their place in the series."""
        return Block(0, self.series.points, self.steps, self.values)

    @property
    def appended(self) -> StoredSeries:
        """The series with these points."""
        block = self.block
        return replace(self.series, points=block.first_index + block.count, last_step=block.last_step)


def chunks_of(connection: Connection, run_number: int) -> Chunks:
    """Find out what waits in the chunks of a run."""
    at = _chunk.c
    size = func.sum(func.length(at.steps) + func.length(at.points) + _ROW_BYTES)
    query = select(func.coalesce(func.max(at.ordinal) + 1, 0), func.coalesce(size, 0))
    ordinal, size_bytes = connection.execute(query.where(at.run_number == run_number)).one()
    return Chunks(run_number, ordinal, size_bytes)


def add_points(connection: Connection, chunks: Chunks, new: Sequence[NewPoints]) -> Chunks:
    """Store new points, of each series once; return the run's chunks as they are then."""
    size_bytes = sum(len(points.steps) + len(points.values) for points in new)
    if chunks.size_bytes + size_bytes >= CHUNKS_BYTES:
        return merge(connection, chunks, new)
    rows = [
        {"run_number": chunks.run_number, **_piece(points.series.id, replace(points.block, ordinal=ordinal))}
        for ordinal, points in enumerate(new, chunks.next_ordinal)
    ]
    if rows:
        connection.execute(insert(_chunk), rows)
    stored = sum(len(row["steps"]) + len(row["points"]) + _ROW_BYTES for row in rows)
    return replace(
        chunks, next_ordinal=chunks.next_ordinal + len(rows), size_bytes=chunks.size_bytes + stored
    )


def merge(connection: Connection, chunks: Chunks, new: Sequence[NewPoints] = ()) -> Chunks:
    """Move a run's chunks, and new points behind them, into blocks; return its chunks, now empty."""
    of_run = _chunk.c.run_number == chunks.run_number
    waiting: dict[int, list[Block]] = {}
    for row in connection.execute(pieces_query(_chunk).where(of_run).order_by(_chunk.c.ordinal)):
        waiting.setdefault(row.series_id, []).append(_block_of(row))
    for points in new:
        waiting.setdefault(points.series.id, []).append(points.block)
    connection.execute(delete(_chunk).where(of_run))
    blocks = [
        (series_id, block)
        for series_id, pieces in waiting.items()
        for block in _joined(connection, series_id, pieces)
    ]
    if blocks:
        connection.execute(insert(_block), [_piece(series_id, block) for series_id, block in blocks])
    return Chunks(chunks.run_number)


def cut_series(connection: Connection, series: StoredSeries, step: int) -> StoredSeries:
    """Remove a series' points from `step` on; its run has no chunks. Return the series that is left."""
    if series.last_step is None or series.last_step < step:
        return series
    of_series = _block.c.series_id == series.id
    connection.execute(delete(_block).where(of_series, _block.c.first_step >= step))
    query = pieces_query(_block).where(of_series).order_by(_block.c.ordinal.desc()).limit(1)
    row = connection.execute(query).one_or_none()
    if row is None:
        return replace(series, points=0, last_step=None)
    tail = cut(_block_of(row), step)  # not empty: its first step lies before `step`
    if tail.count < row.size:
        connection.execute(delete(_block).where(of_series, _block.c.ordinal == tail.ordinal))
        connection.execute(insert(_block).values(_piece(series.id, tail)))
    return replace(series, points=tail.first_index + tail.count, last_step=tail.last_step)


def repack(connection: Connection, series_id: int) -> None:
    """Write all blocks of a series anew, full and in today's form; its owner may go on writing after it."""
    of_series = _block.c.series_id == series_id
    rows = connection.execute(pieces_query(_block).where(of_series).order_by(_block.c.ordinal)).all()
    if rows:
        connection.execute(delete(_block).where(of_series))
        blocks = split(_whole(0, [_block_of(row) for row in rows]))
        connection.execute(insert(_block), [_piece(series_id, block) for block in blocks])


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
    return StoredSeries(int(key[0]), name, axis, layers, points=0, last_step=None)


def _joined(connection: Connection, series_id: int, pieces: Sequence[Block]) -> list[Block]:
    """The blocks to insert for new pieces of a series; blocks that they are joined with are deleted."""
    count, width = sum(piece.count for piece in pieces), pieces[0].width
    of_series = _block.c.series_id == series_id
    sizes = connection.execute(
        select(_block.c.ordinal, _block.c.count.label("size"))
        .where(of_series)
        .order_by(_block.c.ordinal.desc())
    )
    ordinal, total = 0, count
    with sizes:
        for row in sizes:
            if not is_joined(row.size, total, width):
                ordinal = row.ordinal + 1
                break
            total += row.size
    if total > count:
        behind = (of_series, _block.c.ordinal >= ordinal)
        rows = connection.execute(pieces_query(_block).where(*behind).order_by(_block.c.ordinal)).all()
        connection.execute(delete(_block).where(*behind))
        pieces = [*map(_block_of, rows), *pieces]
    return split(_whole(ordinal, pieces))


def _whole(ordinal: int, pieces: Sequence[Block]) -> Block:
    """Join consecutive pieces to one, which may be larger than a block."""
    return Block(
        ordinal,
        pieces[0].first_index,
        b"".join(piece.steps for piece in pieces),
        b"".join(piece.values for piece in pieces),
    )


def _piece(series_id: int, block: Block) -> dict[str, Any]:
    """The columns of a block or chunk."""
    return {
        "series_id": series_id,
        "ordinal": block.ordinal,
        "first_index": block.first_index,
        "count": block.count,
        "first_step": block.first_step,
        "last_step": block.last_step,
        "packing": Packing.DELTAS,
        "steps": pack_deltas(block.steps),
        "points": block.values,
    }


def _block_of(row: Row[Any]) -> Block:
    return Block(row.ordinal, row.first_index, plain_steps(packed(row)), row.points)

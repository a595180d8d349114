"""Makes a database small again: blocks of earlier versions in today's form, and free room given back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from iterand_engine.store import dialect, schema
from iterand_engine.store.blocks import Packing
from iterand_engine.store.chunks import repack

if TYPE_CHECKING:
    from iterand_engine.store.store import Store

_WORTHWHILE_SHARE = 0.05  # of the file that is free: for less, copying all of it does not pay


def compact(store: Store) -> int | None:
    """Rewrite blocks that earlier versions wrote, and give the free room of the file back to the disk.

    Runs may be trained meanwhile; one transaction rewrites the blocks of one series.

    Returns:
        By how many bytes the file is smaller; None where another process uses the database just now, so that
        its free room stays.
    Raises:
        dialect.READ_ERRORS: the disk is full, or the like; nothing is lost.
    """
    block = schema.series_block.c
    with store.reading() as connection:
        old = select(block.series_id).where(block.packing != Packing.DELTAS).distinct()
        series_ids = list(connection.execute(old).scalars())
    for series_id in series_ids:
        with store.writing() as connection:
            repack(connection, series_id)
    store.tidy()
    path = store.workspace.db_path
    before = path.stat().st_size
    if dialect.free_share(path) >= _WORTHWHILE_SHARE and not (dialect.vacuum(path) and store.tidy()):
        return None
    return max(0, before - path.stat().st_size)

"""What a person writes on runs: notes and tags."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select

from iterand_engine.errors import UserError
from iterand_engine.store import run_reading, run_rows, schema

if TYPE_CHECKING:
    from iterand_engine.store.store import Store

_tag = schema.tag


def set_notes(store: Store, run_id: str, text: str) -> None:
    """Replace the notes on a run.

    Raises:
        UserError: there is no such run.
    """
    with store.writing() as connection:
        run_rows.run_row(connection, run_id)
        run_rows.change(connection, run_id, {"notes": text or None})


def set_tags(store: Store, run_id: str, tags: Sequence[str]) -> None:
    """Replace the tags of a run; the same one twice counts once.

    Raises:
        UserError: there is no such run, or a tag is not one word.
    """
    for tag in tags:
        if not tag or "," in tag or any(letter.isspace() for letter in tag):
            raise UserError(f"A tag is one word without commas, but {tag!r} was given: write it with a dash.")
    with store.writing() as connection:
        run_rows.run_row(connection, run_id)
        connection.execute(delete(_tag).where(_tag.c.run_id == run_id))
        for tag in dict.fromkeys(tags):
            connection.execute(insert(_tag).values(run_id=run_id, name=tag))
        run_rows.change(connection, run_id, {})


def tags(store: Store, run_ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The tags of runs by id, in the alphabet's order; runs without any are left out."""
    found: dict[str, list[str]] = {}
    query = select(_tag.c.run_id, _tag.c.name).join(schema.run).where(run_reading.SHOWN).order_by(_tag.c.name)
    with store.reading() as connection:
        for row in run_reading.of_runs(connection, query, _tag.c.run_id, run_ids):
            found.setdefault(row.run_id, []).append(row.name)
    return {run_id: tuple(names) for run_id, names in found.items()}

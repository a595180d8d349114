"""Notes and tags, which the user writes on runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert

from iterand_engine.errors import UserError
from iterand_engine.machine.plain_text import unfit_in
from iterand_engine.store import run_update, schema

if TYPE_CHECKING:
    from iterand_engine.store.store import Store

_tag = schema.tag


def set_notes(store: Store, run_id: str, text: str) -> None:
    """Replace the notes on a run.

    Raises:
        UserError: there is no such run, or the text has a control character.
    """
    if (character := unfit_in(text, lines=True)) is not None:
        raise UserError(f"Notes are plain text, but the character {character} was given: leave it out.")
    with store.writing() as connection:
        run_update.run_row(connection, run_id)
        run_update.change(connection, run_id, {"notes": text or None})


def set_tags(store: Store, run_id: str, tags: Sequence[str]) -> None:
    """Replace the tags of a run; duplicates are dropped.

    Raises:
        UserError: there is no such run, or a tag is not one word of plain text.
    """
    for tag in tags:
        if not tag or "," in tag or any(letter.isspace() for letter in tag):
            raise UserError(f"A tag is one word without commas, but {tag!r} was given: write it with a dash.")
        if (character := unfit_in(tag)) is not None:
            raise UserError(f"A tag is plain text, but {tag!r} has the character {character}: leave it out.")
    with store.writing() as connection:
        run_update.run_row(connection, run_id)
        connection.execute(delete(_tag).where(_tag.c.run_id == run_id))
        for tag in dict.fromkeys(tags):
            connection.execute(insert(_tag).values(run_id=run_id, name=tag))
        run_update.change(connection, run_id, {})

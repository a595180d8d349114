"""Paths as people write them."""

from __future__ import annotations

import os
from pathlib import Path

from iterand_engine.errors import UserError

_MAX_BYTES = 4_000  # Linux takes 4,095, with the working folder
_MAX_PART_BYTES = 255  # of a file's or folder's name
_SHOWN = 100


def user_path(text: str | Path, what: str) -> Path:
    """A path that can be asked for, with `~` as the home folder; whether something is there is not looked at.

    Args:
        text: as written.
        what: it is, for the sentence that refuses it: "data.path", "The workspace".
    Raises:
        UserError: no file can have this path, or it begins with `~` and a name that no user has.
    """
    written = str(text)
    named = f"{what} {written if len(written) <= _SHOWN else f'{written[:_SHOWN]}...'!r}"
    try:
        path = Path(written).expanduser()
        parts = [os.fsencode(part) for part in path.parts]
    except RuntimeError:
        user = written.partition("/")[0]
        raise UserError(f"{named} is not possible: no home folder is known for {user!r}.") from None
    except UnicodeEncodeError:
        raise UserError(f"{named} is not possible: it holds half of a character.") from None
    if "\0" in written:
        raise UserError(f"{named} is not possible: it holds a NUL character.")
    if sum(len(part) + 1 for part in parts) > _MAX_BYTES:
        raise UserError(f"{named} is not possible: a path has at most {_MAX_BYTES:,} bytes.")
    if any(len(part) > _MAX_PART_BYTES for part in parts):
        raise UserError(f"{named} is not possible: each name in it has at most {_MAX_PART_BYTES} bytes.")
    return path

"""An argument of the user's own code that becomes an option: its type, default, bounds and help.

They are read from signatures where a file is enabled (`signatures.py`), stored as JSON, and turned into
options by `options.with_arguments`. Plain data, so that the catalog can hold it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ArgumentKind = Literal["int", "float", "bool", "str", "choice"]
ArgumentValue = bool | int | float | str
Bound = int | float | None


@dataclass(frozen=True)
class Argument:
    """One option of own code.

    `ge`, `gt`, `le` and `lt` bound a number as pydantic's fields of these names do; `choices` are the texts
    that a choice takes. `born` is as in `options.option`, for one that a built-in entry gets after its
    release; None, as for all own code, makes the argument count in every group key.
    """

    name: str
    kind: ArgumentKind
    default: ArgumentValue
    help: str = ""
    ge: Bound = None
    gt: Bound = None
    le: Bound = None
    lt: Bound = None
    choices: tuple[str, ...] = ()
    born: ArgumentValue | None = None

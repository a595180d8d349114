"""The errors a person can cause, and how a command tells its caller how it ended.

A known error is raised as `UserError` with one sentence: what is wrong, which value, what is allowed and
what to do. Everything else is a defect of the program and is left to raise.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from enum import IntEnum
from typing import Literal

Concern = Literal["extension", "data", "device", "disk"]


class UserError(Exception):
    """Something the user can mend; its text is the one sentence shown to them.

    `concern` says what the error is about, where `concerning` noted it: a run that it ends stores that.
    """

    concern: Concern | None = None


@contextmanager
def concerning(concern: Concern) -> Iterator[None]:
    """Note on every UserError from within what it is about; what was noted further within stays."""
    try:
        yield
    except UserError as error:
        error.concern = error.concern or concern
        raise


class OwnershipLost(Exception):  # noqa: N818 - a fact about the run, not a fault of this process
    """Another process owns the run now: stop at once and write nothing more."""


class ExitCode(IntEnum):
    """Exit codes of every `iterand` command, and of worker processes."""

    OK = 0
    FAILED = 1
    USER = 2
    DEVICE = 3  # of a worker process alone: its device failed, not its run
    STOPPED = 130


def suggestion(word: str, known: Iterable[str]) -> str:
    """Name the nearest known word, as `; did you mean 'x'?`, or nothing where none is near.

    Args:
        word: what the user wrote.
        known: the words that are allowed.
    Returns:
        A clause to append to an error sentence, or an empty string.
    """
    near = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""

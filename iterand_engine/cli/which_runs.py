"""Finds the runs that a command's arguments mean: those named, or those that a filter finds."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from iterand_engine.cli.common import Opened
from iterand_engine.errors import UserError
from iterand_engine.results.filters import find_runs, parse
from iterand_engine.store import RunState

RUNS_HELP = "Runs by id, beginning of an id, or name; or a filter such as state:failed."


def meant_runs(at: Opened, words: Sequence[str], states: Collection[RunState] = ()) -> list[str]:
    """Find the ids of the runs that the user means: those named, in order, or those found, oldest first.

    Args:
        at: the workspace to search.
        words: all names, or all conditions, as after `iterand runs`; a run's name is never read as a
            condition.
        states: keep only runs in these states of those that a filter finds; without any, keep all.
    Raises:
        UserError: a name fits no run or several, or a filter is wrong or finds none.
    """
    conditions = [word for word in words if any(sign in word for sign in ":=<>")]
    if conditions:
        names = {row.name for row in at.store.reader.runs()}
        conditions = [word for word in conditions if word not in names]
    if not conditions:
        return list(dict.fromkeys(at.store.reader.resolve(word) for word in words))
    named = next((word for word in words if word not in conditions), None)
    if named is not None:
        raise UserError(f"{named!r} names a run and {conditions[0]!r} is a condition: give one or the other.")
    found = [row for row, _ in find_runs(at.store.reader, parse(" ".join(words)))]
    meant = [row.id for row in reversed(found) if not states or row.state in states]
    if not meant:
        stand = ", ".join(dict.fromkeys(row.state for row in found))
        so_far = f"the {len(found)} that meet it are {stand}" if found else "`iterand runs` lists all"
        raise UserError(f"No run that this is for meets the filter {' '.join(words)!r}; {so_far}.")
    return meant

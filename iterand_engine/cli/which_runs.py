"""Which runs a command means: those it names, or those that a filter finds."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from iterand_engine.cli.common import Opened
from iterand_engine.errors import UserError
from iterand_engine.results.filters import find_runs, parse
from iterand_engine.store import RunState

RUNS_HELP = "Runs by id, beginning of an id, or name; or a filter such as state:failed."


def meant_runs(at: Opened, words: Sequence[str], states: Collection[RunState] = ()) -> list[str]:
    """The ids of the runs that a user means: those named, in their order, or those found, the oldest first.

    Args:
        at: where they are.
        words: names all, or conditions all, as after `iterand runs`; a run's name is no condition, whatever
            it has in it.
        states: of those that a filter finds only runs that stand so are meant; without any, all are.
    Raises:
        UserError: a name means no run or several, or a filter finds none, or has a mistake.
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

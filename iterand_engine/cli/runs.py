"""`iterand runs` and `presets`: lists of runs and presets, for users or as JSON."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from iterand_engine.cli.common import (
    JsonOption,
    WorkspaceOption,
    add_row,
    duration,
    json_result,
    make_table,
    opened,
    result,
    say,
    share,
    show_table,
)
from iterand_engine.cli.table import CliTable
from iterand_engine.results.filters import Filter, find_runs, parse
from iterand_engine.store import Locked, RunRow, RunState
from iterand_engine.store.records import SweepRow

SHORT_ID = 8
FiltersArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="FILTER",
        help="Words of the name and conditions, which must all hold: 'width>=0.5' state:running; "
        "fields are columns and options. Quotes keep < and > from the shell.",
        show_default=False,
    ),
]


def runs(
    filters: FiltersArgument = None, json: JsonOption = False, workspace: WorkspaceOption = None
) -> None:
    """List runs, the newest first: all, or those that a filter finds."""
    with opened(workspace, names_entries=bool(filters)) as at:
        wanted = parse(" ".join(filters or ()))
        rows = [row for row, _ in find_runs(at.store.reader, wanted)]
        run_ids = [row.id for row in rows]
        tests = at.store.reader.test_accuracies(run_ids, lock=at.settings.test_lock)
        sweeps = _Sweeps(at.store.reader.sweeps())
    if json:
        from iterand_engine.cli.run_json import RunEntry, RunList

        entries = [RunEntry.of(row, tests[row.id], sweeps.ids(row.id)) for row in rows]
        json_result(RunList(runs=entries).model_dump_json(indent=2))
    elif rows:
        show_table(_runs_table(rows, tests, sweeps))
        _say_what_can_go_on(rows)
    elif wanted != Filter():
        result("No run meets this filter; `iterand runs` lists all.")
    else:
        result("There are no runs yet; `iterand train --preset quickstart` trains one.")


def presets(workspace: WorkspaceOption = None) -> None:
    """List the presets that `iterand train --preset` takes; they come with the program."""
    from iterand_engine.config.presets import presets as all_presets

    table = make_table("preset", "what it trains")
    for preset in all_presets().values():
        add_row(table, preset.name, preset.title)
    show_table(table)


class _Sweeps:
    """The sweeps of the workspace, to be looked up by run."""

    def __init__(self, sweeps: Sequence[SweepRow]) -> None:
        self._sweeps: dict[str, list[SweepRow]] = {}
        for sweep in sweeps:
            for run_id in sweep.run_ids:
                self._sweeps.setdefault(run_id, []).append(sweep)

    def ids(self, run_id: str) -> list[str]:
        return [sweep.id for sweep in self._sweeps.get(run_id, ())]

    def columns(self, rows: Sequence[RunRow]) -> dict[str, list[str]]:
        """Make a column of tags and one of sweeps, each only if one of the runs has some."""
        columns = {
            "tags": [", ".join(row.tags) for row in rows],
            "sweep": [", ".join(sweep.name for sweep in self._sweeps.get(row.id, ())) for row in rows],
        }
        return {name: cells for name, cells in columns.items() if any(cells)}


def _runs_table(
    rows: Sequence[RunRow], tests: Mapping[str, float | Locked | None], sweeps: _Sweeps
) -> CliTable:
    right = ("epoch", "step", "val accuracy", "test accuracy", "age")
    more = sweeps.columns(rows)
    table = make_table("id", "name", "state", *right, *more, right=right)
    now = time.time()
    for row, *cells in zip(rows, *more.values(), strict=True):
        add_row(
            table,
            row.id[:SHORT_ID],
            row.name,
            row.state,
            row.epoch,
            _step(row),
            share(row.accuracy_so_far),
            share(tests[row.id]),
            duration(now - row.created_at),
            *cells,
        )
    return table


def _say_what_can_go_on(rows: Sequence[RunRow]) -> None:
    count = sum(row.state is RunState.INTERRUPTED for row in rows)
    if count:
        say(f"{count} interrupted: `iterand queue --resume --interrupted` goes on with all such runs.")


def _step(row: RunRow) -> str:
    return f"{row.step} / {row.total_steps}" if row.total_steps else str(row.step)

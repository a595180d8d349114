"""`iterand runs`, `show` and `presets`: what there is, for people or as JSON."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated

import typer
import yaml
from rich.table import Table

from iterand_engine.cli.common import (
    JsonOption,
    RunArgument,
    WorkspaceOption,
    add_row,
    duration,
    make_table,
    opened,
    result,
    share,
    show_table,
)
from iterand_engine.cli.run_json import RunDocument, RunEntry, RunList
from iterand_engine.filters import Filter, parse
from iterand_engine.presets import presets as all_presets
from iterand_engine.run_search import find_runs
from iterand_engine.store import Locked, RunDetail, RunRow, queries

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
    wanted = parse(" ".join(filters or ()))
    with opened(workspace) as at:
        rows = [row for row, _ in find_runs(at.store, wanted)]
        tests = queries.test_accuracies(at.store, [row.id for row in rows], lock=at.settings.test_lock)
    if json:
        entries = [RunEntry.of(row, row.val_accuracy, tests[row.id]) for row in rows]
        result(RunList(runs=entries).model_dump_json(indent=2))
    elif rows:
        show_table(_runs_table(rows, tests))
    elif wanted != Filter():
        result("No run meets this filter; `iterand runs` lists all.")
    else:
        result("There are no runs yet; `iterand train --preset quickstart` trains one.")


def show(run: RunArgument, json: JsonOption = False, workspace: WorkspaceOption = None) -> None:
    """Show one run: its state, results, last values, configuration and machine."""
    with opened(workspace) as at:
        detail = queries.run(at.store, at.store.resolve(run))
        test = queries.test_accuracy(at.store, detail.id, lock=at.settings.test_lock)
        values = queries.last_values(at.store, detail.id)
        accuracy = queries.val_accuracies(at.store, [detail])[detail.id]
        messages = queries.events(at.store, detail.id)
        folder = at.workspace.run_dir(detail.id)
    if json:
        result(RunDocument.of(detail, accuracy, test, values).model_dump_json(indent=2))
        return
    show_table(_facts(detail, accuracy, test, str(folder)))
    for title, mapping in (("Last values", _readable(values)), ("Configuration", dict(detail.config))):
        result(f"\n{title}\n{_indented(mapping)}")
    if detail.environments:
        result(f"\nMachine and packages\n{_indented(dict(detail.environments[-1].snapshot))}")
    for message in messages:
        result(
            f"\n{message.level} {'' if message.step is None else f'at step {message.step}'}: {message.text}"
        )


def presets(workspace: WorkspaceOption = None) -> None:
    """List the presets that `iterand train --preset` takes; they come with the program."""
    table = make_table("preset", "what it trains")
    for preset in all_presets().values():
        add_row(table, preset.name, preset.title)
    show_table(table)


def _runs_table(rows: Sequence[RunRow], tests: dict[str, float | Locked | None]) -> Table:
    right = ("epoch", "step", "val accuracy", "test accuracy", "age")
    table = make_table("id", "name", "state", *right, right=right)
    now = time.time()
    for row in rows:
        add_row(
            table,
            row.id[:SHORT_ID],
            row.name,
            row.state,
            row.epoch,
            _step(row),
            share(row.val_accuracy),
            share(tests[row.id]),
            duration(now - row.created_at),
        )
    return table


def _step(row: RunRow) -> str:
    return f"{row.step} / {row.total_steps}" if row.total_steps else str(row.step)


def _facts(detail: RunDetail, accuracy: float | None, test: float | Locked | None, folder: str) -> Table:
    table = make_table("", "")
    table.show_header = False
    state = f"{detail.state}: {detail.reason}" if detail.reason else str(detail.state)
    for name, value in (
        ("name", detail.name),
        ("id", detail.id),
        ("state", state),
        ("epoch", detail.epoch),
        ("step", _step(detail)),
        ("time", duration(detail.elapsed_s)),
        ("val accuracy", share(accuracy)),
        ("test accuracy", share(test)),
        ("precision", f"{detail.precision} on {detail.device_kind}"),
        ("final digest", detail.final_digest or "-"),
        ("files", folder),
    ):
        add_row(table, name, value)
    return table


def _readable(values: dict[str, float]) -> dict[str, float]:
    return {name: float(f"{value:.6g}") for name, value in values.items()}


def _indented(mapping: dict[str, object] | dict[str, float]) -> str:
    text = yaml.safe_dump(mapping, sort_keys=False, allow_unicode=True).rstrip()
    return "\n".join(f"  {line}" for line in text.splitlines())

"""`iterand demo`: three methods at two widths on the bundled digits, and a table of what came out."""

from __future__ import annotations

import typer

from iterand_engine.cli.common import (
    WorkspaceOption,
    add_row,
    duration,
    make_table,
    opened,
    result,
    say,
    share,
    show_table,
)
from iterand_engine.cli.foreground import train_here
from iterand_engine.cli.training import new_run
from iterand_engine.demo import DemoRow, demo_configs, demo_row
from iterand_engine.errors import ExitCode
from iterand_engine.machine.settings import Settings


def demo(workspace: WorkspaceOption = None) -> None:
    """Train dense, edge-popup and IteRand at two widths on the bundled digits; takes a minute or two."""
    configs = demo_configs()
    rows: list[DemoRow] = []
    with opened(workspace) as at:
        for number, config in enumerate(configs, start=1):
            say(f"Run {number} of {len(configs)}: {config.display_name}")
            run_id = new_run(at, config)
            ending = train_here(at, run_id)
            if ending is not ExitCode.OK:
                raise typer.Exit(ending)
            lock = Settings.load(at.workspace).test_lock
            rows.append(demo_row(at.workspace, at.store, run_id, lock=lock))
        _show(rows)
        result(f"\nThe runs are recorded in {at.workspace.root}; `iterand runs` lists them.")


def _show(rows: list[DemoRow]) -> None:
    right = ("width", "val accuracy", "test accuracy", "weights", "kept", "time")
    table = make_table("method", *right, right=right)
    for row in rows:
        add_row(
            table,
            row.method,
            f"{row.width_factor:g}",
            share(row.val_accuracy),
            share(row.test_accuracy),
            f"{row.weights:,}",
            f"{row.kept:,}",
            duration(row.seconds),
        )
    result("")
    show_table(table)

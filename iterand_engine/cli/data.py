"""`iterand data`: lists where each dataset is or would be, and downloads datasets."""

from __future__ import annotations

import json as json_text
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from iterand_engine.cli.common import (
    JsonOption,
    WorkspaceOption,
    add_row,
    json_result,
    make_table,
    result,
    say,
    show_table,
    size,
    workspace_at,
)
from iterand_engine.config.catalog import DATASETS, DatasetEntry
from iterand_engine.data.fetch import fetch
from iterand_engine.data.locate import Location, dataset_places
from iterand_engine.errors import ExitCode
from iterand_engine.machine.settings import Settings
from iterand_engine.machine.workspace import existing_workspace_dir

REPORT_EVERY_S = 0.1


def make_data() -> typer.Typer:
    """Make the group `iterand data`."""
    group = typer.Typer(name="data", help="List and download datasets.", no_args_is_help=True)
    group.callback()(_data)
    group.command("list")(list_data)
    group.command("fetch")(fetch_data)
    return group


def _data(context: typer.Context, workspace: WorkspaceOption = None) -> None:
    """List and download datasets."""
    context.obj = workspace


def list_data(context: typer.Context, workspace: WorkspaceOption = None) -> None:
    """List the datasets: which are here, where they are or would be, and their size."""
    place = existing_workspace_dir(workspace or context.obj)
    table = make_table("name", "dataset", "here", "size", "where", right=("size",))
    for location in dataset_places(place, Settings.load(place)):
        entry = DATASETS[location.name]
        add_row(table, entry.name, entry.label, "yes" if location.path else "no", *_where(entry, location))
    show_table(table)


def fetch_data(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Dataset, as `iterand data list` names it.")],
    json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Download a dataset into the workspace's data folder; Ctrl+C leaves nothing half done."""
    place = workspace_at(workspace or context.obj)
    try:
        with _sigterm_interrupts():
            folder = _fetched_for_programs(name, place.data_dir) if json else _fetched(name, place.data_dir)
    except KeyboardInterrupt:
        say(f"Stopped; {name} was not downloaded.")
        raise typer.Exit(ExitCode.STOPPED) from None
    if json:
        json_result(json_text.dumps({"name": name, "folder": str(folder)}))
    else:
        result(f"{name} is in {folder}")


@contextmanager
def _sigterm_interrupts() -> Iterator[None]:
    """Make SIGTERM end a download as Ctrl+C does, so that unfinished files are removed."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _fetched_for_programs(name: str, root: Path) -> Path:
    """Download with lines of JSON on stderr, some per second: bytes so far, bytes in all, the file."""
    total_bytes = DATASETS[name].download_bytes if name in DATASETS else None
    done: dict[str, int] = {}
    reported_s = 0.0

    def report(file: str, done_bytes: int, file_bytes: int | None) -> None:
        nonlocal reported_s
        done[file] = done_bytes
        now_s = time.monotonic()
        if now_s - reported_s >= REPORT_EVERY_S or done_bytes == file_bytes:
            reported_s = now_s
            progress = {"done": sum(done.values()), "total": total_bytes or None, "text": file}
            say(json_text.dumps({"progress": progress}))

    return fetch(name, root, report)


def _where(entry: DatasetEntry, location: Location) -> tuple[str, str]:
    if location.path is not None:
        return size(location.size_bytes), str(location.path)
    if location.expected is None:
        return "-", "where data.path says"
    download = f" (iterand data fetch {entry.name})" if entry.download_bytes else ""
    return size(entry.download_bytes or None), f"{location.expected}{download}"


def _fetched(name: str, root: Path) -> Path:
    """Download with a bar for each file, or with a line for each if stderr is no terminal."""
    bar = TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TimeRemainingColumn()
    console = Console(stderr=True)
    tasks: dict[str, TaskID] = {}
    with Progress(*bar, console=console, disable=not console.is_terminal) as progress:

        def show(file: str, done_bytes: int, total_bytes: int | None) -> None:
            if file not in tasks:
                tasks[file] = progress.add_task(file, total=total_bytes)
                if not console.is_terminal:
                    say(f"{file}: {size(total_bytes)}")
            progress.update(tasks[file], completed=done_bytes, total=total_bytes)

        return fetch(name, root, show)

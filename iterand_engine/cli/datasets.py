"""`iterand data`: where each dataset is or would be, and its download."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from iterand_engine.catalog import DATASETS, DatasetEntry
from iterand_engine.cli.common import WorkspaceOption, add_row, make_table, result, say, show_table, size
from iterand_engine.data.fetch import fetch
from iterand_engine.data.locate import Location, locate_all
from iterand_engine.run_making import data_roots
from iterand_engine.workspace import Settings, open_workspace_dir


def make_data() -> typer.Typer:
    """The group `iterand data`."""
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
    place = open_workspace_dir(workspace or context.obj)
    table = make_table("name", "dataset", "here", "size", "where", right=("size",))
    for location in locate_all(data_roots(place, Settings.load(place))):
        entry = DATASETS[location.name]
        add_row(table, entry.name, entry.label, "yes" if location.path else "no", *_where(entry, location))
    show_table(table)


def fetch_data(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Dataset, as `iterand data list` names it.")],
    workspace: WorkspaceOption = None,
) -> None:
    """Download a dataset into the workspace's data folder."""
    place = open_workspace_dir(workspace or context.obj)
    result(f"{name} is in {_fetched(name, place.data_dir)}")


def _where(entry: DatasetEntry, location: Location) -> tuple[str, str]:
    if location.path is not None:
        return size(location.size_bytes), str(location.path)
    if location.expected is None:
        return "-", "where data.path says"
    download = f" (iterand data fetch {entry.name})" if entry.download_bytes else ""
    return size(entry.download_bytes or None), f"{location.expected}{download}"


def _fetched(name: str, root: Path) -> Path:
    """Download with a bar for each file, or a line for each where stderr is no terminal."""
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

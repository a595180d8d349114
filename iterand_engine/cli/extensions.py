"""`iterand extensions`, `iterand new` and `iterand check`: a workspace's extensions (docs/extending.md)."""

from __future__ import annotations

import keyword
import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from iterand_engine.cli.common import WorkspaceOption, add_row, make_table, result, show_table, workspace_at
from iterand_engine.config.catalog import entries_of
from iterand_engine.config.extension_code import WORDS, CodeKind, Declaration
from iterand_engine.config.options import Options, describe, with_arguments
from iterand_engine.errors import ExitCode, UserError
from iterand_engine.extensions.active import activated
from iterand_engine.extensions.checks import run_checks
from iterand_engine.extensions.files import disable, enable, extension_files, named_file
from iterand_engine.machine.own_files import write_atomic
from iterand_engine.machine.resources import resource
from iterand_engine.machine.user_path import user_path
from iterand_engine.machine.workspace import Workspace, existing_workspace_dir

FileArgument = Annotated[
    str, typer.Argument(metavar="FILE", help="Name of a file in the workspace's extensions folder.")
]
_PREFIXES = {"model": "model.", "dataset": "data.", "method": "method.", "rule": "method.rule."}
_NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")


class TemplateKind(StrEnum):
    """The kinds of templates that `iterand new` writes."""

    MODEL = "model"
    DATASET = "dataset"
    RULE = "rule"
    METHOD = "method"


def make_extensions() -> typer.Typer:
    """Make the group `iterand extensions`."""
    group = typer.Typer(name="extensions", help="List, enable and disable extensions.", no_args_is_help=True)
    group.callback()(_extensions)
    group.command("list")(list_files)
    group.command("enable")(enable_file)
    group.command("disable")(disable_file)
    return group


def _extensions(context: typer.Context, workspace: WorkspaceOption = None) -> None:
    """List, enable and disable extensions."""
    context.obj = workspace


def list_files(context: typer.Context, workspace: WorkspaceOption = None) -> None:
    """List the files of extensions: their state, the names they declare, and the options of those."""
    place = existing_workspace_dir(workspace or context.obj)
    files = extension_files(place)
    if not files:
        result(f"No extensions in {place.extensions_dir}; `iterand new model NAME` writes a template.")
        return
    table = make_table("file", "state", "declares", "options")
    for file in files:
        state = f"{file.state}: {file.reason}" if file.reason else str(file.state)
        names = [f"{WORDS[one.kind]} {one.name}" for one in file.declarations] or ["-"]
        options = [_options(one) for one in file.declarations] or ["-"]
        add_row(table, file.file, state, "\n".join(names), "\n".join(options), lines=True)
    show_table(table)


def enable_file(
    context: typer.Context,
    file: FileArgument,
    sha256: Annotated[
        str, typer.Option(metavar="HEX", help="Only if its hash begins so: what you looked at.")
    ] = "",
    workspace: WorkspaceOption = None,
) -> None:
    """Enable an extension with its present content; it is run once to see what it declares."""
    place = existing_workspace_dir(workspace or context.obj)
    enabled = enable(place, file, sha256)
    assert enabled.source is not None
    if enabled.source.path.parent == place.extensions_dir:
        result(f"Enabled {enabled.file}:")
    else:
        result(f"Enabled {place.relative(enabled.source.path)} for the runs that were made with it:")
    for one in enabled.declarations:
        result(f"  {WORDS[one.kind]} {one.name}  {_options(one)}")


def disable_file(context: typer.Context, file: FileArgument, workspace: WorkspaceOption = None) -> None:
    """Disable an extension for new runs."""
    name = disable(existing_workspace_dir(workspace or context.obj), file)
    result(f"Disabled {name}; runs that were made with it can still go on.")


def new(
    kind: Annotated[TemplateKind, typer.Argument(help="What to add.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name, e.g. my-net.")],
    workspace: WorkspaceOption = None,
) -> None:
    """Write a commented template of an extension, which works as it is."""
    place = workspace_at(workspace)
    path = write_template(place, kind.value, name)
    result(f"Wrote {path}; next: `iterand check {path.name}`, then `iterand extensions enable {path.name}`.")


def check(
    file: FileArgument,
    path: Annotated[
        Path | None, typer.Option("--path", metavar="DATA", help="data.path, for datasets that need one.")
    ] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Run an extension in small trainings, and check whether it keeps its contract."""
    data = user_path(path, "--path") if path is not None else None
    failed = 0
    for found in run_checks(named_file(existing_workspace_dir(workspace), file), data):
        failed += not found.passed
        result(f"{'ok  ' if found.passed else 'FAIL'}  {found.entry}: {found.check}: {found.detail}")
    raise typer.Exit(ExitCode.FAILED if failed else ExitCode.OK)


def write_template(place: Workspace, kind: CodeKind, name: str) -> Path:
    """Write a template of an extension into a workspace.

    Args:
        place: the workspace.
        kind: what the extension adds.
        name: its name, in small letters, with - or _.
    Returns:
        The path of the new file.
    Raises:
        UserError: the name is not allowed or taken, or its file exists.
    """
    identifier = name.replace("-", "_")
    if not _NAME.fullmatch(name) or keyword.iskeyword(identifier):
        raise UserError(f"The name {name!r} cannot be; allowed: small letters, digits and -, e.g. my-net.")
    called = name.replace("_", "-")
    with activated(place):
        taken = entries_of(kind).get(called)
    if taken is not None:
        raise UserError(
            f"There is a {WORDS[kind]} {called!r} already ({taken.origin or 'built in'});"
            " choose another name."
        )
    path = place.extensions_dir / f"{identifier}.py"
    if path.exists():
        raise UserError(f"{path} exists; choose another name, or delete the file.")
    words = called.split("-")
    text = resource("templates", f"{kind}.py").read_text(encoding="utf-8")
    for there, wanted in (
        ("FILE_NAME", path.name),
        (f"my-{kind}", called),
        (f"my_{kind}", identifier),
        (f"My{kind.capitalize()}", "".join(word.capitalize() for word in words)),
        (f"My {kind}", " ".join(words).capitalize()),
    ):
        text = text.replace(there, wanted)
    write_atomic(path, text.encode())
    return path


def _options(declaration: Declaration) -> str:
    """Format the options that a declaration adds, with defaults and allowed values."""
    options = with_arguments(Options, declaration.arguments)
    shown = [
        f"{info.path}={info.default} ({info.allowed}{'; ' if info.help else ''}{info.help})"
        for info in describe(options, _PREFIXES[declaration.kind])
    ]
    return ", ".join(shown) or "no options"

"""Puts the commands together, and turns how they end into exit codes.

A command is one function with typed arguments; a line in `_register` makes it known. Known errors become one
sentence and exit code 2; all else is a defect and shows its traceback.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

from iterand_engine.cli import (
    bench,
    data,
    demo,
    doctor,
    export,
    extensions,
    log,
    measure,
    queue,
    runs,
    settings,
    show,
    stop,
    top,
    train,
    trash,
    work,
)
from iterand_engine.cli.common import result, say
from iterand_engine.errors import ExitCode, OwnershipLost, UserError
from iterand_engine.version import __version__

_HELP = (
    "Train networks of random weights by choosing which weights to keep, and look at what was recorded. "
    "Every command takes --workspace DIR; `iterand COMMAND --help` says more."
)


def run(arguments: Sequence[str] | None = None) -> NoReturn:
    """As `iterand_engine.cli.main`."""
    command = typer.main.get_command(make_app())
    try:
        command(args=None if arguments is None else list(arguments), prog_name="iterand")
    except UserError as error:
        say(str(error))
        raise SystemExit(ExitCode.USER) from None
    except OwnershipLost as error:
        say(f"Stopped without writing more: {error}.")
        raise SystemExit(ExitCode.FAILED) from None
    raise SystemExit(ExitCode.OK)


def make_app() -> typer.Typer:
    """The program with all its commands."""
    app = typer.Typer(help=_HELP, no_args_is_help=True, pretty_exceptions_enable=False)
    app.callback()(_program)
    _register(app)
    return app


def _register(app: typer.Typer) -> None:
    """A line a command, in the order in which `--help` lists them."""
    app.command()(train.train)
    app.command()(train.resume)
    app.command()(queue.queue)
    app.command()(queue.move)
    app.command()(stop.stop)
    app.command()(work.work)
    app.command()(top.top)
    app.command()(runs.runs)
    app.command()(show.show)
    app.command()(log.log)
    app.command()(runs.presets)
    app.command()(export.export)
    app.command()(export.reproduce)
    app.command()(trash.delete)
    app.command()(trash.undelete)
    app.command()(trash.clean)
    app.command()(settings.unlock)
    app.command()(demo.demo)
    app.command()(doctor.doctor)
    app.command()(bench.bench)
    app.command()(measure.measure)
    app.add_typer(settings.make_settings())
    app.add_typer(data.make_data())
    app.add_typer(extensions.make_extensions())
    app.command()(extensions.new)
    app.command()(extensions.check)


def _print_version(asked: bool) -> None:
    if asked:
        result(f"iterand {__version__} (Python {platform.python_version()})")
        raise typer.Exit


def _program(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version.")
    ] = False,
) -> None:
    """Nothing happens before the command itself; `--version` has been answered by its callback."""

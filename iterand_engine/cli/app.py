"""Collects the commands, and turns the way they end into exit codes.

A command is one function with typed arguments; a line in `COMMANDS` makes it known. Its module is imported
when it is called: `--help` and shell completion read the table alone. Known errors become one sentence and
exit code 2. Any other error is a defect and shows its traceback. What a terminal would obey or cannot show is
made visible in all of them.
"""

from __future__ import annotations

import errno
import io
import platform
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from iterand_engine.cli.words import forget, sentence_with
from iterand_engine.errors import ExitCode, OwnershipLost, UserError
from iterand_engine.machine.plain_text import visible
from iterand_engine.version import __version__

_HELP = (
    "Train networks of random weights by choosing which weights to keep, and look at what was recorded. "
    "Every command takes --workspace DIR; `iterand COMMAND --help` says more."
)


@dataclass(frozen=True)
class CommandEntry:
    """A row of the table of commands, as `--help` lists it.

    Attributes:
        name: as typed, which is also its function's name; a group's function is `make_NAME`.
        module: where that function is, within `iterand_engine.cli`.
        help: the first paragraph of its docstring, or the group's help.
        is_group: whether it has commands of its own.
    """

    name: str
    module: str
    help: str
    is_group: bool = False

    def load(self) -> TyperCommand | TyperGroup:
        """Import the module and make Typer's command or group."""
        module = import_module(f"iterand_engine.cli.{self.module}")
        if self.is_group:
            return typer.main.get_group(getattr(module, f"make_{self.name}")())
        alone = typer.Typer(add_completion=False)
        alone.command()(getattr(module, self.name))
        command = typer.main.get_command(alone)
        assert isinstance(command, TyperCommand)
        return command


COMMANDS = (  # in the order in which `--help` lists them
    CommandEntry("train", "train", "Train a run from a file or a preset, and record it."),
    CommandEntry(
        "resume", "train", "Go on with a stopped, interrupted or failed run, from its last checkpoint."
    ),
    CommandEntry(
        "queue", "queue", "Add runs to the queue and start the slots that train them; alone: list the queue."
    ),
    CommandEntry("move", "queue", "Move queued runs to the head of the queue, in the order given."),
    CommandEntry(
        "stop",
        "stop",
        "Stop runs: one that is being trained saves a checkpoint first, a queued one leaves the queue.",
    ),
    CommandEntry(
        "work",
        "work",
        "Train what is queued, here and now, until the queue is empty; Ctrl+C saves and stops.",
    ),
    CommandEntry("top", "top", "Watch slots, runs and the queue; Ctrl+C leaves, and everything goes on."),
    CommandEntry("runs", "runs", "List runs, the newest first: all, or those that a filter finds."),
    CommandEntry(
        "show", "show", "Show one run: its state, results, next step, last values, configuration and machine."
    ),
    CommandEntry("log", "log", "Show the log of a run's worker."),
    CommandEntry(
        "presets", "runs", "List the presets that `iterand train --preset` takes; they come with the program."
    ),
    CommandEntry("export", "export", "Write a run's masks (numpy), or its pruned network (safetensors)."),
    CommandEntry(
        "reproduce",
        "export",
        "Train a run again, in a temporary workspace, and say whether it comes out bit for bit the same.",
    ),
    CommandEntry(
        "delete", "trash", "Put runs into the trash, with their files, until `iterand clean` empties it."
    ),
    CommandEntry("undelete", "trash", "Bring runs back from the trash; alone: list what is in it."),
    CommandEntry(
        "clean",
        "trash",
        "List what is large; empty the trash, remove what killed writers left, make the database smaller.",
    ),
    CommandEntry(
        "unlock", "settings", "Let the test accuracy of runs be seen under the test lock; this is recorded."
    ),
    CommandEntry(
        "demo",
        "demo",
        "Train dense, edge-popup and IteRand at two widths on the bundled digits; takes a minute or two.",
    ),
    CommandEntry("doctor", "doctor", "Check what works on this machine, what does not, and what to do."),
    CommandEntry(
        "bench",
        "bench",
        "Time training steps: IteRand against dense, by turns, with the spread of their ratio.",
    ),
    CommandEntry(
        "measure",
        "measure",
        "Time some training steps of a run, on random images, and say how long the whole run would take.",
    ),
    CommandEntry("new", "extensions", "Write a commented template of an extension, which works as it is."),
    CommandEntry(
        "check",
        "extensions",
        "Run an extension in small trainings, and check whether it keeps its contract.",
    ),
    CommandEntry(
        "allow",
        "allow",
        "Trust a command or links of this workspace, on this machine, as they are now; alone: list them.",
    ),
    CommandEntry("settings", "settings", "Show or change the workspace's settings.", is_group=True),
    CommandEntry("data", "data", "List and download datasets.", is_group=True),
    CommandEntry("extensions", "extensions", "List, enable and disable extensions.", is_group=True),
)


# What helps where the system refuses; any other OSError is a defect.
_HELPS_THE_SYSTEM = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "make room on the disk"),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "correct the permissions or use another place"),
    errno.EIO: "check the disk",
    errno.EMFILE: "allow more open files (ulimit -n)",
}


def run(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and leave with its exit code; arguments as for `iterand_engine.cli.main`."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # stderr does this anyway
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        make_program()(args=None if arguments is None else list(arguments), prog_name="iterand")
    except UserError as error:
        _say(sentence_with(error.advice, str(error)))
        raise SystemExit(ExitCode.USER) from None
    except OwnershipLost as error:
        _say(f"Stopped without writing more: {error}.")
        raise SystemExit(ExitCode.FAILED) from None
    except OSError as error:
        advice = _HELPS_THE_SYSTEM.get(error.errno or 0)
        where = f" ({str(error.filename)!r})" if error.filename else ""
        said = f"{error.strerror}{where}: {advice}, and try again."
        _say(said if advice else traceback.format_exc().rstrip())
        raise SystemExit(ExitCode.USER if advice else ExitCode.FAILED) from None
    except Exception:  # noqa: BLE001 - a process edge: Python would print it as it is
        _say(traceback.format_exc().rstrip())
        raise SystemExit(ExitCode.FAILED) from None
    finally:
        forget()
    raise SystemExit(ExitCode.OK)


def make_program() -> TyperGroup:
    """Make the program with all commands, none of which is imported yet."""
    app = typer.Typer(cls=_Program, help=_HELP, no_args_is_help=True, pretty_exceptions_enable=False)
    app.callback()(_program)
    program = typer.main.get_command(app)
    assert isinstance(program, TyperGroup)
    for command in COMMANDS:
        program.add_command(_Listed(command))
    return program


class _Program(TyperGroup):
    """The program, which repeats what was typed only in plain text."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        with _plain_messages():
            return super().make_context(*args, **kwargs)

    def invoke(self, *args: Any, **kwargs: Any) -> Any:
        with _plain_messages():
            return super().invoke(*args, **kwargs)


@contextmanager
def _plain_messages() -> Iterator[None]:
    """Make the messages of the parser plain; it raises them with an attribute `message`, and prints that."""
    try:
        yield
    except Exception as error:
        if isinstance(message := vars(error).get("message"), str):
            vars(error)["message"] = visible(message)
        raise


class _Listed(TyperCommand):
    """Stands for a command until it is called, i.e. until Typer makes its context."""

    def __init__(self, command: CommandEntry) -> None:
        super().__init__(command.name, help=command.help)
        self._command = command

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        return self._command.load().make_context(*args, **kwargs)


def _say(text: str) -> None:
    from iterand_engine.cli.common import say  # already imported by the command that failed

    say(text)


def _print_version(asked: bool) -> None:
    if asked:
        print(f"iterand {__version__} (Python {platform.python_version()})", flush=True)
        raise typer.Exit


def _program(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version.")
    ] = False,
) -> None:
    """Do nothing before the command; the callback of `--version` has printed it."""

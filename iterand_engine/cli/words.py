"""The command line's own words: what helps against an error, and commands that can be typed as they are told.

The engine says what is wrong and which `Advice` helps; the options and commands for it stand here.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from iterand_engine.errors import Advice
from iterand_engine.machine.plain_text import visible

_HELP: Mapping[Advice, str] = {  # without a full stop
    Advice.OTHER_WORKSPACE: "--workspace or ITERAND_WORKSPACE names another one",
    Advice.OTHER_FILE: "--out names another one",
    Advice.REPLACE_FILE: "--force replaces it",
    Advice.LAST_EPOCH: "--epoch last takes the last one",
    Advice.EXPORT_MASKS: "--format masks takes those",
    Advice.EXPORT_NETWORK: "--format safetensors takes it",
    Advice.START_SLOTS: "`iterand queue --continue` starts it",
    Advice.REOPEN_SLOT: "`iterand queue --reopen {device}` opens it",
}
_COMMAND = re.compile(r"`iterand ((?!COMMAND)[^`]+)`")


class _Typed:
    """What was given to the command that runs."""

    workspace: Path | None = None


def help_by(advice: Advice, device: str = "") -> str:
    """What helps, as a clause without a full stop.

    Args:
        advice: of the engine.
        device: id of the one that it is about.
    """
    return _HELP[advice].format(device=device)


def sentence_with(advice: Advice | None, sentence: str, device: str = "") -> str:
    """A sentence, followed by what helps if anything does; `device` as in `help_by`."""
    return sentence if advice is None else f"{sentence} {help_by(advice, device)}."


def forget() -> None:
    """A command has ended, and what it was given goes with it."""
    _Typed.workspace = None


def note_workspace(folder: Path | None) -> Path | None:
    """Note the folder that `--workspace` gave, and hand it on; a group and its command may both be asked."""
    if folder is not None:
        _Typed.workspace = folder
    return folder


def as_typed(text: str, *, lines: bool = True) -> str:
    """A text for people, as every one is printed: what a terminal would obey in it is made visible.

    Args:
        text: each `iterand ...` in backticks gets the workspace that this command was given.
        lines: whether it may have several lines, unlike a name in a table.
    """
    if _Typed.workspace is not None:
        given = f"--workspace {shlex.quote(str(_Typed.workspace))}"
        text = _COMMAND.sub(
            lambda found: found[0] if "--workspace" in found[1] else f"`iterand {found[1]} {given}`", text
        )
    return visible(text, lines=lines)

"""The command line `iterand`: commands print for users, and with `--json` for programs.

stdout carries results only; progress, notes and errors go to stderr. torch is imported by the commands that
train, export or reproduce, and only once they run. See docs/command-line.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from iterand_engine.errors import ExitCode
from iterand_engine.machine.supported import require_supported


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and leave with its exit code.

    Args:
        arguments: the words after `iterand`; by default those of the process.
    """
    require_supported()
    try:
        from iterand_engine.cli import app  # within the try: Ctrl+C may come during this import

        app.run(arguments)
    except KeyboardInterrupt:
        raise SystemExit(ExitCode.STOPPED) from None

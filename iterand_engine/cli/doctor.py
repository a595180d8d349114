"""`iterand doctor`: what works here, what does not, what to do; exit code 0 if training works."""

from __future__ import annotations

import typer

from iterand_engine.cli.common import WorkspaceOption, result
from iterand_engine.doctor import examine
from iterand_engine.errors import ExitCode

_SIGNS = {True: "works ", False: "BROKEN", None: "none  "}
_INDENT = 8


def doctor(workspace: WorkspaceOption = None) -> None:
    """Say what works on this machine, what does not, and what to do."""
    can_train = True
    for finding in examine(workspace):
        result(f"{_SIGNS[finding.works]}  {finding.subject}: {finding.says}")
        if finding.advice:
            result(f"{' ' * _INDENT}-> {finding.advice}")
        can_train = can_train and not (finding.is_needed and finding.works is False)
    result("Training works here." if can_train else "Training does not work here yet.")
    raise typer.Exit(ExitCode.OK if can_train else ExitCode.FAILED)

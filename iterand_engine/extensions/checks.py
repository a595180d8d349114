"""Ask the checking process whether an extension keeps its contract; preflight/contract.py has the checks.

Torch-free: the file runs in a child process, whose results arrive one by one.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from iterand_engine.config.extension_code import FOLDER
from iterand_engine.errors import UserError
from iterand_engine.extensions.files import child_command, child_environment
from iterand_engine.machine.launch import SAFE_FOLDER

CHECKED = "checked"  # the checking process's last line
_END_WITHIN_S = 60.0  # a process that has loaded torch takes seconds to end, on a busy machine many


class CheckResult(BaseModel):
    """What one check found.

    `entry` is what was checked, e.g. "model tiny", and empty where the file could not be run at all; `detail`
    says what was seen, or what is wrong and where.
    """

    model_config = ConfigDict(frozen=True)

    entry: str = ""
    check: str = ""
    passed: bool
    detail: str


def run_checks(path: Path, data: Path | None = None) -> Iterator[CheckResult]:
    """Check an extension in a separate process.

    Args:
        path: the file.
        data: for datasets that need a data.path.
    Yields:
        A result for each check, as it is done.
    Raises:
        UserError: the file cannot be run, or ended the process.
    """
    words = [*child_command(), "check", str(path.absolute()), *([str(data.absolute())] if data else [])]
    with subprocess.Popen(
        words,
        cwd=SAFE_FOLDER,
        env={**child_environment(), "OMP_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as child:
        try:
            assert child.stdout is not None
            is_through = False
            for line in child.stdout:
                if line.strip() == CHECKED:
                    is_through = True
                else:
                    yield _result(line)
        finally:
            if child.poll() is None and not _ended(child):
                child.kill()
    if not is_through:
        raise UserError(
            f"{FOLDER}/{path.name} ended the process that checked it (exit code {child.returncode}); an "
            "extension must not end it."
        )


def _result(line: str) -> CheckResult:
    try:
        result = CheckResult.model_validate_json(line)
    except ValidationError as error:
        raise ValueError(f"the checking process said {line!r}") from error
    if not result.entry:
        raise UserError(result.detail)
    return result


def _ended(child: subprocess.Popen[str]) -> bool:
    """Whether a process that has closed its output ends by itself."""
    try:
        child.wait(timeout=_END_WITHIN_S)
    except subprocess.TimeoutExpired:
        return False
    return True

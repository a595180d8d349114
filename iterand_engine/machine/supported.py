"""The supported systems: Linux, CPython 3.11 to 3.13. Elsewhere the program prints one sentence and ends."""

from __future__ import annotations

import sys

FIRST, LAST = (3, 11), (3, 13)


def unsupported(system: str, implementation: str, version: tuple[int, int]) -> str:
    """A sentence that says why the program does not run on a system and what to do; empty where it runs.

    Args:
        system: as `sys.platform`.
        implementation: as `sys.implementation.name`.
        version: of Python, major and minor.
    """
    if system == "linux" and implementation == "cpython" and FIRST <= version <= LAST:
        return ""
    name = "CPython" if implementation == "cpython" else implementation
    return (
        f"The workbench runs on Linux with CPython {_text(FIRST)} to {_text(LAST)}, and this is {name} "
        f"{_text(version)} on {system}; install it into an environment of one of these."
    )


def require_supported() -> None:
    """End the process with the sentence of `unsupported` and exit code 2 where the program does not run."""
    sentence = unsupported(sys.platform, sys.implementation.name, sys.version_info[:2])
    if sentence:
        print(sentence, file=sys.stderr)
        raise SystemExit(2)


def _text(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))

"""Find the files that ship with the program: presets, bundled data, tables.

In a wheel they lie inside the package; in a checkout beside it.
"""

from __future__ import annotations

from pathlib import Path

from iterand_engine.errors import UserError

_PACKAGE = Path(__file__).resolve().parents[1]


def resource(*parts: str, package: Path = _PACKAGE) -> Path:
    """Find one file or folder of `resources/`.

    Args:
        parts: the path below `resources/`, part by part.
        package: the package's folder; only tests pass another one.
    Returns:
        An existing path.
    Raises:
        UserError: the installation lacks the file or folder.
    """
    candidates = (package / "resources", package.parent / "resources")
    for folder in candidates:
        path = folder.joinpath(*parts)
        if path.exists():
            return path
    raise UserError(
        f"This installation lacks its file resources/{'/'.join(parts)} (looked in "
        f"{' and '.join(str(folder) for folder in candidates)}); install the program again."
    )

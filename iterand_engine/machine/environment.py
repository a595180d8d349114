"""The program, machine and packages that a run was trained with, so that its result can be reproduced.

Everything is read from package metadata and the operating system; torch is not imported.
"""

from __future__ import annotations

import platform
import re
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from iterand_engine.machine.devices import Device, cpu_device, cpu_name, default_threads
from iterand_engine.version import __version__

CHECKOUT = Path(__file__).resolve().parents[2]  # where this runs from a checkout
# The packages that can change a result or how it is stored.
PACKAGES = (
    "torch",
    "torchvision",
    "numpy",
    "scipy",
    "pillow",
    "safetensors",
    "sqlalchemy",
    "alembic",
    "pydantic",
)


@dataclass(frozen=True)
class EnvironmentSnapshot:
    """The program, machine and packages of one run."""

    program: str  # version
    git_commit: str | None  # of the checkout that runs, "-dirty" with changes; None for an installed wheel
    platform: str
    python: str
    packages: dict[str, str]  # versions by name, those installed of PACKAGES
    cpu: str
    device: str
    device_id: str
    threads: int

    def to_mapping(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        return asdict(self)


def snapshot(device: Device | None = None, threads: int | None = None) -> EnvironmentSnapshot:
    """Describe this process's environment.

    Args:
        device: what it trains on; the CPU by default.
        threads: CPU threads it trains with; the default number if not given.
    """
    device = device or cpu_device()
    return EnvironmentSnapshot(
        program=__version__,
        git_commit=git_commit(),
        platform=platform.platform(),
        python=platform.python_version(),
        packages=_versions(),
        cpu=cpu_name(),
        device=device.name,
        device_id=device.id,
        threads=default_threads() if threads is None else threads,
    )


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """List the points in which two stored environments differ, as `torch 2.13.0 / 2.14.0`; empty if in none.

    Args:
        one: from `EnvironmentSnapshot.to_mapping`, possibly by another version of the program.
        other: the same.
    """
    flat_one, flat_other = _flat(one), _flat(other)
    return [
        f"{key} {flat_one.get(key, 'not recorded')} / {flat_other.get(key, 'not recorded')}"
        for key in sorted({*flat_one, *flat_other})
        if flat_one.get(key) != flat_other.get(key)
    ]


def git_commit(checkout: Path = CHECKOUT) -> str | None:
    """The commit of the checkout the program runs from, with "-dirty" if files were changed.

    Args:
        checkout: its folder.
    Returns:
        The commit; None where the folder is not a checkout, or git cannot read it.
    """
    if not (checkout / ".git").exists():  # an installed wheel may lie inside somebody else's repository
        return None
    describe = ["describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    command = ["git", "--no-optional-locks", *describe]
    try:  # there, so that an empty entry of PATH never means a workspace
        done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def program_stamp() -> str:
    """Version and commit of the program that a new process would run, read anew from the files."""
    source = (CHECKOUT / "iterand_engine" / "version.py").read_text(encoding="utf-8")
    version = re.search(r'^__version__ = "([^"]+)"', source, re.MULTILINE)
    commit = git_commit(CHECKOUT)
    return (version[1] if version else __version__) + (f" ({_short(commit)})" if commit else "")


def _short(commit: str) -> str:
    digits, dash, changed = commit.partition("-")
    return digits[:12] + dash + changed


def _versions() -> dict[str, str]:
    found: dict[str, str] = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _flat(mapping: Mapping[str, Any]) -> dict[str, Any]:
    packages = mapping.get("packages") or {}
    return {key: value for key, value in mapping.items() if key != "packages"} | dict(packages)

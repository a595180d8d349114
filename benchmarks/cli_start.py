"""Measure what a command costs before it does anything: CPU time of `iterand --help` and of `iterand runs`.

    python -m benchmarks.cli_start [--against FOLDER] [--n 15] [--runs 100]

Each is run n times in a process of its own, after one that is not counted; with `--against`, the folder of
another version's sources, by turns with that one's. The runs listed are made up, by each version for itself.
Prints Markdown, of user and system time together; benchmarks/README.md keeps what was measured. Linux, macOS.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from statistics import median

from iterand_engine.machine.environment import snapshot

ROOT = Path(__file__).resolve().parents[1]
BARS: Mapping[str, float] = {"--help": 0.35, "runs": 0.6}
PACKAGES = ("typer", "rich", "sqlalchemy", "pydantic", "numpy")
MAKE = "import sys; from pathlib import Path; from benchmarks.window.data import make_list; "
MAKE += "make_list(Path(sys.argv[1]), int(sys.argv[2]))"


def cpu_seconds(words: Sequence[str], sources: Path) -> float:
    """User and system time of a Python process with these words, which must end well.

    Args:
        words: for the interpreter.
        sources: the folder that its packages come from.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "PYTHONPATH": str(sources)}
    command = [sys.executable, *words]
    done = subprocess.run(command, cwd=sources, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(words)} failed in {sources}:\n{done.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def costs(word: str, workspaces: Mapping[Path, Path], times: int) -> tuple[list[float], list[list[float]]]:
    """CPU seconds of a command with each version, by turns, after those of a bare interpreter.

    Args:
        word: `--help`, or a command, which gets its workspace as an argument.
        workspaces: a workspace for the sources of each version.
        times: how often.
    """
    bare: list[float] = []
    spent: list[list[float]] = [[] for _ in workspaces]
    for turn in range(times + 1):
        alone, found = cpu_seconds(["-c", "pass"], ROOT), []
        for sources, workspace in workspaces.items():
            place = [] if word == "--help" else ["--workspace", str(workspace)]
            found.append(cpu_seconds(["-m", "iterand_engine.cli", word, *place], sources))
        if turn:  # the first one may have compiled the sources
            bare.append(alone)
            for seconds, new in zip(spent, found, strict=True):
                seconds.append(new)
    return bare, spent


def report(name: str, bare: Sequence[float], spent: Sequence[Sequence[float]]) -> str:
    """A line of the table, in milliseconds."""
    here, *others = (1e3 * median(seconds) for seconds in spent)
    cells = [f"iterand {name}", str(len(bare)), f"{1e3 * median(bare):.0f}", f"{here:.0f}"]
    for other in others:
        ratio = here / other
        cells += [
            f"{other:.0f}",
            f"{ratio:.2f}",
            f"{BARS[name]:g}",
            "met" if ratio <= BARS[name] else "NOT met",
        ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description="CPU time of the start of the command line.")
    parser.add_argument("--against", type=Path, help="folder of another version's sources")
    parser.add_argument("--n", type=int, default=15, help="how often each is run")
    parser.add_argument("--runs", type=int, default=100, help="runs in the workspace")
    options = parser.parse_args()
    versions = [ROOT, *([options.against.resolve()] if options.against else [])]
    with tempfile.TemporaryDirectory() as folder:
        workspaces = {sources: Path(folder) / str(number) for number, sources in enumerate(versions)}
        for sources, workspace in workspaces.items():
            cpu_seconds(["-c", MAKE, str(workspace), str(options.runs)], sources)
        found = [(name, *costs(name, workspaces, options.n)) for name in BARS]
    packages = ", ".join(f"{package} {metadata.version(package)}" for package in PACKAGES)
    print(f"{snapshot().cpu}, Python {sys.version.split()[0]}, {packages}; {options.runs} runs\n")
    more = ("before, ms", "ratio", "bar", "") if options.against else ()
    columns = ("command", "n", "bare Python, ms", "CPU, ms", *more)
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for line in found:
        print(report(*line))


if __name__ == "__main__":
    main()

"""Measure the window, offscreen, over made-up data: one line for each figure, with its bar.

    python -m benchmarks.gui [WHAT ...] [--runs 10000] [--starts 10] [--data FOLDER]

WHAT is start, seen, live, stalls, finished, blocks or table; all of them in turn if none is named. Each is
measured in a process of its own. The data are made through the store and the Recorder, some minutes of work:
`--data` keeps those that are only read, for the next time. Prints Markdown; benchmarks/README.md keeps what
was measured. Times are of a shared clock or of this process; `load` is the machine's before and after, and
with other programs at work the figures say more of those.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path

from benchmarks.window.data import make_finished, make_list
from benchmarks.window.results import HEADER, Line, line, stall_line
from benchmarks.window.stall import Stall
from iterand_engine.machine.environment import snapshot

ROOT = Path(__file__).resolve().parents[1]
FEW, FINISHED_RUNS, WATCHED_STARTS = 20, 50, 3
WHAT = ("start", "seen", "live", "stalls", "finished", "blocks", "table")
PACKAGES = ("pyside6-essentials", "pyqtgraph", "numpy", "sqlalchemy", "pydantic")


def starts(folder: Path, runs: int, times: int, bar: float, environment: Mapping[str, str]) -> Iterator[Line]:
    """From the process's start to painted rows, and to all runs listed; the first start is not counted."""
    words = [sys.executable, str(ROOT / "benchmarks" / "window" / "start.py"), str(folder), str(runs)]
    painted, listed, worked = [], [], []
    for number in range(times + 1):
        began = time.monotonic()
        figures = _started(words, environment)
        if number:
            painted.append(figures["painted"] - began)
            listed.append(figures["all"] - began)
            worked.append(figures["painted_cpu"])
    what = f"start with {runs:,} runs"
    yield line(f"{what}: rows painted", painted, "s", bar=bar)
    yield line(f"{what}: processor time until then", worked, "s")
    yield line(f"{what}: all runs listed", listed, "s")
    watched = [_started([*words, "--stalls"], environment) for _ in range(WATCHED_STARTS)]
    yield stall_line(what, [Stall(figures["stall"], figures["stall_worked"]) for figures in watched])


def _started(words: Sequence[str], environment: Mapping[str, str]) -> dict[str, float]:
    figures: dict[str, float] = json.loads(_output(words, environment))
    return figures


def _output(words: Sequence[str], environment: Mapping[str, str]) -> str:
    done = subprocess.run(
        words, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(words)} failed:\n{done.stderr}")
    return done.stdout


def measure_here(what: str, folder: Path, runs: int) -> Iterator[Line]:
    """One measurement that needs a window, within this process."""
    from benchmarks.window import plots, tables

    if what == "blocks":
        yield from tables.blocks(folder)
        return
    if what == "table":
        yield from tables.table(folder, runs)
    else:
        yield from getattr(plots, what)(folder)


def measure(what: str, data: Path, scratch: Path, runs: int, times: int) -> Iterator[Line]:
    """One measurement with its data, in processes of their own."""
    environment = _environment(scratch)
    if what == "start":
        make_list(data / "few", FEW)
        make_list(data / f"list-{runs}", runs)
        yield from starts(data / "few", FEW, times, 1.0, environment)
        yield from starts(data / f"list-{runs}", runs, times, 1.3, environment)
        return
    if what in ("finished", "blocks"):
        folder = data / "finished"
        make_finished(folder, FINISHED_RUNS)
    elif what == "table":
        folder = data / f"list-{runs}"
        make_list(folder, runs)
    else:
        folder = scratch / what
        make_list(folder, FEW)
    words = [sys.executable, "-m", "benchmarks.gui", what, "--runs", str(runs), "--here", str(folder)]
    for figures in _output(words, environment).splitlines():
        yield Line(**json.loads(figures))


def _environment(scratch: Path) -> dict[str, str]:
    """As a user's, but offscreen: compiled modules are kept, and the user's own places stay untouched."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "ITERAND_"))}
    own = {name: str(scratch / name) for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "PYTHONPYCACHEPREFIX")}
    return {**kept, **own, "PYTHONPATH": str(ROOT), "QT_QPA_PLATFORM": "offscreen"}


def machine() -> str:
    """The machine and the versions of libraries, in a sentence."""
    found = snapshot(threads=1)
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in PACKAGES)
    return f"{found.cpu}, {os.cpu_count()} cores, Python {found.python}, {versions}; {found.platform}"


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="*", help=", ".join(WHAT))
    parser.add_argument("--runs", type=int, default=10_000, help="of the long list")
    parser.add_argument("--starts", type=int, default=10, help="that are measured of each kind")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="keeps what is only read")
    parser.add_argument("--here", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if unknown := set(options.what) - set(WHAT):
        parser.error(f"{', '.join(sorted(unknown))}: choose of {', '.join(WHAT)}")
    if options.here is not None:
        for found in measure_here(options.what[0], options.here, options.runs):
            print(found.to_json(), flush=True)
        return
    print(f"{machine()}; load before: {os.getloadavg()[0]:.1f}\n")
    print(f"| {' | '.join(HEADER)} |\n|{'---|' * len(HEADER)}", flush=True)
    with tempfile.TemporaryDirectory(prefix="iterand-gui-") as scratch:
        data = options.data or Path(scratch) / "data"
        for what in options.what or WHAT:
            for found in measure(what, data, Path(scratch), options.runs, options.starts):
                print(f"| {' | '.join(found.cells())} |", flush=True)
    print(f"\nLoad after: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()

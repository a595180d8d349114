"""`make screenshots`: pictures of the window over real runs, light and dark, in two sizes.

    python -m benchmarks.screenshots [--offscreen] [--only VIEW ...]

The window runs under Xvfb, 1366 x 768, once as it is and once at scale 2. All pictures go to
build/screenshots/; those that the documentation shows are made small and go into docs/screenshots/, unless
a plot is empty or a text is cut.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from benchmarks.screenshots.runs import stored_runs, training
from benchmarks.screenshots.screen import memory, xvfb
from benchmarks.screenshots.take import SIZE_PX
from benchmarks.screenshots.views import EMPTY_VIEWS, VIEWS
from iterand_gui.shell.no_display import QT_PACKAGES

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "screenshots"
DOCS = ROOT / "docs" / "screenshots"
SCALES = {1: "", 2: "@2x"}
_ALL = (*VIEWS, *EMPTY_VIEWS)
_COLOURS = 256
_LIMIT_S = 900


def main() -> int:
    """Train what is missing, take the pictures, check them, and put those shown into the documentation."""
    parser = argparse.ArgumentParser(prog="make screenshots", description=__doc__)
    parser.add_argument("--offscreen", action="store_true", help="without Xvfb: Qt draws into memory")
    parser.add_argument("--only", nargs="+", default=[], metavar="VIEW", choices=[view.name for view in _ALL])
    options = parser.parse_args()
    if not options.offscreen and shutil.which("Xvfb") is None:
        print(
            f"There is no Xvfb here; on Debian or Ubuntu install xvfb {QT_PACKAGES}, or take the pictures "
            "without a screen: python -m benchmarks.screenshots --offscreen",
            file=sys.stderr,
        )
        return 2
    stored_runs(BUILD / "workspace")
    problems = []
    with tempfile.TemporaryDirectory(prefix="iterand-") as place:
        workspace = Path(place) / "digits"
        shutil.copytree(BUILD / "workspace", workspace)
        (empty := Path(place) / "empty").mkdir()
        with training(workspace):
            for scale in SCALES:
                for folder in (workspace, empty):
                    problems += _take(folder, Path(place), scale, options.offscreen, options.only)
    if problems:
        print("\n".join(problems), f"\n{len(problems)} faults; the pictures are in {BUILD}.", file=sys.stderr)
        return 1
    print(f"{_publish(options.only)} pictures are in {DOCS}.")
    return 0


def _take(workspace: Path, place: Path, scale: int, offscreen: bool, only: list[str]) -> list[str]:
    folder = BUILD / f"scale-{scale}"
    own = {"XDG_CONFIG_HOME": str(place / "config"), "QT_SCALE_FACTOR": str(scale)}
    with (memory if offscreen else xvfb)(*(scale * px for px in SIZE_PX)) as screen:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.screenshots.take", str(workspace), str(folder), *only],
            env={**os.environ, **own, **screen},
            stdout=subprocess.PIPE,
            text=True,
            timeout=_LIMIT_S,
            check=False,
        )
    if done.returncode:
        raise SystemExit(
            f"The window ended with {done.returncode}; where Qt lacks a library, install {QT_PACKAGES}."
        )
    return [f"scale {scale}, {line}" for line in done.stdout.splitlines() if line]


def _publish(only: list[str]) -> int:
    """Copy the pictures that the documentation shows, with few colours: a quarter of the size."""
    DOCS.mkdir(exist_ok=True)
    count = 0
    for view in _ALL:
        for theme in ("light", "dark") if view.is_shown and (not only or view.name in only) else ():
            for scale, mark in SCALES.items():
                with Image.open(BUILD / f"scale-{scale}" / f"{view.name}-{theme}.png") as picture:
                    # Of the ways there are, the one that keeps rare colours, such as those of small icons.
                    small = picture.convert("RGB").quantize(
                        _COLOURS, Image.Quantize.MAXCOVERAGE, kmeans=3, dither=Image.Dither.NONE
                    )
                small.save(DOCS / f"{view.name}-{theme}{mark}.png", optimize=True)
                count += 1
    return count


if __name__ == "__main__":
    sys.exit(main())

"""Finds small mistakes that the tests do not notice: a seeded sample of mutants, each against its tests.

    make coverage    # records in build/coverage/data which test runs which line; of this very tree
    python -m benchmarks.mutants build/coverage/data --count 400 --minutes 120 --report build/mutants.md

A mutant is the program with one expression or statement changed (benchmarks/mutations.py). It is tried in a
copy of the tracked files, never in the checkout, and killed where one of the tests that run its line fails or
hangs. Tests that fail without a mutant too do not count. Lines that run when their
module is imported belong to all tests of that module.
"""

from __future__ import annotations

import argparse
import compileall
import contextlib
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from py_compile import PycInvalidationMode

import psutil
from coverage import CoverageData

from benchmarks.mutations import ROOT, Mutant, all_mutants

ROOMS = ("pruning", "training", "store", "results")
_TEST = re.compile(r"(tests/[^|]*?::[^|]*?)(?: \((setup|call|teardown)\))?(?:\|(setup|run|teardown))?$")
_FAILED = re.compile(r"^(?:FAILED|ERROR) (tests/\S+::.*?)(?: - |$)", re.MULTILINE)
HANGS_S = 60  # for one test


class Covered:
    """Which tests run which line; what the set-up of one runs counts for all of its file, which may share it.

    Args:
        data: of coverage, recorded with a context for each test.
    """

    def __init__(self, data: Path) -> None:
        recorded = CoverageData(basename=str(data))
        recorded.read()
        self._lines: dict[str, dict[int, set[str]]] = {}
        shared: dict[tuple[str, int], set[str]] = {}
        for path in recorded.measured_files():
            by_line = self._by_path(path)
            for line, contexts in recorded.contexts_by_lineno(path).items():
                found = [match for one in contexts if (match := _TEST.search(one))]
                by_line[line] |= {match[1] for match in found}
                shared[path, line] = {
                    match[1].partition("::")[0] for match in found if "setup" in match.groups()
                }
        of_file: dict[str, set[str]] = defaultdict(set)
        for test in {test for each in self._lines.values() for tests in each.values() for test in tests}:
            of_file[test.partition("::")[0]].add(test)
        for (path, line), files in shared.items():
            for file in files:
                self._by_path(path)[line] |= of_file[file]
        self._reach = Counter(
            test for each in self._lines.values() for tests in each.values() for test in tests
        )

    def _by_path(self, path: str) -> dict[int, set[str]]:
        _, _, inner = path.rpartition("iterand_engine/")
        return self._lines.setdefault(f"iterand_engine/{inner}", defaultdict(set))

    @property
    def every(self) -> set[str]:
        """All tests that run some line."""
        return set(self._reach)

    def tests(self, mutant: Mutant) -> list[str]:
        """The tests that run a mutant's line, by file, first those that run little else."""
        by_line = self._lines.get(mutant.path, {})
        ran = [by_line[line] for line in mutant.lines if line in by_line]
        found: set[str] = set().union(*ran)
        if ran and not found:  # it runs at the import
            found = set().union(*by_line.values())
        files: dict[str, list[str]] = defaultdict(list)
        for test in sorted(found, key=lambda test: (self._reach[test], test)):
            files[test.partition("::")[0]].append(test)
        return [test for tests in files.values() for test in tests]


class Copy:
    """A copy of the tracked files, in which one file at a time is changed and tests run.

    Args:
        folder: to be made.
        limit_s: for the tests of one mutant.
    """

    def __init__(self, folder: Path, limit_s: float) -> None:
        self.folder, self.limit_s = folder / "copy", limit_s
        self._temporary = folder / "tmp"
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        for name in filter(None, listed.stdout.split("\0")):
            target = self.folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)
        # By the hash of the source: a file that is changed twice within a second keeps its time.
        mode = PycInvalidationMode.CHECKED_HASH
        compileall.compile_dir(self.folder, quiet=1, invalidation_mode=mode)

    def run(self, tests: Sequence[str], *options: str) -> tuple[int, str] | None:
        """Run tests up to the first that fails; None where they take longer than the limit.

        Returns:
            pytest's exit status and what it printed.
        """
        listed = self.folder / "tests.txt"
        listed.write_text("\n".join(tests), encoding="utf-8")
        words = [sys.executable, "-m", "pytest", "-x", "-q", "-n", "0", "-p", "no:cacheprovider", "--tb=no"]
        words += [f"--timeout={HANGS_S}", *options]
        environment = {**os.environ, "PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"}
        process = subprocess.Popen(
            [*words, f"--basetemp={self._temporary}", f"@{listed}"],
            cwd=self.folder,
            env=environment | {"QT_QPA_PLATFORM": "offscreen"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            said, _ = process.communicate(timeout=self.limit_s)
            return process.returncode, said
        except subprocess.TimeoutExpired:
            return None
        finally:
            self._end(process)

    @contextlib.contextmanager
    def changed(self, path: str, text: str) -> Iterator[None]:
        """Let a file have another text meanwhile."""
        file = self.folder / path
        before = file.read_bytes()
        file.write_text(text, encoding="utf-8")
        try:
            yield
        finally:
            file.write_bytes(before)

    def _end(self, process: subprocess.Popen[str]) -> None:
        """End processes that a run of tests left, in its session or elsewhere within this folder."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for other in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if str(self._temporary) in " ".join(other.cmdline()):
                    other.kill()


@dataclass
class Trial:
    """Tries mutants and keeps the result of each: "killed", "survived", "unfinished" or "no test"."""

    covered: Covered
    copy: Copy
    became: dict[Mutant, str] = field(default_factory=dict)
    _sound: dict[str, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        done = self.copy.run(
            sorted({test.partition("::")[0] for test in self.covered.every}), "--collect-only"
        )
        there = set(done[1].splitlines() if done else ())
        self._sound |= dict.fromkeys(self.covered.every - there, False)

    def settle(self, mutant: Mutant) -> str:
        """Try a mutant and return its result."""
        tests = [test for test in self.covered.tests(mutant) if self._sound.get(test, True)]
        self.became[mutant] = found = self._against(mutant, tests)
        return found

    def _against(self, mutant: Mutant, tests: list[str]) -> str:
        while tests:
            with self.copy.changed(mutant.path, mutant.text):
                done = self.copy.run(tests)
            if done is None:
                return "unfinished"
            status, said = done
            if status == 0:
                return "survived"
            failed = _FAILED.search(said)
            if failed is None or self._is_sound(failed[1]):  # None: the module cannot be imported
                return "killed"
            tests = [test for test in tests if self._sound.get(test, True)]
        return "no test"

    def _is_sound(self, test: str) -> bool:
        """Whether a test passes without a mutant."""
        if test not in self._sound:
            done = self.copy.run([test])
            self._sound[test] = done is not None and done[0] == 0
        return self._sound[test]

    @property
    def unsound(self) -> list[str]:
        """Tests that are gone or failed without a mutant."""
        return sorted(test for test, sound in self._sound.items() if not sound)


def report(
    became: Mapping[Mutant, str], of: int, rooms: Sequence[str], seed: int, unsound: Sequence[str]
) -> str:
    """Figures and survivors, as markdown."""
    columns = ("killed", "survived", "unfinished", "no test")
    lines = [
        f"{len(became)} of {of} mutants (seed {seed}):",
        "",
        f"| room | {' | '.join(columns)} | killed of both |",
        f"|---|{'---|' * (len(columns) + 1)}",
    ]
    for room in (*rooms, "all"):
        counts = Counter(end for mutant, end in became.items() if room in ("all", mutant.path.split("/")[1]))
        settled = counts["killed"] + counts["survived"]
        share = f"{counts['killed'] / settled:.1%}" if settled else "-"
        lines.append(f"| {room} | {' | '.join(str(counts[one]) for one in columns)} | {share} |")
    for end in columns[1:]:
        of_this = sorted(mutant.said for mutant, found in became.items() if found == end)
        lines += ["", f"{end.capitalize()}:", "", *(f"- {said}" for said in of_this or ["none"])]
    if unsound:
        lines += [
            "",
            "Gone, or failed without a mutant, too, and counted for nothing:",
            "",
            *(f"- {one}" for one in unsound),
        ]
    return "\n".join(lines) + "\n"


def parsed() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, help="coverage's data with a context for each test")
    parser.add_argument("--count", type=int, default=400, help="mutants in the sample")
    parser.add_argument("--seed", type=int, default=1, help="of the sample")
    parser.add_argument("--minutes", type=float, default=120.0, help="for all of them")
    parser.add_argument("--limit-s", type=float, default=300.0, help="for the tests of one")
    parser.add_argument("--rooms", nargs="+", default=list(ROOMS), help="of the engine")
    parser.add_argument(
        "--report", type=Path, help="file for figures and survivors, renewed after each mutant"
    )
    parser.add_argument("--part", default="1/1", help="of the sample, as 2/3: every third from the second on")
    parser.add_argument("--kept", type=Path, help="file of results; those that it has are not tried again")
    return parser.parse_args()


class Kept:
    """Results in a file, a line of JSON for each mutant, so that a sample can be tried in several goes.

    Args:
        file: or None to keep nothing; of this very tree.
    """

    def __init__(self, file: Path | None) -> None:
        self.file = file
        lines = file.read_text(encoding="utf-8").splitlines() if file and file.exists() else []
        self._ends = {(one["path"], one["text"]): str(one["end"]) for one in map(json.loads, lines)}

    def end_of(self, mutant: Mutant) -> str | None:
        """What became of a mutant, None where it was not tried."""
        return self._ends.get(self._name(mutant))

    def add(self, mutant: Mutant, end: str) -> None:
        """Keep one result more."""
        if self.file:
            path, text = self._name(mutant)
            with self.file.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"path": path, "text": text, "end": end, "said": mutant.said}) + "\n")

    @staticmethod
    def _name(mutant: Mutant) -> tuple[str, str]:
        return mutant.path, hashlib.sha256(mutant.text.encode()).hexdigest()


def main() -> None:
    """Try the sample and print the report; Ctrl+C ends it with a report of the mutants tried so far."""
    said = parsed()
    mutants = all_mutants(said.rooms)
    part, parts = map(int, said.part.split("/"))
    sample = random.Random(said.seed).sample(mutants, min(said.count, len(mutants)))[part - 1 :: parts]
    ends_s = time.monotonic() + said.minutes * 60
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder, contextlib.suppress(KeyboardInterrupt):
        trial, kept = Trial(Covered(said.data), Copy(Path(folder), said.limit_s)), Kept(said.kept)
        for number, mutant in enumerate(sample, 1):
            if before := kept.end_of(mutant):
                trial.became[mutant] = before
                continue
            if time.monotonic() > ends_s:
                break
            began_s = time.monotonic()
            end = trial.settle(mutant)
            kept.add(mutant, end)
            taken = f"{time.monotonic() - began_s:.0f} s"
            print(f"{number}/{len(sample)} {end} ({taken}): {mutant.said}", file=sys.stderr, flush=True)
            if said.report:
                text = report(trial.became, len(mutants), said.rooms, said.seed, trial.unsound)
                said.report.write_text(text, encoding="utf-8")
    print(report(trial.became, len(mutants), said.rooms, said.seed, trial.unsound))


if __name__ == "__main__":
    main()

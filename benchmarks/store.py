"""Measure the store: bytes and processor time of what it writes, watches and lists, with bars.

    python -m benchmarks.store [WHAT ...] [--runs 10000] [--seconds 30]

WHAT is commit, size, writers, watch, list or resolve; all of them in turn if none is named. Prints Markdown;
benchmarks/README.md keeps what was measured. Uses only what earlier versions have as well: with PYTHONPATH at
another checkout it measures that one. Bytes and processor time do not depend on what else the machine does;
the time of a commit does.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sqlalchemy.exc import OperationalError

from iterand_engine.config.run_config import RunConfig
from iterand_engine.machine.processes import current
from iterand_engine.machine.workspace import Workspace, open_workspace_dir
from iterand_engine.store import NewRun, RunState, Store
from iterand_engine.store.blocks import pack_steps, pack_values
from iterand_engine.store.run_writer import Declared, Item, Points, ProgressNote, RunEnded, RunWriter
from iterand_engine.store.runs import adopt_run, claim_run, create_run, create_runs
from iterand_gui.live.store_reader import StoreReader

SERIES, STEPS_PER_COMMIT = 5, 4  # 20 steps a second, committed every 0.2 s: 240 bytes of steps and values
WRITERS = 12
KIB = 1024
CONFIG = RunConfig.from_mapping({"data": {"dataset": "cifar10"}, "model": {"name": "resnet18"}}).to_mapping()


class Figure(NamedTuple):
    """One line of the table."""

    what: str
    unit: str
    bar: float | None
    n: int
    value: float


class Writer:
    """Commits the points of one run, as its process does, but without a thread."""

    def __init__(self, store: Store, number: int = 0) -> None:
        self._run_id = create_run(store, new_run(number))
        token = claim_run(store, self._run_id)
        adopt_run(store, self._run_id, token, current(), {})
        self.writer = RunWriter(store.workspace.db_path, self._run_id, token)
        with store.reading() as connection:
            self.writer.load(connection)
        self._declared: list[Item] = [Declared(f"series_{i}", "step", None) for i in range(SERIES)]
        self._random = np.random.default_rng(number)
        self._step = 0

    def commit(self, steps: int = STEPS_PER_COMMIT) -> float:
        """Commit the next steps of all series; the seconds that it took."""
        at = pack_steps(np.arange(self._step, self._step + steps))
        points = [
            Points(f"series_{i}", at, pack_values(self._random.random(steps, np.float32)))
            for i in range(SERIES)
        ]
        items, self._declared = [*self._declared, *points], []
        self._step += steps
        began_s = time.monotonic()
        progress = ProgressNote(self._step, 0, 10**6, began_s, 0.05)
        while True:  # as the outbox does, which tries again after a second of waiting in vain
            try:
                self.writer.commit(items, progress)
            except OperationalError:
                continue
            return time.monotonic() - began_s

    def end(self) -> None:
        """Finish the run."""
        self.writer.commit([RunEnded(RunState.FINISHED, "finished", None, 0.5, None, None)], None)
        self.writer.close()


def new_run(number: int) -> NewRun:
    """A run with the configuration that a user's would have."""
    config = {**CONFIG, "name": f"run-{number}"}
    return NewRun(f"run-{number}", config, f"group-{number // 10}", number % 10, "cpu", "fp32", "0.3.0")


def log_bytes(workspace: Workspace) -> int:
    """Size of the write-ahead log."""
    log = workspace.db_path.with_name(workspace.db_path.name + "-wal")
    return log.stat().st_size if log.exists() else 0


def commit(folder: Path, options: argparse.Namespace) -> Iterator[Figure]:
    """Bytes that a commit adds to the log, of a run that has trained for a while."""
    with Store.open(open_workspace_dir(folder)) as store:
        writer = Writer(store)
        writer.commit(10_000)
        # A reader that holds its state keeps the log from beginning anew: so it counts all that is written.
        with closing(sqlite3.connect(store.workspace.db_path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM run").fetchone()
            sizes, began_s = [log_bytes(store.workspace)], time.process_time()
            for _ in range(3000):
                writer.commit()
                sizes.append(log_bytes(store.workspace))
            spent_s = time.process_time() - began_s
        writer.writer.close()
    grown = np.diff(sizes) / KIB
    yield Figure("a commit of 0.23 KiB: written, mean", "KiB", 16, len(grown), float(grown.mean()))
    for share in (50, 95, 99):
        value = float(np.percentile(grown, share))
        yield Figure(f"the same, {share}th percentile", "KiB", None, len(grown), value)
    yield Figure("the same, largest (a merge)", "KiB", None, len(grown), float(grown.max()))
    yield Figure("the same: processor time", "ms", None, len(grown), spent_s * 1000 / len(grown))


def size(folder: Path, options: argparse.Namespace) -> Iterator[Figure]:
    """Bytes of the whole file for each point of a finished run."""
    with Store.open(open_workspace_dir(folder)) as store:
        writer = Writer(store)
        before = _file_bytes(store)
        for _ in range(500):
            writer.commit(400)
        writer.end()
        points = 500 * 400 * SERIES
        yield Figure(
            "a point of a finished run", "bytes", 4.6, points, (_file_bytes(store) - before) / points
        )


def _file_bytes(store: Store) -> int:
    store.tidy()
    with closing(sqlite3.connect(store.workspace.db_path)) as connection:
        pages, free, page_bytes = (
            int(connection.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("page_count", "freelist_count", "page_size")
        )
    return (pages - free) * page_bytes


def writers(folder: Path, options: argparse.Namespace) -> Iterator[Figure]:
    """Twelve writing processes and a reader that stays open and looks five times a second."""
    with Store.open(open_workspace_dir(folder)) as store:
        command = [sys.executable, "-m", "benchmarks.store", "--write", str(folder)]
        command += ["--seconds", str(options.seconds)]
        children = [
            subprocess.Popen([*command, "--number", str(number)], stdout=subprocess.PIPE, text=True)
            for number in range(WRITERS)
        ]
        reader, largest = StoreReader(store.reader), 0
        while any(child.poll() is None for child in children):
            reader.look()
            largest = max(largest, log_bytes(store.workspace))
            time.sleep(0.2)
        reader.close()
        times_ms = [float(word) for child in children for word in child.communicate()[0].split()]
    yield Figure(f"{WRITERS} writers and a reader: largest log", "MB", 32, len(times_ms), largest / 2**20)
    for name, share in (("median", 50), ("99th percentile", 99), ("slowest", 100)):
        bar = 200 if share == 99 else None
        time_ms = float(np.percentile(times_ms, share))
        yield Figure(f"the same: time of a commit, {name}", "ms", bar, len(times_ms), time_ms)


def write(folder: Path, number: int, seconds: float) -> None:
    """A process of `writers`: five commits a second; prints the milliseconds of each."""
    with Store.open(open_workspace_dir(folder)) as store:
        writer = Writer(store, number)
        writer.commit(10_000)
        while len(store.reader.live_runs()) < WRITERS:  # until all have started, which loads the machine
            time.sleep(0.1)
        due_s = time.monotonic()
        for _ in range(round(seconds * 5)):
            due_s += 0.2
            time.sleep(max(0.0, due_s - time.monotonic()))
            print(writer.commit() * 1000)


def _listed(folder: Path, runs: int) -> Store:
    store = Store.open(open_workspace_dir(folder))
    create_runs(store, [new_run(number) for number in range(runs)])
    with closing(sqlite3.connect(store.workspace.db_path)) as connection, connection:
        connection.execute(
            "UPDATE run SET state = 'finished', end_kind = 'finished', queue_rank = NULL, step = 1000,"
            " val_accuracy = 0.5, started_at = created_at, ended_at = created_at + 100"
        )
    return store


def _spent_ms(do: Callable[[], object]) -> float:
    began_s = time.process_time()
    do()
    return (time.process_time() - began_s) * 1000


def watch(folder: Path, options: argparse.Namespace) -> Iterator[Figure]:
    """A look of the window at many runs, one of which is being trained."""
    with _listed(folder, options.runs) as store:
        writer = Writer(store, options.runs)
        reader = StoreReader(store.reader)
        while reader.look() is None or reader.has_more:
            pass
        times_ms = []
        for _ in range(100):
            writer.commit()
            times_ms.append(_spent_ms(reader.look))
        reader.close()
        writer.writer.close()
    what = f"a look at {options.runs:,} runs after a commit of one, processor time, median"
    yield Figure(what, "ms", 1, len(times_ms), float(np.median(times_ms)))


def list_(folder: Path, options: argparse.Namespace) -> Iterator[Figure]:
    """All runs with their configurations."""
    with _listed(folder, options.runs) as store:
        store.reader.runs_with_configs(limit=1)
        gc.disable()  # as the window does
        times_ms = [_spent_ms(store.reader.runs_with_configs) for _ in range(15)]
        gc.enable()
    what = f"{options.runs:,} runs with configurations, processor time, median"
    yield Figure(what, "ms", 200, len(times_ms), float(np.median(times_ms)))


def resolve(folder: Path, options: argparse.Namespace) -> Iterator[Figure]:
    """Finding one run of many by what a user types."""
    with _listed(folder, options.runs) as store:
        run_id = store.reader.runs(limit=1)[0].id
        for kind, text in (
            ("name", f"run-{options.runs // 2}"),
            ("id", run_id),
            ("beginning of an id", run_id[:8]),
        ):
            times_ms = [_spent_ms(partial(store.reader.resolve, text)) for _ in range(50)]
            what = f"one of {options.runs:,} runs by its {kind}, processor time"
            yield Figure(what, "ms", None, 50, float(np.median(times_ms)))


WHAT = {"commit": commit, "size": size, "writers": writers, "watch": watch, "list": list_, "resolve": resolve}


def _print(figures: Sequence[Figure]) -> None:
    for what, unit, bar, n, value in figures:
        met = "" if bar is None else "met" if value <= bar else "NOT met"
        print(
            f"| {what}, {unit} | {'' if bar is None else f'{bar:g}'} | {n:,} | {value:.3g} | {met} |",
            flush=True,
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", nargs="*", choices=[[], *WHAT])
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--number", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.write is not None:
        write(options.write, options.number, options.seconds)
        return
    load = "/".join(f"{value:.1f}" for value in os.getloadavg())
    versions = f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    print(f"{versions}, {os.cpu_count()} cores, load {load}\n")
    print("| what | bar | n | value | |\n|---|---|---|---|---|")
    for name in options.what or WHAT:
        with tempfile.TemporaryDirectory() as folder:
            _print(list(WHAT[name](Path(folder), options)))


if __name__ == "__main__":
    main()

"""A process that writes one run as a worker would, for measuring the window.

It records steps at once up to a number, says `ready` on stdout, and goes on at a pace until its stdin closes.
With `--moments` it commits each of its steps by itself, at uneven times, and says when each was committed.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.window.data import SeriesWriter, open_store, recorder_of
from iterand_engine.store import RunState

_AT_ONCE = 10_000
_END_WITHIN_S = 30.0
ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    """Write a run as the command line asks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("run_id")
    parser.add_argument("--before", type=int, default=0, help="steps that are recorded at once")
    parser.add_argument("--total", type=int, default=1_000_000)
    parser.add_argument("--steps-per-s", type=float, default=20.0)
    parser.add_argument("--moments", action="store_true")
    options = parser.parse_args()
    asked_to_end = threading.Event()
    threading.Thread(target=_wait_for_end, args=[asked_to_end], daemon=True).start()
    with open_store(options.folder) as store, recorder_of(store, options.run_id) as recorder:
        series = SeriesWriter(recorder, options.total)
        for begin in range(0, options.before, _AT_ONCE):
            series.train(min(_AT_ONCE, options.before - begin))
            recorder.drain()
        print("ready", flush=True)
        if options.moments:
            _commit_singly(series, asked_to_end)
        else:
            _go_on(series, options.steps_per_s, asked_to_end)
        recorder.finish(RunState.STOPPED)


def _wait_for_end(asked_to_end: threading.Event) -> None:
    sys.stdin.read()
    asked_to_end.set()


def _go_on(series: SeriesWriter, steps_per_s: float, asked_to_end: threading.Event) -> None:
    due = time.monotonic()
    while not asked_to_end.wait(max(0.0, due - time.monotonic())):
        series.train(1)
        due += 1 / steps_per_s


def _commit_singly(series: SeriesWriter, asked_to_end: threading.Event) -> None:
    wait = random.Random(0)
    while not asked_to_end.wait(0.3 + 0.4 * wait.random()):
        series.train(1)
        series.recorder.drain()
        print(f"{series.step} {time.monotonic()}", flush=True)


@contextmanager
def writing(folder: Path, run_ids: Sequence[str], *words: str) -> Iterator[list[subprocess.Popen[str]]]:
    """Write runs, each by its own process; the processes end with the context.

    Args:
        folder: of the workspace.
        run_ids: queued runs.
        words: options of this program.
    """
    command = [sys.executable, "-m", "benchmarks.window.writers", str(folder)]
    processes = [
        subprocess.Popen(
            [*command, run_id, *words], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for run_id in run_ids
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            if process.stdout.readline() != "ready\n":
                raise RuntimeError("a writer did not start: its error is above")
        yield processes
    finally:
        for process in processes:
            assert process.stdin is not None
            process.stdin.close()
        for process in processes:
            process.wait(_END_WITHIN_S)


if __name__ == "__main__":
    main()

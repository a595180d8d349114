"""Shows the progress of a run on stderr: two live lines on a terminal, else a plain line now and then.

Limits: a display that cannot be written (a closed terminal or pipe) falls silent; it never ends a run.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar
from rich.text import Text

from iterand_engine.cli.common import duration
from iterand_engine.cli.words import as_typed
from iterand_engine.training.hooks import Hooks, TrainingProgress

PLAIN_EVERY_S = 10.0


@contextmanager
def progress_display() -> Iterator[Hooks]:
    """Open the display that suits stderr; its last lines stay on the screen."""
    if not sys.stderr.isatty():
        yield PlainDisplay()
        return
    display = LiveDisplay(PatientConsole(stderr=True))
    try:
        yield display
    finally:
        display.close()


class PlainDisplay(Hooks):
    """Prints a line at the start and then every ten seconds."""

    def __init__(self) -> None:
        self._last_s = -math.inf

    def on_progress(self, progress: TrainingProgress) -> None:
        """Print a line if ten seconds have passed since the last."""
        now_s = time.monotonic()
        if now_s - self._last_s >= PLAIN_EVERY_S:
            self._last_s = now_s
            self.note(f"{_place(progress)} {_figures(progress)} {_left(progress)}")

    def note(self, text: str) -> None:
        try:
            print(as_typed(text), file=sys.stderr, flush=True)
        except OSError:  # nobody listens any more
            self._last_s = math.inf


class PatientConsole(Console):
    """A console that falls silent on a closed pipe; Rich's own would end the process, and the run."""

    def on_broken_pipe(self) -> None:
        """Print nothing from now on; Rich calls this when the pipe is closed."""
        self.quiet = True


class LiveDisplay(Hooks):
    """A bar with the place and the time left, and a line with the figures.

    Args:
        console: of the terminal.
    """

    def __init__(self, console: Console) -> None:
        self._bar = Bar(
            TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[left]}"), console=console
        )
        self._task = self._bar.add_task("starting", total=None, left="")
        self._live = Live(self._bar, console=console, refresh_per_second=5, redirect_stdout=False)
        self._is_silent = False
        self._guarded(self._live.start)

    def on_progress(self, progress: TrainingProgress) -> None:
        self._bar.update(
            self._task,
            description=_place(progress),
            completed=progress.step,
            total=progress.total_steps,
            left=_left(progress),
        )
        self._guarded(lambda: self._live.update(Group(self._bar, Text(_figures(progress)))))

    def note(self, text: str) -> None:
        """Tell something, above the bar."""
        self._guarded(lambda: self._live.console.print(Text(as_typed(text))))

    def close(self) -> None:
        """End the display; its last lines stay on the screen."""
        self._guarded(self._live.stop)

    def _guarded(self, show: Callable[[], None]) -> None:
        if self._is_silent:
            return
        try:
            show()
        except OSError:
            self._is_silent = True


def _place(progress: TrainingProgress) -> str:
    return f"epoch {progress.epoch + 1}/{progress.epochs} step {progress.step}/{progress.total_steps}"


def _figures(progress: TrainingProgress) -> str:
    held_out = "" if math.isnan(progress.val_accuracy) else f" val_accuracy {progress.val_accuracy:.4f}"
    return (
        f"loss {progress.loss:.4f} accuracy {progress.accuracy:.4f}{held_out} "
        f"{progress.images_per_s:.0f} images/s"
    )


def _left(progress: TrainingProgress) -> str:
    return "" if math.isnan(progress.seconds_left) else f"{duration(progress.seconds_left)} left"

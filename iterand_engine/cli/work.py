"""`iterand work`: drains the queue in the foreground, with the progress of the runs.

Each run has a process of its own, as in a slot in the background. Ctrl+C asks those runs to save and stop; a
second one ends this program without waiting for them.
"""

from __future__ import annotations

import math
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Annotated, Protocol

import typer
from rich.live import Live
from rich.text import Text

from iterand_engine.cli.common import Opened, WorkspaceOption, opened, result, say
from iterand_engine.cli.progress import PLAIN_EVERY_S, PatientConsole
from iterand_engine.cli.sparkline import strokes_for
from iterand_engine.cli.top import EVERY_S, BoardReader
from iterand_engine.cli.top_board import render, run_line
from iterand_engine.cli.wait_for_slot import waiting_words
from iterand_engine.cli.words import as_typed
from iterand_engine.errors import ExitCode, UserError
from iterand_engine.machine.signals import StopSignals
from iterand_engine.slots import drain
from iterand_engine.slots.places import our_processes
from iterand_engine.store import RunState
from iterand_engine.store.records import SlotPlace


def work(
    devices: Annotated[
        list[str] | None,
        typer.Option("--device", metavar="DEVICE", help="cpu or the start of a GPU's UUID; else all slots."),
    ] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Train what is queued, here and now, until the queue is empty; Ctrl+C saves and stops."""
    with opened(workspace) as at:
        wanted = _wanted(at, devices or [])
        with StopSignals() as signals, _display(at) as display:

            def should_stop() -> bool:  # called several times a second, so it refreshes the display too
                display.look()
                return signals.requested

            ended = drain.drain(at.workspace, at.store, wanted, say=display.note, should_stop=should_stop)
        closed = {slot.key for slot in at.store.reader.slots() if slot.closed_reason is not None}
        left = at.store.reader.queued()
        why = waiting_words(at, left[0]) if left else ""
    for run in ended:
        result(f"run {run.run_id} {run.state}")
    states = Counter(run.state for run in ended)
    say(", ".join(f"{count} {state}" for state, count in states.items()) or "Nothing was trained.")
    if left:
        say(f"{len(left)} {'run is' if len(left) == 1 else 'runs are'} still queued: {why}")
    if signals.requested:
        raise typer.Exit(ExitCode.STOPPED)
    has_closed = any(place.key in closed for place in wanted)
    if has_closed or set(states) - {RunState.FINISHED, RunState.STOPPED, RunState.QUEUED}:
        raise typer.Exit(ExitCode.FAILED)


def _wanted(at: Opened, devices: list[str]) -> list[SlotPlace]:
    """Choose the slots to drain; those whose device other programs use are reported and left out."""
    offered = drain.places(at.settings, our_processes(at.store))
    chosen = [
        offer
        for offer in offered
        if not devices or any(offer.place.key.device.startswith(device) for device in devices)
    ]
    if not chosen:
        here = ", ".join(dict.fromkeys(offer.place.key.device for offer in offered)) or "none"
        asked = f"on {' or '.join(devices)} " if devices else ""
        raise UserError(
            f"There is no slot {asked}on this machine (devices with slots: {here}); see the settings devices"
            " and cpu_slot."
        )
    for offer in chosen:
        if offer.skipped is not None:
            say(f"{drain.slot_name(offer.place.key)} is {offer.skipped}.")
    return [offer.place for offer in chosen if offer.skipped is None]


class _Display(Protocol):
    def look(self) -> None:
        """Refresh the display if it is due."""

    def note(self, text: str) -> None:
        """Print a sentence on a line of its own."""


@contextmanager
def _display(at: Opened) -> Iterator[_Display]:
    """Open the board of `iterand top` on a terminal, else a display with a line per run now and then."""
    if not sys.stderr.isatty():
        yield _Lines(at)
        return
    board = _LiveBoard(at, PatientConsole(stderr=True, highlight=False))
    try:
        yield board
    finally:
        board.close()


class _Lines:
    def __init__(self, at: Opened) -> None:
        self._reader = BoardReader(at)
        self._last_s = time.monotonic()

    def look(self) -> None:
        if time.monotonic() - self._last_s < PLAIN_EVERY_S:
            return
        self._last_s = time.monotonic()
        board = self._reader.read()
        for run in board.live:
            say(run_line(board, run))

    def note(self, text: str) -> None:
        say(text)


class _LiveBoard:
    def __init__(self, at: Opened, console: PatientConsole) -> None:
        self._reader, self._console = BoardReader(at), console
        self._strokes = strokes_for(console.encoding)
        self._live = Live(console=console, auto_refresh=False, transient=True, redirect_stdout=False)
        self._last_s = -math.inf
        self._guarded(self._live.start)

    def look(self) -> None:
        if time.monotonic() - self._last_s >= EVERY_S:
            self._last_s = time.monotonic()
            board = render(self._reader.read(), self._console.height, self._strokes)
            self._guarded(lambda: self._live.update(board, refresh=True))

    def note(self, text: str) -> None:
        self._guarded(lambda: self._console.print(Text(as_typed(text))))

    def close(self) -> None:
        self._guarded(self._live.stop)

    def _guarded(self, show: Callable[[], None]) -> None:
        with suppress(OSError):  # the terminal is closed; training goes on
            show()

"""`iterand top`: shows slots, live runs and the queue, every second until Ctrl+C.

Limits: it only reads; it neither starts slots nor stores the new state of dead runs.
"""

from __future__ import annotations

import math
import sys
import time
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.constrain import Constrain
from rich.live import Live

from iterand_engine.cli.common import Opened, WorkspaceOption, opened
from iterand_engine.cli.progress import PatientConsole
from iterand_engine.cli.sparkline import strokes_for
from iterand_engine.cli.top_board import Board, render
from iterand_engine.cli.wait_for_slot import waiting_words
from iterand_engine.config.metrics import LOSS
from iterand_engine.machine.signals import StopSignals
from iterand_engine.store import RunState

EVERY_S = 1.0
POLL_S = 0.1
WIDEST = 120  # columns; on a wider board a run's name and figures would be too far apart
COUNT_EVERY_S = 10.0  # not every second, because the count reads all runs
_TROUBLED = (RunState.INTERRUPTED, RunState.FAILED, RunState.DIVERGED)


def top(
    once: Annotated[
        bool, typer.Option("--once", help="Print the present state and end, as in a pipe.")
    ] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Watch slots, runs and the queue; Ctrl+C leaves, and everything goes on."""
    with opened(workspace) as at:
        reader = BoardReader(at)
        if once or not sys.stdout.isatty():
            console = Console(width=None if sys.stdout.isatty() else WIDEST, highlight=False)
            board = render(reader.read(), strokes=strokes_for(console.encoding))
            console.print(board, width=min(console.width, WIDEST))
        else:
            _watch(reader, PatientConsole(highlight=False))


def _watch(reader: BoardReader, console: Console) -> None:
    strokes = strokes_for(console.encoding)
    with StopSignals() as signals, Live(console=console, screen=True, auto_refresh=False) as live:
        while not (signals.requested or console.quiet):
            board = render(reader.read(), console.height, strokes)
            live.update(Constrain(board, WIDEST), refresh=True)
            next_s = time.monotonic() + EVERY_S
            while not signals.requested and time.monotonic() < next_s:
                time.sleep(POLL_S)


class BoardReader:
    """Reads boards one after another; of the curves only new points."""

    def __init__(self, at: Opened) -> None:
        self._at = at
        self._losses: dict[str, tuple[int, NDArray[np.float32]]] = {}  # by run: rewind and values
        self._troubled: dict[RunState, int] = {}
        self._counted_s = -math.inf

    def read(self) -> Board:
        """Read slots, live runs, queue and the new points of the losses, as they are now."""
        store = self._at.store
        live, queued = store.reader.live_runs(), store.reader.queued()
        self._read_losses([run.id for run in live])
        if time.monotonic() - self._counted_s >= COUNT_EVERY_S:
            states = [run.state for run in store.reader.runs()]
            self._troubled = {state: states.count(state) for state in _TROUBLED if state in states}
            self._counted_s = time.monotonic()
        return Board(
            folder=self._at.workspace.root,
            slots=tuple(store.reader.slots()),
            live=tuple(live),
            queued=tuple(queued),
            losses={run_id: values for run_id, (_, values) in self._losses.items()},
            waits=waiting_words(self._at, queued[0]) if queued else "",
            troubled=self._troubled,
        )

    def _read_losses(self, run_ids: list[str]) -> None:
        known = {run_id: known for run_id, known in self._losses.items() if run_id in run_ids}
        since = {run_id: (rewind, len(values)) for run_id, (rewind, values) in known.items()}
        for run_id, new in self._at.store.reader.series_of(run_ids, LOSS, since).items():
            before = known[run_id][1][: new.first] if run_id in known else new.values[:0]
            known[run_id] = (new.rewind, np.concatenate([before, new.values]))
        self._losses = known

"""Lays out the board of `iterand top`, for a terminal of 60 columns or more.

A run takes two lines: its name and the time left, then progress, validation accuracy and its loss curve.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from iterand_engine.cli.common import duration, share
from iterand_engine.cli.sparkline import BLOCKS, Strokes, bar, sparkline
from iterand_engine.cli.words import as_typed, help_by
from iterand_engine.errors import Advice
from iterand_engine.machine import processes
from iterand_engine.machine.environment import program_stamp
from iterand_engine.store import RunRow, RunState
from iterand_engine.store.records import SlotKey, SlotRow

SHORT_ID = 8
BAR_WIDTH, CURVE_WIDTH = 15, 15
_LABEL_WIDTH = 12
_DEVICE = 12  # characters of a GPU's UUID that name it: GPU- and its first group
_SPARE_LINES = 4  # for messages that take more than one


@dataclass(frozen=True)
class Board:
    """The state at one moment: slots, live runs and the queue in its order, with the figures of each.

    `losses` (n,) are of all steps so far, by run id; `waits` says why
    the first queued run is not being trained; `troubled` counts runs by how they ended badly.
    """

    folder: Path
    slots: tuple[SlotRow, ...]
    live: tuple[RunRow, ...]
    queued: tuple[RunRow, ...]
    losses: Mapping[str, NDArray[np.float32]]
    waits: str
    troubled: Mapping[RunState, int]


def render(board: Board, height: int | None = None, strokes: Strokes = BLOCKS) -> RenderableType:
    """Lay out a board.

    Args:
        board: the board to show.
        height: the terminal's, in lines; the queue is cut to it, and runs take one line if two do not fit.
            None shows all.
        strokes: the characters to draw with.
    """
    in_slots = {slot.run_id for slot in board.slots}
    loose = [run for run in board.live if run.id not in in_slots]
    parts: list[RenderableType] = [_head(board)]
    with_figures = height is None or 2 * (len(board.slots) + len(loose)) + 4 <= height
    by_id = {run.id: run for run in board.live}
    for slot in sorted(board.slots, key=lambda slot: slot.key):
        run = by_id.get(slot.run_id or "")
        label = _slot_label(slot.key)
        parts += [_idle(label, slot)] if run is None else _running(board, label, run, with_figures, strokes)
    for run in loose:
        parts += _running(board, "no slot", run, with_figures, strokes)
    if not board.slots and not loose:
        parts.append(Text("Nothing is being trained."))
    left = None if height is None else max(1, height - len(parts) - _SPARE_LINES)
    return Group(*parts, *_queue(board, left))


def run_line(board: Board, run: RunRow) -> str:
    """Describe a live run in one plain line."""
    done = f"{100 * run.step / run.total_steps:.0f} %" if run.total_steps else f"step {run.step}"
    losses = board.losses.get(run.id)
    loss = f", loss {losses[-1]:.4g}" if losses is not None and len(losses) else ""
    left = seconds_left(run)
    time_left = "" if math.isnan(left) else f", {duration(left)} left"
    return (
        f"{run.id[:SHORT_ID]} {run.name}, seed {run.seed}: {run.state}, {done},"
        f" val {share(run.accuracy_so_far)}{loss}{time_left}"
    )


def seconds_left(run: RunRow) -> float:
    """Estimate the seconds left at the mean speed of the steps so far; NaN if that is not known."""
    if not run.total_steps or run.step <= 0 or run.elapsed_s <= 0:
        return math.nan
    return run.elapsed_s / run.step * (run.total_steps - run.step)


def _head(board: Board) -> RenderableType:
    counts = [f"{len(board.live)} running", f"{len(board.queued)} queued"]
    counts += [f"{number} {state}" for state, number in board.troubled.items()]
    return _line(_text(str(board.folder), "bold"), _text(", ".join(counts)))


def _running(
    board: Board, label: str, run: RunRow, with_figures: bool, strokes: Strokes
) -> list[RenderableType]:
    """Make a run's line, and one with its figures if there is room."""
    left = seconds_left(run)
    time_left = "" if math.isnan(left) else f", {duration(left)} left"
    name = _text(f"{run.id[:SHORT_ID]} {run.name}, seed {run.seed}")
    lines: list[RenderableType] = [_line(name, _text(f"{run.state}{time_left}"), label)]
    if with_figures:
        done = run.step / run.total_steps if run.total_steps else 0.0
        accuracy = share(run.accuracy_so_far)
        lines.append(_line(_Figures(done, accuracy, board.losses.get(run.id), strokes), Text(), ""))
    return lines


def _idle(label: str, slot: SlotRow) -> RenderableType:
    """Make the lines of a slot without a run, as many as its message needs."""
    if slot.closed_reason is not None:
        reopen = help_by(Advice.REOPEN_SLOT, slot.key.device[:_DEVICE])
        text = _text(f"closed: {slot.closed_reason}; {reopen}", "red")
    elif slot.run_id is not None:
        text = _text(f"{slot.run_id[:SHORT_ID]} is starting")
    else:
        text = _text(_idle_words(slot), "dim")
    line = Table.grid(expand=True, padding=(0, 1, 0, 0))
    line.add_column(width=_LABEL_WIDTH, no_wrap=True, overflow="ellipsis")
    line.add_column(ratio=1, overflow="fold")
    line.add_row(_text(label), text)
    return line


def _idle_words(slot: SlotRow) -> str:
    if not slot.message:
        return "idle" if slot.held else "not started"
    is_older = slot.held and slot.program != program_stamp()
    return f"{slot.message}; {help_by(Advice.START_SLOTS)} anew" if is_older else slot.message


def _queue(board: Board, lines: int | None) -> list[RenderableType]:
    """Make lines of the first queued runs, at most `lines` of them, and of the number of the others."""
    if not board.queued:
        return [Text("The queue is empty.")]
    count = len(board.queued) if lines is None or len(board.queued) <= lines else lines - 1
    parts: list[RenderableType] = [_text(f"Queue: {board.waits}")]
    for place, run in enumerate(board.queued[:count], start=1):
        name = _text(f"{run.id[:SHORT_ID]} {run.name}, seed {run.seed}")
        at_step = f"from step {run.step}, {run.device_kind}" if run.step else run.device_kind
        parts.append(_line(name, _text(at_step), f"{place:>{_LABEL_WIDTH - 1}}"))
    if count < len(board.queued):
        parts.append(_text(f"... and {len(board.queued) - count} more"))
    return parts


@dataclass(frozen=True)
class _Figures:
    """A run's progress, accuracy and loss; in a narrow terminal, bar and curve are shorter."""

    done: float
    accuracy: str
    losses: NDArray[np.float32] | None
    strokes: Strokes

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        text, values = f" {100 * self.done:3.0f} %  val {self.accuracy}", None
        if self.losses is not None and len(self.losses):
            text, values = f"{text}  loss {self.losses[-1]:.3g} ", self.losses
        room = max(0, options.max_width - len(text))
        curve = "" if values is None else sparkline(values, min(CURVE_WIDTH, room // 2), self.strokes)
        yield Text(bar(self.done, min(BAR_WIDTH, room - len(curve)), self.strokes) + text + curve)


def _line(text: RenderableType, right: Text, label: str | None = None) -> Table:
    """Make one line: a label, a text that is cut if it does not fit, and a text at the right."""
    line = Table.grid(expand=True, padding=(0, 1, 0, 0))
    if label is not None:
        line.add_column(width=_LABEL_WIDTH, no_wrap=True, overflow="ellipsis")
    line.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    line.add_column(justify="right", no_wrap=True)
    line.add_row(*([] if label is None else [_text(label)]), text, right)
    return line


def _text(text: str, style: str = "") -> Text:
    return Text(as_typed(text, lines=False), style)


def _slot_label(key: SlotKey) -> str:
    """Name a slot: `cpu 0` or `GPU-3fa1 0`, with a mark if it is another machine's."""
    device = key.device[:SHORT_ID]
    return f"{device} {key.position}" + ("" if key.host == processes.host_id() else " *")

"""`iterand top`: what it draws, at 80 columns and in pipes."""

from __future__ import annotations

import io
import math
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hypothesis_numpy
from rich.console import Console

from iterand_engine.cli.common import Opened
from iterand_engine.cli.sparkline import ASCII, BLOCKS, bar, sparkline, strokes_for
from iterand_engine.cli.top import BoardReader
from iterand_engine.cli.top_board import Board, render, seconds_left
from iterand_engine.machine import processes
from iterand_engine.machine.settings import Settings
from iterand_engine.store import NewRun, Recorder, RunRow, RunState, Store
from iterand_engine.store.records import SlotKey, SlotRow
from iterand_engine.store.runs import adopt_run, claim_run, create_run
from tests.command_line import TINY, iterand, on_a_terminal, opened, until
from tests.patience import PATIENCE_S
from tests.run_rows import run_row

CURVES = hypothesis_numpy.arrays(
    np.float32, st.integers(0, 200), elements=st.floats(-1e6, 1e6, width=32) | st.just(math.nan)
)


@given(CURVES, st.integers(1, 40))
def test_that_a_sparkline_has_a_character_a_stretch_and_reaches_both_ends(
    values: np.ndarray[tuple[int], np.dtype[np.float32]], width: int
) -> None:
    drawn = sparkline(values, width)
    assert len(drawn) == min(width, len(values))
    assert set(drawn) <= set(BLOCKS.levels + " ")
    if not np.isfinite(values).any():
        assert not drawn.strip()
    elif len(set(drawn) - {" "}) > 1:
        assert {BLOCKS.levels[0], BLOCKS.levels[-1]} <= set(drawn)


def test_that_a_sparkline_rises_and_falls_with_its_values() -> None:
    assert sparkline(np.arange(8, dtype=np.float32), 8) == "▁▂▃▄▅▆▇█"
    assert sparkline(np.arange(8, dtype=np.float32)[::-1], 8, ASCII) == "@#*+=-._"
    assert sparkline(np.array([0, 0, 7, 7], np.float32), 2) == "▁█"
    assert sparkline(np.array([2, math.nan, math.inf, 2], np.float32), 9) == "▁  ▁"


@given(st.floats(0, 1), st.integers(1, 60))
def test_that_a_bar_keeps_its_width_and_is_full_only_at_the_end(share: float, width: int) -> None:
    drawn = bar(share, width)
    assert len(drawn) == width
    assert (BLOCKS.left not in drawn) == (share == 1)


def test_that_a_terminal_without_blocks_gets_plain_characters() -> None:
    assert strokes_for("utf-8") is BLOCKS
    assert strokes_for("latin-1") is strokes_for("ascii") is strokes_for("no such") is ASCII


HOST = processes.host_id()
RUN = run_row(
    id="5f0c2a11-0000-0000-0000-000000000001",
    name="conv4-x0.25-iterand",
    state=RunState.RUNNING,
    created_at=0.0,
    started_at=0.0,
    elapsed_s=120.0,
    step=250,
    epoch=5,
    total_steps=1000,
    model="conv4",
    width_factor=0.25,
    seed=3,
    val_accuracy=None,
    accuracy_so_far=0.9124,
)
SLOT = SlotRow(
    key=SlotKey(HOST, "cpu", 0),
    device_name="CPU",
    device_kind="cpu",
    holder=None,
    held=True,
    run_id=RUN.id,
    message=None,
    closed_reason=None,
    program="1",
    started_at=0.0,
)


def board(
    *, slots: tuple[SlotRow, ...] = (SLOT,), live: tuple[RunRow, ...] = (RUN,), queued: int = 0
) -> Board:
    waiting = tuple(
        replace(RUN, id=f"{n:08d}-wait", name=f"queued-{n}", state=RunState.QUEUED, step=0)
        for n in range(queued)
    )
    return Board(
        folder=Path("/data/somebody/experiments"),
        slots=slots,
        live=live,
        queued=waiting,
        losses={run.id: np.linspace(2, 0.5, 250, dtype=np.float32) for run in live},
        waits="slot 0 of cpu trains 5f0c2a11",
        troubled={RunState.INTERRUPTED: 2},
    )


def drawn(shown: Board, *, width: int = 80, height: int | None = None) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=width, highlight=False).print(render(shown, height))
    return [line.rstrip() for line in out.getvalue().splitlines()]


def test_that_eighty_columns_show_a_run_with_progress_time_accuracy_and_loss() -> None:
    assert drawn(board(queued=2)) == [
        "/data/somebody/experiments                    1 running, 2 queued, 2 interrupted",
        "cpu 0        5f0c2a11 conv4-x0.25-iterand, seed 3        running, 6 min 0 s left",
        "             ━━━────────────  25 %  val 91.24 %  loss 0.5 █▇▇▆▆▅▅▄▄▃▃▂▂▁▁",
        "Queue: slot 0 of cpu trains 5f0c2a11",
        "          1  00000000 queued-0, seed 3                                       cpu",
        "          2  00000001 queued-1, seed 3                                       cpu",
    ]


def test_that_sixty_columns_still_show_a_bar_and_a_curve() -> None:
    losses = np.linspace(2, 0.00347, 250, dtype=np.float32)
    shown = replace(board(), losses={RUN.id: losses})
    assert drawn(shown, width=60)[2] == "             ━─────  25 %  val 91.24 %  loss 0.00347 █▇▅▄▂▁"


@given(st.integers(60, 200), st.integers(10, 60), st.integers(0, 12), st.integers(0, 200))
def test_that_no_terminal_is_overfilled(width: int, height: int, running: int, queued: int) -> None:
    live = tuple(replace(RUN, id=f"{n:08d}", name="long-name-" * 20) for n in range(running))
    slots = tuple(replace(SLOT, key=SlotKey(HOST, "cpu", n), run_id=run.id) for n, run in enumerate(live))
    lines = drawn(board(slots=slots, live=live, queued=queued), width=width, height=height)
    assert max(map(len, lines)) <= width
    assert len(lines) <= max(height, running + 5)
    shown = sum("queued-" in line for line in lines)
    more = [line for line in lines if line.startswith("... and")]
    assert shown == queued if not more else more == [f"... and {queued - shown} more"]


def test_that_slots_without_a_run_say_why() -> None:
    gpu = SlotKey(HOST, "GPU-3fa1b2c3-99", 1)
    slots = (
        replace(SLOT, run_id=None),
        replace(SLOT, key=replace(SLOT.key, position=1), run_id=None, message="held: the program changed"),
        replace(SLOT, key=replace(SLOT.key, position=2), run_id=None, held=False),
        replace(
            SLOT,
            key=gpu,
            run_id=None,
            closed_reason="an ECC error, which is said at such a length that it needs two lines",
        ),
        replace(SLOT, key=replace(gpu, host="another"), run_id="77777777-x"),
    )
    text = "\n".join(drawn(board(slots=slots, live=())))
    for said in (
        "cpu 0        idle",
        "cpu 1        held: the program changed",
        "cpu 2        not started",
        "GPU-3fa1 1   closed: an ECC error, which is said at such a length that it needs",
        "             two lines; `iterand queue --reopen GPU-3fa1b2c3` opens it",
        "GPU-3fa1 1 * 77777777 is starting",
        "The queue is empty.",
    ):
        assert said in text


def test_that_a_run_outside_of_slots_is_shown_and_an_empty_board_says_so() -> None:
    assert drawn(board(slots=()))[1].startswith("no slot      5f0c2a11 conv4-x0.25-iterand, seed 3")
    assert drawn(board(slots=(), live=()))[1] == "Nothing is being trained."


def test_that_text_of_the_user_is_shown_as_it_is() -> None:
    run = replace(RUN, name="[red]mine[/red]")
    assert "[red]mine[/red]" in drawn(board(live=(run,)))[1]


@pytest.mark.parametrize(
    ("changes", "left_s"),
    [({}, 360.0), ({"step": 0}, math.nan), ({"total_steps": None}, math.nan), ({"step": 1000}, 0.0)],
)
def test_that_time_left_follows_the_mean_speed(changes: dict[str, int | None], left_s: float) -> None:
    assert seconds_left(replace(RUN, **changes)) == pytest.approx(left_s, nan_ok=True)  # type: ignore[arg-type]


def a_run(store: Store, name: str = "made") -> str:
    return create_run(
        store, NewRun(name, {**TINY, "name": name}, "key", 1, "cpu", "fp32", "1", total_steps=16)
    )


def test_that_a_reader_of_boards_reads_on_and_goes_back_with_a_run(workspace_dir: Path) -> None:
    with opened(workspace_dir) as (workspace, store):
        reader = BoardReader(Opened(workspace, store, Settings(cpu_slot=False)))
        run_id, waiting = a_run(store), a_run(store, "waits")
        token = claim_run(store, run_id)
        adopt_run(store, run_id, token, processes.current(), {})
        assert reader.read().losses == {}
        with Recorder(store, run_id, token) as recorder:
            recorder.declare("loss", "step")
            recorder.append("loss", [0, 1, 2], [3.0, 2.0, 1.0])
            recorder.progress(3, 0, 16)
            recorder.drain()
            assert reader.read().losses[run_id].tolist() == [3.0, 2.0, 1.0]
            recorder.append("loss", [3], [0.5])
            recorder.drain()
            assert reader.read().losses[run_id].tolist() == [3.0, 2.0, 1.0, 0.5]
            recorder.rewind(1)
            recorder.append("loss", [1], [9.0])
            recorder.drain()
            now = reader.read()
            assert now.losses[run_id].tolist() == [3.0, 9.0]
            assert [run.id for run in (*now.live, *now.queued)] == [run_id, waiting]
            assert now.waits.startswith("No slot of this machine takes it")
            recorder.finish(RunState.STOPPED)
        assert (reader.read().live, reader.read().losses) == ((), {})


def test_that_top_in_a_pipe_prints_once_and_in_full(workspace_dir: Path) -> None:
    iterand("settings", "set", "cpu_slot", "false", "--workspace", workspace_dir)
    with opened(workspace_dir) as (_, store):
        names = [f"[b]{n}[/b]-{'long-' * 12}" for n in range(50)]
        for name in names:
            a_run(store, name)
    for words in ((), ("--once",)):
        done = iterand("top", *words, "--workspace", workspace_dir)
        assert done.code == 0
        assert "0 running, 50 queued" in done.out
        assert [name for name in names if f"{name}, seed 1" in done.out] == names


def test_that_top_on_a_terminal_goes_on_until_it_is_interrupted(workspace_dir: Path) -> None:
    iterand("settings", "set", "cpu_slot", "false", "--workspace", workspace_dir)
    with opened(workspace_dir) as (_, store):
        a_run(store, "watched")
        with on_a_terminal("top", "--workspace", workspace_dir) as (process, seen):
            until(lambda: "watched, seed 1" in seen())
            a_run(store, "added")
            until(lambda: "added, seed 1" in seen())
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE_S) == 0

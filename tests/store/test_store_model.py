"""Whatever is appended, committed, rewound and resumed, in any order, reads back as a plain list holds it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from iterand_engine.machine import processes
from iterand_engine.machine.workspace import open_workspace_dir
from iterand_engine.store import NewRun, Recorder, RunState, Series, Store, blocks, chunks
from iterand_engine.store.blocks import Packed, Packing
from iterand_engine.store.runs import adopt_run, claim_run, create_run

LAYERS = ("a", "b", "c")
SERIES = {"loss": None, "mask_flips": LAYERS}
FLOATS = st.floats(width=32, allow_nan=True, allow_infinity=True)


class RecordedSeries(RuleBasedStateMachine):
    """Series of one run beside plain lists of (step, values)."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        self.store = store
        config = {
            "data": {"dataset": "x"},
            "model": {"name": "x", "width_factor": 1},
            "method": {"name": "x"},
        }
        self.run_id = create_run(self.store, NewRun("run", config, "g", 1, "cpu", "fp32", "0"))
        self.held: dict[str, list[tuple[int, list[float]]]] = {name: [] for name in SERIES}
        self.next_step = 0
        self.rewinds = 0
        self.revision = 0
        self.recorder = self.resumed()

    def resumed(self) -> Recorder:
        token = claim_run(self.store, self.run_id)
        adopt_run(self.store, self.run_id, token, processes.current(), {})
        recorder = Recorder(self.store, self.run_id, token)
        for name, layers in SERIES.items():
            recorder.declare(name, "step", layers)
        return recorder

    @rule(
        name=st.sampled_from(sorted(SERIES)),
        gaps=st.lists(st.integers(0, 3), min_size=1, max_size=30),
        data=st.data(),
    )
    def append(self, name: str, gaps: list[int], data: st.DataObject) -> None:
        width = len(SERIES[name] or "1")
        steps = (self.next_step + np.cumsum(gaps) + np.arange(len(gaps))).tolist()
        values = data.draw(st.lists(FLOATS, min_size=width, max_size=width))
        rows = [[value + step if np.isfinite(value) else value for value in values] for step in steps]
        array = np.array(rows, np.float32)
        self.recorder.append(name, steps, array if SERIES[name] else array[:, 0])
        self.held[name] += [(step, row) for step, row in zip(steps, array.tolist(), strict=True)]
        self.next_step = steps[-1] + 1

    @rule()
    def commit(self) -> None:
        self.recorder.drain()
        self.reads_back_as_held()

    @rule(back=st.integers(0, 60))
    def rewind(self, back: int) -> None:
        step = max(0, self.next_step - back)
        self.recorder.rewind(step)
        self.held = {name: [p for p in points if p[0] < step] for name, points in self.held.items()}
        self.next_step = step
        self.rewinds += 1

    @rule()
    def stop_and_resume(self) -> None:
        self.recorder.finish(RunState.STOPPED)
        self.recorder.close()
        self.recorder = self.resumed()

    @rule()
    def lose_the_process(self) -> None:
        """Whatever was committed stays, in chunks and blocks, and the next process goes on behind it."""
        self.recorder.close()
        self.execute("UPDATE run SET owner_start_ticks = owner_start_ticks - 1")
        self.reads_back_as_held()
        self.recorder = self.resumed()

    @rule()
    def have_blocks_of_an_older_program(self) -> None:
        self.recorder.drain()
        rows = self.execute("SELECT rowid, packing, count, first_step, steps, points FROM series_block")
        for rowid, *piece in rows:
            values = (Packing.PLAIN, blocks.plain_steps(Packed(*piece)), rowid)
            self.execute("UPDATE series_block SET packing = ?, steps = ? WHERE rowid = ?", *values)

    def execute(self, statement: str, *values: object) -> list[Any]:
        with closing(sqlite3.connect(self.store.workspace.db_path)) as connection, connection:
            return connection.execute(statement, values).fetchall()

    @rule(data=st.data())
    @precondition(lambda self: self.held["loss"])
    def follow(self, data: st.DataObject) -> None:
        """Read only what a reader does not have yet."""
        self.recorder.drain()
        first = data.draw(st.integers(0, len(self.held["loss"])))
        rest = self.store.reader.series(self.run_id, "loss", first=first)
        assert rest.steps.tolist() == [step for step, _ in self.held["loss"][first:]]
        for name, points in self.held.items():
            for rewind, begin in ((self.rewinds, min(first, len(points))), (self.rewinds - 1, 0)):
                part = self.part_of(name, (rewind, min(first, len(points))))
                assert (part.first, part.rewind) == (begin, self.rewinds)
                assert part.steps.tolist() == [step for step, _ in points[begin:]]
                width = len(SERIES[name] or "1")
                expected = np.array([row for _, row in points[begin:]], np.float32).reshape(-1, width)
                assert np.array_equal(part.values.reshape(-1, width), expected, equal_nan=True)

    def part_of(self, name: str, had: tuple[int, int]) -> Series:
        return self.store.reader.series_of([self.run_id], name, {self.run_id: had})[self.run_id]

    def reads_back_as_held(self) -> None:
        for name, layers in SERIES.items():
            series, points = self.store.reader.series(self.run_id, name), self.held[name]
            assert series.steps.tolist() == [step for step, _ in points]
            shape = (len(points), len(layers)) if layers else (len(points),)
            expected = np.array([row for _, row in points], np.float32).reshape(shape)
            assert series.values.shape == shape
            assert np.array_equal(series.values, expected, equal_nan=True)
            assert series.rewind == self.rewinds
        revision = self.store.reader.run(self.run_id).revision
        assert revision >= self.revision
        self.revision = revision

    def teardown(self) -> None:
        self.recorder.close()
        self.reads_back_as_held()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(open_workspace_dir(tmp_path)) as store:
        yield store


def test_that_any_sequence_reads_back_as_a_list_holds_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 200)  # many small blocks, so that every border is met
    monkeypatch.setattr(chunks, "CHUNKS_BYTES", 600)

    class Machine(RecordedSeries):
        def __init__(self) -> None:
            super().__init__(store)

    run_state_machine_as_test(Machine, settings=settings(max_examples=18, stateful_step_count=15))

"""Series as CSV: every point as it is stored, whole files only, and mistakes in one sentence."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from iterand_engine.errors import UserError
from iterand_engine.machine import processes
from iterand_engine.results import series_csv
from iterand_engine.results.series_csv import HEAD, write_series
from iterand_engine.store import Recorder, RunState, Store
from iterand_engine.store.runs import adopt_run, claim_run, create_run
from tests.new_runs import new_run

LAYERS = ("conv1.weight", "fc, last")


class Ended(Exception):  # noqa: N818 - what a user wants who cancels
    """Ends the writing."""


def add_run(store: Store) -> str:
    return create_run(store, new_run("tiny"))


def trained(store: Store, points: int) -> str:
    """A run with a series of single values and one with two layers."""
    run_id = add_run(store)
    token = claim_run(store, run_id)
    adopt_run(store, run_id, token, processes.current(), {"device": "cpu"})
    with Recorder(store, run_id, token) as recorder:
        recorder.declare("loss", "step")
        recorder.declare("flips", "step", LAYERS)
        recorder.declare("empty", "step")
        losses = np.linspace(2, 1, points, dtype=np.float32)
        losses[0] = np.nan
        recorder.append("loss", np.arange(points), losses)
        recorder.append("flips", [3, 7], [[0.1, 0.2], [0.3, 0.4]])
        recorder.finish(RunState.STOPPED)
    return run_id


def read(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


def test_that_every_point_is_written_as_it_is_stored(store: Store, tmp_path: Path) -> None:
    run_id, out = trained(store, points=12_345), tmp_path / "series.csv"
    reported: list[tuple[int, int]] = []
    count = write_series(store, run_id, out, lambda done, total: reported.append((done, total)))
    head, *rows = read(out)
    assert tuple(head) == HEAD
    assert count == len(rows) == 12_345 + 4
    losses = [row for row in rows if row[0] == "loss"]
    assert losses[0] == ["loss", "", "0", "nan"]
    expected = np.linspace(2, 1, 12_345, dtype=np.float32)[1:]
    assert np.array_equal(np.array([row[3] for row in losses[1:]], np.float32), expected)
    assert [row for row in rows if row[0] == "flips"] == [
        ["flips", "conv1.weight", "3", "0.1"],
        ["flips", "fc, last", "3", "0.2"],
        ["flips", "conv1.weight", "7", "0.3"],
        ["flips", "fc, last", "7", "0.4"],
    ]
    assert reported[-1] == (count, count)
    assert [done for done, _ in reported] == sorted(done for done, _ in reported)


def test_that_what_ends_the_writing_leaves_the_file_as_it_was(store: Store, tmp_path: Path) -> None:
    run_id, out = trained(store, points=20), tmp_path / "series.csv"
    out.write_text("before")

    def stop(done: int, total: int) -> None:
        raise Ended

    with pytest.raises(Ended):
        write_series(store, run_id, out, stop)
    assert out.read_text() == "before"
    assert list(tmp_path.glob("*.part")) == []


def test_that_mistakes_are_told_in_a_sentence(store: Store, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no series yet"):
        write_series(store, add_run(store), tmp_path / "series.csv")
    with pytest.raises(UserError, match="There is no run"):
        write_series(store, "no-such-run", tmp_path / "series.csv")
    with pytest.raises(UserError, match="Cannot write"):
        write_series(store, trained(store, points=3), tmp_path / "missing" / "series.csv")


def test_that_a_series_of_more_layers_than_are_written_at_once_is_written(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(series_csv, "_ROWS_AT_ONCE", 1)
    write_series(store, trained(store, points=3), tmp_path / "series.csv")
    flips = [row for row in read(tmp_path / "series.csv") if row[0] == "flips"]
    assert [row[1:3] for row in flips] == [[layer, step] for step in ("3", "7") for layer in LAYERS]

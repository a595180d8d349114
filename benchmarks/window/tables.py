"""Measures the table of 10,000 runs and the reading of series, in the window's own process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PySide6.QtCore import Qt

from benchmarks.window.clock import run_for, run_until, watched
from benchmarks.window.data import open_store
from benchmarks.window.opened import opened
from benchmarks.window.results import Line, line, stall_line
from iterand_gui.pages.runs import RunsPage
from iterand_gui.pages.runs.lines.columns import COLUMNS
from iterand_gui.plots.reduction import column_starts, reduce_columns

FILTERS = (
    "iterand",
    "width>=0.5",
    "width>=0.5 method:iterand",
    "width>=0.5 method:iterand state:finished",
    "state:diverged",
    "conv6",
    "lr<0.05",
    "accuracy>0.8",
    "resnet18 age<1d",
    "nothing-of-this-name",
)
_WIDTH_PX = 1000


def table(folder: Path, runs: int) -> Iterator[Line]:
    """Sort by every column and filter, each with the painting that follows."""
    with opened(folder) as window:
        page = window.show_page("runs")
        assert isinstance(page, RunsPage)
        run_until(lambda: page.model.counts[1] == runs, 120)
        run_for(3.0)  # what differs is worked out in a thread
        view = page.table
        sorts, filters = [], []
        with watched() as seen:
            for _ in range(2):
                for column in range(len(COLUMNS)):
                    for order in (Qt.SortOrder.AscendingOrder, Qt.SortOrder.DescendingOrder):
                        began = time.perf_counter()
                        view.sortByColumn(column, order)
                        view.viewport().repaint()
                        sorts.append(time.perf_counter() - began)
                        run_for(0.02)
            for _ in range(3):
                for text in FILTERS:
                    for one in (text, ""):
                        began = time.perf_counter()
                        page.filter.set_text(one)
                        view.viewport().repaint()
                        filters.append(time.perf_counter() - began)
                        run_for(0.3)
        lines = f"{runs:,} runs, {page.model.rowCount():,} lines: "
        yield line(lines + "sort by each column and paint", sorts, bar=50)
        yield line(lines + "filter and paint", filters, bar=50)
        yield stall_line("table: sort and filter", seen)


def blocks(folder: Path) -> Iterator[Line]:
    """Read one series of 50 runs whole and reduce it to columns of pixels."""
    with open_store(folder) as store:
        ids = [row.id for row in store.reader.runs()]
        rates = []
        for _ in range(20):
            began, points = time.perf_counter(), 0
            for found in store.reader.series_of(ids, "loss").values():
                edges = np.linspace(0, found.steps[-1] + 1, _WIDTH_PX + 1).astype(np.int64)
                reduce_columns(found.values, column_starts(found.steps, edges))
                points += len(found.steps)
            rates.append(points / (time.perf_counter() - began) / 1e6)
    low, median = (float(np.percentile(rates, share)) for share in (5, 50))
    what = f"series of {len(ids)} runs, {points:,} points, read and reduced"
    yield Line(what, "M points/s", len(rates), median, low, min(rates), bar=70, more=True)

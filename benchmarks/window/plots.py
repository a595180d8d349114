"""Measures plots in the window: how soon a value is seen, redraws, stalls, first curves of many runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PySide6.QtWidgets import QWidget

from benchmarks.window.clock import Drawing, run_for, run_until, run_until_painted, watched
from benchmarks.window.data import STEPS_A_RUN, make_queued, open_store
from benchmarks.window.opened import drawn, opened
from benchmarks.window.results import Line, line, stall_line
from benchmarks.window.writers import writing
from iterand_gui.pages.compare import ComparePage
from iterand_gui.pages.compare.metrics import metric_of
from iterand_gui.pages.compare.results import Mode
from iterand_gui.pages.run import RunPage
from iterand_gui.pages.run.curves import CurvesTab
from iterand_gui.pages.run.panels import PANELS
from iterand_gui.plots.canvas import Canvas
from iterand_gui.plots.curve_plot import CurvePlot
from iterand_gui.shell.main_window import MainWindow

LIVE_RUNS, LIVE_POINTS, WRITERS, WATCH_S, REPEATS = 4, 100_000, 8, 12.0, 7
MOMENTS = 40
STALL_MS = 50
LOSS = metric_of("loss")


def seen(folder: Path) -> Iterator[Line]:
    """From the commit of a step to the painting of its point in the Run page's plot of the loss."""
    drawing = Drawing()
    (run_id,) = _queued(folder, 1, 1000)
    words = ("--moments", "--total", "1000")
    with writing(folder, [run_id], *words) as (writer,), opened(folder) as window:
        plot = _curves_of(window, run_id, ("loss",)).feed("loss").plot
        painted: dict[int, float] = {}

        def note(canvas: Canvas) -> bool:
            if plot.isAncestorOf(canvas):
                count, now = len(plot.drawn_values("loss")), time.monotonic()
                for step in range(max(painted, default=0) + 1, count + 1):
                    painted[step] = now
            return len(painted) >= MOMENTS

        run_until_painted(drawing, note, 120)
        assert writer.stdin is not None
        assert writer.stdout is not None
        writer.stdin.close()
        committed = {int(step): float(at) for step, at in (text.split() for text in writer.stdout)}
    first_s = min(painted.values())  # what was stored before the plot was there
    waits = [at - committed[step] for step, at in painted.items() if at > first_s and step in committed]
    yield line("a value on screen after its commit", waits, bar=600)


def live(folder: Path) -> Iterator[Line]:
    """Redraws while four runs of 100,000 steps are written: all panels of one, and all four in one plot."""
    drawing = Drawing()
    run_ids = _queued(folder, LIVE_RUNS, 10 * LIVE_POINTS)
    words = ("--before", str(LIVE_POINTS), "--total", str(10 * LIVE_POINTS))
    with writing(folder, run_ids, *words), opened(folder) as window:
        tab = _curves_of(window, run_ids[0], tuple(panel.key for panel in PANELS))
        run_until(lambda: tab.feed("loss").plot.point_count("loss") >= LIVE_POINTS, 60)
        run_for(2.0)
        in_view = sum(not tab.feed(panel.key).plot.visibleRegion().isEmpty() for panel in PANELS)
        yield from _redraws(drawing, f"all {len(PANELS)} panels of a live run, {in_view} in view")
        page = _compare(window, run_ids)
        run_until(lambda: _points(page) >= LIVE_RUNS * LIVE_POINTS, 60)
        run_for(2.0)
        yield from _redraws(drawing, f"{LIVE_RUNS} live runs of {LIVE_POINTS:,} steps in one plot")


def _redraws(drawing: Drawing, what: str) -> Iterator[Line]:
    drawing.rounds.clear()
    with watched() as stalls:
        run_for(WATCH_S)
    rounds = [one for one in drawing.rounds if one.painted]
    worked = np.percentile([one.worked_s for one in rounds], 95)
    note = f"p95 of the work alone {1e3 * worked:.1f}; {max(one.painted for one in rounds)} plots"
    yield line(f"{what}: redraw", [one.took_s for one in rounds], bar=33, judged="high", note=note)
    yield stall_line(what, stalls)


def stalls(folder: Path) -> Iterator[Line]:
    """The event loop while eight processes write 20 steps a second each, on three pages."""
    run_ids = _queued(folder, WRITERS, 1_000_000)
    with writing(folder, run_ids, "--before", "1000"), opened(folder) as window:
        for name in ("Runs", "Run", "Compare"):
            if name == "Run":
                _curves_of(window, run_ids[0], ("accuracy", "flips"))
            elif name == "Compare":
                _compare(window, run_ids)
            run_for(3.0)
            with watched() as found:
                run_for(WATCH_S)
            yield stall_line(f"{WRITERS} writers, {name} page", found, STALL_MS)


def finished(folder: Path) -> Iterator[Line]:
    """From the request to compare 50 finished runs to the first curves painted, and to every point read."""
    drawing = Drawing()
    with open_store(folder) as store:
        run_ids = [row.id for row in store.reader.runs()]
    first, every = [], []
    with opened(folder) as window:
        run_until(lambda: len(window.session.watcher.runs) == len(run_ids), 60)
        cold = _time_curves(drawing, window, run_ids)
        with watched() as found:
            for _ in range(REPEATS):
                _time_curves(drawing, window, run_ids[:1])
                run_for(1.0)
                times = _time_curves(drawing, window, run_ids)
                first.append(times[0])
                every.append(times[1])
                run_for(1.0)
    what = f"{len(run_ids)} finished runs x {STEPS_A_RUN:,} steps"
    yield line(f"{what}: first curves painted", first, bar=300)
    yield line(f"{what}: every point read", every)
    yield line(f"{what}: first curves, no plot shown before", [cold[0]])
    yield stall_line(what, found)


def _time_curves(drawing: Drawing, window: MainWindow, run_ids: list[str]) -> tuple[float, float]:
    """Seconds until curves of these runs were painted, and until the plot had every point."""
    began = time.monotonic()
    page = _compare(window, run_ids)
    painted = run_until_painted(drawing, lambda canvas: _shows(page, canvas, run_ids), 60)
    every = run_until(lambda: _points(page) == len(run_ids) * STEPS_A_RUN, 60, every_ms=2)
    return painted - began, every - began


def _shows(page: ComparePage, canvas: QWidget, run_ids: list[str]) -> bool:
    """Whether the page's plot has this canvas, the runs' curves, and points of a new one."""
    plot = page.area.plot
    if not isinstance(plot, CurvePlot) or not plot.isAncestorOf(canvas):
        return False
    return drawn(plot) > 0 and (len(plot.keys()) > 1 or len(run_ids) == 1)


def _points(page: ComparePage) -> int:
    plot = page.area.plot
    return sum(map(plot.point_count, plot.keys())) if isinstance(plot, CurvePlot) else 0


def _queued(folder: Path, count: int, total_steps: int) -> list[str]:
    with open_store(folder) as store:
        return make_queued(store, count, total_steps)


def _curves_of(window: MainWindow, run_id: str, panels: tuple[str, ...]) -> CurvesTab:
    """The curves of a run, some panels of it, with the first one's drawing area."""
    run_until(lambda: run_id in window.session.watcher.runs, 60)
    window.session.actions.open_run.emit(run_id)
    page = window.page
    assert isinstance(page, RunPage)
    tab = page.tabs[0]
    assert isinstance(tab, CurvesTab)
    tab.choose(panels)
    plot = tab.feed(panels[0]).plot
    run_until(lambda: bool(plot.findChildren(Canvas)), 60)
    return tab


def _compare(window: MainWindow, run_ids: list[str]) -> ComparePage:
    """Runs side by side in one plot of the loss, which has a point at every step."""
    window.session.actions.open_compare.emit(tuple(run_ids))
    page = window.page
    assert isinstance(page, ComparePage)
    if page.area.curve_metric is not LOSS:
        page.choose_plot(Mode.CURVES, LOSS)
    return page

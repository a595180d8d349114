"""A real workspace with its Compare page in view, and runs recorded through the real Recorder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from iterand_engine.config.run_config import RunConfig
from iterand_engine.machine import processes
from iterand_engine.machine.settings import Settings
from iterand_engine.machine.workspace import open_workspace_dir
from iterand_engine.runs.group_key import group_key
from iterand_engine.store import NewRun, Recorder, RunState, Store
from iterand_engine.store.runs import adopt_run, claim_run, create_run
from iterand_gui.pages.compare import ComparePage
from iterand_gui.plots.curve_plot import CurvePlot
from iterand_gui.plots.points_plot import PointsPlot
from iterand_gui.session.session import Session
from iterand_gui.widgets.messages import Message
from tests.gui.ending import put_away
from tests.patience import WAIT_MS

EPOCHS, STEPS_PER_EPOCH = 4, 10
STEPS = EPOCHS * STEPS_PER_EPOCH
_AXES = {"loss": "step", "lr": "step", "val_accuracy": "epoch", "elapsed_s": "clock"}


def config_of(method: str = "iterand", width: float = 0.5, seed: int = 1, **training: Any) -> RunConfig:
    """The configuration of a small run."""
    return RunConfig.from_mapping(
        {
            "name": f"{method} x{width:g}",
            "data": {"dataset": "digits"},
            "model": {"name": "conv2", "width_factor": width},
            "method": {"name": method},
            "training": {"epochs": EPOCHS, "seed": seed, **training},
            "compute": {"device": "cpu", "precision": "fp32"},
        }
    )


def make_run(store: Store, config: RunConfig, version: str = "0.1.0") -> str:
    """A queued run; its group is what its configuration says."""
    key = group_key(config, fingerprint="digits", precision="fp32")
    name = str(config.name)
    run = NewRun(
        name, config.to_mapping(), key, config.training.seed, "cpu", "fp32", version, total_steps=STEPS
    )
    return create_run(store, run)


@contextmanager
def recording(store: Store, run_id: str, device: str = "CPU A") -> Iterator[Recorder]:
    """Own a run as its worker does, with its series declared."""
    token = claim_run(store, run_id)
    adopt_run(store, run_id, token, processes.current(), {"device": device})
    with Recorder(store, run_id, token) as recorder:
        for name, axis in _AXES.items():
            recorder.declare(name, axis)  # type: ignore[arg-type]
        for name in ("mask_distance_chance", "mask_distance"):
            recorder.declare(name, "step")
        yield recorder


def write(recorder: Recorder, first: int, end: int, accuracy: float, pace_s: float = 0.1) -> None:
    """Record steps from `first` to before `end`; the last epoch has that accuracy."""
    at = np.arange(first, end)
    recorder.append("loss", at, 2.0 - at / STEPS)
    ends = at[(at + 1) % STEPS_PER_EPOCH == 0]
    recorder.append("val_accuracy", ends, accuracy * (ends + 1) / STEPS)
    recorder.append("elapsed_s", at, (at + 1) * pace_s)
    recorder.progress(end, end // STEPS_PER_EPOCH, STEPS)
    recorder.drain()


def add_run(
    store: Store,
    config: RunConfig,
    accuracy: float = 0.9,
    *,
    state: RunState = RunState.FINISHED,
    version: str = "0.1.0",
    device: str = "CPU A",
    steps: int = STEPS,
    pace_s: float = 0.1,
) -> str:
    """A run that has ended; its test accuracy is one point below."""
    run_id = make_run(store, config, version)
    with recording(store, run_id, device) as recorder:
        write(recorder, 0, steps, accuracy, pace_s)
        if config.method.name != "dense":
            recorder.append("mask_distance_chance", [0], [0.5])
            recorder.append("mask_distance", [0, 10, 20], [0.0, 0.1, 0.25])
        known = {"val_accuracy": accuracy, "test_accuracy": accuracy - 0.01}
        recorder.finish(state, **(known if state is RunState.FINISHED else {}))  # type: ignore[arg-type]
    return run_id


def add_group(
    store: Store, accuracies: tuple[float, ...], method: str = "iterand", **options: Any
) -> list[str]:
    """Finished runs that differ by the seed."""
    configs = (config_of(method, seed=seed, **options) for seed in range(1, len(accuracies) + 1))
    return [add_run(store, config, value) for config, value in zip(configs, accuracies, strict=True)]


class OpenComparePage:
    """A session and its Compare page."""

    def __init__(self, qtbot: QtBot, folder: Path) -> None:
        self.qtbot = qtbot
        self.session = Session(open_workspace_dir(folder))
        self.said: list[Message] = []
        self.session.messages.said.connect(self.said.append)
        self.page = ComparePage(self.session)
        self.page.resize(1200, 700)
        self.page.restore_state({})
        self.session.start()
        self.until(lambda: self.session.watcher.has_read)

    @property
    def store(self) -> Store:
        """The workspace's store."""
        return self.session.store

    @property
    def subscriptions(self) -> int:
        """How many there are."""
        return len(self.session.watcher._subscriptions)

    @property
    def plot(self) -> CurvePlot:
        """The plot of curves in view."""
        plot = self.page.area.currentWidget()
        assert isinstance(plot, CurvePlot)
        return plot

    @property
    def results(self) -> PointsPlot:
        """The plot of results in view."""
        plot = self.page.area.currentWidget()
        assert isinstance(plot, PointsPlot)
        return plot

    def select(self, ids: list[str]) -> None:
        """Choose runs, once the watcher knows them as they are stored, and bring the page into view."""
        rows = self.session.watcher.runs
        self.until(lambda: all(run_id in rows and self._is_new(run_id) for run_id in ids))
        self.session.selection.set(ids)
        if not self.page.isVisible():
            self.show()
        self.settle()

    def _is_new(self, run_id: str) -> bool:
        (stored,) = self.store.reader.runs(ids=[run_id])
        return self.session.watcher.runs[run_id].revision == stored.revision

    def show(self) -> None:
        """Bring the page into view, as the window does."""
        with self.qtbot.waitExposed(self.page):
            self.page.show()
        self.page.showing()

    def hide(self) -> None:
        """Take it out of view."""
        self.page.hiding()
        self.page.hide()

    def settle(self) -> None:
        """Wait until nothing is worked on: points came, facts are known, the table shows them."""
        area, page = self.page.area, self.page
        self.until(
            lambda: (
                not self.session.jobs.running
                and not page._timer.isActive()
                and area._next is None
                and not area._feed._timer.isActive()
            )
        )

    def points(self) -> dict[str, int]:
        """Points of each curve, by the curve's name."""
        return {style.name: self.plot.point_count(key) for key, style in self.page.area._feed.styles.items()}

    def drawn(self, count: int) -> None:
        """Wait until so many curves have points, and draw them."""
        self.until(lambda: isinstance(self.page.area.currentWidget(), CurvePlot))
        self.until(lambda: len(self.plot.keys()) == count)

    def titles(self) -> list[str]:
        """Titles of the table's columns."""
        return [column.title for column in self.page.panel.model.sheet.columns]

    def column(self, title: str) -> list[str]:
        """The texts of a column, from above."""
        model = self.page.panel.model
        at = self.titles().index(title)
        return [model.index(row, at).data() for row in range(model.rowCount())]

    def change(self, **settings: Any) -> None:
        """Change settings as their page does."""
        changed = Settings.model_validate({**self.session.settings.model_dump(), **settings})
        changed.save(self.session.workspace)
        self.session.take_settings(changed)

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something while the window works."""
        self.qtbot.waitUntil(condition, timeout=WAIT_MS)

    def close(self) -> None:
        """Let go of everything, as the window does."""
        if self.page.isVisible():
            self.hide()
        self.session.close()
        put_away(self.page, self.session)


@pytest.fixture
def gui(qtbot: QtBot, workspace_dir: Path) -> Iterator[OpenComparePage]:
    """An empty workspace with the Compare page."""
    made = OpenComparePage(qtbot, workspace_dir)
    yield made
    made.close()

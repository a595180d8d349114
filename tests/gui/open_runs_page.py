"""Helpers of the tests of the Runs page: a real workspace with stored runs, and its page in view."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import QModelIndex
from pytestqt.qtbot import QtBot

from iterand_engine.config.run_config import RunConfig
from iterand_engine.machine import processes
from iterand_engine.machine.launch import Launch
from iterand_engine.machine.workspace import open_workspace_dir
from iterand_engine.store import NewRun, Recorder, RunState, Store, SweepRow, sweeps
from iterand_engine.store.runs import adopt_run, claim_run, create_run
from iterand_gui.pages.runs import RunsPage
from iterand_gui.pages.runs.lines.columns import COLUMN
from iterand_gui.session.session import Session
from iterand_gui.widgets.messages import Message
from tests.gui.ending import put_away
from tests.patience import WAIT_MS

TOTAL_STEPS = 100


def config(seed: int = 1, lr: float = 0.1, width: float = 0.25, method: str = "iterand") -> RunConfig:
    """A run of the bundled digits on the CPU."""
    return RunConfig.from_mapping(
        {
            "data": {"dataset": "digits"},
            "model": {"name": "conv4", "width_factor": width},
            "method": {"name": method},
            "training": {"seed": seed, "lr": lr},
            "compute": {"device": "cpu", "precision": "fp32"},
        }
    )


def add_run(store: Store, name: str = "tiny", *, device_kind: str = "cpu", **options: Any) -> str:
    """A queued run; runs of the same options but the seed are one group."""
    made = config(**options)
    key = f"{options.get('lr')} {options.get('width')} {options.get('method')} {name}"
    new = NewRun(
        name,
        made.to_mapping(),
        key,
        made.training.seed,
        device_kind,
        "fp32",
        "0.1.0",
        total_steps=TOTAL_STEPS,
    )
    return create_run(store, new)


@contextmanager
def recorded(store: Store, run_id: str, steps: int = 50, accuracy: float = 0.5) -> Iterator[Recorder]:
    """A run that this process trains, with some points of two series."""
    token = claim_run(store, run_id)
    adopt_run(store, run_id, token, processes.current(), {"device": "cpu"})
    with Recorder(store, run_id, token) as recorder:
        recorder.declare("train_loss", "step")
        recorder.declare("val_accuracy", "epoch")
        recorder.append("train_loss", np.arange(steps), np.linspace(2, 1, steps))
        recorder.append("val_accuracy", [steps - 1], [accuracy])
        recorder.progress(steps, 1, TOTAL_STEPS)
        recorder.drain()
        yield recorder


def end(
    store: Store,
    run_id: str,
    state: RunState = RunState.FINISHED,
    *,
    accuracy: float = 0.5,
    test_accuracy: float = 0.4,
    reason: str | None = None,
) -> str:
    """Let a queued run have been trained and ended; returns its id."""
    with recorded(store, run_id, accuracy=accuracy) as recorder:
        done = state is RunState.FINISHED
        recorder.finish(
            state,
            reason=reason,
            val_accuracy=accuracy if done else None,
            test_accuracy=test_accuracy if done else None,
        )
    return run_id


def add_sweep(store: Store, name: str, ids: Sequence[str], **axes: Sequence[float]) -> SweepRow:
    """A sweep of these runs over `training.` options."""
    named = {f"training.{option}": list(values) for option, values in axes.items()}
    sweeps.add_sweep(store, name, {}, named, ids)
    return store.reader.sweeps()[0]


class OpenRunsPage:
    """A workspace, its session and its Runs page, in view."""

    def __init__(self, qtbot: QtBot, folder: Path, monkeypatch: Any) -> None:
        self.qtbot = qtbot
        self.launched: list[Launch] = []
        monkeypatch.setattr("iterand_gui.session.actions.start_detached", self.launched.append)
        self.session = Session(open_workspace_dir(folder))
        self.store = self.session.store
        self.said: list[Message] = []
        self.session.messages.said.connect(self.said.append)
        self.asked: list[tuple[str, object]] = []
        actions = self.session.actions
        for name in ("open_run", "open_log", "open_compare", "open_new", "show_page"):
            getattr(actions, name).connect(self._hearer(name))
        self.page = RunsPage(self.session)
        self.page.resize(1200, 700)

    def open(self) -> None:
        """Show the page as the window does."""
        self.session.start()
        with self.qtbot.waitExposed(self.page):
            self.page.show()
        self.page.showing()
        self.page.table.setFocus()
        self.settle()

    def close(self) -> None:
        """Hide it and let go of everything, as the window does."""
        self.page.hiding()
        self.session.close()
        put_away(self.page, self.session)

    def settle(self) -> None:
        """Wait until the table has every run, and nothing is done in the background."""
        self.until(lambda: self.session.watcher.has_read)
        stored = {row.id: row.revision for row in self.store.reader.runs()}
        watcher = self.session.watcher
        self.until(lambda: {run_id: row.revision for run_id, row in watcher.runs.items()} == stored)
        self.until(lambda: not self.session.jobs.running)
        self.page._look()

    def until(self, is_so: Callable[[], object]) -> None:
        """Wait for something."""
        self.qtbot.waitUntil(lambda: bool(is_so()), timeout=WAIT_MS)

    def state(self, run_id: str) -> RunState:
        """How a run stands in the store."""
        return self.store.reader.run(run_id).state

    def line(self, run_id: str) -> QModelIndex:
        """The line of a run."""
        found = self.page.model.index_of_run(run_id)
        assert found.isValid()
        return found

    def choose(self, *run_ids: str) -> None:
        """Choose the lines of runs, as a click and others with Ctrl do."""
        selection = self.page.table.selectionModel()
        flags = selection.SelectionFlag
        for number, run_id in enumerate(run_ids):
            how = flags.Select if number else flags.ClearAndSelect
            selection.setCurrentIndex(self.line(run_id), how | flags.Rows)

    def column(self, key: str) -> list[str]:
        """What the lines at the top say in a column."""
        model = self.page.model
        return [str(model.index(row, COLUMN[key]).data()) for row in range(model.rowCount())]

    def heard(self, name: str) -> list[object]:
        """What was asked of the shell by a signal."""
        return [value for signal, value in self.asked if signal == name]

    def _hearer(self, name: str) -> Callable[[object], None]:
        return lambda value: self.asked.append((name, value))


@contextmanager
def opened(
    qtbot: QtBot, folder: Path, monkeypatch: Any, store_runs: Callable[[Store], object]
) -> Iterator[OpenRunsPage]:
    """A gui whose page is in view; `store_runs` fills the store before."""
    gui = OpenRunsPage(qtbot, folder, monkeypatch)
    try:
        store_runs(gui.store)
        gui.open()
        yield gui
    finally:
        gui.close()


OpenRuns = Callable[[Callable[[Store], object]], OpenRunsPage]  # the fixture `open_runs_page`

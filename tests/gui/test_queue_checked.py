"""The window's Queue refuses what the command line's refuses."""

from __future__ import annotations

from pathlib import Path

from pytestqt.qtbot import QtBot

from iterand_engine.runs.sweeps import plan
from iterand_gui.session.session import Session
from tests.patience import WAIT_MS


def test_that_nothing_is_queued_where_one_run_cannot_train(session: Session, qtbot: QtBot) -> None:
    base = {"data": {"dataset": "digits"}, "model": {"name": "conv2"}, "compute": {"device": "cpu"}}
    two = plan(base, {"model.width_factor": (0.1, 0.001)}, Path.cwd())
    said: list[str] = []
    job = session.actions.queue(two, checked=False)
    job.failed.connect(said.append)
    with qtbot.waitSignal(job.ended, timeout=WAIT_MS):
        pass
    assert said[0].startswith("Nothing is queued, since 1 of 2 runs cannot train, ")
    assert session.store.reader.queued() == []

"""The Run page over real stores: which run it shows, how that stands, live, and what is remembered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractButton, QAbstractScrollArea, QPushButton, QWidget

from iterand_engine.config.run_config import RunConfig
from iterand_engine.machine.settings import Settings
from iterand_engine.results.next_steps import StepKind
from iterand_engine.store import RunState, trash
from iterand_gui.plots.x_axis import XAxis
from iterand_gui.session.actions import Clone
from tests.gui.open_run_page import OpenRunPage, gui
from tests.gui.recorded_runs import (
    TOTAL,
    make_run,
    recorded,
    write_log,
    writing,
)

__all__ = ["gui"]  # the fixture


def buttons(gui: OpenRunPage) -> list[str]:
    return [step.words for step in gui.page.header.steps]


# Which run.


def test_that_an_empty_workspace_says_where_to_begin(gui: OpenRunPage) -> None:
    gui.show(None)
    assert "There is no run yet" in gui.empty_text()
    asked: list[object] = []
    gui.session.actions.open_new.connect(asked.append)
    make = next(b for b in gui.page.findChildren(QPushButton) if b.text() == "&New run")
    make.click()
    assert asked == [None]


def test_that_without_a_choice_the_newest_run_is_offered(gui: OpenRunPage) -> None:
    recorded(gui.store, name="old")
    newest = recorded(gui.store, name="new & shiny")
    gui.until(lambda: len(gui.watcher.runs) == 2)
    gui.show(None)
    assert "No run is chosen" in gui.empty_text()
    offer = next(b for b in gui.page.findChildren(QPushButton) if b.text().startswith("&Show"))
    assert offer.text() == "&Show new && shiny"
    offer.click()
    assert gui.session.selection.current == newest
    assert "new & shiny" in gui.page.header.text


def test_that_a_run_that_goes_into_the_trash_leaves_the_page(gui: OpenRunPage) -> None:
    run_id = recorded(gui.store)
    gui.show(run_id)
    gui.until(lambda: gui.points("accuracy", "accuracy") == TOTAL)
    trash.discard(gui.store, [run_id])
    gui.until(lambda: "not here any more" in gui.empty_text())
    assert gui.subscriptions == 0
    trash.restore(gui.store, [run_id])
    gui.until(lambda: gui.points("accuracy", "accuracy") == TOTAL)


# The head.


def test_that_a_finished_run_shows_how_it_stands(gui: OpenRunPage) -> None:
    run_id = recorded(gui.store)
    gui.show(run_id)
    text = gui.page.header.text
    assert text.startswith("Finished; tiny")
    assert f"step {TOTAL} / {TOTAL}" in text
    assert "epoch 4 / 4" in text
    assert "95.00 %" in text
    assert buttons(gui) == ["Compare", "+2 seeds", "Clone and edit"]


def test_that_test_accuracy_respects_the_lock(gui: OpenRunPage) -> None:
    run_id = recorded(gui.store)
    gui.session.take_settings(Settings(test_lock=True))
    gui.show(run_id)
    gui.until(lambda: "test locked" in gui.page.header.text)
    gui.session.take_settings(Settings(test_lock=False))
    gui.until(lambda: "test 94.00 %" in gui.page.header.text)


@pytest.mark.parametrize(
    ("state", "steps"),
    [
        (RunState.STOPPED, ["Resume", "Compare", "Clone and edit"]),
        (RunState.INTERRUPTED, ["Resume", "Compare", "Clone and edit"]),
        (RunState.FAILED, ["Resume", "Clone and edit"]),
        (RunState.DIVERGED, ["Clone with lr / 3", "Compare", "Clone and edit"]),
    ],
)
def test_that_each_way_to_end_has_its_next_step(gui: OpenRunPage, state: RunState, steps: list[str]) -> None:
    gui.show(recorded(gui.store, state=state, steps=50))
    assert buttons(gui) == steps


def test_that_a_run_that_diverged_is_cloned_with_a_third_of_its_rate_or_in_fp32(gui: OpenRunPage) -> None:
    run_id = make_run(gui.store, "training.lr=0.1", precision="bf16")
    with writing(gui.store, run_id) as writer:
        writer.train(30)
        writer.recorder.finish(RunState.DIVERGED, reason="The loss was not finite at step 29.")
    gui.show(run_id)
    assert buttons(gui)[:2] == ["Clone with lr / 3", "Clone in fp32"]
    assert "not finite at step 29" in gui.page.outcome.text
    assert cloned(gui, "Clone with lr / 3") == {"training.lr": 0.0333, "name": None}
    assert cloned(gui, "Clone in fp32") == {"compute.precision": "fp32", "name": None}


def press(gui: OpenRunPage, text: str) -> None:
    next(b for b in gui.page.header.findChildren(QPushButton) if b.accessibleName() == text).click()


def cloned(gui: OpenRunPage, text: str) -> Mapping[str, Any]:
    opened: list[Clone] = []
    gui.session.actions.open_new.connect(opened.append)
    press(gui, text)
    gui.until(lambda: bool(opened))
    assert RunConfig.from_mapping(opened[0].options).training.lr == 0.1
    return opened[0].changes


def test_that_a_failure_shows_its_reason_and_the_end_of_the_log(gui: OpenRunPage) -> None:
    run_id = make_run(gui.store)
    write_log(gui.session.workspace, run_id, "one\ntwo\nthree\nfour\nfive\n")
    with writing(gui.store, run_id) as writer:
        writer.train(10)
        writer.recorder.finish(RunState.FAILED, reason="The disk is full.")
    gui.show(run_id)
    assert gui.page.outcome.isVisible()
    gui.until(lambda: gui.page.outcome.text == "The disk is full.\ntwo\nthree\nfour\nfive")
    next(b for b in gui.page.outcome.findChildren(QPushButton)).click()
    assert gui.page.tab is gui.log


def test_that_compare_takes_the_other_seeds_of_the_group(gui: OpenRunPage) -> None:
    one, two = (make_run(gui.store, name="pair", seed=seed) for seed in (1, 2))
    asked: list[object] = []
    gui.session.actions.open_compare.connect(asked.append)
    gui.until(lambda: two in gui.watcher.runs)
    gui.show(one)
    assert buttons(gui)[0] == "To the head of the queue"
    gui.page.header.chosen.emit(StepKind.COMPARE)
    assert asked == [(two, one)]


# Live.


def test_that_a_run_is_shown_from_queue_to_end(gui: OpenRunPage) -> None:
    run_id = make_run(gui.store)
    gui.show(run_id)
    assert gui.page.header.text.startswith("Queued; tiny")
    with writing(gui.store, run_id) as writer:
        writer.train(60)
        gui.until(lambda: gui.points("accuracy", "accuracy") == 60)
        assert gui.page.header.text.startswith("Running")
        assert "step 60 / 400 · epoch 1 / 4" in gui.page.header.text
        assert buttons(gui) == ["Stop", "Compare", "Clone and edit"]
        writer.train(60)
        gui.until(lambda: gui.points("accuracy", "val_accuracy") == 1)
        gui.until(lambda: gui.points("flips", "mask_flips") == 11)
        gui.until(lambda: len(gui.curves.feed("flips").plot.drawn_values("mask_flips")) == 11)
        expected = f"{100 * float(writer.val_accuracy(99)):.2f} %"
        assert expected in gui.page.header.text
        press(gui, "Stop")
        gui.until(lambda: gui.page.header.text.startswith("Stopping"))
        assert any("will save and stop" in message.text for message in gui.said)
        writer.recorder.finish(RunState.STOPPED)
    gui.until(lambda: gui.page.header.text.startswith("Stopped"))
    assert buttons(gui)[0] == "Resume"


def test_that_going_back_to_a_checkpoint_cuts_the_curves_and_layers(gui: OpenRunPage) -> None:
    run_id = make_run(gui.store)
    with writing(gui.store, run_id) as writer:
        writer.train(200)
        gui.show(run_id)
        gui.until(lambda: gui.points("accuracy", "accuracy") == 200)
        writer.recorder.rewind(100)
        gui.until(lambda: gui.points("accuracy", "accuracy") == 100)
        gui.until(lambda: gui.points("flips", "mask_flips") == 9)
        gui.page.show_tab("layers")
        gui.until(lambda: len(gui.layers.heatmap.table().steps) == 9)
        writer.step = 100
        writer.train(50)
        gui.until(lambda: len(gui.layers.heatmap.table().steps) == 14)
        gui.page.show_tab("curves")
        gui.until(lambda: gui.points("accuracy", "accuracy") == 150)
        writer.recorder.finish(RunState.STOPPED)


def test_that_a_hidden_page_listens_to_nothing_and_catches_up(gui: OpenRunPage) -> None:
    run_id = make_run(gui.store)
    with writing(gui.store, run_id) as writer:
        writer.train(40)
        gui.show(run_id)
        gui.until(lambda: gui.points("accuracy", "accuracy") == 40)
        gui.hide()
        assert gui.subscriptions == 0
        seen: list[object] = []
        gui.watcher.runs_changed.connect(seen.append)
        writer.train(40)
        gui.until(lambda: bool(seen))
        assert gui.points("accuracy", "accuracy") == 40
        assert "step 40" in gui.page.header.text
        gui.show(run_id)
        gui.until(lambda: gui.points("accuracy", "accuracy") == 80)
        assert "step 80" in gui.page.header.text
        writer.recorder.finish(RunState.STOPPED)


def test_that_only_the_tab_in_view_listens(gui: OpenRunPage) -> None:
    run_id = recorded(gui.store)
    gui.show(run_id)
    assert gui.subscriptions == 1
    gui.until(lambda: gui.points("accuracy", "accuracy") == TOTAL)
    for tab, expected in (("layers", 1), ("configuration", 0), ("log", 1), ("curves", 1)):
        gui.page.show_tab(tab)
        assert gui.subscriptions == expected, tab


# What is remembered.


def test_that_the_arrangement_is_remembered(gui: OpenRunPage) -> None:
    gui.show(recorded(gui.store))
    gui.curves.choose(("loss", "lr"))
    plot = gui.curves.feed("loss").plot
    plot.set_log(True)
    plot.link.set_axis(XAxis.EPOCH)
    plot.link.set_smoothing(100)
    gui.layers.heatmap.choose_quantity("revived")
    gui.layers.table.sort_by(4, descending=True)
    gui.log.follow.setChecked(False)
    gui.page.show_tab("layers")
    state = gui.page.save_state()
    gui.page.restore_state({})
    assert gui.curves.chosen == ("accuracy", "flips")
    assert (plot.log, plot.link.axis, plot.link.smoothing) == (False, XAxis.STEP, 0)
    assert gui.page.tab.key == "curves"
    gui.page.restore_state(state)
    assert gui.page.save_state() == state
    assert gui.curves.chosen == ("loss", "lr")
    assert (plot.log, plot.link.axis, plot.link.smoothing) == (True, XAxis.EPOCH, 100)
    assert gui.layers.table.sorting == (4, True)
    assert gui.page.tab.key == "layers"


def test_that_a_damaged_state_does_no_harm(gui: OpenRunPage) -> None:
    damaged = {"tab": 3, "curves": {"panels": "x", "axis": [], "smoothing": "a", "log": 1}, "layers": []}
    gui.page.restore_state({**damaged, "configuration": {"split": ["a", 1]}, "log": {"follow": "no"}})
    assert gui.page.save_state()["tab"] == "curves"
    assert gui.curves.chosen == ("accuracy", "flips")


# For everybody.


@pytest.mark.parametrize("tab", ["curves", "layers", "configuration", "log"])
def test_that_everything_that_takes_the_keyboard_has_a_name(gui: OpenRunPage, tab: str) -> None:
    gui.show(recorded(gui.store), tab)
    gui.qtbot.wait(50)
    nameless = [
        f"{type(widget).__name__} {widget.objectName()}"
        for widget in gui.page.findChildren(QWidget)
        if widget.isVisible()
        and widget.focusPolicy() != Qt.FocusPolicy.NoFocus
        and not isinstance(widget.parent(), QAbstractScrollArea)  # what is inside a view has its name
        and not widget.accessibleName()
        and not (isinstance(widget, QAbstractButton) and widget.text())
    ]
    assert not nameless


def test_that_the_page_fits_into_a_small_window(gui: OpenRunPage) -> None:
    gui.show(recorded(gui.store))
    for tab in ("curves", "layers", "configuration", "log"):
        gui.page.show_tab(tab)
        assert gui.page.minimumSizeHint().width() <= 1000, tab
        assert gui.page.minimumSizeHint().height() <= 640, tab


def test_that_commands_name_what_can_be_done(gui: OpenRunPage) -> None:
    gui.show(recorded(gui.store))
    texts = [command.text for command in gui.page.commands()]
    assert texts[0] == "Compare"
    assert "Show layers of the run" in texts
    next(c for c in gui.page.commands() if c.text == "Show layers of the run").run()
    assert gui.page.tab is gui.layers

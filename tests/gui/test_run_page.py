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
from tests.gui.recorded_runs import (
    TOTAL,
    make_run,
    recorded,
    write_log,
    writing,
)
from tests.gui.run_page_world import World, world

__all__ = ["world"]  # the fixture


def buttons(world: World) -> list[str]:
    return [step.words for step in world.page.header.steps]


# Which run.


def test_that_an_empty_workspace_says_where_to_begin(world: World) -> None:
    world.show(None)
    assert "There is no run yet" in world.empty_text()
    asked: list[object] = []
    world.session.actions.open_new.connect(asked.append)
    make = next(b for b in world.page.findChildren(QPushButton) if b.text() == "&New run")
    make.click()
    assert asked == [None]


def test_that_without_a_choice_the_newest_run_is_offered(world: World) -> None:
    recorded(world.store, name="old")
    newest = recorded(world.store, name="new & shiny")
    world.until(lambda: len(world.watcher.runs) == 2)
    world.show(None)
    assert "No run is chosen" in world.empty_text()
    offer = next(b for b in world.page.findChildren(QPushButton) if b.text().startswith("&Show"))
    assert offer.text() == "&Show new && shiny"
    offer.click()
    assert world.session.selection.current == newest
    assert "new & shiny" in world.page.header.text


def test_that_a_run_that_goes_into_the_trash_leaves_the_page(world: World) -> None:
    run_id = recorded(world.store)
    world.show(run_id)
    world.until(lambda: world.points("accuracy", "accuracy") == TOTAL)
    trash.discard(world.store, [run_id])
    world.until(lambda: "not here any more" in world.empty_text())
    assert world.subscriptions == 0
    trash.restore(world.store, [run_id])
    world.until(lambda: world.points("accuracy", "accuracy") == TOTAL)


# The head.


def test_that_a_finished_run_shows_how_it_stands(world: World) -> None:
    run_id = recorded(world.store)
    world.show(run_id)
    text = world.page.header.text
    assert text.startswith("Finished; tiny")
    assert f"step {TOTAL} / {TOTAL}" in text
    assert "epoch 4 / 4" in text
    assert "95.00 %" in text
    assert buttons(world) == ["Compare", "+2 seeds", "Clone and edit"]


def test_that_test_accuracy_respects_the_lock(world: World) -> None:
    run_id = recorded(world.store)
    world.session.take_settings(Settings(test_lock=True))
    world.show(run_id)
    world.until(lambda: "test locked" in world.page.header.text)
    world.session.take_settings(Settings(test_lock=False))
    world.until(lambda: "test 94.00 %" in world.page.header.text)


@pytest.mark.parametrize(
    ("state", "steps"),
    [
        (RunState.STOPPED, ["Resume", "Compare", "Clone and edit"]),
        (RunState.INTERRUPTED, ["Resume", "Compare", "Clone and edit"]),
        (RunState.FAILED, ["Resume", "Clone and edit"]),
        (RunState.DIVERGED, ["Clone with lr / 3", "Compare", "Clone and edit"]),
    ],
)
def test_that_each_way_to_end_has_its_next_step(world: World, state: RunState, steps: list[str]) -> None:
    world.show(recorded(world.store, state=state, steps=50))
    assert buttons(world) == steps


def test_that_a_run_that_diverged_is_cloned_with_a_third_of_its_rate_or_in_fp32(world: World) -> None:
    run_id = make_run(world.store, "training.lr=0.1", precision="bf16")
    with writing(world.store, run_id) as writer:
        writer.train(30)
        writer.recorder.finish(RunState.DIVERGED, reason="The loss was not finite at step 29.")
    world.show(run_id)
    assert buttons(world)[:2] == ["Clone with lr / 3", "Clone in fp32"]
    assert "not finite at step 29" in world.page.outcome.text
    assert cloned(world, "Clone with lr / 3") == {"training.lr": 0.0333, "name": None}
    assert cloned(world, "Clone in fp32") == {"compute.precision": "fp32", "name": None}


def press(world: World, text: str) -> None:
    next(b for b in world.page.header.findChildren(QPushButton) if b.accessibleName() == text).click()


def cloned(world: World, text: str) -> Mapping[str, Any]:
    opened: list[Clone] = []
    world.session.actions.open_new.connect(opened.append)
    press(world, text)
    world.until(lambda: bool(opened))
    assert RunConfig.from_mapping(opened[0].options).training.lr == 0.1
    return opened[0].changes


def test_that_a_failure_shows_its_reason_and_the_end_of_the_log(world: World) -> None:
    run_id = make_run(world.store)
    write_log(world.session.workspace, run_id, "one\ntwo\nthree\nfour\nfive\n")
    with writing(world.store, run_id) as writer:
        writer.train(10)
        writer.recorder.finish(RunState.FAILED, reason="The disk is full.")
    world.show(run_id)
    assert world.page.outcome.isVisible()
    world.until(lambda: world.page.outcome.text == "The disk is full.\ntwo\nthree\nfour\nfive")
    next(b for b in world.page.outcome.findChildren(QPushButton)).click()
    assert world.page.tab is world.log


def test_that_compare_takes_the_other_seeds_of_the_group(world: World) -> None:
    one, two = (make_run(world.store, name="pair", seed=seed) for seed in (1, 2))
    asked: list[object] = []
    world.session.actions.open_compare.connect(asked.append)
    world.until(lambda: two in world.watcher.runs)
    world.show(one)
    assert buttons(world)[0] == "To the head of the queue"
    world.page.header.chosen.emit(StepKind.COMPARE)
    assert asked == [(two, one)]


# Live.


def test_that_a_run_is_shown_from_queue_to_end(world: World) -> None:
    run_id = make_run(world.store)
    world.show(run_id)
    assert world.page.header.text.startswith("Queued; tiny")
    with writing(world.store, run_id) as writer:
        writer.train(60)
        world.until(lambda: world.points("accuracy", "accuracy") == 60)
        assert world.page.header.text.startswith("Running")
        assert "step 60 / 400 · epoch 1 / 4" in world.page.header.text
        assert buttons(world) == ["Stop", "Compare", "Clone and edit"]
        writer.train(60)
        world.until(lambda: world.points("accuracy", "val_accuracy") == 1)
        world.until(lambda: world.points("flips", "mask_flips") == 11)
        world.until(lambda: len(world.curves.feed("flips").plot.drawn_values("mask_flips")) == 11)
        expected = f"{100 * float(writer.val_accuracy(99)):.2f} %"
        assert expected in world.page.header.text
        press(world, "Stop")
        world.until(lambda: world.page.header.text.startswith("Stopping"))
        assert any("will save and stop" in message.text for message in world.said)
        writer.recorder.finish(RunState.STOPPED)
    world.until(lambda: world.page.header.text.startswith("Stopped"))
    assert buttons(world)[0] == "Resume"


def test_that_going_back_to_a_checkpoint_cuts_the_curves_and_layers(world: World) -> None:
    run_id = make_run(world.store)
    with writing(world.store, run_id) as writer:
        writer.train(200)
        world.show(run_id)
        world.until(lambda: world.points("accuracy", "accuracy") == 200)
        writer.recorder.rewind(100)
        world.until(lambda: world.points("accuracy", "accuracy") == 100)
        world.until(lambda: world.points("flips", "mask_flips") == 9)
        world.page.show_tab("layers")
        world.until(lambda: len(world.layers.heatmap.table().steps) == 9)
        writer.step = 100
        writer.train(50)
        world.until(lambda: len(world.layers.heatmap.table().steps) == 14)
        world.page.show_tab("curves")
        world.until(lambda: world.points("accuracy", "accuracy") == 150)
        writer.recorder.finish(RunState.STOPPED)


def test_that_a_hidden_page_listens_to_nothing_and_catches_up(world: World) -> None:
    run_id = make_run(world.store)
    with writing(world.store, run_id) as writer:
        writer.train(40)
        world.show(run_id)
        world.until(lambda: world.points("accuracy", "accuracy") == 40)
        world.hide()
        assert world.subscriptions == 0
        seen: list[object] = []
        world.watcher.runs_changed.connect(seen.append)
        writer.train(40)
        world.until(lambda: bool(seen))
        assert world.points("accuracy", "accuracy") == 40
        assert "step 40" in world.page.header.text
        world.show(run_id)
        world.until(lambda: world.points("accuracy", "accuracy") == 80)
        assert "step 80" in world.page.header.text
        writer.recorder.finish(RunState.STOPPED)


def test_that_only_the_tab_in_view_listens(world: World) -> None:
    run_id = recorded(world.store)
    world.show(run_id)
    assert world.subscriptions == 1
    world.until(lambda: world.points("accuracy", "accuracy") == TOTAL)
    for tab, expected in (("layers", 1), ("configuration", 0), ("log", 1), ("curves", 1)):
        world.page.show_tab(tab)
        assert world.subscriptions == expected, tab


# What is remembered.


def test_that_the_arrangement_is_remembered(world: World) -> None:
    world.show(recorded(world.store))
    world.curves.choose(("loss", "lr"))
    plot = world.curves.feed("loss").plot
    plot.set_log(True)
    plot.link.set_axis(XAxis.EPOCH)
    plot.link.set_smoothing(100)
    world.layers.heatmap.choose_quantity("revived")
    world.layers.table.sort_by(4, descending=True)
    world.log.follow.setChecked(False)
    world.page.show_tab("layers")
    state = world.page.save_state()
    world.page.restore_state({})
    assert world.curves.chosen == ("accuracy", "flips")
    assert (plot.log, plot.link.axis, plot.link.smoothing) == (False, XAxis.STEP, 0)
    assert world.page.tab.key == "curves"
    world.page.restore_state(state)
    assert world.page.save_state() == state
    assert world.curves.chosen == ("loss", "lr")
    assert (plot.log, plot.link.axis, plot.link.smoothing) == (True, XAxis.EPOCH, 100)
    assert world.layers.table.sorting == (4, True)
    assert world.page.tab.key == "layers"


def test_that_a_damaged_state_does_no_harm(world: World) -> None:
    damaged = {"tab": 3, "curves": {"panels": "x", "axis": [], "smoothing": "a", "log": 1}, "layers": []}
    world.page.restore_state({**damaged, "configuration": {"split": ["a", 1]}, "log": {"follow": "no"}})
    assert world.page.save_state()["tab"] == "curves"
    assert world.curves.chosen == ("accuracy", "flips")


# For everybody.


@pytest.mark.parametrize("tab", ["curves", "layers", "configuration", "log"])
def test_that_everything_that_takes_the_keyboard_has_a_name(world: World, tab: str) -> None:
    world.show(recorded(world.store), tab)
    world.qtbot.wait(50)
    nameless = [
        f"{type(widget).__name__} {widget.objectName()}"
        for widget in world.page.findChildren(QWidget)
        if widget.isVisible()
        and widget.focusPolicy() != Qt.FocusPolicy.NoFocus
        and not isinstance(widget.parent(), QAbstractScrollArea)  # what is inside a view has its name
        and not widget.accessibleName()
        and not (isinstance(widget, QAbstractButton) and widget.text())
    ]
    assert not nameless


def test_that_the_page_fits_into_a_small_window(world: World) -> None:
    world.show(recorded(world.store))
    for tab in ("curves", "layers", "configuration", "log"):
        world.page.show_tab(tab)
        assert world.page.minimumSizeHint().width() <= 1000, tab
        assert world.page.minimumSizeHint().height() <= 640, tab


def test_that_commands_name_what_can_be_done(world: World) -> None:
    world.show(recorded(world.store))
    texts = [command.text for command in world.page.commands()]
    assert texts[0] == "Compare"
    assert "Show layers of the run" in texts
    next(c for c in world.page.commands() if c.text == "Show layers of the run").run()
    assert world.page.tab is world.layers

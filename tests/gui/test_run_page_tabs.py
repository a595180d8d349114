"""The tabs of the Run page over real stores: curves, layers, configuration and log of recorded runs."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QMenu

from iterand_engine.config.run_config import RunConfig
from iterand_engine.config.yaml import parse_yaml
from iterand_engine.extensions.active import activated
from iterand_engine.results.epoch_masks import has_masks
from iterand_engine.store import RunState
from iterand_gui.pages.runs.chosen import Chosen
from iterand_gui.plots.x_axis import XAxis
from tests.extension_code import HEAD, trusted
from tests.gui.recorded_runs import (
    BASE,
    LAYERS,
    REDRAW_EVERY,
    TOTAL,
    make_run,
    recorded,
    write_log,
    write_masks,
    writing,
)
from tests.gui.run_page_world import World, world

__all__ = ["world"]  # the fixture


# Curves.


def test_that_another_run_takes_the_place_of_the_first(world: World) -> None:
    long, short = recorded(world.store), recorded(world.store, name="short", steps=50, state=RunState.STOPPED)
    world.show(long)
    world.until(lambda: world.points("accuracy", "accuracy") == TOTAL)
    plot = world.curves.feed("accuracy").plot
    world.until(lambda: plot.link.view[1] >= TOTAL - 1)
    world.show(short)
    world.until(lambda: world.points("accuracy", "accuracy") == 50)
    world.until(lambda: plot.link.view[1] < 100)
    assert world.points("accuracy", "val_accuracy") == 0
    assert world.points("flips", "mask_flips") == 4


def test_that_redraws_are_marked_and_counted(world: World) -> None:
    world.show(recorded(world.store))
    redraws = TOTAL // REDRAW_EVERY
    world.until(lambda: f"{redraws} redraws" in world.texts(world.curves.feed("flips").plot))


def test_that_distance_is_over_chance(world: World) -> None:
    world.show(recorded(world.store))
    world.curves.choose(("distance",))
    world.until(lambda: world.points("distance", "mask_distance") == TOTAL // 10)
    plot = world.curves.feed("distance").plot
    world.until(lambda: len(plot.drawn_values("mask_distance")) > 0)
    last = TOTAL - 10
    expected = np.mean(0.3 * (1 - np.exp(-3 * last / TOTAL)) * np.linspace(1, 0.4, len(LAYERS))) / 0.5
    assert plot.drawn_values("mask_distance")[-1] == pytest.approx(expected, rel=1e-5)


def test_that_the_axis_counts_epochs_and_time(world: World) -> None:
    world.show(recorded(world.store))
    plot = world.curves.feed("accuracy").plot
    world.until(lambda: world.points("accuracy", "accuracy") == TOTAL)
    plot.link.set_axis(XAxis.EPOCH)
    world.until(lambda: 4 <= plot.link.view[1] < 5)
    plot.link.set_axis(XAxis.TIME)
    world.until(lambda: 20 <= plot.link.view[1] < 25)


def test_that_chosen_plots_come_with_all_points_and_go(world: World) -> None:
    world.show(recorded(world.store))
    world.until(lambda: world.points("accuracy", "accuracy") == TOTAL)
    world.curves.choose(("accuracy", "loss", "lr", "throughput", "memory", "revived"))
    world.until(lambda: world.points("loss", "loss") == TOTAL)
    world.until(lambda: world.points("memory", "memory_bytes") == TOTAL // 20)
    assert world.points("flips", "mask_flips") == 0
    assert not world.curves.feed("flips").plot.isVisible()
    world.curves.choose(("flips",))
    world.until(lambda: world.points("flips", "mask_flips") == TOTAL // 10 - 1)


@pytest.mark.qt_log_ignore("This plugin does not support", extend=True)  # open menus, offscreen
def test_that_several_plots_are_chosen_in_the_open_menu(world: World) -> None:
    world.show(recorded(world.store))
    menu = world.curves.findChild(QMenu)
    assert menu is not None
    menu.popup(world.page.mapToGlobal(QPoint(100, 100)))
    for action in menu.actions()[2:4]:
        QTest.mouseClick(menu, Qt.MouseButton.LeftButton, pos=menu.actionGeometry(action).center())
        assert menu.isVisible()
    assert world.curves.chosen == ("accuracy", "flips", "loss", "distance")
    menu.close()


def test_that_a_dense_run_has_no_plots_of_masks_and_no_layers(world: World) -> None:
    world.show(recorded(world.store, "method.name=dense"))
    world.until(lambda: world.points("loss", "loss") == TOTAL)
    assert not world.curves.feed("flips").plot.isVisible()
    world.page.show_tab("layers")
    assert "This run has no masks" in world.empty_text()
    assert world.subscriptions == 0


@pytest.mark.parametrize(("parent", "masks"), [("Dense", False), ("EdgePopup", True)])
def test_that_a_run_of_an_extension_shows_masks_where_its_method_has_them(
    world: World, parent: str, masks: bool
) -> None:
    workspace = world.session.workspace
    trusted(workspace, "mine.py", HEAD + f"@method\nclass Mine({parent}):\n  ...\n")
    with activated(workspace):
        run_id = recorded(world.store, "method.name=mine")
        world.show(run_id)
        world.until(lambda: world.points("accuracy", "accuracy") == TOTAL)
        assert world.curves.feed("flips").plot.isVisible() is masks
        world.page.show_tab("layers")
        assert ("This run has no masks" in world.empty_text()) is not masks
        row = world.store.reader.run(run_id)
        assert Chosen(1, (row,), has_masks=partial(has_masks, workspace)).with_masks == (
            (row,) if masks else ()
        )


# Layers.


def test_that_layers_are_listed_with_their_newest_values(world: World) -> None:
    run_id = make_run(world.store)
    write_masks(world.session.workspace, run_id, share=0.25)
    with writing(world.store, run_id) as writer:
        writer.train(TOTAL)
        writer.recorder.finish(RunState.FINISHED)
    world.show(run_id, "layers")
    table = world.layers.table
    world.until(lambda: table.names() == [name.removesuffix(".weight") for name in LAYERS])
    world.until(lambda: cell(world, 0, 1) == "72")
    assert cell(world, 0, 2) == "25.00 %"
    assert cell(world, 1, 1) == "1,152"
    assert cell(world, 0, 5) == str(round(0.06 * 72) * (TOTAL // REDRAW_EVERY))
    table.sort_by(1, descending=True)
    assert table.names() == ["fc1", "conv2", "fc2", "conv1"]
    table.sort_by(0, descending=False)
    assert table.names()[0] == "conv1"


def cell(world: World, row: int, column: int) -> str:
    return str(world.layers.table.model().index(row, column).data())


def test_that_sizes_come_from_the_probe_where_masks_are_gone(world: World) -> None:
    world.show(recorded(world.store, "model.name=conv2"), "layers")
    world.until(lambda: len(world.layers.table.names()) == len(LAYERS))
    world.until(lambda: cell(world, 0, 1) != "—")
    assert cell(world, 0, 2).endswith(" %")


def test_that_table_and_picture_choose_the_same_layer(world: World) -> None:
    world.show(recorded(world.store), "layers")
    world.until(lambda: len(world.layers.table.names()) == len(LAYERS))
    world.layers.table.choose("fc1")
    assert world.layers.heatmap.row == "fc1"
    world.layers.heatmap.setFocus()
    QTest.keyClick(world.layers.heatmap, Qt.Key.Key_Down)
    assert world.layers.table.currentIndex().row() == 3
    QTest.keyClick(world.layers.heatmap, Qt.Key.Key_Comma)
    world.until(lambda: "fc2, step" in world.layers.heatmap.accessibleDescription())


def test_that_layers_grow_with_the_run(world: World) -> None:
    run_id = make_run(world.store)
    world.show(run_id, "layers")
    assert "waits in the queue" in world.empty_text()
    with writing(world.store, run_id) as writer:
        writer.train(100)
        world.until(lambda: len(world.layers.heatmap.table().steps) == 9)
        columns = world.layers.heatmap.area.columns
        world.until(
            lambda: columns.values.shape[0] == len(LAYERS) and bool(np.isfinite(columns.values).any())
        )
        writer.train(100)
        world.until(lambda: len(world.layers.heatmap.table().steps) == 19)
        writer.recorder.finish(RunState.STOPPED)


# Configuration.


def test_that_options_are_listed_and_the_changed_ones_marked(world: World) -> None:
    world.show(recorded(world.store, "method.sparsity=0.7"), "configuration")
    rows = {row.path: row for row in world.configuration._rows}
    assert rows["method.sparsity"].is_changed
    assert (rows["method.sparsity"].value, rows["method.sparsity"].default) == ("0.7", "0.6")
    assert not rows["training.momentum"].is_changed
    assert not rows["compute.precision"].is_changed
    shown = world.configuration.options.texts()
    assert len(shown) == len(rows)
    world.configuration.restore_state({"only_changed": True})
    changed = [text[0] for text in world.configuration.options.texts()]
    assert "method.sparsity" in changed
    assert "training.momentum" not in changed


def test_that_the_configuration_is_copied_as_yaml_that_makes_the_same_run(world: World) -> None:
    world.show(recorded(world.store, "method.sparsity=0.7"), "configuration")
    command = next(c for c in world.page.commands() if c.text == "Copy the configuration as YAML")
    command.run()
    copied = RunConfig.from_mapping(parse_yaml(QGuiApplication.clipboard().text()))
    expected = {**BASE, "method": {**BASE["method"], "sparsity": 0.7}}
    assert copied == RunConfig.from_mapping(expected)


def test_that_environments_and_files_are_listed(world: World) -> None:
    run_id = make_run(world.store)
    with writing(world.store, run_id) as writer:
        writer.train(10)
        writer.recorder.finish(RunState.STOPPED)
    write_masks(world.session.workspace, run_id)
    write_log(world.session.workspace, run_id, "x" * 999 + "\n")
    world.show(run_id, "configuration")
    tab = world.configuration
    world.until(lambda: ("worker.log", "1.0 kB") in tab.files.texts())
    assert any(text[0] == "masks/ (1 file)" for text in tab.files.texts())
    assert ("torch", "2.13.0") in tab.environment.texts()


# Log.


def test_that_the_log_grows_follows_and_folds(world: World) -> None:
    run_id = make_run(world.store)
    workspace = world.session.workspace
    world.show(run_id, "log")
    view = world.log.view
    with writing(world.store, run_id) as writer:
        writer.train(10)
        write_log(workspace, run_id, "begins\n10 %\r50 %\r")
        world.until(lambda: view.toPlainText() == "begins\n50 %")
        write_log(workspace, run_id, "100 %\ndone\n")
        world.until(lambda: view.toPlainText() == "begins\n100 %\ndone")
        write_log(workspace, run_id, "".join(f"line {n}\n" for n in range(3000)))
        world.until(lambda: view.toPlainText().endswith("line 2999"))
        bar = view.verticalScrollBar()
        world.until(lambda: bar.value() == bar.maximum() > 0)
        bar.triggerAction(bar.SliderAction.SliderToMinimum)
        assert not world.log.follow.isChecked()
        write_log(workspace, run_id, "last\n")
        world.until(lambda: view.toPlainText().endswith("last"))
        assert bar.value() == 0
        writer.recorder.event("warning", "Accuracy is at chance.\nMore.", 5)
        world.until(lambda: world.log.messages.isVisible())
        assert world.log.messages.texts()[0][1:] == ("warning", "5", "Accuracy is at chance. ...")
        writer.recorder.finish(RunState.STOPPED)


def test_that_the_log_is_searched(world: World) -> None:
    run_id = recorded(world.store)
    write_log(world.session.workspace, run_id, "alpha\nbeta\nALPHA\ngamma\n")
    world.show(run_id, "log")
    world.until(lambda: "gamma" in world.log.view.toPlainText())
    QTest.keyClicks(world.log.search, "alpha")
    view = world.log.view
    assert view.textCursor().blockNumber() == 0
    assert "2 places" in world.texts(world.log)
    QTest.keyClick(world.log.search, Qt.Key.Key_Return)
    assert view.textCursor().blockNumber() == 2
    QTest.keyClick(world.log.search, Qt.Key.Key_Return)
    assert view.textCursor().blockNumber() == 0
    world.log.find_previous()
    assert view.textCursor().blockNumber() == 2


def test_that_another_run_brings_another_log(world: World) -> None:
    one, two = recorded(world.store, name="one"), recorded(world.store, name="two")
    write_log(world.session.workspace, one, "of one\n")
    write_log(world.session.workspace, two, "of two\n")
    world.show(one, "log")
    world.until(lambda: world.log.view.toPlainText() == "of one")
    world.show(two, "log")
    world.until(lambda: world.log.view.toPlainText() == "of two")

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
from iterand_engine.extensions.active import activated
from iterand_engine.machine.yaml import parse_yaml
from iterand_engine.results.epoch_masks import has_masks
from iterand_engine.store import RunState
from iterand_gui.pages.runs.chosen import Chosen
from iterand_gui.plots.x_axis import XAxis
from tests.extension_code import HEAD, trusted
from tests.gui.open_run_page import OpenRunPage, gui
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

__all__ = ["gui"]  # the fixture


# Curves.


def test_that_another_run_takes_the_place_of_the_first(gui: OpenRunPage) -> None:
    long, short = recorded(gui.store), recorded(gui.store, name="short", steps=50, state=RunState.STOPPED)
    gui.show(long)
    gui.until(lambda: gui.points("accuracy", "accuracy") == TOTAL)
    plot = gui.curves.feed("accuracy").plot
    gui.until(lambda: plot.link.view[1] >= TOTAL - 1)
    gui.show(short)
    gui.until(lambda: gui.points("accuracy", "accuracy") == 50)
    gui.until(lambda: plot.link.view[1] < 100)
    assert gui.points("accuracy", "val_accuracy") == 0
    assert gui.points("flips", "mask_flips") == 4


def test_that_redraws_are_marked_and_counted(gui: OpenRunPage) -> None:
    gui.show(recorded(gui.store))
    redraws = TOTAL // REDRAW_EVERY
    gui.until(lambda: f"{redraws} redraws" in gui.texts(gui.curves.feed("flips").plot))


def test_that_distance_is_over_chance(gui: OpenRunPage) -> None:
    gui.show(recorded(gui.store))
    gui.curves.choose(("distance",))
    gui.until(lambda: gui.points("distance", "mask_distance") == TOTAL // 10)
    plot = gui.curves.feed("distance").plot
    gui.until(lambda: len(plot.drawn_values("mask_distance")) > 0)
    last = TOTAL - 10
    expected = np.mean(0.3 * (1 - np.exp(-3 * last / TOTAL)) * np.linspace(1, 0.4, len(LAYERS))) / 0.5
    assert plot.drawn_values("mask_distance")[-1] == pytest.approx(expected, rel=1e-5)


def test_that_the_axis_counts_epochs_and_time(gui: OpenRunPage) -> None:
    gui.show(recorded(gui.store))
    plot = gui.curves.feed("accuracy").plot
    gui.until(lambda: gui.points("accuracy", "accuracy") == TOTAL)
    plot.link.set_axis(XAxis.EPOCH)
    gui.until(lambda: 4 <= plot.link.view[1] < 5)
    plot.link.set_axis(XAxis.TIME)
    gui.until(lambda: 20 <= plot.link.view[1] < 25)


def test_that_chosen_plots_come_with_all_points_and_go(gui: OpenRunPage) -> None:
    gui.show(recorded(gui.store))
    gui.until(lambda: gui.points("accuracy", "accuracy") == TOTAL)
    gui.curves.choose(("accuracy", "loss", "lr", "throughput", "memory", "revived"))
    gui.until(lambda: gui.points("loss", "loss") == TOTAL)
    gui.until(lambda: gui.points("memory", "memory_bytes") == TOTAL // 20)
    assert gui.points("flips", "mask_flips") == 0
    assert not gui.curves.feed("flips").plot.isVisible()
    gui.curves.choose(("flips",))
    gui.until(lambda: gui.points("flips", "mask_flips") == TOTAL // 10 - 1)


@pytest.mark.qt_log_ignore("This plugin does not support", extend=True)  # open menus, offscreen
def test_that_several_plots_are_chosen_in_the_open_menu(gui: OpenRunPage) -> None:
    gui.show(recorded(gui.store))
    menu = gui.curves.findChild(QMenu)
    assert menu is not None
    menu.popup(gui.page.mapToGlobal(QPoint(100, 100)))
    for action in menu.actions()[2:4]:
        QTest.mouseClick(menu, Qt.MouseButton.LeftButton, pos=menu.actionGeometry(action).center())
        assert menu.isVisible()
    assert gui.curves.chosen == ("accuracy", "flips", "loss", "distance")
    menu.close()


def test_that_a_dense_run_has_no_plots_of_masks_and_no_layers(gui: OpenRunPage) -> None:
    gui.show(recorded(gui.store, "method.name=dense"))
    gui.until(lambda: gui.points("loss", "loss") == TOTAL)
    assert not gui.curves.feed("flips").plot.isVisible()
    gui.page.show_tab("layers")
    assert "This run has no masks" in gui.empty_text()
    assert gui.subscriptions == 0


@pytest.mark.parametrize(("parent", "masks"), [("Dense", False), ("EdgePopup", True)])
def test_that_a_run_of_an_extension_shows_masks_where_its_method_has_them(
    gui: OpenRunPage, parent: str, masks: bool
) -> None:
    workspace = gui.session.workspace
    trusted(workspace, "mine.py", HEAD + f"@method\nclass Mine({parent}):\n  ...\n")
    with activated(workspace):
        run_id = recorded(gui.store, "method.name=mine")
        gui.show(run_id)
        gui.until(lambda: gui.points("accuracy", "accuracy") == TOTAL)
        assert gui.curves.feed("flips").plot.isVisible() is masks
        gui.page.show_tab("layers")
        assert ("This run has no masks" in gui.empty_text()) is not masks
        row = gui.store.reader.run(run_id)
        assert Chosen(1, (row,), has_masks=partial(has_masks, workspace)).with_masks == (
            (row,) if masks else ()
        )


# Layers.


def test_that_layers_are_listed_with_their_newest_values(gui: OpenRunPage) -> None:
    run_id = make_run(gui.store)
    write_masks(gui.session.workspace, run_id, share=0.25)
    with writing(gui.store, run_id) as writer:
        writer.train(TOTAL)
        writer.recorder.finish(RunState.FINISHED)
    gui.show(run_id, "layers")
    table = gui.layers.table
    gui.until(lambda: table.names() == [name.removesuffix(".weight") for name in LAYERS])
    gui.until(lambda: cell(gui, 0, 1) == "72")
    assert cell(gui, 0, 2) == "25.00 %"
    assert cell(gui, 1, 1) == "1,152"
    assert cell(gui, 0, 5) == str(round(0.06 * 72) * (TOTAL // REDRAW_EVERY))
    table.sort_by(1, descending=True)
    assert table.names() == ["fc1", "conv2", "fc2", "conv1"]
    table.sort_by(0, descending=False)
    assert table.names()[0] == "conv1"


def cell(gui: OpenRunPage, row: int, column: int) -> str:
    return str(gui.layers.table.model().index(row, column).data())


def test_that_sizes_come_from_the_probe_where_masks_are_gone(gui: OpenRunPage) -> None:
    gui.show(recorded(gui.store, "model.name=conv2"), "layers")
    gui.until(lambda: len(gui.layers.table.names()) == len(LAYERS))
    gui.until(lambda: cell(gui, 0, 1) != "—")
    assert cell(gui, 0, 2).endswith(" %")


def test_that_table_and_picture_choose_the_same_layer(gui: OpenRunPage) -> None:
    gui.show(recorded(gui.store), "layers")
    gui.until(lambda: len(gui.layers.table.names()) == len(LAYERS))
    gui.layers.table.choose("fc1")
    assert gui.layers.heatmap.row == "fc1"
    gui.layers.heatmap.setFocus()
    QTest.keyClick(gui.layers.heatmap, Qt.Key.Key_Down)
    assert gui.layers.table.currentIndex().row() == 3
    QTest.keyClick(gui.layers.heatmap, Qt.Key.Key_Comma)
    gui.until(lambda: "fc2, step" in gui.layers.heatmap.accessibleDescription())


def test_that_layers_grow_with_the_run(gui: OpenRunPage) -> None:
    run_id = make_run(gui.store)
    gui.show(run_id, "layers")
    assert "waits in the queue" in gui.empty_text()
    with writing(gui.store, run_id) as writer:
        writer.train(100)
        gui.until(lambda: len(gui.layers.heatmap.table().steps) == 9)
        columns = gui.layers.heatmap.area.columns
        gui.until(lambda: columns.values.shape[0] == len(LAYERS) and bool(np.isfinite(columns.values).any()))
        writer.train(100)
        gui.until(lambda: len(gui.layers.heatmap.table().steps) == 19)
        writer.recorder.finish(RunState.STOPPED)


# Configuration.


def test_that_options_are_listed_and_the_changed_ones_marked(gui: OpenRunPage) -> None:
    gui.show(recorded(gui.store, "method.sparsity=0.7"), "configuration")
    rows = {row.path: row for row in gui.configuration._rows}
    assert rows["method.sparsity"].is_changed
    assert (rows["method.sparsity"].value, rows["method.sparsity"].default) == ("0.7", "0.6")
    assert not rows["training.momentum"].is_changed
    assert not rows["compute.precision"].is_changed
    shown = gui.configuration.options.texts()
    assert len(shown) == len(rows)
    gui.configuration.restore_state({"only_changed": True})
    changed = [text[0] for text in gui.configuration.options.texts()]
    assert "method.sparsity" in changed
    assert "training.momentum" not in changed


def test_that_the_configuration_is_copied_as_yaml_that_makes_the_same_run(gui: OpenRunPage) -> None:
    gui.show(recorded(gui.store, "method.sparsity=0.7"), "configuration")
    command = next(c for c in gui.page.commands() if c.text == "Copy the configuration as YAML")
    command.run()
    copied = RunConfig.from_mapping(parse_yaml(QGuiApplication.clipboard().text()))
    expected = {**BASE, "method": {**BASE["method"], "sparsity": 0.7}}
    assert copied == RunConfig.from_mapping(expected)


def test_that_environments_and_files_are_listed(gui: OpenRunPage) -> None:
    run_id = make_run(gui.store)
    with writing(gui.store, run_id) as writer:
        writer.train(10)
        writer.recorder.finish(RunState.STOPPED)
    write_masks(gui.session.workspace, run_id)
    write_log(gui.session.workspace, run_id, "x" * 999 + "\n")
    gui.show(run_id, "configuration")
    tab = gui.configuration
    gui.until(lambda: ("worker.log", "1.0 kB") in tab.files.texts())
    assert any(text[0] == "masks/ (1 file)" for text in tab.files.texts())
    assert ("torch", "2.13.0") in tab.environment.texts()


# Log.


def test_that_the_log_grows_follows_and_folds(gui: OpenRunPage) -> None:
    run_id = make_run(gui.store)
    workspace = gui.session.workspace
    gui.show(run_id, "log")
    view = gui.log.view
    with writing(gui.store, run_id) as writer:
        writer.train(10)
        write_log(workspace, run_id, "begins\n10 %\r50 %\r")
        gui.until(lambda: view.toPlainText() == "begins\n50 %")
        write_log(workspace, run_id, "100 %\ndone\n")
        gui.until(lambda: view.toPlainText() == "begins\n100 %\ndone")
        write_log(workspace, run_id, "".join(f"line {n}\n" for n in range(3000)))
        gui.until(lambda: view.toPlainText().endswith("line 2999"))
        bar = view.verticalScrollBar()
        gui.until(lambda: bar.value() == bar.maximum() > 0)
        bar.triggerAction(bar.SliderAction.SliderToMinimum)
        assert not gui.log.follow.isChecked()
        write_log(workspace, run_id, "last\n")
        gui.until(lambda: view.toPlainText().endswith("last"))
        assert bar.value() == 0
        writer.recorder.event("warning", "Accuracy is at chance.\nMore.", 5)
        gui.until(lambda: gui.log.messages.isVisible())
        assert gui.log.messages.texts()[0][1:] == ("warning", "5", "Accuracy is at chance. ...")
        writer.recorder.finish(RunState.STOPPED)


def test_that_the_log_is_searched(gui: OpenRunPage) -> None:
    run_id = recorded(gui.store)
    write_log(gui.session.workspace, run_id, "alpha\nbeta\nALPHA\ngamma\n")
    gui.show(run_id, "log")
    gui.until(lambda: "gamma" in gui.log.view.toPlainText())
    QTest.keyClicks(gui.log.search, "alpha")
    view = gui.log.view
    assert view.textCursor().blockNumber() == 0
    assert "2 places" in gui.texts(gui.log)
    QTest.keyClick(gui.log.search, Qt.Key.Key_Return)
    assert view.textCursor().blockNumber() == 2
    QTest.keyClick(gui.log.search, Qt.Key.Key_Return)
    assert view.textCursor().blockNumber() == 0
    gui.log.find_previous()
    assert view.textCursor().blockNumber() == 2


def test_that_another_run_brings_another_log(gui: OpenRunPage) -> None:
    one, two = recorded(gui.store, name="one"), recorded(gui.store, name="two")
    write_log(gui.session.workspace, one, "of one\n")
    write_log(gui.session.workspace, two, "of two\n")
    gui.show(one, "log")
    gui.until(lambda: gui.log.view.toPlainText() == "of one")
    gui.show(two, "log")
    gui.until(lambda: gui.log.view.toPlainText() == "of two")

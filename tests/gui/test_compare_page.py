"""The Compare page over a real store: live curves, results, hiding, what is remembered, names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QComboBox,
    QLabel,
    QPushButton,
    QScrollBar,
    QWidget,
)
from pytestqt.qtbot import QtBot

from iterand_engine.store import RunState, trash
from iterand_gui.pages.compare.metrics import metric_of
from iterand_gui.pages.compare.results import Mode
from iterand_gui.plots.x_axis import XAxis
from tests.gui.open_compare_page import (
    STEPS,
    OpenComparePage,
    add_group,
    add_run,
    config_of,
    gui,
    make_run,
    recording,
    write,
)

__all__ = ["gui"]  # the fixture


def curve(gui: OpenComparePage, name: str) -> list[float]:
    """The values of a curve by its name, as the plot's table has them."""
    table = gui.plot.table()
    at = [column.name for column in table.columns].index(name)
    values = [row[at] for row in table.rows(0, table.row_count)]
    return [round(float(value), 5) for value in values if isinstance(value, float | np.floating)]


def test_that_with_nothing_selected_the_page_says_what_to_do(gui: OpenComparePage) -> None:
    asked: list[str] = []
    gui.session.actions.show_page.connect(asked.append)
    gui.select([])
    assert "Select runs or groups on the Runs page" in gui.page.empty.text
    gui.page.empty.findChildren(QPushButton)[0].click()
    assert asked == ["runs"]
    assert gui.subscriptions == 0


def test_that_groups_are_a_curve_with_the_mean_and_a_row_each(gui: OpenComparePage) -> None:
    ids = [*add_group(gui.store, (0.8, 0.9)), add_run(gui.store, config_of("dense"), 0.95)]
    gui.select(ids)
    gui.drawn(2)
    assert gui.points() == {"dense": 4, "iterand (n = 2)": 4}
    assert curve(gui, "iterand (n = 2)") == [0.2125, 0.425, 0.6375, 0.85]
    assert curve(gui, "iterand (n = 2), deviation")[-1] == pytest.approx(0.07071)
    assert curve(gui, "dense")[-1] == pytest.approx(0.95)
    assert gui.column("method") == ["dense", "iterand"]
    assert gui.column("n") == ["1", "2"]
    assert gui.column("Validation accuracy") == ["95.00 %", "85.00 ± 7.07 %"]


def test_that_a_live_run_grows_and_is_cut_back_where_it_went_back(gui: OpenComparePage) -> None:
    run_id = make_run(gui.store, config_of())
    with recording(gui.store, run_id) as recorder:
        write(recorder, 0, 15, 0.9)
        gui.select([run_id])
        gui.page.choose_plot(Mode.CURVES, metric_of("loss"))
        gui.drawn(1)
        gui.until(lambda: gui.points() == {"iterand x0.5": 15})
        write(recorder, 15, 30, 0.9)
        gui.until(lambda: gui.points() == {"iterand x0.5": 30})
        assert gui.column("n") == ["0 of 1, running"]
        recorder.rewind(20)
        gui.until(lambda: gui.points() == {"iterand x0.5": 20})
        write(recorder, 20, STEPS, 0.9)
        gui.until(lambda: gui.points() == {"iterand x0.5": STEPS})
        assert curve(gui, "iterand x0.5") == [round(2 - step / STEPS, 5) for step in range(STEPS)]
        recorder.finish(RunState.FINISHED, val_accuracy=0.9, test_accuracy=0.89)
    gui.until(lambda: gui.column("Validation accuracy") == ["90.00 %"])
    gui.until(lambda: gui.column("Test accuracy") == ["89.00 %"])


def test_that_the_mean_of_a_live_group_grows_with_its_runs(gui: OpenComparePage) -> None:
    done = add_run(gui.store, config_of(seed=1), 0.8)
    going = make_run(gui.store, config_of(seed=2))
    with recording(gui.store, going) as recorder:
        write(recorder, 0, 10, 0.4)
        gui.select([done, going])
        gui.drawn(1)
        name = "iterand x0.5 (n = 1 of 2)"
        gui.until(lambda: curve(gui, name) == [0.15, 0.4, 0.6, 0.8])
        write(recorder, 10, 20, 0.4)
        gui.until(lambda: curve(gui, name) == [0.15, 0.3, 0.6, 0.8])
        assert gui.column("n") == ["1 of 2, 1 running"]
        recorder.finish(RunState.DIVERGED)
    gui.until(lambda: curve(gui, name) == [0.2, 0.4, 0.6, 0.8])
    gui.until(lambda: gui.column("n") == ["1 of 2, 1 diverged"])


def test_that_another_metric_takes_the_place_and_what_lacks_it_has_no_curve(gui: OpenComparePage) -> None:
    gui.select([add_run(gui.store, config_of()), add_run(gui.store, config_of("dense"))])
    gui.drawn(2)
    gui.page.choose_plot(Mode.CURVES, metric_of("mask_distance"))
    gui.settle()
    gui.drawn(1)
    assert gui.plot.title == "Mask distance over chance"
    assert curve(gui, "iterand") == [0.0, 0.2, 0.5]  # divided by what chance gives
    assert gui.subscriptions == 1
    gui.page.choose_plot(Mode.CURVES, metric_of("gpu_share"))
    gui.settle()
    assert gui.plot.keys() == []


def test_that_the_axis_may_count_epochs_or_time(gui: OpenComparePage) -> None:
    one = add_run(gui.store, config_of(seed=1), pace_s=0.1)
    other = add_run(gui.store, config_of(seed=2), pace_s=0.3)
    gui.select([one, other])
    gui.drawn(1)
    gui.plot.link.set_axis(XAxis.EPOCH)
    gui.until(lambda: gui.plot.link.extent == (1.0, 4.0))
    gui.plot.link.set_axis(XAxis.TIME)
    # At the mean of what the two took.
    gui.until(lambda: gui.plot.link.extent == pytest.approx((2.0, 8.0)))


def test_that_seeds_can_stand_apart(gui: OpenComparePage) -> None:
    gui.select(add_group(gui.store, (0.8, 0.9)))
    gui.drawn(1)
    gui.page.panel._fold.click()
    gui.settle()
    gui.drawn(2)
    assert set(gui.points()) == {"seed 1", "seed 2"}
    assert gui.column("seed") == ["1", "2"]


def test_that_results_stand_over_the_width_one_line_a_method(gui: OpenComparePage) -> None:
    ids = add_group(gui.store, (0.7, 0.8), width=0.25) + add_group(gui.store, (0.9, 0.9), width=0.5)
    ids += [add_run(gui.store, config_of("dense", width), 0.95) for width in (0.25, 0.5)]
    ids += [add_run(gui.store, config_of("dense", 1.0), state=RunState.DIVERGED)]
    gui.select(ids)
    gui.page.choose_plot(Mode.WIDTH)
    assert gui.subscriptions == 0  # no series is needed
    lines = {line.name: line.means for line in gui.page.area._lines}
    assert lines["iterand"].x.tolist() == [0.25, 0.5]
    assert lines["iterand"].mean.tolist() == pytest.approx([0.75, 0.9])
    assert lines["dense"].runs.tolist() == [1, 1]
    assert gui.results.keys() == ["dense", "iterand"]
    assert gui.page.area._note() == "1 run not finished"
    gui.page.choose_plot(Mode.CURVES)
    gui.drawn(5)


def test_that_kept_weights_come_from_the_probe(gui: OpenComparePage) -> None:
    ids = [add_run(gui.store, config_of("dense", 0.25)), add_run(gui.store, config_of("iterand", 0.25))]
    gui.select(ids)
    assert "Kept weights" not in gui.titles()
    gui.page.choose_plot(Mode.KEPT)
    assert gui.page.area._note() == "counting the weights of 2"
    gui.until(lambda: not gui.page._facts.waits_for_kept)
    gui.until(lambda: len(gui.results.keys()) == 2)
    places = {line.name: line.known[0].x for line in gui.page.area._lines}
    assert places["iterand"] == pytest.approx(0.4 * places["dense"], rel=0.01)  # sparsity 0.6
    assert gui.results.log_x_action.isChecked()
    assert gui.column("Kept weights")[0] != "—"


def test_that_weights_that_cannot_be_counted_are_shown_with_the_reason(gui: OpenComparePage) -> None:
    run_id = add_run(gui.store, config_of())
    config = dict(config_of().to_mapping(), model={"name": "mine", "width_factor": 1.0})
    gui.session.watcher.configs[run_id] = config  # its extension is not there any more
    gui.select([run_id])
    gui.session.watcher.configs[run_id] = config
    gui.page.choose_plot(Mode.KEPT)
    assert "mine" in gui.page.area._note()
    assert not gui.page._facts.waits_for_kept


def test_that_hidden_it_wants_nothing_and_shown_again_it_has_what_came(gui: OpenComparePage) -> None:
    ids = add_group(gui.store, (0.8,))
    gui.select(ids)
    gui.drawn(1)
    gui.hide()
    assert gui.subscriptions == 0
    other = add_run(gui.store, config_of("dense"))
    gui.until(lambda: other in gui.session.watcher.runs)
    gui.session.selection.set([*ids, other])
    assert gui.page.panel.model.rowCount() == 1
    assert not gui.page._timer.isActive()
    assert not gui.session.jobs.running
    gui.show()
    gui.drawn(2)
    assert gui.subscriptions == 1


def test_that_runs_that_are_deleted_leave(gui: OpenComparePage) -> None:
    ids = [add_run(gui.store, config_of("dense")), add_run(gui.store, config_of("iterand"))]
    gui.select(ids)
    gui.drawn(2)
    trash.discard(gui.store, [ids[0]])
    gui.until(lambda: gui.page.panel.model.rowCount() == 1)
    assert len(gui.plot.keys()) == 1
    trash.discard(gui.store, [ids[1]])
    gui.until(lambda: gui.page.empty.isVisible())
    assert gui.subscriptions == 0


def test_that_the_arrangement_is_remembered_and_can_be_reset(gui: OpenComparePage, qtbot: QtBot) -> None:
    gui.select([add_run(gui.store, config_of("dense")), add_run(gui.store, config_of("iterand"))])
    page = gui.page
    first = page.save_state()
    page.choose_plot(Mode.CURVES, metric_of("loss"))
    page._link.set_axis(XAxis.EPOCH)
    page._link.set_smoothing(100)
    page.area.set_log(True)
    page.panel._fold.click()
    page.panel._all_options.click()
    page.panel.view.order_by("accuracy", descending=True)
    page.panel.view.setColumnWidth(0, 333)
    page.choose_plot(Mode.WIDTH)
    page.pin(page.panel.model.keys[0])
    chosen = page.save_state()
    assert chosen["widths"] == {"name": 333}
    page.restore_state({})
    assert page.save_state() == first | {"sizes": page.save_state()["sizes"]}
    page.restore_state(chosen)
    assert page.save_state() == chosen
    assert page.area.mode is Mode.WIDTH
    assert gui.page.panel.view.columnWidth(0) == 333


@pytest.mark.parametrize(
    "state",
    [
        {"mode": 3, "metric": [], "axis": "moon", "smoothing": "much", "log": 1, "baseline": 5},
        {"sort": ["accuracy"], "widths": {"name": "wide"}, "sizes": [1, "x"], "fold": None},
        {"sort": [None, 3], "widths": 3, "sizes": []},
    ],
)
def test_that_a_state_that_is_not_understood_is_as_at_first(
    gui: OpenComparePage, state: dict[str, Any]
) -> None:
    first = gui.page.save_state()
    gui.page.restore_state(state)
    assert {**gui.page.save_state(), "sizes": 0} == {**first, "sizes": 0}


def test_that_everything_has_a_name_for_those_who_cannot_see_it(gui: OpenComparePage) -> None:
    gui.select([add_run(gui.store, config_of("dense")), add_run(gui.store, config_of("iterand"))])
    gui.drawn(2)
    kinds = (QAbstractButton, QComboBox, QAbstractItemView)
    for widget in gui.page.findChildren(QWidget):
        inside = isinstance(widget.parent(), QComboBox | QScrollBar | QAbstractItemView)
        if isinstance(widget, kinds) and widget.isVisible() and not inside:
            named = widget.accessibleName() or (isinstance(widget, QAbstractButton) and widget.text())
            assert named, widget
    assert gui.plot.accessibleName() == "Validation accuracy plot"
    model = gui.page.panel.model
    spoken = model.index(0, 0).data(Qt.ItemDataRole.AccessibleTextRole)
    gui.page.pin(model.keys[0])
    assert model.index(0, 0).data(Qt.ItemDataRole.AccessibleTextRole) == f"{spoken}, the baseline"


def test_that_no_mnemonic_is_used_twice_nor_one_of_the_menus(gui: OpenComparePage) -> None:
    gui.select([add_run(gui.store, config_of("dense")), add_run(gui.store, config_of("iterand"))])
    labels, buttons = gui.page.findChildren(QLabel), gui.page.findChildren(QAbstractButton)
    texts = [*(label.text() for label in labels), *(button.text() for button in buttons)]
    keys = [text[text.index("&") + 1].lower() for text in texts if "&" in text]
    assert len(keys) == len(set(keys)) >= 8
    assert not set(keys) & set("fpvh")


def test_that_every_command_does_something(gui: OpenComparePage) -> None:
    gui.select([add_run(gui.store, config_of("dense")), add_run(gui.store, config_of("iterand"))])
    gui.drawn(2)
    commands = {command.text: command for command in gui.page.commands()}
    assert all(command.enabled() for command in commands.values())
    commands["Plot results over width"].run()
    assert gui.page.area.mode is Mode.WIDTH
    commands["Plot mask flips"].run()
    assert gui.page.area.curve_metric is metric_of("mask_flips")
    commands["Copy as CSV"].run()
    assert gui.said[-1].text == "Copied 2 rows as CSV"


def test_that_a_plot_is_saved_and_shown_as_a_table(gui: OpenComparePage, tmp_path: Path) -> None:
    gui.select([add_run(gui.store, config_of("dense"), 0.95)])
    gui.drawn(1)
    path = tmp_path / "plot.csv"
    gui.plot.files.save(path)
    gui.until(lambda: bool(gui.said))
    assert gui.said[0].text == f"Saved {path}"
    assert path.read_text().splitlines()[-1].endswith("0.95")
    gui.plot.show_as_table(True)
    gui.page.choose_plot(Mode.CURVES, metric_of("loss"))
    gui.settle()
    gui.drawn(1)
    assert gui.plot.shows_table

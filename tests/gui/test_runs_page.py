"""The Runs page over a real store: what is shown, chosen, filtered and done with runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from iterand_engine.config.axes import SEED
from iterand_engine.runs.sweeps import plan
from iterand_engine.store import RunState, Store
from iterand_gui.pages.runs.lines.columns import COLUMN
from iterand_gui.widgets.messages import MessageBar
from tests.gui.open_runs_page import OpenRuns, add_run, add_sweep, config, end, recorded
from tests.patience import WAIT_MS


def nothing(_store: Store) -> None:
    """An empty workspace."""


# First start.


def test_that_an_empty_workspace_welcomes_and_tries_it_now(open_runs_page: OpenRuns) -> None:
    gui = open_runs_page(nothing)
    gui.until(lambda: gui.page.welcome.isVisible())
    assert not gui.page.head.isVisible()
    QTest.mouseClick(gui.page.welcome.try_now, Qt.MouseButton.LeftButton)
    gui.until(lambda: gui.heard("open_run"))
    (run_id,) = gui.heard("open_run")
    row = gui.store.reader.run(str(run_id))
    assert (row.dataset, row.model, row.state) == ("digits", "conv4", RunState.QUEUED)
    assert len(gui.launched) == 1
    gui.until(lambda: gui.page.table.isVisible())


def test_that_the_welcome_opens_the_form_and_offers_no_gpu_where_there_is_none(
    open_runs_page: OpenRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    from iterand_engine.machine.devices import cpu_device

    monkeypatch.setattr("iterand_gui.pages.runs.welcome.list_devices", lambda: (cpu_device(),))
    gui = open_runs_page(nothing)
    gui.until(lambda: gui.page.welcome.isVisible())
    assert not gui.page.welcome.on_gpu.isVisible()
    gui.page.welcome.make.click()
    assert gui.heard("open_new") == [None]


def test_that_a_gpu_is_offered_real_runs(open_runs_page: OpenRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    from iterand_engine.machine.devices import Device, cpu_device

    gpu = Device("GPU-1", "cuda", "Some GPU", 10**10, 0, bf16=True)
    monkeypatch.setattr("iterand_gui.pages.runs.welcome.list_devices", lambda: (gpu, cpu_device()))
    monkeypatch.setattr("iterand_gui.pages.runs.welcome.trainable_devices", lambda devices: devices)
    gui = open_runs_page(nothing)
    gui.until(lambda: gui.page.welcome.on_gpu.isVisible())
    card = gui.page.welcome.on_gpu
    assert card.text() == "&CIFAR-10, 6 runs"
    assert "downloaded first" in card.accessibleDescription()
    card.click()
    assert gui.heard("show_page") == ["settings"]
    assert "cifar10" in gui.said[-1].text


# The table.


def test_that_runs_are_listed_and_follow_the_store(open_runs_page: OpenRuns) -> None:
    gui = open_runs_page(lambda store: [end(store, add_run(store, seed=seed)) for seed in (1, 2)])
    assert gui.column("n") == ["2"]
    assert gui.page.head.count == "2 runs"
    run_id = add_run(gui.store, "other")
    gui.until(lambda: gui.column("state") == ["Queued", "Finished"])
    with recorded(gui.store, run_id, accuracy=0.7):
        gui.until(lambda: gui.column("accuracy")[0] == "70.00 % so far")
        assert gui.column("state")[0] == "Running"


def test_that_a_hidden_page_stands_still_and_catches_up(open_runs_page: OpenRuns) -> None:
    gui = open_runs_page(lambda store: add_run(store))
    gui.page.hiding()
    add_run(gui.store, "other")
    gui.until(lambda: len(gui.session.watcher.runs) == 2)
    assert gui.column("name") == ["tiny"]
    gui.page.showing()
    assert gui.column("name") == ["other", "tiny"]
    assert gui.page.head.count == "2 runs"


def test_that_what_is_chosen_is_the_selection_everywhere(open_runs_page: OpenRuns) -> None:
    ids: list[str] = []
    gui = open_runs_page(lambda store: ids.extend(add_run(store, name) for name in ("one", "two", "three")))
    gui.choose(ids[0])
    assert list(gui.session.selection.ids) == ids[:1]
    gui.choose(ids[0], ids[2])
    assert list(gui.session.selection.ids) == [ids[0], ids[2]]
    assert gui.session.selection.current == ids[2]
    gui.session.selection.set([ids[1]])
    assert [row.id for row in gui.page.chosen().rows] == [ids[1]]


def test_that_all_seeds_are_chosen_as_their_line_and_one_alone(open_runs_page: OpenRuns) -> None:
    ids: list[str] = []
    gui = open_runs_page(lambda store: ids.extend(add_run(store, seed=seed) for seed in (1, 2, 3)))
    gui.choose(ids[0])  # a seed within its group
    assert gui.page.chosen().ids == (ids[0],)
    gui.session.selection.set(ids)
    chosen = gui.page.chosen()
    assert (chosen.lines, set(chosen.ids)) == (1, set(ids))
    assert chosen.group is not None
    gui.session.selection.set(ids[:1])
    assert gui.page.chosen().group is not None, "the group stands for its seeds as long as it is chosen"


def test_that_the_newest_seed_of_a_chosen_group_is_the_current_run(open_runs_page: OpenRuns) -> None:
    ids: list[str] = []
    gui = open_runs_page(lambda store: ids.extend(add_run(store, seed=seed) for seed in (1, 2)))
    gui.choose(ids[0])
    group = gui.line(ids[0]).parent()
    gui.page.table.setCurrentIndex(group)
    assert gui.session.selection.current == ids[1]


# What is done.


def test_that_actions_are_for_what_is_chosen_as_it_stands(open_runs_page: OpenRuns) -> None:
    ids: dict[str, str] = {}

    def store_runs(store: Store) -> None:
        ids["queued"] = add_run(store, "queued")
        ids["finished"] = end(store, add_run(store, "finished"))
        ids["stopped"] = end(store, add_run(store, "stopped"), RunState.STOPPED)

    gui = open_runs_page(store_runs)
    deeds = gui.page.deeds

    def enabled() -> set[str]:
        keys = ("resume", "stop", "first", "compare", "delete", "network", "series", "undo")
        return {key for key in keys if deeds[key].isEnabled()}

    assert enabled() == set()
    gui.choose(ids["queued"])
    assert enabled() == {"stop", "first", "compare", "delete"}
    gui.choose(ids["finished"])
    assert enabled() == {"compare", "delete", "network", "series"}
    gui.choose(ids["stopped"])
    assert enabled() == {"resume", "compare", "delete", "series"}
    with recorded(gui.store, ids["queued"]):
        gui.choose(ids["queued"])
        gui.until(lambda: gui.session.watcher.runs[ids["queued"]].state is RunState.RUNNING)
        gui.page._look()
        assert enabled() == {"stop", "compare", "series"}


def test_that_runs_stop_and_go_on(open_runs_page: OpenRuns) -> None:
    ids: list[str] = []
    gui = open_runs_page(lambda store: ids.append(add_run(store)))
    gui.choose(*ids)
    gui.page.deeds["stop"].trigger()
    gui.until(lambda: gui.state(ids[0]) is RunState.STOPPED)
    gui.until(lambda: gui.page.deeds["resume"].isEnabled())
    QTest.keyClick(gui.page.table, Qt.Key.Key_R, Qt.KeyboardModifier.ControlModifier)
    gui.until(lambda: gui.state(ids[0]) is RunState.QUEUED)
    gui.until(lambda: gui.launched)


def test_that_delete_by_key_can_be_undone(open_runs_page: OpenRuns) -> None:
    ids: list[str] = []
    gui = open_runs_page(lambda store: ids.extend(add_run(store, name) for name in ("one", "two")))
    gui.choose(ids[0])
    QTest.keyClick(gui.page.table, Qt.Key.Key_Delete)
    gui.until(lambda: gui.column("name") == ["two"])
    gui.until(lambda: gui.said and gui.said[-1].action is not None)
    gui.until(lambda: gui.page.deeds["undo"].isEnabled())
    QTest.keyClick(gui.page.table, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    gui.until(lambda: sorted(gui.column("name")) == ["one", "two"])
    gui.settle()
    assert not gui.session.actions.can_undo


def test_that_the_offer_to_undo_goes_when_it_was_undone_by_key(open_runs_page: OpenRuns) -> None:
    ids: list[str] = []
    gui = open_runs_page(lambda store: ids.extend(add_run(store, name) for name in ("one", "two")))
    bar = MessageBar(gui.page)
    gui.session.messages.said.connect(bar.show_message)

    def said() -> list[tuple[str, bool]]:
        return [(line.message.text, line.message.action is not None) for line in bar.lines()]

    gui.choose(ids[0])
    QTest.keyClick(gui.page.table, Qt.Key.Key_Delete)
    gui.until(lambda: said() == [("1 run moved to the trash.", True)])
    gui.until(lambda: gui.page.deeds["undo"].isEnabled())
    QTest.keyClick(gui.page.table, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    gui.until(lambda: said() == [("1 run taken back from the trash.", False)])
    gui.settle()


def test_that_deleted_runs_are_chosen_no_more_and_again_when_they_are_back(open_runs_page: OpenRuns) -> None:
    ids: list[str] = []

    def store_runs(store: Store) -> None:
        ids.extend(add_run(store, name) for name in ("one", "two", "three"))

    gui = open_runs_page(store_runs)
    gui.choose(*ids[:2])
    gui.page.deeds["delete"].trigger()
    gui.until(lambda: gui.column("name") == ["three"])
    assert gui.session.selection.ids == ()
    gui.until(lambda: gui.page.deeds["undo"].isEnabled())
    gui.page.deeds["undo"].trigger()
    gui.until(lambda: set(gui.page.chosen().ids) == set(ids[:2]))
    assert gui.session.selection.ids == tuple(ids[:2])
    gui.settle()


def test_that_new_seeds_join_a_chosen_run_that_stays_the_current_one(open_runs_page: OpenRuns) -> None:
    ids: list[str] = []
    gui = open_runs_page(lambda store: ids.append(add_run(store)))
    gui.choose(*ids)
    ids.append(add_run(gui.store, seed=2))
    gui.until(lambda: set(gui.session.selection.ids) == set(ids))
    assert gui.session.selection.current == ids[0]


def test_that_what_was_queued_elsewhere_is_chosen_when_the_page_is_shown(open_runs_page: OpenRuns) -> None:
    ids: list[str] = []
    gui = open_runs_page(lambda store: ids.append(add_run(store)))
    gui.choose(*ids)
    gui.page.hiding()
    job = gui.session.actions.queue(
        plan(config(seed=7).to_mapping(), {SEED: (7, 8)}, Path.cwd()), checked=True
    )
    with gui.qtbot.waitSignal(job.ended, timeout=WAIT_MS):
        pass
    assert gui.session.selection.ids == tuple(ids), "while another page is in view, it stays as it is"
    gui.page.showing()
    made = {row.id for row in gui.store.reader.runs()} - set(ids)
    gui.until(lambda: set(gui.page.chosen().ids) == made)
    assert set(gui.session.selection.ids) == made
    gui.settle()


def test_that_keys_open_and_unfold(open_runs_page: OpenRuns) -> None:
    ids: list[str] = []
    gui = open_runs_page(lambda store: ids.extend(add_run(store, seed=seed) for seed in (1, 2)))
    table = gui.page.table
    table.setCurrentIndex(gui.page.model.index(0, 0))
    QTest.keyClick(table, Qt.Key.Key_Space)
    assert table.isExpanded(gui.page.model.index(0, 0))
    QTest.keyClick(table, Qt.Key.Key_Return)
    QTest.keyClick(table, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    assert gui.heard("open_run") == [ids[1]]
    (compared,) = gui.heard("open_compare")
    assert set(compared) == set(ids)  # type: ignore[call-overload]


def test_that_a_double_click_on_a_sweep_compares_its_runs(open_runs_page: OpenRuns) -> None:
    ids: list[str] = []

    def store_runs(store: Store) -> None:
        ids.extend(add_run(store, f"lr={lr}", lr=lr) for lr in (0.1, 0.2))
        add_sweep(store, "rates", ids, lr=[0.1, 0.2])

    gui = open_runs_page(store_runs)
    gui.until(lambda: gui.column("name") == ["rates"])
    table = gui.page.table
    name = table.visualRect(gui.page.model.index(0, COLUMN["name"])).center()
    QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=name)
    QTest.mouseDClick(table.viewport(), Qt.MouseButton.LeftButton, pos=name)
    assert [set(each) for each in gui.heard("open_compare")] == [set(ids)]  # type: ignore[call-overload]


def test_that_the_menu_offers_what_can_be_done(open_runs_page: OpenRuns) -> None:
    ids: list[str] = []
    gui = open_runs_page(lambda store: ids.append(add_run(store)))
    gui.choose(*ids)
    menu = gui.page.deeds.menu(gui.page)
    texts = [action.text().replace("&", "") for action in menu.actions() if not action.isSeparator()]
    wanted = ("+2 seeds", "Clone and edit...", "Use these settings...", "Log", "Open folder", "Export")
    assert set(wanted) <= set(texts)
    menu.deleteLater()
    gui.page.deeds["log"].trigger()
    assert gui.heard("open_log") == ids
    gui.page.deeds["clone"].trigger()
    gui.until(lambda: len(gui.heard("open_new")) == 1)
    gui.page.deeds["use"].trigger()
    gui.until(lambda: len(gui.heard("open_new")) == 2)
    clone, use = gui.heard("open_new")
    assert isinstance(clone, dict)
    assert isinstance(use, dict)
    assert (clone["training"]["seed"], clone["compute"]["device"]) == (1, "cpu")
    assert set(use) == {"data", "model", "method", "training"}
    assert "seed" not in use["training"]


def test_that_two_seeds_are_added(open_runs_page: OpenRuns) -> None:
    ids: list[str] = []
    gui = open_runs_page(lambda store: ids.append(add_run(store)))
    gui.choose(*ids)
    gui.page.deeds["seeds"].trigger()
    gui.until(lambda: len(gui.store.reader.runs()) == 3)
    assert sorted(row.seed for row in gui.store.reader.runs()) == [1, 2, 3]
    gui.settle()


def test_that_lines_are_copied_for_a_spreadsheet(open_runs_page: OpenRuns) -> None:
    ids: list[str] = []
    gui = open_runs_page(lambda store: ids.extend(add_run(store, name) for name in ("one", "two")))
    gui.choose(*ids)
    head, *lines = gui.page.table.copy_text().split("\n")
    assert head.split("\t")[:2] == ["State", "Name"]
    assert [line.split("\t")[1] for line in lines] == ["two", "one"]

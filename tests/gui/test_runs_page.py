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
from tests.gui.runs_world import OpenRuns, add_run, add_sweep, config, end, recorded
from tests.patience import WAIT_MS


def nothing(_store: Store) -> None:
    """An empty workspace."""


# First start.


def test_that_an_empty_workspace_welcomes_and_tries_it_now(open_runs_page: OpenRuns) -> None:
    world = open_runs_page(nothing)
    world.until(lambda: world.page.welcome.isVisible())
    assert not world.page.head.isVisible()
    QTest.mouseClick(world.page.welcome.try_now, Qt.MouseButton.LeftButton)
    world.until(lambda: world.heard("open_run"))
    (run_id,) = world.heard("open_run")
    row = world.store.reader.run(str(run_id))
    assert (row.dataset, row.model, row.state) == ("digits", "conv4", RunState.QUEUED)
    assert len(world.launched) == 1
    world.until(lambda: world.page.table.isVisible())


def test_that_the_welcome_opens_the_form_and_offers_no_gpu_where_there_is_none(
    open_runs_page: OpenRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    from iterand_engine.machine.devices import cpu_device

    monkeypatch.setattr("iterand_gui.pages.runs.welcome.list_devices", lambda: (cpu_device(),))
    world = open_runs_page(nothing)
    world.until(lambda: world.page.welcome.isVisible())
    assert not world.page.welcome.on_gpu.isVisible()
    world.page.welcome.make.click()
    assert world.heard("open_new") == [None]


def test_that_a_gpu_is_offered_real_runs(open_runs_page: OpenRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    from iterand_engine.machine.devices import Device, cpu_device

    gpu = Device("GPU-1", "cuda", "Some GPU", 10**10, 0, bf16=True)
    monkeypatch.setattr("iterand_gui.pages.runs.welcome.list_devices", lambda: (gpu, cpu_device()))
    monkeypatch.setattr("iterand_gui.pages.runs.welcome.trainable_devices", lambda devices: devices)
    world = open_runs_page(nothing)
    world.until(lambda: world.page.welcome.on_gpu.isVisible())
    card = world.page.welcome.on_gpu
    assert card.text() == "&CIFAR-10, 6 runs"
    assert "downloaded first" in card.accessibleDescription()
    card.click()
    assert world.heard("show_page") == ["settings"]
    assert "cifar10" in world.said[-1].text


# The table.


def test_that_runs_are_listed_and_follow_the_store(open_runs_page: OpenRuns) -> None:
    world = open_runs_page(lambda store: [end(store, add_run(store, seed=seed)) for seed in (1, 2)])
    assert world.column("n") == ["2"]
    assert world.page.head.count == "2 runs"
    run_id = add_run(world.store, "other")
    world.until(lambda: world.column("state") == ["Queued", "Finished"])
    with recorded(world.store, run_id, accuracy=0.7):
        world.until(lambda: world.column("accuracy")[0] == "70.00 % so far")
        assert world.column("state")[0] == "Running"


def test_that_a_hidden_page_stands_still_and_catches_up(open_runs_page: OpenRuns) -> None:
    world = open_runs_page(lambda store: add_run(store))
    world.page.hiding()
    add_run(world.store, "other")
    world.until(lambda: len(world.session.watcher.runs) == 2)
    assert world.column("name") == ["tiny"]
    world.page.showing()
    assert world.column("name") == ["other", "tiny"]
    assert world.page.head.count == "2 runs"


def test_that_what_is_chosen_is_the_selection_everywhere(open_runs_page: OpenRuns) -> None:
    ids: list[str] = []
    world = open_runs_page(lambda store: ids.extend(add_run(store, name) for name in ("one", "two", "three")))
    world.choose(ids[0])
    assert list(world.session.selection.ids) == ids[:1]
    world.choose(ids[0], ids[2])
    assert list(world.session.selection.ids) == [ids[0], ids[2]]
    assert world.session.selection.current == ids[2]
    world.session.selection.set([ids[1]])
    assert [row.id for row in world.page.chosen().rows] == [ids[1]]


def test_that_all_seeds_are_chosen_as_their_line_and_one_alone(open_runs_page: OpenRuns) -> None:
    ids: list[str] = []
    world = open_runs_page(lambda store: ids.extend(add_run(store, seed=seed) for seed in (1, 2, 3)))
    world.choose(ids[0])  # a seed within its group
    assert world.page.chosen().ids == (ids[0],)
    world.session.selection.set(ids)
    chosen = world.page.chosen()
    assert (chosen.lines, set(chosen.ids)) == (1, set(ids))
    assert chosen.group is not None
    world.session.selection.set(ids[:1])
    assert world.page.chosen().group is not None, "the group stands for its seeds as long as it is chosen"


def test_that_the_newest_seed_of_a_chosen_group_is_the_current_run(open_runs_page: OpenRuns) -> None:
    ids: list[str] = []
    world = open_runs_page(lambda store: ids.extend(add_run(store, seed=seed) for seed in (1, 2)))
    world.choose(ids[0])
    group = world.line(ids[0]).parent()
    world.page.table.setCurrentIndex(group)
    assert world.session.selection.current == ids[1]


# What is done.


def test_that_actions_are_for_what_is_chosen_as_it_stands(open_runs_page: OpenRuns) -> None:
    ids: dict[str, str] = {}

    def store_runs(store: Store) -> None:
        ids["queued"] = add_run(store, "queued")
        ids["finished"] = end(store, add_run(store, "finished"))
        ids["stopped"] = end(store, add_run(store, "stopped"), RunState.STOPPED)

    world = open_runs_page(store_runs)
    deeds = world.page.deeds

    def enabled() -> set[str]:
        keys = ("resume", "stop", "first", "compare", "delete", "network", "series", "undo")
        return {key for key in keys if deeds[key].isEnabled()}

    assert enabled() == set()
    world.choose(ids["queued"])
    assert enabled() == {"stop", "first", "compare", "delete"}
    world.choose(ids["finished"])
    assert enabled() == {"compare", "delete", "network", "series"}
    world.choose(ids["stopped"])
    assert enabled() == {"resume", "compare", "delete", "series"}
    with recorded(world.store, ids["queued"]):
        world.choose(ids["queued"])
        world.until(lambda: world.session.watcher.runs[ids["queued"]].state is RunState.RUNNING)
        world.page._look()
        assert enabled() == {"stop", "compare", "series"}


def test_that_runs_stop_and_go_on(open_runs_page: OpenRuns) -> None:
    ids: list[str] = []
    world = open_runs_page(lambda store: ids.append(add_run(store)))
    world.choose(*ids)
    world.page.deeds["stop"].trigger()
    world.until(lambda: world.state(ids[0]) is RunState.STOPPED)
    world.until(lambda: world.page.deeds["resume"].isEnabled())
    QTest.keyClick(world.page.table, Qt.Key.Key_R, Qt.KeyboardModifier.ControlModifier)
    world.until(lambda: world.state(ids[0]) is RunState.QUEUED)
    world.until(lambda: world.launched)


def test_that_delete_by_key_can_be_undone(open_runs_page: OpenRuns) -> None:
    ids: list[str] = []
    world = open_runs_page(lambda store: ids.extend(add_run(store, name) for name in ("one", "two")))
    world.choose(ids[0])
    QTest.keyClick(world.page.table, Qt.Key.Key_Delete)
    world.until(lambda: world.column("name") == ["two"])
    world.until(lambda: world.said and world.said[-1].action is not None)
    world.until(lambda: world.page.deeds["undo"].isEnabled())
    QTest.keyClick(world.page.table, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    world.until(lambda: sorted(world.column("name")) == ["one", "two"])
    world.settle()
    assert not world.session.actions.can_undo


def test_that_the_offer_to_undo_goes_when_it_was_undone_by_key(open_runs_page: OpenRuns) -> None:
    ids: list[str] = []
    world = open_runs_page(lambda store: ids.extend(add_run(store, name) for name in ("one", "two")))
    bar = MessageBar(world.page)
    world.session.messages.said.connect(bar.show_message)

    def said() -> list[tuple[str, bool]]:
        return [(line.message.text, line.message.action is not None) for line in bar.lines()]

    world.choose(ids[0])
    QTest.keyClick(world.page.table, Qt.Key.Key_Delete)
    world.until(lambda: said() == [("1 run moved to the trash.", True)])
    world.until(lambda: world.page.deeds["undo"].isEnabled())
    QTest.keyClick(world.page.table, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    world.until(lambda: said() == [("1 run taken back from the trash.", False)])
    world.settle()


def test_that_deleted_runs_are_chosen_no_more_and_again_when_they_are_back(open_runs_page: OpenRuns) -> None:
    ids: list[str] = []

    def store_runs(store: Store) -> None:
        ids.extend(add_run(store, name) for name in ("one", "two", "three"))

    world = open_runs_page(store_runs)
    world.choose(*ids[:2])
    world.page.deeds["delete"].trigger()
    world.until(lambda: world.column("name") == ["three"])
    assert world.session.selection.ids == ()
    world.until(lambda: world.page.deeds["undo"].isEnabled())
    world.page.deeds["undo"].trigger()
    world.until(lambda: set(world.page.chosen().ids) == set(ids[:2]))
    assert world.session.selection.ids == tuple(ids[:2])
    world.settle()


def test_that_new_seeds_join_a_chosen_run_that_stays_the_current_one(open_runs_page: OpenRuns) -> None:
    ids: list[str] = []
    world = open_runs_page(lambda store: ids.append(add_run(store)))
    world.choose(*ids)
    ids.append(add_run(world.store, seed=2))
    world.until(lambda: set(world.session.selection.ids) == set(ids))
    assert world.session.selection.current == ids[0]


def test_that_what_was_queued_elsewhere_is_chosen_when_the_page_is_shown(open_runs_page: OpenRuns) -> None:
    ids: list[str] = []
    world = open_runs_page(lambda store: ids.append(add_run(store)))
    world.choose(*ids)
    world.page.hiding()
    job = world.session.actions.queue(plan(config(seed=7).to_mapping(), {SEED: (7, 8)}, Path.cwd()))
    with world.qtbot.waitSignal(job.ended, timeout=WAIT_MS):
        pass
    assert world.session.selection.ids == tuple(ids), "while another page is in view, it stays as it is"
    world.page.showing()
    made = {row.id for row in world.store.reader.runs()} - set(ids)
    world.until(lambda: set(world.page.chosen().ids) == made)
    assert set(world.session.selection.ids) == made
    world.settle()


def test_that_keys_open_and_unfold(open_runs_page: OpenRuns) -> None:
    ids: list[str] = []
    world = open_runs_page(lambda store: ids.extend(add_run(store, seed=seed) for seed in (1, 2)))
    table = world.page.table
    table.setCurrentIndex(world.page.model.index(0, 0))
    QTest.keyClick(table, Qt.Key.Key_Space)
    assert table.isExpanded(world.page.model.index(0, 0))
    QTest.keyClick(table, Qt.Key.Key_Return)
    QTest.keyClick(table, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    assert world.heard("open_run") == [ids[1]]
    (compared,) = world.heard("open_compare")
    assert set(compared) == set(ids)  # type: ignore[call-overload]


def test_that_a_double_click_on_a_sweep_compares_its_runs(open_runs_page: OpenRuns) -> None:
    ids: list[str] = []

    def store_runs(store: Store) -> None:
        ids.extend(add_run(store, f"lr={lr}", lr=lr) for lr in (0.1, 0.2))
        add_sweep(store, "rates", ids, lr=[0.1, 0.2])

    world = open_runs_page(store_runs)
    world.until(lambda: world.column("name") == ["rates"])
    table = world.page.table
    name = table.visualRect(world.page.model.index(0, COLUMN["name"])).center()
    QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=name)
    QTest.mouseDClick(table.viewport(), Qt.MouseButton.LeftButton, pos=name)
    assert [set(each) for each in world.heard("open_compare")] == [set(ids)]  # type: ignore[call-overload]


def test_that_the_menu_offers_what_can_be_done(open_runs_page: OpenRuns) -> None:
    ids: list[str] = []
    world = open_runs_page(lambda store: ids.append(add_run(store)))
    world.choose(*ids)
    menu = world.page.deeds.menu(world.page)
    texts = [action.text().replace("&", "") for action in menu.actions() if not action.isSeparator()]
    wanted = ("+2 seeds", "Clone and edit...", "Use these settings...", "Log", "Open folder", "Export")
    assert set(wanted) <= set(texts)
    menu.deleteLater()
    world.page.deeds["log"].trigger()
    assert world.heard("open_log") == ids
    world.page.deeds["clone"].trigger()
    world.until(lambda: len(world.heard("open_new")) == 1)
    world.page.deeds["use"].trigger()
    world.until(lambda: len(world.heard("open_new")) == 2)
    clone, use = world.heard("open_new")
    assert isinstance(clone, dict)
    assert isinstance(use, dict)
    assert (clone["training"]["seed"], clone["compute"]["device"]) == (1, "cpu")
    assert set(use) == {"data", "model", "method", "training"}
    assert "seed" not in use["training"]


def test_that_two_seeds_are_added(open_runs_page: OpenRuns) -> None:
    ids: list[str] = []
    world = open_runs_page(lambda store: ids.append(add_run(store)))
    world.choose(*ids)
    world.page.deeds["seeds"].trigger()
    world.until(lambda: len(world.store.reader.runs()) == 3)
    assert sorted(row.seed for row in world.store.reader.runs()) == [1, 2, 3]
    world.settle()


def test_that_lines_are_copied_for_a_spreadsheet(open_runs_page: OpenRuns) -> None:
    ids: list[str] = []
    world = open_runs_page(lambda store: ids.extend(add_run(store, name) for name in ("one", "two")))
    world.choose(*ids)
    head, *lines = world.page.table.copy_text().split("\n")
    assert head.split("\t")[:2] == ["State", "Name"]
    assert [line.split("\t")[1] for line in lines] == ["two", "one"]

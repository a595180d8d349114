"""The side panel of the Runs page: results through the lock, how runs ended and what comes next, labels."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QPushButton, QToolButton

from iterand_engine.machine import processes
from iterand_engine.machine.settings import Settings
from iterand_engine.store import Recorder, RunRow, RunState, SlotKey, Store, labels, slots
from iterand_engine.store.runs import adopt_run
from iterand_gui.pages.runs.panel_parts import FindingView
from iterand_gui.session.actions import Clone
from tests.gui.open_runs_page import OpenRuns, OpenRunsPage, add_run, add_sweep, end, recorded


def button(view: FindingView, text: str) -> QPushButton:
    (found,) = [one for one in view.findChildren(QPushButton) if one.text() == text]
    return found


def findings_shown(gui: OpenRunsPage) -> list[str]:
    return [view.finding.text for view in gui.page.panel.findings if view.finding is not None]


def fact(gui: OpenRunsPage, name: str) -> str:
    return dict(gui.page.panel.facts.facts).get(name, "")


# Results.


def test_that_results_of_a_group_are_of_its_finished_seeds(open_runs_page: OpenRuns) -> None:
    ids: list[str] = []

    def store_runs(store: Store) -> None:
        ids.extend(add_run(store, seed=seed) for seed in (1, 2, 3))
        for run_id, accuracy in zip(ids, (0.90, 0.92), strict=False):
            end(store, run_id, accuracy=accuracy, test_accuracy=accuracy - 0.1)

    gui = open_runs_page(store_runs)
    gui.session.selection.set(ids)
    assert fact(gui, "Validation accuracy") == "91.00 ± 1.41 %"
    assert fact(gui, "Seeds") == "1-3 (2 of 3, 1 queued)"
    gui.until(lambda: fact(gui, "Test accuracy") == "81.00 ± 1.41 %")


def test_that_the_lock_holds_test_accuracy_back(open_runs_page: OpenRuns) -> None:
    ids: list[str] = []
    gui = open_runs_page(lambda store: ids.append(end(store, add_run(store))))
    gui.session.take_settings(Settings(test_lock=True))
    gui.choose(*ids)
    gui.until(lambda: fact(gui, "Test accuracy") == "locked")
    gui.session.take_settings(Settings(test_lock=False))
    gui.until(lambda: fact(gui, "Test accuracy") == "40.00 %")


def test_that_a_running_runs_figures_follow_it(open_runs_page: OpenRuns) -> None:
    ids: list[str] = []
    gui = open_runs_page(lambda store: ids.append(add_run(store)))
    gui.choose(*ids)
    assert fact(gui, "Validation accuracy") == "—"
    with recorded(gui.store, ids[0], steps=40, accuracy=0.61) as recorder:
        gui.until(lambda: fact(gui, "Steps") == "40 / 100")
        gui.until(lambda: fact(gui, "Validation accuracy") == "61.00 % so far")
        recorder.finish(RunState.FINISHED, val_accuracy=0.7)
        gui.until(lambda: fact(gui, "Validation accuracy") == "70.00 %")


def test_that_several_lines_are_summed_up(open_runs_page: OpenRuns) -> None:
    ids: list[str] = []

    def store_runs(store: Store) -> None:
        ids.append(end(store, add_run(store, "good"), accuracy=0.9))
        ids.append(end(store, add_run(store, "bad"), accuracy=0.7))

    gui = open_runs_page(store_runs)
    gui.choose(*ids)
    panel = gui.page.panel
    assert (panel.title.text(), panel.about.text()) == ("2 runs", "in 2 lines")
    assert fact(gui, "Best accuracy") == "90.00 %, good, seed 1"
    assert fact(gui, "Measured") == "2 of 2 runs"
    assert fact(gui, "Mean") == "", "of unlike runs it means nothing"
    assert not panel.labels.notes.isVisible()


def test_that_seeds_of_one_group_have_a_mean(open_runs_page: OpenRuns) -> None:
    ids: list[str] = []

    def store_runs(store: Store) -> None:
        ids.extend(add_run(store, seed=seed) for seed in (1, 2, 3))
        for run_id, accuracy in zip(ids, (0.90, 0.92, 0.1), strict=True):
            end(store, run_id, accuracy=accuracy)

    gui = open_runs_page(store_runs)
    gui.choose(*ids[:2])
    assert fact(gui, "Mean") == "91.00 ± 1.41 %"


def test_that_finished_runs_offer_more_seeds_and_a_clone(open_runs_page: OpenRuns) -> None:
    ids: dict[str, str] = {}

    def store_runs(store: Store) -> None:
        ids["finished"] = end(store, add_run(store, "finished"))
        ids["stopped"] = end(store, add_run(store, "stopped"), RunState.STOPPED)

    gui = open_runs_page(store_runs)
    quiet = gui.page.panel.quiet
    assert not quiet.isVisible()
    gui.choose(ids["stopped"])
    assert not quiet.isVisible()
    gui.choose(ids["finished"])
    seeds, clone = quiet.findChildren(QToolButton)
    assert (quiet.isVisible(), seeds.text(), clone.text()) == (True, "+2 seeds", "Clone and edit")
    clone.click()
    gui.until(lambda: gui.heard("open_new"))
    seeds.click()
    gui.until(lambda: len(gui.store.reader.runs()) == 4)
    gui.settle()


# How they ended, and the next step.


def test_that_interrupted_runs_are_offered_together_while_none_is_chosen(open_runs_page: OpenRuns) -> None:
    ids: list[str] = []

    def store_runs(store: Store) -> None:
        ids.extend(end(store, add_run(store, f"run {n}"), RunState.INTERRUPTED) for n in range(4))
        end(store, add_run(store, "done"))

    gui = open_runs_page(store_runs)
    assert findings_shown(gui) == ["4 interrupted"]
    button(gui.page.panel.findings[0], "Resume all").click()
    gui.until(lambda: {gui.state(run_id) for run_id in ids} == {RunState.QUEUED})
    ranks = {row.id: row.queue_rank for row in gui.store.reader.runs(ids=ids)}
    assert sorted(ids, key=lambda run_id: ranks[run_id] or 0) == ids, "they go on in the order they were made"
    gui.until(lambda: findings_shown(gui) == [])


def test_that_a_diverged_run_is_cloned_with_a_smaller_rate_or_in_fp32(open_runs_page: OpenRuns) -> None:
    ids: list[str] = []

    def store_runs(store: Store) -> None:
        run_id = add_run(store, lr=0.3)
        ids.append(end(store, run_id, RunState.DIVERGED, reason="the loss was not finite at step 7"))

    gui = open_runs_page(store_runs)
    gui.choose(*ids)
    (view,) = gui.page.panel.findings
    assert findings_shown(gui) == ["Diverged"]
    assert view.finding is not None
    assert view.finding.reason == "The loss was not finite at step 7."
    button(view, "Clone with lr / 3").click()
    gui.until(lambda: gui.heard("open_new"))
    (form,) = gui.heard("open_new")
    assert isinstance(form, Clone)
    assert form.changes == {"training.lr": 0.1}


def test_that_a_failed_run_shows_why_and_the_end_of_its_log(open_runs_page: OpenRuns) -> None:
    ids: list[str] = []

    def store_runs(store: Store) -> None:
        run_id = end(store, add_run(store), RunState.FAILED, reason="The disk is full.")
        folder = store.workspace.make_run_dir(run_id)
        (folder / "worker.log").write_text("2026-01-02 03:04:05 epoch 1\n2026-01-02 03:04:06 No space left\n")
        ids.append(run_id)

    gui = open_runs_page(store_runs)
    gui.choose(*ids)
    (view,) = gui.page.panel.findings
    gui.until(lambda: view._lines.text() == "epoch 1\nNo space left")
    assert view._reason.text() == "The disk is full."
    button(view, "Log").click()
    assert gui.heard("open_log") == ids
    button(view, "Resume").click()
    gui.until(lambda: gui.state(ids[0]) is RunState.QUEUED)


def test_that_a_queued_run_says_why_it_waits(open_runs_page: OpenRuns) -> None:
    ids: list[str] = []
    gui = open_runs_page(lambda store: ids.extend(add_run(store, name) for name in ("first", "second")))
    gui.choose(ids[1])
    (view,) = gui.page.panel.findings
    gui.until(lambda: view._reason.text() != "")
    assert "not started" in view._reason.text()
    button(view, "To the head of the queue").click()
    gui.until(lambda: [row.id for row in _queue(gui.store)] == ids[::-1])


def test_that_the_reason_of_waiting_follows_slots_and_other_runs(open_runs_page: OpenRuns) -> None:
    ids: list[str] = []
    gui = open_runs_page(lambda store: ids.extend(add_run(store, name) for name in ("first", "second")))
    store = gui.store
    gui.choose(ids[1])
    (view,) = gui.page.panel.findings
    gui.until(lambda: "not started" in view._reason.text())
    key = SlotKey(processes.host_id(), "cpu", 0)
    token = slots.hold(
        store, key, device_name="Some CPU", device_kind="cpu", identity=processes.current(), program="x"
    )
    assert token is not None
    gui.until(lambda: view._reason.text() == "1 run is before it.")
    claim = slots.claim_next(store, key, token)
    assert claim is not None
    assert claim.run_id == ids[0]
    gui.until(lambda: f"trains run {ids[0][:8]}" in view._reason.text())
    adopt_run(store, claim.run_id, claim.token, processes.current(), {"device": "cpu"})
    with Recorder(store, claim.run_id, claim.token) as recorder:
        recorder.finish(RunState.FINISHED)
    gui.until(lambda: view._reason.text() == "It is next: a slot is about to take it.")


def test_that_a_run_that_waits_no_more_shows_no_reason(open_runs_page: OpenRuns) -> None:
    ids: list[str] = []
    gui = open_runs_page(lambda store: ids.extend(add_run(store, seed=seed) for seed in (1, 2, 3)))
    gui.session.selection.set(ids)
    (view,) = gui.page.panel.findings
    gui.until(lambda: "not started" in view._reason.text())
    key = SlotKey(processes.host_id(), "cpu", 0)
    token = slots.hold(
        gui.store, key, device_name="Some CPU", device_kind="cpu", identity=processes.current(), program="x"
    )
    assert token is not None
    claim = slots.claim_next(gui.store, key, token)
    assert claim is not None
    gui.until(lambda: findings_shown(gui) == ["1 of 3 starting", "2 of 3 queued"])
    gui.until(lambda: f"trains run {claim.run_id[:8]}" in gui.page.panel.findings[1]._reason.text())
    assert gui.page.panel.findings[0]._reason.text() == ""
    gui.choose(claim.run_id)
    assert findings_shown(gui) == ["Starting"]
    assert gui.page.panel.findings[0]._reason.text() == ""
    store = gui.store
    adopt_run(store, claim.run_id, claim.token, processes.current(), {"device": "cpu"})
    with Recorder(store, claim.run_id, claim.token) as recorder:
        recorder.finish(RunState.FINISHED)


def test_that_it_is_read_again_while_a_run_waits_and_only_then(open_runs_page: OpenRuns) -> None:
    ids: list[str] = []
    gui = open_runs_page(lambda store: ids.append(add_run(store)))
    gui.choose(*ids)
    timer = gui.page.panel._read_again
    assert timer.isActive()
    gui.page.hiding()
    assert not timer.isActive()
    gui.page.showing()
    assert timer.isActive()
    gui.page.deeds["stop"].trigger()
    gui.until(lambda: findings_shown(gui) == ["Stopped"])
    gui.until(lambda: not timer.isActive())


def _queue(store: Store) -> list[RunRow]:
    return store.reader.queued()


# Tags and notes.


def test_that_tags_are_saved_for_all_chosen_runs(open_runs_page: OpenRuns) -> None:
    ids: list[str] = []

    def store_runs(store: Store) -> None:
        ids.extend(add_run(store, name) for name in ("one", "two"))
        labels.set_tags(store, ids[0], ("paper", "old"))
        labels.set_tags(store, ids[1], ("paper",))

    gui = open_runs_page(store_runs)
    gui.choose(*ids)
    line = gui.page.panel.labels.tags
    assert line.text() == "paper"
    line.setFocus()
    line.selectAll()
    QTest.keyClicks(line, "baseline, good")
    QTest.keyClick(line, Qt.Key.Key_Return)
    saved = [("baseline", "good", "old"), ("baseline", "good")]
    gui.until(lambda: [gui.store.reader.run(run_id).tags for run_id in ids] == saved)
    gui.settle()
    assert line.text() == "baseline good"


def test_that_notes_are_saved_when_they_are_left(open_runs_page: OpenRuns) -> None:
    ids: list[str] = []

    def store_runs(store: Store) -> None:
        ids.extend(add_run(store, name) for name in ("one", "two"))
        labels.set_notes(store, ids[0], "before")

    gui = open_runs_page(store_runs)
    notes = gui.page.panel.labels.notes
    gui.choose(ids[0])
    gui.until(lambda: notes.toPlainText() == "before")
    notes.setFocus()
    QTest.keyClicks(notes, "now ")
    QTest.keyClick(notes, Qt.Key.Key_Delete)
    assert gui.state(ids[0]) is RunState.QUEUED, "Delete in a text deletes a letter"
    gui.choose(ids[1])
    gui.until(lambda: gui.store.reader.run(ids[0]).notes == "now efore")
    gui.until(lambda: not notes.isReadOnly())
    assert notes.toPlainText() == ""
    notes.setPlainText("of two")
    gui.page.hiding()
    gui.until(lambda: gui.store.reader.run(ids[1]).notes == "of two")
    gui.page.showing()
    gui.settle()


def test_that_notes_of_a_group_are_kept_with_its_first_run(open_runs_page: OpenRuns) -> None:
    ids: list[str] = []
    gui = open_runs_page(lambda store: ids.extend(add_run(store, seed=seed) for seed in (1, 2)))
    gui.session.selection.set(ids)
    notes = gui.page.panel.labels.notes
    gui.until(lambda: not notes.isReadOnly())
    notes.setFocus()
    QTest.keyClicks(notes, "kept")
    gui.page.table.setFocus()
    gui.until(lambda: gui.store.reader.run(ids[0]).notes == "kept")
    gui.settle()


# Sweeps.


def test_that_a_sweeps_grid_fills_in_while_it_runs(open_runs_page: OpenRuns) -> None:
    ids: list[str] = []

    def store_runs(store: Store) -> None:
        ids.extend(add_run(store, f"lr={lr}", lr=lr) for lr in (0.1, 0.2))
        end(store, ids[0], accuracy=0.8, test_accuracy=0.79)
        add_sweep(store, "rates", ids, lr=[0.1, 0.2])

    gui = open_runs_page(store_runs)
    gui.until(lambda: gui.column("name") == ["rates"])
    gui.page.table.setCurrentIndex(gui.page.model.index(0, 0))
    panel = gui.page.panel
    cells = panel.grid.model()
    assert [cells.index(row, 0).data() for row in (0, 1)] == ["80.00", "Queued"]
    assert panel.cell_title.text() == "lr 0.1"
    gui.until(lambda: dict(panel.cell_facts.facts).get("Test accuracy") == "79.00 %")
    with recorded(gui.store, ids[1], accuracy=0.6) as recorder:
        gui.until(lambda: cells.index(1, 0).data() == "60.00")
        recorder.finish(RunState.FINISHED, val_accuracy=0.9, test_accuracy=0.85)
    gui.until(lambda: cells.index(1, 0).data() == "90.00")
    assert panel.cell_title.text() == "lr 0.1", "the cell that is looked at stays"
    panel.grid.setCurrentIndex(cells.index(1, 0))
    gui.until(lambda: dict(panel.cell_facts.facts).get("Test accuracy") == "85.00 %")
    QTest.keyClick(panel.grid, Qt.Key.Key_Return)
    assert gui.heard("open_run") == [ids[1]]


def test_that_a_hidden_panel_is_remembered_as_hidden_and_saves_first(open_runs_page: OpenRuns) -> None:
    ids: list[str] = []
    gui = open_runs_page(lambda store: ids.append(add_run(store)))
    gui.choose(*ids)
    line = gui.page.panel.labels.tags
    line.setText("kept")
    QTest.keyClick(gui.page.table, Qt.Key.Key_I, Qt.KeyboardModifier.ControlModifier)
    assert not gui.page.panel.isVisible()
    gui.until(lambda: gui.store.reader.run(ids[0]).tags == ("kept",))
    assert gui.page.save_state()["details"] is False
    gui.settle()

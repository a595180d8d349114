"""What is recorded is read back exactly; what does not fit is refused at the door."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from iterand_engine.errors import UserError
from iterand_engine.store import Recorder, RunState, SeriesAxis, outbox
from iterand_engine.store.blocks import capacity
from iterand_engine.store.runs import clear_request, request_stop
from tests.store.slot_tools import Until, ramp

if TYPE_CHECKING:
    from tests.store.conftest import Place


def test_that_points_are_committed_soon_without_being_asked(
    place: Place, run: tuple[str, str], recorder: Recorder, until: Until
) -> None:
    recorder.append("loss", *ramp(0, 10))
    until(lambda: [s.points for s in place.store.reader.series_list(run[0])] == [10])


def test_that_a_series_crosses_the_border_of_a_block_unharmed(
    place: Place, run: tuple[str, str], recorder: Recorder
) -> None:
    room, first = capacity(1), 0
    for count in (room - 1, 1, 1, 2 * room, 5):
        recorder.append("loss", *ramp(first, count))
        recorder.drain()
        first += count
    series = place.store.reader.series(run[0], "loss")
    steps, values = ramp(0, first)
    assert np.array_equal(series.steps, steps)
    assert np.array_equal(series.values, values)
    assert series.values.dtype == np.float32
    for known in (0, 1, room - 1, room, room + 1, first - 1, first, first + 9):
        rest = place.store.reader.series(run[0], "loss", first=known)
        assert np.array_equal(rest.steps, steps[known:])
        assert np.array_equal(rest.values, values[known:])
        assert rest.first == known


def test_that_values_per_layer_keep_their_columns(
    place: Place, run: tuple[str, str], recorder: Recorder
) -> None:
    layers = ("conv1", "layer1.0.conv1", "fc")
    recorder.declare("mask_flips", "step", layers)
    values = np.arange(12, dtype=np.float32).reshape(4, 3)
    recorder.append("mask_flips", [0, 10, 20, 30], values)
    recorder.drain()
    series = place.store.reader.series(run[0], "mask_flips")
    assert series.layers == layers
    assert series.axis == "step"
    assert np.array_equal(series.values, values)
    assert np.array_equal(series.steps, [0, 10, 20, 30])


def test_that_what_is_not_finite_stays_so(place: Place, run: tuple[str, str], recorder: Recorder) -> None:
    values = np.array([1, np.nan, np.inf, -np.inf, np.nan], np.float32)
    recorder.append("loss", np.arange(5), values)
    recorder.drain()
    assert np.array_equal(place.store.reader.series(run[0], "loss").values, values, equal_nan=True)
    assert np.isnan(place.store.reader.last_values(run[0])["loss"])


def test_that_last_values_are_those_of_series_with_one_value(
    place: Place, run: tuple[str, str], recorder: Recorder
) -> None:
    recorder.declare("empty", "epoch")
    recorder.declare("redrawn", "event", ("a",))
    recorder.append("redrawn", [3], [[1.0]])
    recorder.append("loss", [0, 1], [0.5, 0.25])
    recorder.drain()
    assert place.store.reader.last_values(run[0]) == {"loss": 0.25}
    assert [(s.name, s.points) for s in place.store.reader.series_list(run[0])] == [
        ("loss", 2),
        ("empty", 0),
        ("redrawn", 1),
    ]
    assert place.store.reader.series(run[0], "empty").steps.size == 0


def test_that_the_array_handed_over_may_be_used_again(
    place: Place, run: tuple[str, str], recorder: Recorder
) -> None:
    steps, values = np.arange(3), np.ones(3, np.float32)
    recorder.append("loss", steps, values)
    steps += 100
    values[:] = 0
    recorder.drain()
    series = place.store.reader.series(run[0], "loss")
    assert (series.steps.tolist(), series.values.tolist()) == ([0, 1, 2], [1, 1, 1])


@pytest.mark.parametrize("axis", ["step", "epoch", "event"])
def test_that_steps_must_rise(recorder: Recorder, axis: SeriesAxis) -> None:
    recorder.declare("other", axis)
    recorder.append("other", [5, 6], [0, 0])
    for steps in ([6], [7, 7], [8, 7]):
        with pytest.raises(ValueError, match="do not rise above 6"):
            recorder.append("other", steps, np.zeros(len(steps)))
    recorder.append("other", [7], [0])


def test_that_clock_samples_may_share_a_step_but_not_fall_back(
    place: Place, run: tuple[str, str], recorder: Recorder
) -> None:
    recorder.declare("images_per_s", "clock")
    recorder.append("images_per_s", [4, 4], [1, 2])
    recorder.append("images_per_s", [4], [3])
    with pytest.raises(ValueError, match="do not rise"):
        recorder.append("images_per_s", [3], [0])
    recorder.drain()
    assert place.store.reader.series(run[0], "images_per_s").values.tolist() == [1, 2, 3]


def test_that_shapes_and_names_are_checked_at_the_door(recorder: Recorder) -> None:
    recorder.declare("layered", "step", ("a", "b"))
    with pytest.raises(ValueError, match="got steps"):
        recorder.append("loss", [1, 2], [1.0])
    with pytest.raises(ValueError, match="got steps"):
        recorder.append("layered", [1], [1.0])
    with pytest.raises(KeyError, match="undeclared"):
        recorder.append("undeclared", [1], [1.0])
    with pytest.raises(ValueError, match="was recorded with step"):
        recorder.declare("loss", "epoch")
    with pytest.raises(ValueError, match="past the lock"):
        recorder.declare("test_accuracy", "epoch")
    recorder.append("loss", [], [])


def test_that_a_rewind_takes_back_all_series_alike_and_is_counted(
    place: Place, run: tuple[str, str], recorder: Recorder
) -> None:
    room = capacity(1)
    recorder.declare("val_loss", "epoch")
    recorder.append("loss", *ramp(0, 2 * room + 10))
    recorder.append("val_loss", [room - 1, 2 * room - 1], [1, 2])
    for step, name in ((room + 3, "a"), (room + 4, "b")):
        recorder.publish_checkpoint(step, 1, name, "sha", "training")
    recorder.append("loss", *ramp(2 * room + 10, 5))  # not committed yet when the run goes back
    recorder.rewind(room + 3)
    assert place.store.reader.series(run[0], "loss").steps.tolist() == list(range(room + 3))
    assert place.store.reader.series(run[0], "val_loss").steps.tolist() == [room - 1]
    assert [c.relpath for c in place.store.reader.checkpoints(run[0])] == ["a"]
    detail = place.store.reader.run(run[0])
    assert (detail.rewind, detail.step) == (1, room + 3)
    recorder.append("loss", *ramp(room + 3, 4))
    recorder.drain()
    series = place.store.reader.series(run[0], "loss")
    assert series.steps.tolist() == list(range(room + 7))
    assert series.rewind == 1
    recorder.rewind(0)
    assert place.store.reader.series(run[0], "loss").steps.size == 0
    recorder.append("loss", [0], [1])
    recorder.drain()
    assert place.store.reader.series(run[0], "loss").steps.tolist() == [0]


def test_that_a_checkpoint_is_known_only_with_all_points_before_it(
    place: Place, run: tuple[str, str], recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "COMMIT_EVERY_S", 60.0)  # nothing is committed unless it must be
    recorder.append("loss", *ramp(0, 500))
    recorder.publish_checkpoint(500, 3, "runs/x/step.pt", "ab" * 32, "training")
    assert place.store.reader.series(run[0], "loss").steps.size == 500
    (found,) = place.store.reader.checkpoints(run[0])
    assert (found.step, found.epoch, found.relpath, found.kind) == (500, 3, "runs/x/step.pt", "training")
    recorder.publish_checkpoint(500, 3, "runs/x/step.pt", "cd" * 32, "stop")
    (found,) = place.store.reader.checkpoints(run[0])
    assert (found.sha256, found.kind) == ("cd" * 32, "stop")
    recorder.publish_checkpoint(600, 4, "later", "ef" * 32, "training")
    assert [c.step for c in place.store.reader.checkpoints(run[0])] == [600, 500]
    recorder.forget_checkpoint("later")
    assert [c.step for c in place.store.reader.checkpoints(run[0])] == [500]


def test_that_progress_makes_the_run_running_and_is_timed_by_the_database(
    place: Place, run: tuple[str, str], recorder: Recorder
) -> None:
    assert place.store.reader.run(run[0]).state is RunState.STARTING
    before_s = time.time()
    recorder.progress(30, 1, 400)
    recorder.drain()
    detail = place.store.reader.run(run[0])
    assert (detail.state, detail.step, detail.epoch, detail.total_steps) == (RunState.RUNNING, 30, 1, 400)
    assert detail.last_step_at is not None
    assert detail.heartbeat_at is not None
    rounding_s = 0.002  # the database counts milliseconds
    assert before_s - rounding_s <= detail.last_step_at <= detail.heartbeat_at <= time.time() + rounding_s
    assert detail.elapsed_s > 0


def test_that_messages_keep_their_order_time_and_level(
    place: Place, run: tuple[str, str], recorder: Recorder
) -> None:
    recorder.event("info", "first")
    recorder.event("warning", "at chance for 5 epochs \N{GREEK SMALL LETTER ALPHA}", step=7)
    recorder.drain()
    first, second = place.store.reader.events(run[0])
    assert (first.level, first.text, first.step) == ("info", "first", None)
    assert (second.level, second.step) == ("warning", 7)
    assert second.text.endswith("\N{GREEK SMALL LETTER ALPHA}")
    assert 0 <= second.at - first.at < 5
    assert place.store.reader.events(run[0], after=first.id) == [second]


def test_that_a_heartbeat_comes_without_any_data(
    place: Place, run: tuple[str, str], recorder: Recorder, monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    monkeypatch.setattr(outbox, "HEARTBEAT_S", 0.05)
    recorder.drain()
    before = place.store.reader.run(run[0])
    until(lambda: place.store.reader.run(run[0]).revision >= before.revision + 3)
    after = place.store.reader.run(run[0])
    assert (after.heartbeat_at or 0) > (before.heartbeat_at or 0)
    assert after.step == before.step


def test_that_the_revision_rises_with_every_commit(
    place: Place, run: tuple[str, str], recorder: Recorder
) -> None:
    seen = []
    for step in range(5):
        recorder.append("loss", [step], [0.0])
        recorder.drain()
        seen.append(place.store.reader.run(run[0]).revision)
    assert seen == sorted(set(seen))


def test_that_a_request_to_stop_arrives(
    place: Place, run: tuple[str, str], recorder: Recorder, monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    monkeypatch.setattr(outbox, "HEARTBEAT_S", 0.05)
    assert not recorder.stop_requested
    assert request_stop(place.store, run[0]) is RunState.STOPPING
    assert place.store.reader.run(run[0]).state is RunState.STOPPING
    until(lambda: recorder.stop_requested)
    clear_request(place.store, run[0])
    until(lambda: not recorder.stop_requested)


def test_that_the_end_is_stored_with_its_results_and_frees_the_run(
    place: Place, run: tuple[str, str], recorder: Recorder
) -> None:
    recorder.append("loss", *ramp(0, 3))
    recorder.publish_checkpoint(3, 0, "step.pt", "ab", "training")
    recorder.finish(
        RunState.FINISHED, reason=None, val_accuracy=0.75, test_accuracy=0.5, final_digest="f" * 64
    )
    detail = place.store.reader.run(run[0])
    assert (detail.state, detail.val_accuracy, detail.final_digest) == (RunState.FINISHED, 0.75, "f" * 64)
    assert place.store.reader.test_accuracy(run[0], lock=False) == 0.5
    assert (detail.owner, detail.stop_requested) == (None, False)
    assert detail.ended_at is not None
    assert place.store.reader.checkpoints(run[0]) == []
    assert place.store.reader.series(run[0], "loss").steps.size == 3
    with pytest.raises(RuntimeError, match="nothing more can be recorded"):
        recorder.append("loss", [9], [0])
    with pytest.raises(RuntimeError, match="nothing more can be recorded"):
        recorder.progress(1, 1, 1)


def test_that_a_run_cannot_end_alive(recorder: Recorder) -> None:
    with pytest.raises(ValueError, match="cannot end as running"):
        recorder.finish(RunState.RUNNING)


def test_that_closing_commits_what_waits(place: Place, run: tuple[str, str]) -> None:
    recorder = Recorder(place.store, *run)
    recorder.declare("loss", "step")
    recorder.append("loss", *ramp(0, 1000))
    recorder.close()
    recorder.close()
    assert place.store.reader.series(run[0], "loss").steps.size == 1000


def test_that_a_resumed_run_goes_on_behind_its_series(place: Place, run: tuple[str, str]) -> None:
    with Recorder(place.store, *run) as recorder:
        recorder.declare("loss", "step")
        recorder.append("loss", *ramp(0, 100))
        recorder.finish(RunState.STOPPED, reason="asked to")
    elapsed_s = place.store.reader.run(run[0]).elapsed_s
    with Recorder(place.store, run[0], place.taken(run[0])) as recorder:
        recorder.rewind(80)
        recorder.declare("loss", "step")
        with pytest.raises(ValueError, match="do not rise above 79"):
            recorder.append("loss", [79], [0])
        recorder.append("loss", *ramp(80, 40))
        recorder.finish(RunState.FINISHED)
    steps, values = ramp(0, 120)
    series = place.store.reader.series(run[0], "loss")
    assert np.array_equal(series.steps, steps)
    assert np.array_equal(series.values, values)
    detail = place.store.reader.run(run[0])
    assert [e.start for e in detail.environments] == [0, 1]
    assert detail.elapsed_s > elapsed_s
    assert detail.reason is None


def test_that_an_unknown_series_is_named_with_its_neighbours(
    place: Place, run: tuple[str, str], recorder: Recorder
) -> None:
    recorder.drain()
    with pytest.raises(UserError, match=r"no series 'los'; did you mean 'loss'\? \(recorded: loss\)"):
        place.store.reader.series(run[0], "los")
    with pytest.raises(UserError, match="There is no run 'x'"):
        place.store.reader.series("x", "loss")

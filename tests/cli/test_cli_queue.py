"""Commands around the queue: `queue`, `move`, `stop`, and what `runs` and `show` say of its runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from iterand_engine.machine import processes
from iterand_engine.machine.environment import program_stamp
from iterand_engine.store import EndKind, Recorder, RunState, Store
from iterand_engine.store import queue as store_queue
from iterand_engine.store import slots as store_slots
from iterand_engine.store.labels import set_notes, set_tags
from iterand_engine.store.records import SlotKey
from iterand_engine.store.runs import adopt_run, claim_run
from tests.command_line import config_file, did, iterand, opened, queued, typed

KEY = SlotKey(processes.host_id(), "cpu", 0)


def end_as(
    store: Store, run_id: str, state: RunState, reason: str | None = None, end_kind: EndKind | None = None
) -> None:
    token = claim_run(store, run_id)
    adopt_run(store, run_id, token, processes.current(), {"threads": 1})
    with Recorder(store, run_id, token) as recorder:
        recorder.finish(state, end_kind=end_kind, reason=reason)


def test_that_a_file_becomes_a_queued_run(no_slots: Path, tmp_path: Path) -> None:
    done = did(no_slots, "queue", config_file(tmp_path, name="mine"))
    (run,) = queued(no_slots)
    assert done.out == f"queued run {run.id}: mine, seed 1\n"
    assert f"run {run.id[:8]} is first: No slot of this machine takes it" in done.err
    assert typed("top", no_slots) in done.err
    assert (no_slots / "runs" / run.id / "config.yaml").exists()


def test_that_seeds_are_a_group_without_a_sweep(no_slots: Path, tmp_path: Path) -> None:
    done = did(no_slots, "queue", config_file(tmp_path), "--seeds", "1-2,5", "--name", "three, of them")
    runs = queued(no_slots)
    assert [run.seed for run in runs] == [1, 2, 5]
    assert {run.name for run in runs} == {"three, of them"}
    assert len({run.group_key for run in runs}) == 1
    assert done.out == f"queued 3 runs, three, of them with 3 seeds: {', '.join(r.id[:8] for r in runs)}\n"
    with opened(no_slots) as (_, store):
        assert store.reader.sweeps() == []


def test_that_values_with_commas_are_stored_as_a_sweep(no_slots: Path, tmp_path: Path) -> None:
    words = (
        "--set",
        "method.name=iterand,dense",
        "--set",
        "method.randomize_rate=0.05,0.2",
        "--seeds",
        "1,2",
    )
    done = did(no_slots, "queue", config_file(tmp_path), *words, "--name", "[red]grid[/red]")
    runs = queued(no_slots)
    assert len(runs) == 6
    assert done.out.startswith("queued 6 runs, sweep '[red]grid[/red]': ")
    assert done.out.endswith(f"{runs[4].id[:8]} and 1 more\n")
    assert "dropped randomize_every, sparsity, randomize_rate: dense has no such option\n" in done.err
    with opened(no_slots) as (_, store):
        (sweep,) = store.reader.sweeps()
    assert sweep.run_ids == tuple(run.id for run in runs)
    assert sweep.axes == {
        "method.name": ["iterand", "dense"],
        "method.randomize_rate": [0.05, 0.2],
        "training.seed": [1, 2],
    }
    assert sweep.base["training"] == {"epochs": 2, "batch_size": 32, "lr": 0.1}


def test_that_options_of_extension_code_vary_where_there_are_such(no_slots: Path, tmp_path: Path) -> None:
    (no_slots / "extensions" / "tiny.py").write_text(
        "from torch import nn\n"
        "from iterand_engine.extending import InputSpec, model\n"
        "@model\n"
        "def tiny(width_factor: float, spec: InputSpec, depth: int = 3) -> nn.Module:\n"
        "    return nn.Flatten()\n"
    )
    did(no_slots, "extensions", "enable", "tiny.py")
    words = ("--set", "model.depth=1,2", "--set", "model.name=conv2,tiny")
    done = did(no_slots, "queue", config_file(tmp_path), *words)
    assert "dropped depth: conv2 has no such option\n" in done.err
    with opened(no_slots) as (_, store):
        configs = [store.reader.run(run.id).config["model"] for run in store.reader.queued()]
    assert configs == [
        {"name": "conv2", "width_factor": 0.0625},
        {"name": "tiny", "width_factor": 0.0625, "depth": 1},
        {"name": "tiny", "width_factor": 0.0625, "depth": 2},
    ]


def test_that_several_files_and_presets_are_queued_in_order_and_first_goes_before(
    no_slots: Path, tmp_path: Path
) -> None:
    files = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        files.append(config_file(folder, name=name))
    did(no_slots, "queue", *files)
    did(
        no_slots,
        "queue",
        "--preset",
        "quickstart",
        "--first",
        "--seeds",
        "3,4",
        "--set",
        "compute.device=cpu",
    )
    assert [(run.name, run.seed) for run in queued(no_slots)] == [
        ("conv4-x0.25-iterand", 3),
        ("conv4-x0.25-iterand", 4),
        ("one", 1),
        ("two", 1),
    ]


def test_that_a_mistake_in_one_file_queues_none(no_slots: Path, tmp_path: Path) -> None:
    good = config_file(tmp_path)
    bad = tmp_path / "bad.yaml"
    bad.write_text("training: {lr: -1}")
    done = iterand("queue", good, bad, "--workspace", no_slots)
    assert (done.code, queued(no_slots)) == (2, [])
    assert done.err == f"{bad}: training.lr is -1; allowed: a number, 0 <= value.\n"
    missing = config_file(tmp_path, data={"dataset": "mnist"})
    done = iterand("queue", missing, "--workspace", no_slots)
    assert (done.code, queued(no_slots)) == (2, [])
    assert "iterand data fetch mnist" in done.err
    assert "Looking" not in done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--set", "training.lr=1"), "Nothing says what to queue; name a file, or a preset"),
        (("--first",), "Nothing says what to queue"),
        (("--preset", "quickstart", "--interrupted"), "--resume and runs to add are two commands"),
        (("--continue", "--reopen", "cpu"), "--continue and --reopen are two commands"),
        (("--preset", "quickstart", "--json"), "--json is for the list: `iterand queue --json "),
        (("a.yaml", "--preset", "quickstart"), "A file (a.yaml) and a preset (quickstart) are both given"),
        (("--resume",), "Name the runs to resume after --resume, or say --interrupted or --all instead."),
        (("--interrupted", "--all"), "Name the runs to resume after --resume"),
        (("--resume", "nobody"), "No run has the name 'nobody'"),
        (("--preset", "quickstart", "--seeds", "x"), "--seeds is 'x'; allowed: whole numbers"),
        (("--reopen", "GPU-1"), "No slot of a device 'GPU-1' is closed on this machine (none is closed)."),
        (("no-such.yaml",), "Cannot read the configuration 'no-such.yaml'"),
        (("--resume", "--all", "--seeds", "1-3"), "--set, --seeds and --name are for new runs"),
        (("--preset", "quickstart", "--set", "training.lr=1,"), "training.lr: '1,' is not a list of values"),
    ],
)
def test_that_a_queue_command_that_makes_no_sense_is_refused(
    no_slots: Path, words: tuple[str, ...], said: str
) -> None:
    done = iterand("queue", *words, "--workspace", no_slots)
    assert (done.code, done.out) == (2, "")
    assert said in done.err


def test_that_queue_alone_lists_the_queue_and_why_the_first_waits(no_slots: Path, tmp_path: Path) -> None:
    add = typed("queue --preset quickstart", no_slots)
    assert did(no_slots, "queue").out == f"The queue is empty; {add} adds a run.\n"
    did(no_slots, "queue", config_file(tmp_path, name="[b]x[/b]"), "--seeds", "1-3")
    first, *others = queued(no_slots)
    listed = did(no_slots, "queue").out
    assert [line.split()[:4] for line in listed.splitlines()[1:4]] == [
        [str(place), run.id[:8], "[b]x[/b]", str(run.seed)]
        for place, run in enumerate([first, *others], start=1)
    ]
    assert f"{first.id[:8]} is first: No slot of this machine takes it" in listed
    parsed = json.loads(did(no_slots, "queue", "--json").out)
    assert [run["id"] for run in parsed["runs"]] == [first.id, *(run.id for run in others)]
    assert (parsed["schema_version"], parsed["runs"][0]["state"]) == (1, "queued")
    assert parsed["waits"].startswith("No slot of this machine takes it")


def test_that_interrupted_runs_go_to_the_head_with_one_command(no_slots: Path, tmp_path: Path) -> None:
    did(no_slots, "queue", config_file(tmp_path), "--seeds", "1-6")
    runs = queued(no_slots)
    with opened(no_slots) as (_, store):
        ends = (
            RunState.INTERRUPTED,
            RunState.STOPPED,
            RunState.FAILED,
            RunState.INTERRUPTED,
            RunState.FINISHED,
        )
        for run, state in zip(runs, ends, strict=False):
            end_as(store, run.id, state)
    resume = typed("queue --resume --interrupted", no_slots)
    assert f"2 interrupted: {resume}" in did(no_slots, "runs").err
    done = did(no_slots, "queue", "--resume", "--interrupted")
    assert done.out == f"queued 2 runs: {runs[0].id[:8]}, {runs[3].id[:8]} at the head of the queue\n"
    assert [run.seed for run in queued(no_slots)] == [1, 4, 6]
    done = did(no_slots, "queue", "--all")
    assert done.out == f"queued run {runs[1].id} at the head of the queue\n"
    assert "1 failed run is left out: name those that can go on." in done.err
    did(no_slots, "queue", "--resume", runs[2].id[:8])
    assert [run.seed for run in queued(no_slots)] == [3, 2, 1, 4, 6]
    assert did(no_slots, "queue", "--interrupted").out == "no run to resume\n"
    refused = iterand("queue", "--resume", runs[4].id, "--workspace", no_slots)
    assert refused.code == 2
    assert f"{runs[4].id} is finished" in refused.err


def test_that_a_run_moves_to_the_head(no_slots: Path, tmp_path: Path) -> None:
    did(no_slots, "queue", config_file(tmp_path), "--seeds", "1-4")
    runs = queued(no_slots)
    done = did(no_slots, "move", runs[2].id[:8], runs[3].id, "--first")
    assert done.out == f"moved 2 runs: {runs[2].id[:8]}, {runs[3].id[:8]} to the head of the queue\n"
    assert [run.seed for run in queued(no_slots)] == [3, 4, 1, 2]
    assert "Nothing says where to" in iterand("move", runs[0].id, "--workspace", no_slots).err
    did(no_slots, "stop", runs[0].id)
    refused = iterand("move", runs[0].id, "--first", "--workspace", no_slots)
    assert refused.code == 2
    assert f"Run {runs[0].id} is stopped, not queued" in refused.err


def test_that_stop_says_what_it_asked(no_slots: Path, tmp_path: Path) -> None:
    did(no_slots, "queue", config_file(tmp_path), "--seeds", "1-4")
    waiting, live, ended, other = queued(no_slots)
    with opened(no_slots) as (_, store):
        end_as(store, ended.id, RunState.FINISHED)
        token = claim_run(store, live.id)
        adopt_run(store, live.id, token, processes.current(), {})
        done = did(no_slots, "stop", waiting.id[:8], live.id, ended.id, live.id)
        assert done.out.splitlines() == [
            f"run {waiting.id} stopped",
            f"run {live.id} asked to save and stop",
            f"run {ended.id} has already ended: finished",
        ]
        assert did(no_slots, "stop", "--all").out.splitlines() == [
            "1 queued run stopped before it started",
            f"run {live.id} asked to save and stop",
        ]
        assert store.reader.run(live.id).stop_requested
        assert store.reader.run(other.id).state is RunState.STOPPED
        with Recorder(store, live.id, token) as recorder:
            recorder.finish(RunState.STOPPED)
    assert did(no_slots, "stop", "--all").out == "nothing is queued or being trained\n"
    for words in ((), ("--all", waiting.id)):
        refused = iterand("stop", *words, "--workspace", no_slots)
        assert (refused.code, refused.err) == (2, "Name the runs to stop, or say --all.\n")


def hold(store: Store, program: str) -> str:
    held = store_slots.hold(
        store, KEY, device_name="CPU", device_kind="cpu", identity=processes.current(), program=program
    )
    assert held is not None
    return held


def test_that_a_closed_slot_is_reopened(no_slots: Path) -> None:
    with opened(no_slots) as (_, store):
        token = hold(store, program_stamp())
        store_slots.close(store, KEY, token, "an ECC error")
        store_slots.release(store, KEY, token, only_if_idle=False)
        refused = iterand("queue", "--reopen", "GPU-9", "--workspace", no_slots)
        assert "No slot of a device 'GPU-9' is closed on this machine (closed: cpu)." in refused.err
        assert did(no_slots, "queue", "--reopen", "cpu").out == "reopened slot 0 of cpu\n"
        assert not [slot for slot in store.reader.slots() if slot.closed_reason]


def test_that_continue_asks_slots_of_an_older_program_to_start_anew(no_slots: Path) -> None:
    nothing = "no slot is held back by an upgrade, and none is missing\n"
    assert did(no_slots, "queue", "--continue").out == nothing
    with opened(no_slots) as (_, store):
        token = hold(store, program_stamp())
        assert did(no_slots, "queue", "--continue").out == nothing
        assert store_slots.beat(store, KEY, token, None) is None
        store_slots.release(store, KEY, token, only_if_idle=False)
        token = hold(store, "0.0 (an older one)")
        done = did(no_slots, "queue", "--continue")
        assert done.out == f"asked slot 0 of cpu to start anew with {program_stamp()}\n"
        assert store_slots.beat(store, KEY, token, None) == "restart"
        store_slots.release(store, KEY, token, only_if_idle=False)


def test_that_show_says_why_a_run_waits_its_sweep_tags_and_notes(no_slots: Path, tmp_path: Path) -> None:
    did(no_slots, "queue", config_file(tmp_path), "--set", "training.lr=0.1,0.2")
    runs = queued(no_slots)
    with opened(no_slots) as (_, store):
        set_tags(store, runs[0].id, ["[i]good[/i]", "again"])
        set_notes(store, runs[0].id, "look at this")
        (sweep,) = store.reader.sweeps()
    text = did(no_slots, "show", runs[0].id).out
    facts = dict(line.strip().split(maxsplit=1) for line in text.splitlines()[:8])
    assert facts["waits"].startswith("No slot of this machine takes it")
    assert (facts["sweep"], facts["tags"]) == ("lr on digits (2 runs)", "[i]good[/i], again")
    assert facts["notes"] == "look at this"
    shown: dict[str, Any] = json.loads(did(no_slots, "show", runs[0].id, "--json").out)
    assert (shown["tags"], shown["notes"]) == (["[i]good[/i]", "again"], "look at this")
    assert shown["sweeps"] == [sweep.id]
    assert shown["waits"] == facts["waits"]
    table = did(no_slots, "runs").out.splitlines()
    assert table[0].split()[-2:] == ["tags", "sweep"]
    assert "[i]good[/i], again" in table[2]
    listed = json.loads(did(no_slots, "runs", "--json").out)["runs"]
    assert [(run["tags"], run["sweeps"]) for run in listed] == [
        ([], [sweep.id]),
        (["[i]good[/i]", "again"], [sweep.id]),
    ]


def test_that_show_gives_an_interrupted_run_its_last_lines_and_the_next_step(
    no_slots: Path, tmp_path: Path
) -> None:
    did(no_slots, "queue", config_file(tmp_path), "--seeds", "1-3")
    interrupted, reported, failed = queued(no_slots)
    lines = [f"line {n} [red]" for n in range(50)]
    for run in (interrupted, reported, failed):
        (no_slots / "runs" / run.id / "worker.log").write_text("\n".join(lines) + "\n")
    with opened(no_slots) as (_, store):
        end_as(store, interrupted.id, RunState.INTERRUPTED, "the power went")
        end_as(store, failed.id, RunState.FAILED, "no memory")
        token = claim_run(store, reported.id)
        adopt_run(store, reported.id, token, processes.current(), {})
        store_queue.died(store, reported.id, token, "killed by SIGKILL", "line 49 [red]")
    text = did(no_slots, "show", interrupted.id).out
    assert text.endswith("Last lines of its log\n" + "\n".join(lines[-12:]) + "\n")
    assert "state" in text
    assert "interrupted: the power went" in text
    resume = typed(f"queue --resume {interrupted.id[:8]}", no_slots)
    assert f"{resume} goes on from the beginning" in " ".join(text.split())  # a long line is broken
    assert did(no_slots, "show", reported.id).out.count("line 49 [red]") == 1
    text = " ".join(did(no_slots, "show", failed.id).out.split())
    assert f"repair the cause, then {typed(f'queue --resume {failed.id[:8]}', no_slots)} goes on" in text


def test_that_a_diverged_run_is_offered_a_calmer_one_that_works(no_slots: Path, tmp_path: Path) -> None:
    did(no_slots, "queue", config_file(tmp_path, training={"lr": 0.3}))
    (run,) = queued(no_slots)
    with opened(no_slots) as (_, store):
        end_as(store, run.id, RunState.DIVERGED)
    text = did(no_slots, "show", run.id).out
    command = text.partition("try it anew with `iterand ")[2].partition("`")[0]
    did(no_slots, *command.split())
    with opened(no_slots) as (_, store):
        (again,) = store.reader.queued()
        assert store.reader.run(again.id).config["training"] == {
            **store.reader.run(run.id).config["training"],  # type: ignore[dict-item]
            "lr": 0.1,
        }


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("out_of_memory", "--set training.batch_size=16"),
        ("extension", "keeps the code that it was made with"),
    ],
)
def test_that_a_failed_run_is_offered_what_can_help(
    kind: EndKind, said: str, no_slots: Path, tmp_path: Path
) -> None:
    did(no_slots, "queue", config_file(tmp_path))
    (run,) = queued(no_slots)
    with opened(no_slots) as (_, store):
        end_as(store, run.id, RunState.FAILED, end_kind=kind)
    text = " ".join(did(no_slots, "show", run.id).out.split())  # a long line is broken
    assert said in text
    command = text.partition("`iterand queue ")[2].partition("`")[0]
    did(no_slots, "queue", *command.split())
    assert [again.name for again in queued(no_slots)] == [run.name]


def test_that_nothing_is_queued_where_a_run_of_a_sweep_cannot_train(workspace_dir: Path) -> None:
    wrong = [
        "model.width_factor=1,0.001",
        "data.train_limit=null,1000000",
        "method.layers=[],[{match: 'z*'}]",
    ]
    sets = [word for change in wrong for word in ("--set", change)]
    done = iterand("queue", "--preset", "quickstart", *sets, "--workspace", workspace_dir)
    assert (done.code, done.out) == (2, "")
    said = " ".join(done.err.split())
    assert "Nothing is queued, since 7 of 8 runs cannot train, " in said
    assert "no layer of this network; use conv, linear, or a glob over its layers" in said
    assert queued(workspace_dir) == []

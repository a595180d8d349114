"""`iterand queue` and `iterand move`: add runs, list them, take up stopped ones, open slots again.

Nothing here trains or imports torch: slots do, each in processes of their own, which are started here where
they are missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from iterand_engine.cli.common import (
    JsonOption,
    Opened,
    WorkspaceOption,
    add_row,
    json_result,
    make_table,
    opened,
    result,
    say,
    show_table,
)
from iterand_engine.cli.run_json import QueueList, RunEntry
from iterand_engine.cli.train import SetOption, read_sets
from iterand_engine.cli.wait_for_slot import waiting_words
from iterand_engine.cli.which_runs import RUNS_HELP, meant_runs
from iterand_engine.config.axes import SEED, parse_seeds, read_values
from iterand_engine.config.presets import preset as find_preset
from iterand_engine.config.run_config import read_mapping
from iterand_engine.errors import OptionError, UserError
from iterand_engine.extensions.active import check_code
from iterand_engine.machine.environment import program_stamp
from iterand_engine.machine.processes import host_id
from iterand_engine.preflight.probe_client import check_before_queueing
from iterand_engine.runs.sweeps import QueuedPlan, SweepPlan, check_data, plan, queue_plans
from iterand_engine.slots import drain
from iterand_engine.store import RunState
from iterand_engine.store import queue as store_queue
from iterand_engine.store import slots as store_slots
from iterand_engine.store.records import SlotKey

SHORT_ID = 8
_LISTED_IDS = 5
_RESUMABLE = tuple(state for state in RunState if state.is_resumable)


def queue(
    items: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="CONFIG.yaml...",
            help="Files with runs' options; after --resume runs.",
            show_default=False,
        ),
    ] = None,
    preset: Annotated[
        str | None, typer.Option(metavar="NAME", help="A recipe, as `iterand presets` lists them.")
    ] = None,
    sets: SetOption = None,
    seeds: Annotated[
        str | None, typer.Option(metavar="1-5", help="A run for each seed: 1-5 or 1,3,7.")
    ] = None,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="Of the runs and their sweep.")] = None,
    first: Annotated[bool, typer.Option("--first", help="To the head of the queue.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Runs that stopped, to the head.")] = False,
    interrupted: Annotated[bool, typer.Option("--interrupted", help="Resume all interrupted ones.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Resume all stopped and interrupted.")] = False,
    goes_on: Annotated[
        bool, typer.Option("--continue", help="After an upgrade: start the slots anew, and those missing.")
    ] = False,
    reopen: Annotated[
        str | None, typer.Option(metavar="DEVICE", help="Use a device again that failed; cpu or GPU-....")
    ] = None,
    json: JsonOption = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Add runs to the queue and start the slots that train them; alone: list the queue.

    A --set with commas makes one run for each value: --set method.randomize_rate=0.05,0.1.
    """
    resumes = resume or interrupted or everything
    adds = preset is not None or bool(items and not resumes)
    changes = {
        "--resume": resumes,
        "--continue": goes_on,
        "--reopen": reopen is not None,
        "runs to add": adds,
    }
    _refuse_mixtures([what for what, is_asked in changes.items() if is_asked], json)
    if not adds and (sets or seeds or name or (first and not resumes)):
        if resumes:
            raise UserError(
                "--set, --seeds and --name are for new runs: a run that is resumed keeps its own."
            )
        raise UserError("Nothing says what to queue; name a file, or a preset as in `--preset quickstart`.")
    with opened(workspace, makes=adds) as at:
        if adds:
            _add(at, _plans(items or [], preset, _changes(sets or [], name, seeds)), first=first)
        elif resumes:
            _resume(at, _to_resume(at, items or [], interrupted=interrupted, everything=everything))
        elif goes_on:
            _continue(at)
        elif reopen is not None:
            _reopen(at, reopen)
        else:
            _list(at, as_json=json)


def _changes(sets: list[str], name: str | None, seeds: str | None) -> dict[str, Sequence[object]]:
    """Collect the values by option, with name and seeds; of several of one option the last counts."""
    changes: dict[str, Sequence[object]] = {}
    for option, values in read_sets(sets, read_values):
        changes.pop(option, None)
        changes[option] = values
    if name is not None:
        changes["name"] = (name,)
    if seeds is not None and SEED in changes:
        raise UserError(f"Seeds are given twice, by --seeds and by --set {SEED}: keep one of them.")
    if seeds is not None:
        changes[SEED] = _seeds(seeds)
    return changes


def _seeds(text: str) -> tuple[int, ...]:
    try:
        return parse_seeds(text)
    except OptionError as error:
        raise UserError(error.called("--seeds")) from None


def move(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help=RUNS_HELP)],
    first: Annotated[bool, typer.Option("--first", help="To the head of the queue.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Move queued runs to the head of the queue, in the order given."""
    if not first:
        raise UserError("Nothing says where to; `iterand move RUN --first` moves to the head of the queue.")
    with opened(workspace) as at:
        run_ids = meant_runs(at, runs, (RunState.QUEUED,))
        for row in at.store.reader.runs(ids=run_ids):
            if row.state is not RunState.QUEUED:
                raise UserError(
                    f"Run {row.id} is {row.state}, not queued; `iterand queue --resume {row.id[:SHORT_ID]}`"
                    " puts one that stopped at the head."
                )
        store_queue.enqueue(at.store, run_ids, first=True)
    result(f"moved {_runs(run_ids)} to the head of the queue")


def _refuse_mixtures(asked: list[str], as_json: bool) -> None:
    if len(asked) > 1:
        raise UserError(f"{asked[0]} and {asked[1]} are two commands: give one after the other.")
    if asked and as_json:
        raise UserError("--json is for the list: `iterand queue --json`.")


def _plans(files: list[str], preset: str | None, changes: dict[str, Sequence[object]]) -> list[SweepPlan]:
    """Make a plan for each file, or for the preset; all are checked before anything is queued."""
    if files and preset is not None:
        raise UserError(f"A file ({files[0]}) and a preset ({preset}) are both given; name one of them.")
    if preset is not None:
        return [plan(find_preset(preset).mapping, changes, Path.cwd())]
    mappings = {file: read_mapping(Path(file)) for file in files}
    plans = []
    for file in files:
        try:
            plans.append(plan(mappings[file], changes, Path.cwd()))
        except UserError as error:
            raise UserError(f"{file}: {error}" if len(files) > 1 else str(error)) from None
    return plans


def _add(at: Opened, plans: list[SweepPlan], *, first: bool) -> None:
    check_data(at.workspace, plans)
    warning = at.workspace.warning()
    notes = dict.fromkeys(note for one in plans for note in one.notes)
    for text in [*([warning] if warning else []), *notes, "Looking at memory and disk ..."]:
        say(text)
    for text in check_before_queueing(at.workspace, [cell.config for one in plans for cell in one.cells]):
        say(text)
    for one, queued in zip(plans, queue_plans(at.workspace, at.store, plans, first), strict=True):
        result(f"queued {_queued_text(one, queued)}")
    _start_slots(at)
    say("`iterand top` shows how it goes.")


def _queued_text(planned: SweepPlan, queued: QueuedPlan) -> str:
    count = len(queued.run_ids)
    if planned.is_sweep:
        return f"{count} {'run' if count == 1 else 'runs'}, sweep {planned.name!r}: {_ids(queued.run_ids)}"
    if count > 1:
        return f"{count} runs, {planned.name} with {count} seeds: {_ids(queued.run_ids)}"
    return f"run {queued.run_ids[0]}: {planned.name}, seed {planned.cells[0].config.training.seed}"


def _to_resume(at: Opened, names: list[str], *, interrupted: bool, everything: bool) -> list[str]:
    """Find the ids of the runs to resume; those not named, the oldest first."""
    if sum((bool(names), interrupted, everything)) != 1:
        raise UserError("Name the runs to resume after --resume, or say --interrupted or --all instead.")
    if names:
        run_ids = meant_runs(at, names, _RESUMABLE)
        for run_id in run_ids:
            check_code(at.workspace, run_id, at.store.reader.run(run_id).extensions)
        return run_ids
    wanted = {*_RESUMABLE} - {RunState.FAILED} if everything else {RunState.INTERRUPTED}
    rows = at.store.reader.runs()
    failed = sum(row.state is RunState.FAILED for row in rows)
    if everything and failed:
        say(f"{failed} failed {'run is' if failed == 1 else 'runs are'} left out: name those that can go on.")
    return [row.id for row in reversed(rows) if row.state in wanted]


def _resume(at: Opened, run_ids: list[str]) -> None:
    if not run_ids:
        result("no run to resume")
        return
    store_queue.enqueue(at.store, run_ids, first=True)
    result(f"queued {_runs(run_ids)} at the head of the queue")
    _start_slots(at)


def _continue(at: Opened) -> None:
    """Ask slots of an older program to restart after their runs; if there are none, start missing ones."""
    here = [slot for slot in at.store.reader.slots() if slot.key.host == host_id() and slot.held]
    older = [slot.key for slot in here if slot.program != program_stamp()]
    store_slots.ask(at.store, older, "restart")
    for key in older:
        result(f"asked {_slot(key)} to start anew with {program_stamp()}")
    if not older and not _start_slots(at):
        result("no slot is held back by an upgrade, and none is missing")


def _reopen(at: Opened, device: str) -> None:
    reopened = store_slots.reopen(at.store, host_id(), device)
    if not reopened:
        closed = {slot.key.device for slot in at.store.reader.slots() if slot.closed_reason is not None}
        known = f"closed: {', '.join(sorted(closed))}" if closed else "none is closed"
        raise UserError(f"No slot of a device {device!r} is closed on this machine ({known}).")
    for key in reopened:
        result(f"reopened {_slot(key)}")
    _start_slots(at)


def _start_slots(at: Opened) -> bool:
    """Start missing slots and say which; if none is missing, say why the first run waits."""
    started = drain.start_missing(at.workspace, at.store)
    for key in started:
        result(f"started {_slot(key)}")
    queued = at.store.reader.queued()
    if not started and queued:
        why = waiting_words(at, queued[0])
        say(f"run {queued[0].id[:SHORT_ID]} is first: {why}")
    return bool(started)


def _list(at: Opened, *, as_json: bool) -> None:
    rows = at.store.reader.queued()
    why = waiting_words(at, rows[0]) if rows else None
    if as_json:
        entries = [RunEntry.of(row, None) for row in rows]
        json_result(QueueList(runs=entries, waits=why).model_dump_json(indent=2))
        return
    if not rows:
        result("The queue is empty; `iterand queue --preset quickstart` adds a run.")
        return
    table = make_table("place", "id", "name", "seed", "device", "step", right=("place", "seed", "step"))
    for place, row in enumerate(rows, start=1):
        add_row(table, place, row.id[:SHORT_ID], row.name, row.seed, row.device_kind, row.step)
    show_table(table)
    result(f"\n{rows[0].id[:SHORT_ID]} is first: {why}")


def _runs(run_ids: list[str]) -> str:
    return f"run {run_ids[0]}" if len(run_ids) == 1 else f"{len(run_ids)} runs: {_ids(tuple(run_ids))}"


def _ids(run_ids: tuple[str, ...]) -> str:
    more = f" and {len(run_ids) - _LISTED_IDS} more" if len(run_ids) > _LISTED_IDS else ""
    return ", ".join(run_id[:SHORT_ID] for run_id in run_ids[:_LISTED_IDS]) + more


def _slot(key: SlotKey) -> str:
    return f"slot {key.position} of {key.device}"

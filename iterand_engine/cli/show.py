"""`iterand show`: one run with its state, why it waits, and what to do next."""

from __future__ import annotations

from dataclasses import dataclass

from iterand_engine.cli.common import (
    JsonOption,
    Opened,
    RunArgument,
    WorkspaceOption,
    add_row,
    duration,
    json_result,
    make_table,
    opened,
    result,
    share,
    show_table,
)
from iterand_engine.cli.next_steps import next_step
from iterand_engine.cli.run_json import RunDocument
from iterand_engine.cli.table import CliTable
from iterand_engine.cli.wait_for_slot import waiting_words
from iterand_engine.machine.run_log import last_lines, log_path
from iterand_engine.machine.yaml import yaml_text
from iterand_engine.store import Event, Locked, RunDetail, RunState
from iterand_engine.store.records import SweepRow

_LONG = ("state", "waits", "next", "notes")  # facts that may take several lines
_ENDED_BADLY = (RunState.INTERRUPTED, RunState.FAILED)


@dataclass(frozen=True)
class _Found:
    """Everything that is shown of a run, read at one time."""

    detail: RunDetail
    test: float | Locked | None
    values: dict[str, float]
    messages: list[Event]
    sweeps: list[SweepRow]
    waits: str | None
    next: str | None
    log_tail: str
    folder: str


def show(run: RunArgument, json: JsonOption = False, workspace: WorkspaceOption = None) -> None:
    """Show one run: its state, results, next step, last values, configuration and machine."""
    with opened(workspace) as at:
        found = _read(at, at.store.reader.resolve(run))
    if json:
        document = RunDocument.of(
            found.detail,
            found.test,
            found.values,
            sweeps=[sweep.id for sweep in found.sweeps],
            waits=found.waits,
        )
        json_result(document.model_dump_json(indent=2))
    else:
        _print(found)


def _read(at: Opened, run_id: str) -> _Found:
    detail = at.store.reader.run(run_id)
    folder = at.workspace.run_dir(run_id)
    saved = at.store.reader.checkpoints(run_id)
    messages = at.store.reader.events(run_id)
    # If a slot stored the death of the worker, its message has the last lines of the log already.
    has_log = bool(messages) and "\n" in messages[-1].text
    return _Found(
        detail=detail,
        test=at.store.reader.test_accuracy(run_id, lock=at.settings.test_lock),
        values=at.store.reader.last_values(run_id),
        messages=messages,
        sweeps=[sweep for sweep in at.store.reader.sweeps() if run_id in sweep.run_ids],
        waits=(waiting_words(at, detail) if detail.state is RunState.QUEUED else None),
        next=next_step(detail, saved[0].step if saved else None, folder / "config.yaml"),
        log_tail=last_lines(log_path(at.workspace, run_id))
        if detail.state in _ENDED_BADLY and not has_log
        else "",
        folder=str(folder),
    )


def _print(found: _Found) -> None:
    show_table(_facts(found))
    detail = found.detail
    for title, mapping in (("Last values", _readable(found.values)), ("Configuration", dict(detail.config))):
        result(f"\n{title}\n{_indented(mapping)}")
    if detail.environments:
        result(f"\nMachine and packages\n{_indented(dict(detail.environments[-1].snapshot))}")
    for message in found.messages:
        at_step = "" if message.step is None else f" at step {message.step}"
        result(f"\n{message.level}{at_step}: {message.text}")
    if found.log_tail:
        result(f"\nLast lines of its log\n{found.log_tail}")


def _facts(found: _Found) -> CliTable:
    """Make a table without headings: names and values; absent values are left out."""
    detail = found.detail
    table = make_table("", "")
    table.show_header = False
    facts = {
        "name": detail.name,
        "id": detail.id,
        "state": f"{detail.state}: {detail.reason}" if detail.reason else str(detail.state),
        "waits": found.waits,
        "next": found.next,
        "sweep": ", ".join(f"{sweep.name} ({len(sweep.run_ids)} runs)" for sweep in found.sweeps),
        "tags": ", ".join(detail.tags),
        "notes": detail.notes,
        "epoch": str(detail.epoch),
        "step": f"{detail.step} / {detail.total_steps}" if detail.total_steps else str(detail.step),
        "time": duration(detail.elapsed_s),
        "val accuracy": share(detail.accuracy_so_far),
        "test accuracy": share(found.test),
        "precision": f"{detail.precision} on {detail.device_kind}",
        "extensions": ", ".join(f"{use.file} ({use.sha256[:12]})" for use in detail.extensions),
        "final digest": detail.final_digest or "-",
        "files": found.folder,
    }
    for name, value in facts.items():
        if value:
            add_row(table, name, value, lines=name in _LONG)
    return table


def _readable(values: dict[str, float]) -> dict[str, float]:
    return {name: float(f"{value:.6g}") for name, value in values.items()}


def _indented(mapping: dict[str, object] | dict[str, float]) -> str:
    text = yaml_text(mapping).rstrip()
    return "\n".join(f"  {line}" for line in text.splitlines())

"""Begins one start of a run: fixes its configuration, adopts the run, and stores an error that ends it early.

Torch-free, so that a worker process adopts its run, with a heartbeat, before it spends seconds importing
torch: a claim lapses if no process adopts it within a minute.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from iterand_engine.config.extension_code import ExtensionError
from iterand_engine.config.run_config import RunConfig
from iterand_engine.errors import OwnershipLost, UserError, concerning
from iterand_engine.extensions.active import run_code
from iterand_engine.machine.devices import Device, default_threads, find_device, precision_note
from iterand_engine.machine.environment import differences, snapshot
from iterand_engine.machine.processes import current
from iterand_engine.runs.faults import FaultKind, explain
from iterand_engine.runs.group_key import refuse_changed
from iterand_engine.store import EndKind, Recorder, RunState, Store
from iterand_engine.store.runs import adopt_run

_END_KINDS: Mapping[FaultKind, EndKind] = {
    "memory": "out_of_memory",
    "device": "device",
    "extension": "extension",
    "system": "disk",
    "defect": "program",
}


@dataclass(frozen=True)
class Start:
    """A run's configuration with device and threads fixed, the stored environment, and notes for the user."""

    config: RunConfig
    device: Device
    threads: int
    environment: dict[str, Any]
    notes: tuple[str, ...]


def prepare(store: Store, run_id: str, device: str | None = None) -> Start:
    """Fix the open options of a run's configuration; a later start keeps those of the first.

    Args:
        store: holds the run.
        run_id: the run's id.
        device: id of the device to train on; by default the configuration's.
    Raises:
        UserError: there is no such run, no such device here, or the run's data is read differently by now.
    """
    detail = store.reader.run(run_id)
    config = RunConfig.from_mapping(detail.config)
    with concerning("data"):
        read_differently = refuse_changed(detail, config)
    with concerning("device"):
        found = find_device(device or config.compute.device)
    earlier = detail.environments[0].snapshot if detail.environments else {}
    threads = config.compute.threads
    if threads == "auto":
        threads = int(str(earlier.get("threads", default_threads())))
    environment = snapshot(found, threads).to_mapping()
    changed = differences(earlier, environment) if earlier else []
    notes = [f"the environment differs from the first start: {change}" for change in changed]
    slow = precision_note(config.compute.precision, found)
    notes += [*read_differently, *([slow] if slow else [])]
    return Start(config, found, threads, environment, tuple(notes))


@contextmanager
def adopted(
    store: Store,
    run_id: str,
    token: str,
    *,
    device: str | None = None,
    note: Callable[[str], None] = lambda _: None,
) -> Iterator[tuple[Recorder, Start]]:
    """Own a claimed run for as long as the context lasts, and store the error that ends it early.

    Within the context this process may run the extensions that the run was made with.

    Args:
        store: holds the run.
        run_id: the run's id.
        token: the claim's.
        device: as in `prepare`.
        note: gets a sentence when recording has to wait.
    Raises:
        OwnershipLost: another process owns the run.
        UserError: a cause that the user can repair; it is in the run's row too. A run with a checkpoint is
            stored as stopped, so that it can be resumed afterwards, one without as failed.
        Exception: any other from within; the run is stored as failed, or as interrupted by a broken device.
    """
    with ExitStack() as stack:
        try:
            uses = store.reader.run(run_id).extensions
            with concerning("extension"):
                stack.enter_context(run_code(store.workspace, run_id, uses))
            start = prepare(store, run_id, device)
        except UserError as error:
            _give_up(store, run_id, token, error)
            raise
        adopt_run(store, run_id, token, current(), start.environment)
        recorder = stack.enter_context(Recorder(store, run_id, token, on_wait=note))
        try:
            yield recorder, start
        except UserError as error:
            _finish_unusable(store, run_id, recorder, error)
            raise
        except OwnershipLost:
            raise
        except (Exception, KeyboardInterrupt, SystemExit) as error:  # a process edge: stored and raised again
            fault = explain(error)
            recorder.event("error", traceback.format_exc())
            state = RunState.INTERRUPTED if fault.kind == "device" else RunState.FAILED
            kind = "stopped" if isinstance(error, KeyboardInterrupt) else _END_KINDS[fault.kind]
            recorder.finish(state, end_kind=kind, reason=fault.sentence)
            if isinstance(error, SystemExit):  # raised by an extension: the process must not seem to end well
                raise ExtensionError(fault.sentence) from error
            raise


def _give_up(store: Store, run_id: str, token: str, error: UserError) -> None:
    adopt_run(store, run_id, token, current(), {})
    with Recorder(store, run_id, token) as recorder:
        _finish_unusable(store, run_id, recorder, error)


def _finish_unusable(store: Store, run_id: str, recorder: Recorder, error: UserError) -> None:
    """Store an error that the user can repair: a run with a checkpoint is then resumable, another is not."""
    state = RunState.STOPPED if store.reader.checkpoints(run_id) else RunState.FAILED
    recorder.finish(state, end_kind=error.concern or "other", reason=str(error))

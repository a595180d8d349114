"""Make runs: resolve the options that are fixed when a run is made, and put it in the queue."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from iterand_engine.config.run_config import RunConfig, to_yaml
from iterand_engine.data.fingerprint import dataset_fingerprint
from iterand_engine.errors import UserError
from iterand_engine.extensions.active import copy_into, used_by, used_code
from iterand_engine.machine import own_files
from iterand_engine.machine.devices import Device, cpu_device, find_device, list_devices, resolve_precision
from iterand_engine.machine.environment import git_commit
from iterand_engine.machine.processes import ProcessIdentity
from iterand_engine.machine.settings import Settings, data_roots
from iterand_engine.machine.workspace import Workspace
from iterand_engine.runs.fingerprints import note_fingerprint
from iterand_engine.runs.group_key import behaviour_of, group_key
from iterand_engine.slots.places import my_devices
from iterand_engine.store import NewRun, Store
from iterand_engine.store.runs import create_run, create_runs
from iterand_engine.version import __version__


def make_run(
    workspace: Workspace,
    store: Store,
    config: RunConfig,
    *,
    waiter: ProcessIdentity | None = None,
    first: bool = False,
) -> str:
    """Store a new run, queued, with its precision resolved for the device it asks for.

    Args:
        workspace, store: the run's.
        config: the run's configuration.
        waiter: the process that will train it itself; no slot takes the run while that process lives.
        first: at the head of the queue, not at its tail.
    Returns:
        The run's id.
    Raises:
        UserError: the dataset, the device or the precision is not available here.
    """
    (made,) = _resolved(workspace, [config])
    with _written(workspace, [made]):
        run_id = create_run(store, made.run, waiter, first)
    _note_data(store, [made])
    return run_id


def make_runs(
    workspace: Workspace, store: Store, configs: Sequence[RunConfig], first: bool = False
) -> list[str]:
    """As `make_run`, for several runs, queued in their order; all or none are stored."""
    made = _resolved(workspace, configs)
    with _written(workspace, made):
        run_ids = create_runs(store, [one.run for one in made], first)
    _note_data(store, made)
    return run_ids


@dataclass(frozen=True)
class _Made:
    """A run to be stored: its id, its configuration with name and precision fixed, and its extensions."""

    id: str
    config: RunConfig
    code: dict[str, bytes]
    run: NewRun


def _resolved(workspace: Workspace, configs: Sequence[RunConfig]) -> list[_Made]:
    settings = Settings.load(workspace)
    found, commit = list_devices(), git_commit()
    mine = my_devices(settings, found)
    roots = data_roots(workspace, settings)
    made = []
    for config in configs:
        device = _device(config.compute.device, found, mine)
        precision = resolve_precision(config.compute.precision, device.kind, (*mine, cpu_device()))
        compute = config.compute.model_copy(update={"precision": precision})
        whole = config.model_copy(update={"compute": compute, "name": config.display_name})
        fingerprint, uses, run_id = dataset_fingerprint(whole.data, roots), used_by(whole), str(uuid.uuid4())
        hashes = [use.sha256 for use in uses]
        run = NewRun(
            name=whole.display_name,
            config=whole.to_mapping(),
            group_key=group_key(whole, fingerprint=fingerprint, precision=precision, extensions=hashes),
            fingerprint=fingerprint,
            behaviour=behaviour_of(whole),
            seed=whole.training.seed,
            device_kind=device.kind,
            precision=precision,
            program_version=__version__,
            git_commit=commit,
            extensions=uses,
            id=run_id,
        )
        made.append(_Made(run_id, whole, used_code(whole), run))
    return made


def _note_data(store: Store, made: Sequence[_Made]) -> None:
    """Store the fingerprints of the data with earlier runs that lack them."""
    for dataset, fingerprint in {(one.config.data.dataset, one.run.fingerprint) for one in made}:
        assert fingerprint is not None
        note_fingerprint(store, dataset, fingerprint)


def _device(text: str, found: Sequence[Device], mine: Sequence[Device]) -> Device:
    """Find the device that `compute.device` names among the user's devices; the CPU is always allowed."""
    if text == "auto":
        return find_device(text, devices=mine)
    device = find_device(text, devices=found)
    if text == "cuda" and any(other.kind == "cuda" for other in mine):
        return find_device(text, devices=mine)
    if device.kind == "cuda" and device not in mine:
        raise UserError(
            f"compute.device is {text!r}, which the setting devices leaves to others: name another device, "
            "or change it with `iterand settings set devices ...`."
        )
    return device


@contextmanager
def _written(workspace: Workspace, made: Sequence[_Made]) -> Iterator[None]:
    """Write the files of runs that are stored within the context; an error removes them again.

    The files come first, because a worker may take a run as soon as it is stored, and needs its copy of the
    extensions.
    """
    try:
        for one in made:
            folder = workspace.make_run_dir(one.id)
            own_files.write(folder / "config.yaml", to_yaml(one.config).encode())
            copy_into(folder, one.code)
        yield
    except BaseException:
        for one in made:
            with suppress(OSError, UserError):
                own_files.remove_tree(workspace.run_dir(one.id))
        raise

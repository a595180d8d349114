"""Make a run: resolve what must be fixed when it is made, and store it."""

from __future__ import annotations

from pathlib import Path

from iterand_engine import __version__
from iterand_engine.config import RunConfig, to_yaml
from iterand_engine.data.fingerprint import dataset_fingerprint
from iterand_engine.devices import find_device, resolve_precision
from iterand_engine.environment import git_commit
from iterand_engine.run_identity import group_key
from iterand_engine.store import NewRun, Store
from iterand_engine.workspace import Settings, Workspace, write_atomic


def data_roots(workspace: Workspace, settings: Settings) -> list[Path]:
    """Where datasets are looked for: the roots in the settings, then the workspace's own folder."""
    return [*settings.data_roots, workspace.data_dir]


def make_run(workspace: Workspace, store: Store, config: RunConfig) -> str:
    """Store a new run, queued, with its precision resolved for the device it asks for.

    Returns:
        The run's id.
    Raises:
        UserError: the dataset, the device or the precision is not to be had here.
    """
    roots = data_roots(workspace, Settings.load(workspace))
    device = find_device(config.compute.device)
    precision = resolve_precision(config.compute.precision, device.kind)
    compute = config.compute.model_copy(update={"precision": precision})
    resolved = config.model_copy(update={"compute": compute, "name": config.display_name})
    fingerprint = dataset_fingerprint(resolved.data, roots)
    run_id = store.create_run(
        NewRun(
            name=resolved.display_name,
            config=resolved.to_mapping(),
            group_key=group_key(resolved, fingerprint=fingerprint, precision=precision),
            seed=resolved.training.seed,
            device_kind=device.kind,
            precision=precision,
            program_version=__version__,
            git_commit=git_commit(),
        )
    )
    folder = workspace.make_run_dir(run_id)
    write_atomic(folder / "config.yaml", to_yaml(resolved).encode())
    return run_id

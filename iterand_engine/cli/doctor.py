"""`iterand doctor`: what works here, what does not, and what to do; exit code 0 if training works.

torch is tried in a child process, because a broken one can end its process. Limits: the check reads the whole
database, which takes a while for a large one.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import typer

from iterand_engine.cli.common import WorkspaceOption, result, size
from iterand_engine.config.catalog import DATASETS
from iterand_engine.data.locate import locate_all
from iterand_engine.errors import ExitCode, UserError
from iterand_engine.extensions.files import FileState, extension_files
from iterand_engine.machine.allowed import HOW_TO_ALLOW, why_command_is_off
from iterand_engine.machine.devices import cpu_device, default_threads, list_devices
from iterand_engine.machine.filesystems import filesystem_warning, folder_bytes, free_bytes
from iterand_engine.machine.launch import SAFE_FOLDER, python_environment
from iterand_engine.machine.settings import Settings, data_roots
from iterand_engine.machine.texts import counted
from iterand_engine.machine.workspace import Workspace, existing_workspace_dir
from iterand_engine.runs.fingerprints import fill_fingerprints
from iterand_engine.store import Store
from iterand_engine.store.dialect import damage
from iterand_engine.store.schema import SCHEMA_REVISION
from iterand_engine.store.store import has_database

LITTLE_BYTES = 2 * 10**9  # with less free disk space, the disk is reported as a problem
_TORCH_TIMEOUT_S = 180
_GIB = 2**30
_SIGNS = {True: "works ", False: "BROKEN", None: "none  "}
_INDENT = 8
# Trains one weight on each kind of device there is; prints what it found as JSON.
_TRY_TORCH = """
import json, torch
found = {"version": torch.__version__, "built_for": torch.version.cuda, "cuda": torch.cuda.is_available()}
for device in ["cpu"] + ["cuda"] * found["cuda"]:
    weight = torch.ones(2, 2, device=device, requires_grad=True)
    (weight @ weight).sum().backward()
    found[device + "_trains"] = float(weight.grad.sum()) == 16.0
try:
    from iterand_engine.data.torchvision_import import import_torchvision
    found["torchvision"] = import_torchvision().__version__
except Exception as error:
    found["torchvision_error"] = str(error).splitlines()[0]
print(json.dumps(found))
"""


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Args:
        subject: what was checked.
        works: False if something is wrong; None if it does not exist here, which is no error.
        says: the result of the check.
        advice: what the user can do; empty if nothing is needed.
        is_needed: whether training needs it.
    """

    subject: str
    works: bool | None
    says: str
    advice: str = ""
    is_needed: bool = False


def doctor(workspace: WorkspaceOption = None) -> None:
    """Check what works on this machine, what does not, and what to do."""
    can_train = True
    for finding in examine(workspace):
        result(f"{_SIGNS[finding.works]}  {finding.subject}: {finding.says}")
        if finding.advice:
            result(f"{' ' * _INDENT}-> {finding.advice}")
        can_train = can_train and not (finding.is_needed and finding.works is False)
    result("Training works here." if can_train else "Training does not work here yet.")
    raise typer.Exit(ExitCode.OK if can_train else ExitCode.FAILED)


def examine(folder: Path | None) -> Iterator[Finding]:
    """Check everything, one finding after the other.

    Args:
        folder: the workspace, as given by `--workspace`.
    """
    yield _python()
    yield from _torch()
    yield from _devices()
    yield _qt()
    try:
        workspace = existing_workspace_dir(folder)
    except UserError as error:
        yield Finding("workspace", False, str(error), is_needed=True)
        return
    yield from _workspace(workspace)
    yield from _datasets(workspace)


def _python() -> Finding:
    # With an unsupported version no command runs at all (`machine.supported`).
    return Finding("Python", True, platform.python_version(), is_needed=True)


def _torch() -> Iterator[Finding]:
    advice = "run `make run`, or install torch 2.6 or newer"
    try:
        done = subprocess.run(
            [sys.executable, "-c", _TRY_TORCH],
            cwd=SAFE_FOLDER,
            env=python_environment(),
            capture_output=True,
            text=True,
            timeout=_TORCH_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        yield Finding("torch", False, f"no answer within {_TORCH_TIMEOUT_S} s", advice, is_needed=True)
        return
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"its process ended with code {done.returncode}"])[-1]
        yield Finding("torch", False, last, advice, is_needed=True)
        return
    found = json.loads(done.stdout.splitlines()[-1])
    build = f"built for CUDA {found['built_for']}" if found["built_for"] else "built for CPUs"
    yield Finding("torch", found["cpu_trains"], f"{found['version']}, {build}", is_needed=True)
    if found["cuda"]:
        yield Finding("torch on the GPU", found["cuda_trains"], "a small product was trained")
    elif found["built_for"]:
        yield Finding("torch on the GPU", None, "torch sees no GPU it can use", "a GPU needs its driver")
    if "torchvision" in found:
        yield Finding("torchvision", True, found["torchvision"])
    else:
        advice = "install the torchvision that belongs to this torch; downloads of datasets need it"
        yield Finding("torchvision", False, found["torchvision_error"], advice)


def _devices() -> Iterator[Finding]:
    cpu = cpu_device()
    native = "native bf16" if cpu.bf16 else "no native bf16, fp32 is the default"
    memory = f"{cpu.memory_free_bytes / _GIB:.1f} of {cpu.memory_bytes / _GIB:.1f} GiB free"
    yield Finding("CPU", True, f"{cpu.name}, {default_threads()} threads, {memory}, {native}")
    try:
        gpus = [device for device in list_devices() if device.kind == "cuda"]
    except UserError as error:
        yield Finding("GPU", False, str(error))
        return
    for gpu in gpus:
        memory = f"{gpu.memory_free_bytes / _GIB:.1f} of {gpu.memory_bytes / _GIB:.1f} GiB free"
        yield Finding("GPU", True, f"{gpu.name}, {memory}, compute.device: {gpu.id}")
    if not gpus:
        yield Finding("GPU", None, "none found; training uses the CPU")


def _qt() -> Finding:
    for package in ("PySide6", "PySide6_Essentials"):  # the window needs no more than the second
        with suppress(metadata.PackageNotFoundError):
            return Finding("Qt", True, f"PySide6 {metadata.version(package)}")
    if find_spec("PySide6") is not None:  # by the system's packages, which have no such record
        return Finding("Qt", True, "PySide6")
    return Finding("Qt", None, "not installed; the command line does without")


def _workspace(workspace: Workspace) -> Iterator[Finding]:
    if not workspace.root.is_dir():
        yield Finding("workspace", None, f"{workspace.root}: not there yet; the first run makes it")
        return
    yield Finding("workspace", True, str(workspace.root), is_needed=True)
    if not workspace.is_writable:
        yield Finding("workspace", False, "you cannot write here", "look at it, or name another one to train")
    warning = filesystem_warning(workspace.root)
    if warning is not None:
        yield Finding("file system", False, warning)
    yield _store(workspace)
    try:
        settings = Settings.load(workspace)
        yield from _not_allowed(workspace, settings)
    except UserError as error:
        yield Finding("settings", False, str(error), is_needed=True)
    free = free_bytes(workspace.root)
    says = f"{size(free)} free, {size(folder_bytes(workspace.runs_dir))} in runs"
    little = free < LITTLE_BYTES
    yield Finding("disk", not little, says, "free some space, or use another workspace" if little else "")


def _not_allowed(workspace: Workspace, settings: Settings) -> Iterator[Finding]:
    """What came with the workspace and does not run; a record that cannot be used is a problem by itself."""
    why_off = why_command_is_off(workspace, settings.on_end)
    if why_off:
        yield Finding("on_end", None, why_off, HOW_TO_ALLOW)
    try:
        files = extension_files(workspace)
    except UserError as error:
        yield Finding("extensions", False, str(error))
        return
    off = [f"{file.file} ({file.state})" for file in files if file.state is not FileState.ENABLED]
    if off:
        advice = "look at a file, then `iterand extensions enable FILE` lets it run"
        yield Finding("extensions", None, f"not in use: {', '.join(off)}", advice)


def _store(workspace: Workspace) -> Finding:
    try:
        if not has_database(workspace):
            return Finding("store", None, "no runs yet")
        with Store.open(workspace, makes=False) as store:
            if store.was_upgraded:
                fill_fingerprints(store, data_roots(workspace, Settings.load(workspace)))
            count = len(store.reader.runs())
        broken = damage(workspace.db_path)
    except UserError as error:
        return Finding("store", False, str(error), is_needed=True)
    if broken is not None:
        advice = f"move {workspace.db_path} away, or put its newest backup in its place"
        return Finding("store", False, f"the database is damaged ({broken})", advice, is_needed=True)
    return Finding(
        "store", True, f"{counted(count, 'run')}, schema {SCHEMA_REVISION}, not damaged", is_needed=True
    )


def _datasets(workspace: Workspace) -> Iterator[Finding]:
    try:
        roots = data_roots(workspace, Settings.load(workspace))
    except UserError:
        return  # reported with the settings
    for root in roots:
        if not root.is_dir():
            yield Finding("data root", False, f"{root} is not there", "see `iterand settings get data_roots`")
    here = [location.name for location in locate_all(roots) if location.path is not None]
    missing = [name for name, entry in DATASETS.items() if entry.download_bytes and name not in here]
    more = f"; can be fetched: {', '.join(missing)}" if missing else ""
    yield Finding("datasets", True, f"here: {', '.join(here)}{more}")

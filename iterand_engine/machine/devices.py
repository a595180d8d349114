"""Find the devices of this machine, by ids that do not change, and what arithmetic they do natively.

GPUs come from NVML (the driver's own library) and are known by UUID, because NVML counts them in another
order than CUDA does. No driver means no GPU; a driver that is present and does not answer is an error, and
never silently means the CPU. CPU features are read on Linux only; elsewhere none are known. Torch-free, so
that the window and the queue can call it.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import psutil
import pynvml

from iterand_engine.errors import UserError

DeviceKind = Literal["cpu", "cuda"]
Precision = Literal["fp32", "tf32", "bf16"]

AMPERE = (8, 0)  # compute capability from which bf16 and TF32 are native
NATIVE_BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})


@dataclass(frozen=True)
class Device:
    """One processor that a run can train on."""

    id: str  # "cpu", or the GPU's UUID as the driver gives it, "GPU-..."
    kind: DeviceKind
    name: str
    memory_bytes: int
    memory_used_bytes: int  # by anybody, not only by this program
    bf16: bool  # native bf16; on a GPU this also means TF32

    @property
    def memory_free_bytes(self) -> int:
        """Memory, in bytes, that no process holds at the moment."""
        return max(0, self.memory_bytes - self.memory_used_bytes)


def list_devices(nvml: Any = pynvml, environ: Mapping[str, str] | None = None) -> tuple[Device, ...]:
    """List the GPUs this process may use, then the CPU.

    Args:
        nvml: the NVML binding; tests pass a small object of their own.
        environ: where CUDA_VISIBLE_DEVICES is read from; the process's environment by default.
    Raises:
        UserError: a driver is there and fails, or CUDA_VISIBLE_DEVICES cannot be followed.
    """
    return (*_visible(_gpus(nvml), os.environ if environ is None else environ), cpu_device())


def cpu_device() -> Device:
    """The CPU, with the machine's memory."""
    memory = psutil.virtual_memory()
    bf16 = bool(NATIVE_BF16_FLAGS & cpu_flags())
    return Device("cpu", "cpu", cpu_name(), memory.total, memory.total - memory.available, bf16)


def find_device(
    text: str, *, devices: Sequence[Device] | None = None, torch_version: str | None = None
) -> Device:
    """Choose the device that `compute.device` names.

    Args:
        text: auto (a GPU where there is one, else the CPU), cpu, cuda, or the start of a GPU's UUID;
            of several GPUs the one with the most free memory.
        devices: those to choose from; by default this machine's.
        torch_version: of the torch that will train; by default the installed one. A "+cpu" build uses no GPU.
    Raises:
        UserError: there is no such device, or several, or this torch cannot use it.
    """
    if text == "cpu":
        return next((device for device in devices or () if device.kind == "cpu"), None) or cpu_device()
    found = list_devices() if devices is None else devices
    gpus = _gpus_of(found)
    version = _torch_version() if torch_version is None else torch_version
    usable = _gpus_of(trainable_devices(found, version))
    if text == "auto":
        return _freest(usable) if usable else find_device("cpu", devices=found)
    if text != "cuda" and not text.startswith("GPU-"):
        raise UserError(f"compute.device is {text!r}; allowed: auto | cpu | cuda | GPU-<start of its UUID>.")
    if gpus and not usable:
        raise UserError(
            f"compute.device is {text!r}, but the installed torch {version} is built without CUDA; "
            "install a CUDA build of torch, or use compute.device: cpu."
        )
    if text == "cuda" and usable:
        return _freest(usable)
    return _gpu_by_prefix(text, usable)


def trainable_devices(
    devices: Sequence[Device] | None = None, torch_version: str | None = None
) -> tuple[Device, ...]:
    """Those of the devices that the installed torch can use: a "+cpu" build uses no GPU.

    Args:
        devices: by default this machine's.
        torch_version: by default that of the installed torch.
    """
    found = list_devices() if devices is None else devices
    version = _torch_version() if torch_version is None else torch_version
    return tuple(device for device in found if device.kind == "cpu" or "+cpu" not in version)


def foreign_bytes(device: Device, ours: Collection[int], nvml: Any = pynvml) -> int:
    """Bytes of a GPU's memory that other programs' computing processes hold.

    What the driver does not report (in some containers, on Windows) counts as 0. Where it names processes by
    numbers of another process namespace, as many of them count as ours as are missing.

    Args:
        device: a GPU.
        ours: process ids of our workers on it.
        nvml: the NVML binding; tests pass a small object of their own.
    """
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        return 0
    try:
        handle = nvml.nvmlDeviceGetHandleByUUID(device.id)
        running = nvml.nvmlDeviceGetComputeRunningProcesses(handle)
    except nvml.NVMLError:
        return 0
    finally:
        nvml.nvmlShutdown()
    held = {int(process.pid): int(process.usedGpuMemory or 0) for process in running}
    missing = len(set(ours) - held.keys())
    unseen = sorted((pid for pid in held if not psutil.pid_exists(pid)), key=lambda pid: -held[pid])
    known = {*ours, *unseen[:missing]}
    return sum(size for pid, size in held.items() if pid not in known)


def resolve_precision(
    requested: str, device_kind: DeviceKind, devices: Sequence[Device] | None = None
) -> Precision:
    """Resolve compute.precision when a run is made, for the kind of device that the run asks for.

    Args:
        requested: compute.precision. auto is bf16 where every device of the kind has it natively, else fp32.
        device_kind: "cpu" or "cuda".
        devices: those the run may get; by default all of this machine.
    Raises:
        UserError: no device of the kind can do what was asked.
    """
    if requested == "fp32":
        return "fp32"
    candidates = [d for d in (list_devices() if devices is None else devices) if d.kind == device_kind]
    if not candidates:
        raise UserError(
            f"compute.precision {requested!r} cannot be resolved: this machine has no {device_kind} device; "
            "use fp32, or another compute.device."
        )
    if requested == "auto":
        return "bf16" if all(device.bf16 for device in candidates) else "fp32"
    if requested not in ("tf32", "bf16"):
        raise UserError(f"compute.precision is {requested!r}; allowed: auto | fp32 | tf32 | bf16.")
    if requested == "tf32" and device_kind == "cpu":
        raise UserError(
            "compute.precision is 'tf32', which only NVIDIA GPUs have; on a CPU use fp32, bf16 or auto."
        )
    if device_kind == "cuda" and not any(device.bf16 for device in candidates):
        raise UserError(
            f"compute.precision is {requested!r}, but {candidates[0].name} has no {requested} units "
            "(compute capability 8.0 is needed); use fp32 or auto."
        )
    return "bf16" if requested == "bf16" else "tf32"


def precision_note(precision: str, device: Device) -> str | None:
    """A sentence where a device emulates a precision, which makes runs slow; None where it is native."""
    if precision == "bf16" and not device.bf16:
        return f"bf16 is emulated on {device.name}: results are valid, steps are slower than in fp32"
    return None


def cpu_flags(cpuinfo: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    """Read the CPU's feature flags, such as avx512_bf16; none where the system has no such file."""
    match = re.search(r"^(?:flags|Features)\s*:(.*)$", _read(cpuinfo), re.MULTILINE)
    return frozenset(match[1].split()) if match else frozenset()


def cpu_name(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The CPU's model name, or the architecture where the system does not give one."""
    match = re.search(r"^model name\s*:\s*(.+)$", _read(cpuinfo), re.MULTILINE)
    return match[1].strip() if match else platform.processor() or platform.machine() or "CPU"


def default_threads(
    environ: Mapping[str, str] | None = None,
    topology: Path = Path("/sys/devices/system/cpu"),
    cpu_max: Path = Path("/sys/fs/cgroup/cpu.max"),
) -> int:
    """Count the threads that a run uses where compute.threads is auto.

    OMP_NUM_THREADS if it is set; else the physical cores that this process may use, by its affinity and
    its container's CPU quota. Threads that share a core gain nothing in dense arithmetic.

    Args:
        environ: where OMP_NUM_THREADS is read from; the process's environment by default.
        topology: Linux's description of the processors.
        cpu_max: the container's quota, as cgroup version 2 writes it.
    """
    asked = (os.environ if environ is None else environ).get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if asked.isdecimal() and int(asked) > 0:
        return int(asked)
    process = psutil.Process()
    # macOS has no affinity, and psutil no such method there.
    allowed = process.cpu_affinity() if hasattr(process, "cpu_affinity") else None
    logical = allowed or list(range(psutil.cpu_count() or 1))
    cores = {_read(topology / f"cpu{n}/topology/thread_siblings_list").strip() or str(n) for n in logical}
    return max(1, min(len(cores), psutil.cpu_count(logical=False) or len(cores), _quota_cores(cpu_max)))


def _quota_cores(cpu_max: Path) -> int:
    quota, _, period = _read(cpu_max).strip().partition(" ")
    if not quota.isdecimal() or not period.isdecimal():
        return 1 << 30  # "max", or no cgroup: no quota
    return -(-int(quota) // int(period))


def _gpus_of(devices: Sequence[Device]) -> list[Device]:
    return [device for device in devices if device.kind == "cuda"]


def _gpus(nvml: Any) -> list[Device]:
    try:
        nvml.nvmlInit()
    except (nvml.NVMLError_LibraryNotFound, nvml.NVMLError_DriverNotLoaded):
        return []
    except nvml.NVMLError as error:
        raise _driver_fails(error) from None
    try:
        return [_gpu(nvml, nvml.nvmlDeviceGetHandleByIndex(n)) for n in range(nvml.nvmlDeviceGetCount())]
    except nvml.NVMLError as error:
        raise _driver_fails(error) from None
    finally:
        nvml.nvmlShutdown()


def _gpu(nvml: Any, handle: Any) -> Device:
    try:
        memory = nvml.nvmlDeviceGetMemoryInfo(handle)
        total, used = int(memory.total), int(memory.used)
    except nvml.NVMLError_NotSupported:  # a GPU that shares the machine's memory has none of its own
        system = psutil.virtual_memory()
        total, used = system.total, system.total - system.available
    capability = tuple(nvml.nvmlDeviceGetCudaComputeCapability(handle))
    return Device(
        id=nvml.nvmlDeviceGetUUID(handle),
        kind="cuda",
        name=nvml.nvmlDeviceGetName(handle),
        memory_bytes=total,
        memory_used_bytes=used,
        bf16=capability >= AMPERE,
    )


def _driver_fails(error: Exception) -> UserError:
    return UserError(
        f"The NVIDIA driver does not answer ({error}); load a matching driver or restart the machine, "
        "or train with compute.device: cpu."
    )


def _visible(gpus: list[Device], environ: Mapping[str, str]) -> list[Device]:
    """Keep the GPUs that CUDA_VISIBLE_DEVICES leaves, as CUDA itself would; all where it is not set."""
    text = environ.get("CUDA_VISIBLE_DEVICES")
    if text is None:
        return gpus
    kept: list[Device] = []
    for entry in (part.strip() for part in text.split(",")):
        matching = [gpu for gpu in gpus if entry.startswith("GPU-") and gpu.id.startswith(entry)]
        if entry.isdecimal() and int(entry) < len(gpus):
            _refuse_unlike_order(gpus, environ, text)
            matching = [gpus[int(entry)]]
        if entry.startswith("MIG-"):
            raise UserError(
                f"CUDA_VISIBLE_DEVICES is {text!r}, and slices of a GPU (MIG) are not supported; "
                "name a whole GPU by its UUID, or train with compute.device: cpu."
            )
        if not matching:
            break  # CUDA, too, ignores everything from the first entry that names nothing
        kept.append(matching[0])
    return kept


def _refuse_unlike_order(gpus: list[Device], environ: Mapping[str, str], text: str) -> None:
    # CUDA counts from the fastest, NVML by bus; both agree for equal GPUs, or in PCI_BUS_ID order.
    if environ.get("CUDA_DEVICE_ORDER") != "PCI_BUS_ID" and len({gpu.name for gpu in gpus}) > 1:
        raise UserError(
            f"CUDA_VISIBLE_DEVICES is {text!r}, and the numbers of unlike GPUs depend on CUDA_DEVICE_ORDER; "
            "set CUDA_DEVICE_ORDER=PCI_BUS_ID, or name the GPUs by UUID."
        )


def _gpu_by_prefix(text: str, gpus: Sequence[Device]) -> Device:
    matching = [gpu for gpu in gpus if gpu.id.startswith(text)]
    if len(matching) == 1:
        return matching[0]
    known = ", ".join(f"{gpu.id} ({gpu.name})" for gpu in matching or gpus) or "none"
    if matching:
        raise UserError(f"compute.device {text!r} names several GPUs: {known}; write more of the UUID.")
    raise UserError(f"compute.device is {text!r}, but there is no such GPU here (found: {known}).")


def _freest(gpus: Sequence[Device]) -> Device:
    return max(gpus, key=lambda gpu: gpu.memory_free_bytes)


def _torch_version() -> str:
    try:
        return metadata.version("torch")
    except metadata.PackageNotFoundError:
        raise UserError("torch is not installed; run `make run`, or install torch 2.6 or newer.") from None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""

"""What ended a run: too little memory, a broken device, the system, or a defect; told in one sentence.

An error is judged by the names of its types and by its message, because torch must not be imported here.
Limits: messages are those of CUDA, cuDNN, cuBLAS and of the allocators of torch and numpy; any other error is
a defect.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from iterand_engine.config.extension_code import explained
from iterand_engine.machine import texts

FaultKind = Literal["memory", "device", "extension", "system", "defect"]

_UNIT_BYTES = {"bytes": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40, "PiB": 2**50}
# "Tried to allocate 20.00 GiB" (CUDA), "you tried to allocate 4096 bytes" (CPU), "Unable to ..." (numpy)
_ASKED = re.compile(r"(?:tried|unable) to allocate ([\d.]+) (bytes|KiB|MiB|GiB|TiB|PiB)", re.IGNORECASE)
_MEMORY = re.compile(
    r"out of memory|can't allocate memory|cannot allocate memory|(CUDNN|CUBLAS|CUSOLVER)_STATUS_ALLOC_FAILED",
    re.IGNORECASE,
)
# The program's own mistakes, which any other device would make too.
_DEFECT = re.compile(
    r"device-side assert|invalid (configuration )?argument|no kernel image|invalid device function"
    r"|_STATUS_(NOT_SUPPORTED|INVALID_VALUE|BAD_PARAM)",
    re.IGNORECASE,
)
_DEVICE = re.compile(
    r"CUDA error|CUDNN_STATUS_|CUBLAS_STATUS_|cuDNN error|uncorrectable ECC|fell off the bus|GPU is lost"
    r"|CUDA driver|No CUDA GPUs are available|CUDA-capable device|unspecified launch failure",
    re.IGNORECASE,
)
_SILENT_DEATH = re.compile(r"DataLoader worker .* (killed by signal|exited unexpectedly)")


@dataclass(frozen=True)
class Fault:
    """What an error means.

    Args:
        kind: memory (the run asks for more than there is), device (another device may do better), extension
            (it arose in the user's extension code), system (disk, permissions), or defect (of the program).
        sentence: for the user, with what to do.
        asked_bytes: the allocation that failed, where the error tells it.
    """

    kind: FaultKind
    sentence: str
    asked_bytes: int | None = None


def explain(error: BaseException) -> Fault:
    """Say what an error that nobody expected means.

    Args:
        error: as raised; where torch has no type of its own for it, its message counts.
    """
    names = {parent.__name__ for parent in type(error).__mro__}
    text = str(error)
    line = text.partition("\n")[0].strip() or type(error).__name__
    if names & {"OutOfMemoryError", "MemoryError"} or _MEMORY.search(text):
        return _memory(text, line)
    if not _DEFECT.search(text) and ("AcceleratorError" in names or _is_device_error(names, text)):
        return Fault("device", f"The device failed ({line}).")
    if (own := explained(error)) is not None:
        return Fault("extension", own)
    if "OSError" in names or _SILENT_DEATH.search(text):
        return Fault("system", f"The system refused ({line}): see to it, then resume the run.")
    return Fault("defect", f"This is a defect of the program ({type(error).__name__}: {line}).")


def _is_device_error(names: set[str], text: str) -> bool:
    # Only what torch raises: another type, such as an OSError, merely speaks of such a thing.
    return bool(names & {"RuntimeError"} and _DEVICE.search(text))


def _memory(text: str, line: str) -> Fault:
    found = _ASKED.search(text)
    asked_bytes = round(float(found[1]) * _UNIT_BYTES[_unit(found[2])]) if found else None
    what = f"{texts.memory(asked_bytes)} asked for at once" if asked_bytes is not None else line
    advice = "lower training.batch_size or model.width_factor, or take a device with more memory"
    return Fault("memory", f"Out of memory ({what}): {advice}.", asked_bytes)


def _unit(text: str) -> str:
    return next(unit for unit in _UNIT_BYTES if unit.lower() == text.lower())

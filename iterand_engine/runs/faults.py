"""Classifies the error that ended a run (memory, device, system, defect) and explains it in one sentence.

An error is judged by the names of its types and by its message, because torch must not be imported here.
Limits: only messages of CUDA, cuDNN, cuBLAS and the allocators of torch and numpy are known; any other error
counts as a defect.
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
# Mistakes of the program, which would occur on any other device too.
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
    """The cause of an error.

    Args:
        kind: memory (the run needs more than there is), device (another device may work), extension (raised
            by code of an extension), system (disk, permissions), or defect (of the program).
        sentence: for the user, with what to do.
        asked_bytes: size of the allocation that failed, where the error has it.
    """

    kind: FaultKind
    sentence: str
    asked_bytes: int | None = None


def explain(error: BaseException) -> Fault:
    """Find the cause of an unexpected error.

    Args:
        error: as raised; its message decides where torch has no type for it.
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
    # Only types that torch raises: the message of another one, such as an OSError, may have the same words.
    return bool(names & {"RuntimeError"} and _DEVICE.search(text))


def _memory(text: str, line: str) -> Fault:
    found = _ASKED.search(text)
    asked_bytes = round(float(found[1]) * _UNIT_BYTES[_unit(found[2])]) if found else None
    what = f"{texts.memory(asked_bytes)} asked for at once" if asked_bytes is not None else line
    advice = "lower training.batch_size or model.width_factor, or take a device with more memory"
    return Fault("memory", f"Out of memory ({what}): {advice}.", asked_bytes)


def _unit(text: str) -> str:
    return next(unit for unit in _UNIT_BYTES if unit.lower() == text.lower())

"""What ended a run is judged by the error itself, and reported in a sentence with the size asked for."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from iterand_engine.runs.faults import Fault, explain

ADVICE = "lower training.batch_size or model.width_factor, or take a device with more memory."
# As CUDA words it (torch 2.13).
CUDA_MEMORY = (
    "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 79.10 GiB of which 5.00 "
    "GiB is free. Including non-PyTorch memory, this process has 74.10 GiB memory in use."
)


def error_of(action: object) -> BaseException:
    """The error that an action raises."""
    with pytest.raises(BaseException) as caught:  # noqa: PT011 - whatever the library raises
        action()  # type: ignore[operator]
    return caught.value


@pytest.mark.parametrize(
    ("error", "asked_bytes", "size"),
    [
        (torch.OutOfMemoryError(CUDA_MEMORY), 20 * 2**30, "20.0 GiB asked for at once"),
        (error_of(lambda: torch.empty(2**50)), 2**52, "4096.0 TiB asked for at once"),
        (error_of(lambda: np.empty((2**20, 2**30), np.uint8)), 2**50, "1024.0 TiB asked for at once"),
        (torch.AcceleratorError("CUDA error: out of memory\nmore"), None, "CUDA error: out of memory"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling x"), None, "CUDA error: CUBLAS"),
        (OSError(12, "Cannot allocate memory"), None, "[Errno 12] Cannot allocate memory"),
        (MemoryError(), None, "MemoryError"),
    ],
)
def test_that_too_little_memory_is_told_with_the_size_asked_for(
    error: BaseException, asked_bytes: int | None, size: str
) -> None:
    fault = explain(error)
    assert (fault.kind, fault.asked_bytes) == ("memory", asked_bytes)
    assert fault.sentence.startswith(f"Out of memory ({size}")
    assert fault.sentence.endswith(f"): {ADVICE}")


@pytest.mark.parametrize(
    "error",
    [
        torch.AcceleratorError("CUDA error: an illegal memory access was encountered"),
        RuntimeError("CUDA error: uncorrectable ECC error encountered"),
        RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
        RuntimeError("No CUDA GPUs are available"),
        RuntimeError("CUDA driver initialization failed, you might not have a CUDA gpu."),
        RuntimeError("Unable to determine the device handle: GPU is lost"),
    ],
)
def test_that_a_broken_device_is_not_the_runs_fault(error: RuntimeError) -> None:
    assert explain(error) == Fault("device", f"The device failed ({error}).")


@pytest.mark.parametrize(
    "error",
    [
        torch.AcceleratorError("CUDA error: device-side assert triggered"),
        RuntimeError("CUDA error: no kernel image is available for execution on the device"),
        RuntimeError("cuDNN error: CUDNN_STATUS_NOT_SUPPORTED"),
        RuntimeError("The size of tensor a (3) must match the size of tensor b (4)"),
        ValueError("CUDA error: a text that only speaks of one"),
        ZeroDivisionError("division by zero"),
    ],
)
def test_that_what_would_fail_on_any_device_is_a_defect(error: Exception) -> None:
    sentence = f"This is a defect of the program ({type(error).__name__}: {error})."
    assert explain(error) == Fault("defect", sentence)


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        RuntimeError("DataLoader worker (pid 17) is killed by signal: Killed."),
    ],
)
def test_that_what_the_system_refuses_says_so(error: Exception) -> None:
    assert explain(error) == Fault("system", f"The system refused ({error}): see to it, then resume the run.")

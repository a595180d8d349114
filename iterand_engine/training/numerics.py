"""The arithmetic of a run: precision, determinism, threads and memory layout, set while it trains.

These are process-wide switches of torch; the context manager restores them. fp32 means no TF32 anywhere.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

Precision = Literal["fp32", "tf32", "bf16"]

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # from glibc's malloc.h


@dataclass(frozen=True)
class Numerics:
    """The arithmetic of a run, with every option resolved.

    Args:
        device: the one to train on.
        precision: fp32, tf32 (CUDA only) or bf16 (autocast; frozen weights are held in bf16).
        deterministic: refuse algorithms that are not reproducible bit for bit.
        threads: number of CPU threads.
        channels_last: layout of images and of convolution weights.
    """

    device: torch.device
    precision: Precision = "fp32"
    deterministic: bool = False
    threads: int = 1
    channels_last: bool = False

    @property
    def weight_dtype(self) -> torch.dtype:
        """The type of frozen weights: bfloat16 for bf16, else float32."""
        return torch.bfloat16 if self.precision == "bf16" else torch.float32

    def autocast(self) -> AbstractContextManager[None]:
        """Make the context for a forward pass."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.precision == "bf16")  # type: ignore[no-any-return,no-untyped-call,unused-ignore]

    def place(self, module: nn.Module) -> nn.Module:
        """Move a network to the device, its convolution weights in the chosen layout."""
        if self.channels_last:
            return module.to(device=self.device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]
        return module.to(self.device)

    @contextmanager
    def active(self) -> Iterator[None]:
        """Set torch's process-wide switches, and restore them at the end (except `keep_freed_memory`)."""
        if self.device.type == "cpu":
            keep_freed_memory()
        # cuBLAS reads this when CUDA starts; without it deterministic products raise.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        threads = torch.get_num_threads()
        deterministic = torch.get_deterministic_debug_mode()
        benchmark = torch.backends.cudnn.benchmark
        products, convolutions = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
        try:
            torch.set_num_threads(self.threads)
            # `use_deterministic_algorithms` would do the same, and import torch._inductor, which is slow.
            torch.set_deterministic_debug_mode("error" if self.deterministic else "default")
            torch.backends.cudnn.benchmark = not self.deterministic
            tf32 = self.precision == "tf32"
            torch.set_float32_matmul_precision("high" if tf32 else "highest")
            torch.backends.cudnn.allow_tf32 = tf32
            yield
        finally:
            torch.set_num_threads(threads)
            torch.set_deterministic_debug_mode(deterministic)
            torch.backends.cudnn.benchmark = benchmark
            torch.set_float32_matmul_precision(products)
            torch.backends.cudnn.allow_tf32 = convolutions


def keep_freed_memory() -> None:
    """Let glibc keep freed memory for the next step; other C libraries are left alone.

    By default it returns blocks over 32 MB to the system at once, so every step faults its activations,
    weights and gradients in again, page by page. The price: a process never shrinks. The setting cannot be
    restored, because glibc has no call that reads it.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if set_option is not None:
        set_option(_M_MMAP_THRESHOLD, 1 << 30)
        set_option(_M_TRIM_THRESHOLD, (1 << 31) - 1)

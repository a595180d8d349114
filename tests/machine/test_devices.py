"""Devices are found by UUID, chosen as asked, and precision follows the hardware. NVML is a small fake."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterand_engine.errors import UserError
from iterand_engine.machine.devices import (
    Device,
    DeviceKind,
    cpu_flags,
    cpu_name,
    default_threads,
    find_device,
    foreign_bytes,
    list_devices,
    precision_note,
    resolve_precision,
    trainable_devices,
)
from iterand_engine.machine.environment import differences, git_commit, snapshot
from iterand_engine.version import __version__

GIB = 1024**3
CUDA_TORCH = "2.13.0+cu130"


class FakeNvmlError(Exception):
    """Stands for `pynvml.NVMLError`, which the code under test catches."""


class FakeAbsentError(FakeNvmlError):
    """Stands for both errors that mean: no driver on this machine."""


class FakeNotSupportedError(FakeNvmlError):
    """Stands for a question that this GPU cannot answer."""


@dataclass
class FakeNvml:
    """The part of pynvml that is used, over GPUs given as devices; `fails` is raised at nvmlInit."""

    gpus: Sequence[Device] = ()
    fails: Exception | None = None
    own_memory: bool = True
    holders: Mapping[int, int | None] = field(default_factory=dict)  # bytes held, by process id
    open: int = 0
    NVMLError: type = FakeNvmlError
    NVMLError_LibraryNotFound: type = FakeAbsentError
    NVMLError_DriverNotLoaded: type = FakeAbsentError
    NVMLError_NotSupported: type = FakeNotSupportedError

    def nvmlInit(self) -> None:  # noqa: N802 - NVML's own names
        if self.fails is not None:
            raise self.fails
        self.open += 1

    def nvmlShutdown(self) -> None:  # noqa: N802
        self.open -= 1

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Device:  # noqa: N802
        return self.gpus[index]

    def nvmlDeviceGetUUID(self, gpu: Device) -> str:  # noqa: N802
        return gpu.id

    def nvmlDeviceGetName(self, gpu: Device) -> str:  # noqa: N802
        return gpu.name

    def nvmlDeviceGetMemoryInfo(self, gpu: Device) -> Any:  # noqa: N802
        if not self.own_memory:
            raise FakeNotSupportedError
        return SimpleNamespace(total=gpu.memory_bytes, used=gpu.memory_used_bytes)

    def nvmlDeviceGetCudaComputeCapability(self, gpu: Device) -> list[int]:  # noqa: N802
        return [8, 0] if gpu.bf16 else [7, 5]

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> Device:  # noqa: N802
        return next(gpu for gpu in self.gpus if gpu.id == uuid)

    def nvmlDeviceGetComputeRunningProcesses(self, gpu: Device) -> list[Any]:  # noqa: N802
        return [SimpleNamespace(pid=pid, usedGpuMemory=held) for pid, held in self.holders.items()]


A100 = Device("GPU-aa11", "cuda", "A100", 80 * GIB, 60 * GIB, bf16=True)
H100 = Device("GPU-aa22", "cuda", "H100", 80 * GIB, 10 * GIB, bf16=True)
T4 = Device("GPU-bb33", "cuda", "T4", 16 * GIB, 0, bf16=False)
CPU = Device("cpu", "cpu", "Some CPU", 32 * GIB, 8 * GIB, bf16=False)
FAST_CPU = replace(CPU, bf16=True)


def test_that_gpus_are_listed_as_the_driver_tells_them_and_the_cpu_comes_last() -> None:
    nvml = FakeNvml([A100, T4])
    *gpus, cpu = list_devices(nvml, {})
    assert gpus == [A100, T4]
    assert cpu.id == cpu.kind == "cpu"
    assert cpu.memory_bytes > cpu.memory_used_bytes > 0
    assert nvml.open == 0


def test_that_a_machine_without_a_driver_has_only_its_cpu() -> None:
    assert [device.id for device in list_devices(FakeNvml(fails=FakeAbsentError()), {})] == ["cpu"]


def test_that_a_driver_that_fails_is_an_error_and_not_a_quiet_cpu() -> None:
    with pytest.raises(UserError, match=r"driver does not answer \(version mismatch\)"):
        list_devices(FakeNvml(fails=FakeNvmlError("version mismatch")), {})


def test_that_a_gpu_without_memory_of_its_own_has_the_machines() -> None:
    gpu, cpu = list_devices(FakeNvml([H100], own_memory=False), {})
    assert gpu.memory_bytes == cpu.memory_bytes


HERE, PARENT, ELSEWHERE, ELSEWHERE_TOO = os.getpid(), os.getppid(), 2**30, 2**30 + 1


@pytest.mark.parametrize(
    ("holders", "ours", "foreign"),
    [
        ({}, set(), 0),
        ({HERE: 3 * GIB, PARENT: GIB}, {HERE}, GIB),
        ({HERE: 3 * GIB, PARENT: None}, {HERE}, 0),
        ({ELSEWHERE: 3 * GIB}, set(), 3 * GIB),
        ({ELSEWHERE: 3 * GIB}, {HERE}, 0),
        ({ELSEWHERE: 3 * GIB, ELSEWHERE_TOO: GIB}, {HERE}, GIB),
        ({ELSEWHERE: 3 * GIB, HERE: GIB}, {HERE}, 3 * GIB),
    ],
)
def test_that_memory_held_by_others_is_told_from_ours(
    holders: dict[int, int | None], ours: set[int], foreign: int
) -> None:
    nvml = FakeNvml([A100, T4], holders=holders)
    assert foreign_bytes(A100, ours, nvml) == foreign
    assert nvml.open == 0


def test_that_memory_nobody_tells_of_counts_as_nothing() -> None:
    assert foreign_bytes(A100, set(), FakeNvml(fails=FakeAbsentError())) == 0


def test_that_a_torch_without_cuda_trains_on_the_cpu_alone() -> None:
    assert trainable_devices([A100, CPU], CUDA_TORCH) == (A100, CPU)
    assert trainable_devices([A100, CPU], "2.13.0+cpu") == (CPU,)


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        ("GPU-bb", [T4]),
        ("GPU-bb33,GPU-aa11", [T4, A100]),
        ("", []),
        ("-1", []),
        ("GPU-cc,GPU-aa11", []),
        ("9", []),
    ],
)
def test_that_cuda_visible_devices_is_followed(visible: str, expected: list[Device]) -> None:
    assert list(list_devices(FakeNvml([A100, T4]), {"CUDA_VISIBLE_DEVICES": visible})[:-1]) == expected


def test_that_numbers_of_gpus_are_followed_only_where_their_order_is_certain() -> None:
    unlike = FakeNvml([A100, T4])
    with pytest.raises(UserError, match="CUDA_DEVICE_ORDER=PCI_BUS_ID"):
        list_devices(unlike, {"CUDA_VISIBLE_DEVICES": "1"})
    ordered = {"CUDA_VISIBLE_DEVICES": "1", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    assert list_devices(unlike, ordered)[0] == T4
    alike = FakeNvml([A100, replace(A100, id="GPU-cc44")])
    assert list_devices(alike, {"CUDA_VISIBLE_DEVICES": "1"})[0].id == "GPU-cc44"


def test_that_slices_of_a_gpu_are_refused() -> None:
    with pytest.raises(UserError, match="MIG"):
        list_devices(FakeNvml([A100]), {"CUDA_VISIBLE_DEVICES": "MIG-1234"})


@pytest.mark.parametrize(
    ("text", "devices", "expected"),
    [
        ("auto", [A100, H100, CPU], H100),
        ("cuda", [A100, H100, CPU], H100),
        ("auto", [CPU], CPU),
        ("cpu", [A100, CPU], CPU),
        ("GPU-aa1", [A100, H100, CPU], A100),
        ("GPU-bb33", [A100, T4, CPU], T4),
    ],
)
def test_that_a_device_is_chosen_as_asked(text: str, devices: list[Device], expected: Device) -> None:
    assert find_device(text, devices=devices, torch_version=CUDA_TORCH) == expected


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("GPU-aa", r"several GPUs: GPU-aa11 \(A100\), GPU-aa22 \(H100\)"),
        ("GPU-cc", r"no such GPU here \(found: GPU-aa11 \(A100\), GPU-aa22 \(H100\)\)"),
        ("gpu0", r"'gpu0'; allowed: auto \| cpu \| cuda"),
    ],
)
def test_that_a_device_that_is_not_one_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        find_device(text, devices=[A100, H100, CPU], torch_version=CUDA_TORCH)


def test_that_cuda_is_refused_where_there_is_no_gpu() -> None:
    with pytest.raises(UserError, match=r"no such GPU here \(found: none\)"):
        find_device("cuda", devices=[CPU], torch_version=CUDA_TORCH)


def test_that_a_torch_without_cuda_trains_on_the_cpu_and_refuses_a_gpu() -> None:
    assert find_device("auto", devices=[A100, CPU], torch_version="2.13.0+cpu") == CPU
    for text in ("cuda", "GPU-aa11"):
        with pytest.raises(UserError, match="built without CUDA"):
            find_device(text, devices=[A100, CPU], torch_version="2.13.0+cpu")


@pytest.mark.parametrize(
    ("requested", "kind", "devices", "expected"),
    [
        ("auto", "cuda", [A100, FAST_CPU], "bf16"),
        ("auto", "cuda", [A100, T4], "fp32"),
        ("auto", "cpu", [A100, CPU], "fp32"),
        ("auto", "cpu", [T4, FAST_CPU], "bf16"),
        ("fp32", "cuda", [A100], "fp32"),
        ("tf32", "cuda", [A100], "tf32"),
        ("bf16", "cuda", [A100, T4], "bf16"),
        ("bf16", "cpu", [CPU], "bf16"),
    ],
)
def test_that_precision_follows_the_hardware(
    requested: str, kind: DeviceKind, devices: list[Device], expected: str
) -> None:
    assert resolve_precision(requested, kind, devices) == expected


@pytest.mark.parametrize(
    ("requested", "kind", "devices", "sentence"),
    [
        ("tf32", "cpu", [FAST_CPU], "only NVIDIA GPUs"),
        ("tf32", "cuda", [T4, CPU], "T4 has no tf32 units"),
        ("bf16", "cuda", [T4, CPU], "T4 has no bf16 units"),
        ("auto", "cuda", [CPU], "no cuda device"),
        ("fp16", "cpu", [CPU], r"'fp16'; allowed: auto \| fp32"),
    ],
)
def test_that_a_precision_without_hardware_is_refused(
    requested: str, kind: DeviceKind, devices: list[Device], sentence: str
) -> None:
    with pytest.raises(UserError, match=sentence):
        resolve_precision(requested, kind, devices)


def test_that_emulated_bf16_is_said() -> None:
    assert "emulated on Some CPU" in (precision_note("bf16", CPU) or "")
    assert precision_note("bf16", FAST_CPU) is None
    assert precision_note("fp32", CPU) is None


def test_that_cpu_features_are_read_where_the_system_lists_them(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("model name\t: Fast CPU 9\nflags\t\t: fpu avx512_bf16\n\nflags\t\t: fpu\n")
    assert cpu_flags(cpuinfo) == {"fpu", "avx512_bf16"}
    assert cpu_name(cpuinfo) == "Fast CPU 9"
    assert cpu_flags(tmp_path / "absent") == frozenset()
    assert cpu_name(tmp_path / "absent")


@given(threads=st.integers(1, 512), rest=st.sampled_from(["", ",2", " , 4"]))
def test_that_a_set_thread_count_is_used(threads: int, rest: str) -> None:
    assert default_threads({"OMP_NUM_THREADS": f"{threads}{rest}"}) == threads


def test_that_threads_of_one_core_count_once_and_a_quota_limits_them(tmp_path: Path) -> None:
    ours = default_threads({}, tmp_path / "unknown", tmp_path / "no-quota")
    assert ours >= 1
    for number in range(1024):  # every logical processor of this machine is a thread of one core
        siblings = tmp_path / f"cpu{number}" / "topology" / "thread_siblings_list"
        siblings.parent.mkdir(parents=True)
        siblings.write_text("0-1023\n")
    assert default_threads({}, tmp_path, tmp_path / "no-quota") == 1
    quota = tmp_path / "cpu.max"
    quota.write_text("150000 100000\n")
    assert default_threads({}, tmp_path / "unknown", quota) == min(2, ours)
    quota.write_text("max 100000\n")
    assert default_threads({}, tmp_path / "unknown", quota) == ours


@pytest.mark.parametrize("text", ["", "0", "many", "-2"])
def test_that_a_thread_count_that_is_none_is_passed_over(text: str) -> None:
    assert default_threads({"OMP_NUM_THREADS": text}) == default_threads({})


def test_that_the_real_machine_answers() -> None:
    devices = list_devices()
    assert (devices[-1].id, devices[-1].name) == ("cpu", cpu_name())
    assert find_device("auto").id in {device.id for device in devices}


def test_that_a_snapshot_names_what_can_change_a_result() -> None:
    taken = snapshot(H100, threads=3).to_mapping()
    assert taken["program"] == __version__
    assert taken["device"] == "H100"
    assert taken["device_id"] == "GPU-aa22"
    assert taken["threads"] == 3
    assert {"torch", "torchvision", "numpy"} <= set(taken["packages"])


def test_that_differences_between_environments_are_named() -> None:
    one = snapshot(threads=1).to_mapping()
    other = one | {"threads": 2, "packages": one["packages"] | {"torch": "9.9"}}
    assert differences(one, one) == []
    assert differences(one, other) == ["threads 1 / 2", f"torch {one['packages']['torch']} / 9.9"]
    assert differences(one, {**one, "packages": {}})[0].endswith("/ not recorded")


def test_that_the_commit_is_read_from_a_checkout_only(tmp_path: Path) -> None:
    inside = tmp_path / "package"
    inside.mkdir()

    def git(*words: str) -> str:
        identity = ["-c", "user.name=T", "-c", "user.email=t@example.org"]
        done = subprocess.run(
            ["git", "-C", str(tmp_path), *identity, *words], check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    git("init", "-q")
    (tmp_path / "file").write_text("one")
    git("add", "file")
    git("commit", "-q", "-m", "first")
    commit = git("rev-parse", "HEAD")
    assert git_commit(tmp_path) == commit
    assert git_commit(inside) is None
    (tmp_path / "file").write_text("two")
    assert git_commit(tmp_path) == f"{commit}-dirty"

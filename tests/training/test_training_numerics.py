"""Precision, determinism, threads and layout: set for a run, put back after it, and what they change."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch

from iterand_engine.training.numerics import Numerics, Precision
from tests.paths import ROOT
from tests.training_tasks import ListSink, config_of, state_bytes, task_of, train

CPU = torch.device("cpu")


def switches() -> tuple[Any, ...]:
    return (
        torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(),
        torch.backends.cudnn.benchmark,
        torch.get_float32_matmul_precision(),
        torch.backends.cudnn.allow_tf32,
        torch.backends.cuda.matmul.allow_tf32,
    )


@pytest.mark.parametrize(("precision", "tf32"), [("fp32", False), ("bf16", False), ("tf32", True)])
def test_that_fp32_means_no_tf32_anywhere(precision: Precision, tf32: bool) -> None:
    with Numerics(CPU, precision).active():
        assert torch.backends.cudnn.allow_tf32 is tf32
        assert torch.backends.cuda.matmul.allow_tf32 is tf32
        assert torch.get_float32_matmul_precision() == ("high" if tf32 else "highest")


@pytest.mark.usefixtures("one_thread")
def test_that_every_switch_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    before = switches()
    with Numerics(CPU, "tf32", deterministic=True, threads=2).active():
        assert torch.get_num_threads() == 2
        assert torch.are_deterministic_algorithms_enabled()
        assert not torch.backends.cudnn.benchmark
        assert switches() != before
    assert switches() == before
    with pytest.raises(RuntimeError, match="broken"), Numerics(CPU, threads=2).active():
        raise RuntimeError("broken")
    assert switches() == before


def test_that_only_bf16_runs_under_autocast() -> None:
    expected = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16}
    for precision, dtype in expected.items():
        with Numerics(CPU, precision).autocast():  # type: ignore[arg-type]
            assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype


@pytest.mark.parametrize("method", ["dense", "edge-popup", "iterand"])
def test_that_a_bf16_run_trains(method: str) -> None:
    config = config_of(
        method,
        data={"augmentation": "none"},
        model={"width_factor": 0.2},
        training={"epochs": 6, "lr": 0.02 if method == "dense" else 0.5},
        compute={"precision": "bf16"},
    )
    trainer, sink = train(config)
    assert sink.values("train_loss")[-1] < 0.9 * sink.values("train_loss")[0]
    for layer in trainer.task.method.layers:
        assert layer.weight.dtype == torch.bfloat16
        assert layer.masking.scores.dtype == torch.float32
    for parameter in trainer.task.method.trained:
        assert parameter.dtype == torch.float32
    for state in trainer.optimizer.state.values():
        assert state["momentum_buffer"].dtype == torch.float32


def test_that_redrawn_bf16_weights_are_the_draws_rounded_once() -> None:
    method = {"name": "iterand", "weight_init": "kaiming-normal", "randomize_every": 2, "randomize_rate": 0.5}
    rough = task_of(config_of(method, compute={"precision": "bf16"}))
    exact = task_of(config_of(method))
    for step in range(6):
        rough.method.before_step(step)
        exact.method.before_step(step)
    for one, other in zip(rough.method.layers, exact.method.layers, strict=True):
        assert one.masking.last_redraw.max() == 3
        assert torch.equal(one.weight, other.weight.bfloat16())


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("model", ["conv2", "resnet18"])
def test_that_the_layout_of_memory_changes_no_draw(model: str) -> None:
    found = {}
    for layout in ("contiguous", "channels_last"):
        config = config_of(
            "iterand",
            data={"train_limit": 20},
            model={"name": model},
            training={"batch_size": 8, "epochs": 1},
            compute={"memory_format": layout},
        )
        found[layout] = train(config)
    (plain, first), (lying, second) = found["contiguous"], found["channels_last"]
    assert first.values("loss")[0] == pytest.approx(second.values("loss")[0], rel=1e-4)
    for one, other in zip(plain.task.method.layers, lying.task.method.layers, strict=True):
        if one.weight.dim() == 4 and one.weight.shape[1] > 1 and one.weight.shape[2] > 1:
            assert other.weight.is_contiguous(memory_format=torch.channels_last)
            assert other.masking.mask.stride() == other.masking.record.stride() == other.weight.stride()
        both = one.masking.last_redraw.bool() & other.masking.last_redraw.bool()
        assert both.any()
        assert torch.equal(one.weight[both], other.weight[both])


@pytest.mark.usefixtures("one_thread")
def test_that_a_deterministic_run_trains_and_repeats() -> None:
    config = config_of("iterand", training={"epochs": 1}, compute={"deterministic": True})
    runs = [train(config) for _ in range(2)]
    assert state_bytes(runs[0][0]) == state_bytes(runs[1][0])
    assert runs[0][1].points["loss"] == runs[1][1].points["loss"]


@pytest.mark.parametrize("method", ["dense", "iterand"])
def test_that_adamw_trains_scores_and_weights(method: str) -> None:
    training = {"optimizer": "adamw", "lr": 0.003, "weight_decay": 0.01, "epochs": 3}
    _, sink = train(config_of(method, training=training, data={"augmentation": "none"}))
    assert sink.values("train_loss")[-1] < sink.values("train_loss")[0]


def test_that_seeds_differ_and_repeat() -> None:
    def losses(seed: int) -> list[float]:
        sink: ListSink = train(config_of("iterand", training={"seed": seed, "epochs": 1}))[1]
        return [float(value) for value in sink.values("loss")]

    assert losses(1) == losses(1)
    assert losses(1) != losses(2)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator is asked")
def test_that_a_run_on_a_cpu_keeps_freed_memory_for_the_next_step() -> None:
    script = """
import resource, torch
from iterand_engine.training.numerics import Numerics
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        torch.ones(16 << 20)  # 64 MB, more than glibc keeps by itself
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
default = faults()
with Numerics(torch.device("cpu")).active():
    for _ in range(5):
        faults()  # the heap grows until aligned blocks of this size fit
    print(default, faults())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    default, kept = map(int, done.stdout.split())
    assert kept * 4 < default or default < 100  # huge pages leave nothing to see


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_that_training_imports_nothing_that_only_compiling_needs(optimizer: str) -> None:
    script = f"""
import sys
from tests.training_tasks import config_of, train
train(config_of("iterand", training={{"optimizer": "{optimizer}"}}))
print("torch" in sys.modules, sorted({{"torch._dynamo", "torch._inductor", "sympy"}} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.split() == ["True", "[]"]

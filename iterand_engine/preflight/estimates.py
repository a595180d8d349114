"""Estimate what a run takes: memory on its device, disk, time. Torch-free; the window uses it.

Memory is the sum of the tensors that a step holds; the workspace of kernels is not counted, so a GPU that is
full to the last gigabyte can still run out. docs/probe.md says how near the numbers came to measured runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from iterand_engine.config.method_options import IteRandOptions
from iterand_engine.config.run_config import RunConfig, TrainingConfig
from iterand_engine.machine import texts
from iterand_engine.machine.devices import Device, DeviceKind, Precision
from iterand_engine.preflight.messages import Answer, Disk, LayerFacts, MemoryEstimate
from iterand_engine.results.epoch_masks import KEY_EVERY
from iterand_engine.store import Store
from iterand_engine.store.records import Json

FLOAT_BYTES = 4
_RUNTIME_BYTES = {"cpu": 420_000_000, "cuda": 700_000_000}
_MASK_BYTES = 1
_HISTOGRAM_BYTES = 750  # of a layer in a file of masks, with its share of the zip file
_POINT_BYTES = 12  # int64 position, float32 value
_NETWORK_FILES = 2  # best and final
_CHECKPOINT_FILES = 3  # two are kept, and a third is written before the oldest goes
_DIFFERENCE_SHARE = 0.3  # of a mask's packed bits, in a file of differences


@dataclass(frozen=True)
class Tensors:
    """Counts and bytes of what a run's network holds and what its forward pass saves.

    Args:
        masked: weights under a mask.
        others: all other parameters, in float32.
        trained: values that the optimiser holds.
        buffer_bytes: statistics of batch norms and the like.
        record_bytes: of one masked weight, for the history of its mask.
        saved_float_bytes: what one batch's forward pass keeps for the backward pass, in float32; None where
            the pass cannot be followed.
        saved_other_bytes: the same, of other types than floating point.
        largest_bytes: of the largest of them.
    """

    masked: int
    others: int
    trained: int
    buffer_bytes: int
    record_bytes: int
    saved_float_bytes: int | None
    saved_other_bytes: int
    largest_bytes: int


def memory(
    tensors: Tensors, training: TrainingConfig, *, data_bytes: int, kind: DeviceKind, precision: Precision
) -> MemoryEstimate:
    """Expected peak memory on the device of a run, by parts.

    Args:
        tensors: counted by the probe.
        training: decides what the optimiser keeps.
        data_bytes: images, labels and crop filters on the device.
        kind: of the device.
        precision: resolved.
    """
    float_bytes = 2 if precision == "bf16" else FLOAT_BYTES
    network = (
        tensors.masked * (float_bytes + FLOAT_BYTES + _MASK_BYTES + tensors.record_bytes)
        + tensors.others * FLOAT_BYTES
        + tensors.buffer_bytes
    )
    state = tensors.trained * FLOAT_BYTES * _optimizer_values(training)
    activations = None
    if tensors.saved_float_bytes is not None:
        # Masked weights are made anew for each forward pass; under bf16 the others are converted for it.
        copies = float_bytes * (tensors.masked + (tensors.others if precision == "bf16" else 0))
        saved = tensors.saved_float_bytes + 2 * tensors.largest_bytes
        activations = saved * float_bytes // FLOAT_BYTES + tensors.saved_other_bytes + copies
    return MemoryEstimate(
        runtime_bytes=_RUNTIME_BYTES[kind],
        data_bytes=data_bytes,
        network_bytes=network,
        optimizer_bytes=state,
        gradient_bytes=tensors.trained * FLOAT_BYTES,
        activation_bytes=activations,
        saving_bytes=_saving_copies(network + state, kind),
    )


def _optimizer_values(training: TrainingConfig) -> int:
    """Values that the optimiser keeps for each that it trains."""
    return 2 if training.optimizer == "adamw" else int(training.momentum > 0)


def _saving_copies(state_bytes: int, kind: DeviceKind) -> int:
    """On a CPU a checkpoint lies beside what it copies: the copy, and the file's bytes twice."""
    return 3 * state_bytes if kind == "cpu" else 0


def disk(
    layers: tuple[LayerFacts, ...],
    tensors: Tensors,
    expected: MemoryEstimate,
    config: RunConfig,
    *,
    steps: int,
) -> Disk:
    """Expected files of a run, by kind.

    Args:
        layers: of its network.
        tensors: counted by the probe.
        expected: of `memory`; a checkpoint holds the network and the optimiser's state.
        config: how often masks are looked at, and for how many epochs.
        steps: updates of the whole run.
    """
    masked = [layer for layer in layers if layer.masked]
    bits = sum(layer.weights for layer in masked) / 8
    epochs = config.training.epochs + 1  # those before training are kept too
    keys = -(-epochs // KEY_EVERY)
    masks = bits * (keys + (epochs - keys) * _DIFFERENCE_SHARE) + epochs * len(masked) * _HISTOGRAM_BYTES
    # A file of a network holds its masks as bits, and of each mask's history the redraw alone.
    network = expected.network_bytes - tensors.masked * _MASK_BYTES + bits
    looks = steps // config.recording.mask_every if masked else 0
    points = 3 * steps + 2 * looks * (1 + len(masked) / 2)
    return Disk(
        checkpoint_bytes=_CHECKPOINT_FILES * (expected.network_bytes + expected.optimizer_bytes),
        network_bytes=round(_NETWORK_FILES * network),
        mask_bytes=round(masks),
        series_bytes=round(points * _POINT_BYTES),
    )


def redraw_events(config: RunConfig, steps: int) -> int:
    """The number of redraws of a run of `steps` updates; 0 for methods that do not redraw."""
    method = config.method
    return steps // method.randomize_every if isinstance(method, IteRandOptions) else 0


def values_seen(config: RunConfig, events: int) -> float | None:
    """Expected number of values, the first included, of a weight that is removed throughout a run.

    None where the rule is not the uniform one. Source: arXiv 2106.09269, section 4.1.
    """
    method = config.method
    if not isinstance(method, IteRandOptions):
        return 1.0
    return 1 + method.randomize_rate * events if method.rule.name == "uniform" else None


def warnings(
    answer: Answer, device: Device, free_disk_bytes: int, runs: int = 1, *, at_once: int = 1
) -> list[str]:
    """Warn of what is likely not to fit.

    Args:
        answer: of the probe.
        device: the one the runs would train on, in its present state.
        free_disk_bytes: on the disk of the workspace.
        runs: how many of this kind.
        at_once: how many of them share the device.
    Returns:
        At most one sentence for memory and one for disk.
    """
    both = (
        memory_warning(answer, device, at_once=at_once),
        disk_warning([(answer, runs)], free_disk_bytes),
    )
    return [text for text in both if text]


def memory_warning(answer: Answer, device: Device, *, at_once: int = 1) -> str | None:
    """A sentence where runs are likely to run out of memory; arguments as for `warnings`."""
    each = answer.memory.total_bytes
    if each is None or each * at_once <= device.memory_free_bytes:
        return None
    takes = f"{at_once} runs at once take" if at_once > 1 else "A run takes"
    needs = f"{takes} about {_size(each * at_once)} of memory"
    if each * at_once > device.memory_bytes:
        return (
            f"{needs}, and {device.name} has {_size(device.memory_bytes)}: training will hardly fit; use "
            "a smaller training.batch_size or model.width_factor."
        )
    free = _size(device.memory_free_bytes)
    return (
        f"{needs}, and only {free} of {device.name} are free now: the processes that hold the rest must end "
        "first."
    )


def disk_warning(expected: Sequence[tuple[Answer, int]], free_bytes: int) -> str | None:
    """A sentence where runs are likely to fill the disk.

    Args:
        expected: answers of the probe, each with its number of runs.
        free_bytes: where the workspace is.
    """
    runs = sum(count for _, count in expected)
    kept = sum(answer.disk.kept_bytes * count for answer, count in expected)
    needed = kept + max((answer.disk.checkpoint_bytes for answer, _ in expected), default=0)
    if needed <= free_bytes:
        return None
    need = "A run needs" if runs == 1 else f"{runs} runs need"
    return (
        f"{need} about {_size(needed)} of disk, and {_size(free_bytes)} are free; make room "
        "(`iterand clean` lists what is large), or train fewer."
    )


def run_seconds(store: Store, config: RunConfig, answer: Answer) -> float | None:
    """How long a run will take, from recorded runs of its network on its kind of device.

    Args:
        store: of the workspace.
        config: of the run.
        answer: of the probe, for the number of steps, the kind of device and the precision.
    Returns:
        Seconds: its steps times the seconds that a step took in recorded runs of the same network, dataset,
        batch size and precision. None where none was recorded.
    """
    recorded = store.reader.timed_runs(
        model=config.model.name,
        width_factor=config.model.width_factor,
        dataset=config.data.dataset,
        device_kind=answer.device_kind,
        precision=answer.precision,
    )
    wanted = _timed_alike(config.to_mapping())
    alike = [run for run in recorded if _timed_alike(run.config) == wanted]
    if not alike:
        return None
    # All together, so that long runs weigh most: in short ones the start takes its share.
    return answer.steps * sum(run.elapsed_s for run in alike) / sum(run.steps for run in alike)


def _timed_alike(mapping: Json) -> object:
    """The network's options and the batch size; runs with equal ones count as equally fast."""
    model, training = mapping["model"], mapping["training"]
    assert isinstance(model, Mapping)
    assert isinstance(training, Mapping)
    return dict(model), training["batch_size"]


def _size(count_bytes: float) -> str:
    return texts.size(count_bytes, tenths=True)

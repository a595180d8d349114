"""The probe's requests and replies, and how they are written as lines. Torch-free; the window uses it.

One JSON object a line, both ways. The probe's first line is a reply with id 0 and no answer: it is ready, and
from then on the time of an answer counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict

from iterand_engine.config.run_config import RunConfig
from iterand_engine.machine.devices import (
    Device,
    DeviceKind,
    Precision,
    cpu_device,
    find_device,
    resolve_precision,
)

M = TypeVar("M", bound="ProbeMessage")
READY = 0  # the id of the first reply


class ProbeMessage(BaseModel):
    """Base of all messages: immutable, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Request(ProbeMessage):
    """One question: what would a run of this configuration be?

    `id` is above 0. Of the waiting requests of one `topic` only the newest is answered (of an empty topic all
    are). `device_kind`, `precision` and `memory_bytes` describe the device that the run would train on; the
    probe has no GPU and cannot find them out.
    """

    id: int
    config: Mapping[str, Any]
    device_kind: DeviceKind
    precision: Precision
    memory_bytes: int
    topic: str = ""

    @classmethod
    def of(
        cls, number: int, config: RunConfig, *, topic: str = "", devices: Sequence[Device] | None = None
    ) -> Request:
        """Make a request.

        Args:
            number: its id, above 0.
            config: what is asked about.
            topic: as in the class.
            devices: of this machine, where they are known already.
        Raises:
            UserError: there is no such device here, or it does not do the precision.
        """
        device = find_device(config.compute.device, devices=devices)
        return cls(
            id=number,
            topic=topic,
            config=config.to_mapping(),
            device_kind=device.kind,
            precision=resolve_precision(config.compute.precision, device.kind, devices),
            memory_bytes=min(device.memory_bytes, cpu_device().memory_bytes),
        )


class LayerFacts(ProbeMessage):
    """One convolution or linear weight; `sparsity` is the share removed, 0 where there is no mask."""

    name: str
    shape: tuple[int, ...]
    weights: int
    kept: int
    sparsity: float
    masked: bool


class Input(ProbeMessage):
    """Images as the network gets them."""

    channels: int
    height: int
    width: int


class MemoryEstimate(ProbeMessage):
    """Expected memory on the device a run trains on, by what it is for; None where it cannot be known.

    `runtime`: the process itself, and on a GPU its context. `data`: images that stay on the device.
    `network`: weights, scores, masks, statistics. `optimizer`: its state. `gradients`: of what is trained.
    `activations`: what the backward pass needs of one batch. `saving`: copies while a checkpoint is written,
    on the CPU only.
    """

    runtime_bytes: int
    data_bytes: int
    network_bytes: int
    optimizer_bytes: int
    gradient_bytes: int
    activation_bytes: int | None
    saving_bytes: int

    @property
    def total_bytes(self) -> int | None:
        """The expected peak in bytes; None where a part is not known."""
        parts = self.model_dump().values()
        return None if None in parts else sum(parts)


class Disk(ProbeMessage):
    """Expected files of one run by kind; checkpoints go when it finishes."""

    checkpoint_bytes: int
    network_bytes: int
    mask_bytes: int
    series_bytes: int

    @property
    def kept_bytes(self) -> int:
        """Bytes of the files that stay when a run has finished."""
        return self.network_bytes + self.mask_bytes + self.series_bytes

    @property
    def total_bytes(self) -> int:
        """The most bytes that a run takes while it trains."""
        return self.kept_bytes + self.checkpoint_bytes


class Answer(ProbeMessage):
    """What a run of one configuration would be.

    `weights` and `kept` count the convolution and linear weights, which `layers` lists in the order of the
    network; `trained` counts the values that the optimiser holds; `unmasked` names the parameters that stay
    as they are drawn. `values_seen` is the expected number of values (the first and its redraws) that a
    weight takes if it is removed throughout the run; it is None where the redraw rule is not the uniform one.
    """

    weights: int
    kept: int
    trained: int
    layers: tuple[LayerFacts, ...]
    unmasked: tuple[str, ...]
    input: Input
    classes: int
    train_count: int
    steps_per_epoch: int
    steps: int
    redraw_events: int
    values_seen: float | None
    device_kind: DeviceKind
    precision: Precision
    memory: MemoryEstimate
    disk: Disk
    notes: tuple[str, ...] = ()


class Reply(ProbeMessage):
    """The reply to the request `id`: its answer, or one sentence that says why there is none.

    `cannot_train` is whether the reason is one that a run would end with too.
    """

    id: int
    ok: bool = True
    answer: Answer | None = None
    error: str | None = None
    cannot_train: bool = False


def encode(message: ProbeMessage) -> bytes:
    """A message as one line of JSON, with its line end; `decode` reads it."""
    return message.model_dump_json().encode() + b"\n"


def decode(kind: type[M], line: bytes) -> M:
    """Read a message.

    Args:
        kind: `Request` or `Reply`.
        line: as `encode` wrote it.
    Raises:
        ValueError: the line is not a message of this kind.
    """
    return kind.model_validate_json(line)

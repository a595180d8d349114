"""Checkpoints: everything that exact continuation needs, in one file with a checksum.

The random source is counter-based, so there is no generator state to save. Files are read with
`weights_only=True`.
"""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from iterand_engine.errors import UserError
from iterand_engine.machine import own_files

FORMAT = 1


@dataclass
class Position:
    """The position of a run: `step` updates done in all, `batch` of them in `epoch`, which counts from 0.

    No checkpoint is made between an epoch's last batch and its evaluation, so `batch` determines the rest.
    """

    step: int = 0
    epoch: int = 0
    batch: int = 0


@dataclass
class Counters:
    """Values that training accumulates and a continuation needs; the sums are those of the running epoch."""

    epoch_steps: int = 0
    loss_sum: float = 0.0
    accuracy_sum: float = 0.0
    elapsed_s: float = 0.0
    epoch_elapsed_s: float = 0.0
    chance_epochs: int = 0
    best_val_accuracy: float = -1.0
    val_loss: float = math.nan
    val_accuracy: float = math.nan


@dataclass(frozen=True)
class Checkpoint:
    """The state of a run at one step; all tensors are on the host."""

    position: Position
    counters: Counters
    model: Mapping[str, Any]
    optimizer: Mapping[str, Any]


def take(module: nn.Module, optimizer: Optimizer, position: Position, counters: Counters) -> Checkpoint:
    """Copy the state of a run to the host, so that it can be written while training goes on."""
    return Checkpoint(
        Position(**asdict(position)),
        Counters(**asdict(counters)),
        _copied(module.state_dict()),
        _copied(optimizer.state_dict()),
    )


def restore(checkpoint: Checkpoint, module: nn.Module, optimizer: Optimizer) -> None:
    """Put a checkpoint's state into a network and optimiser made from the same configuration."""
    module.load_state_dict(checkpoint.model)
    optimizer.load_state_dict(dict(checkpoint.optimizer))


def to_bytes(checkpoint: Checkpoint) -> bytes:
    """Serialise a checkpoint to a file's content; `read` reads it."""
    buffer = io.BytesIO()
    content = {
        "format": FORMAT,
        "position": asdict(checkpoint.position),
        "counters": asdict(checkpoint.counters),
        "model": dict(checkpoint.model),
        "optimizer": dict(checkpoint.optimizer),
    }
    torch.save(content, buffer)
    return buffer.getvalue()


def read(path: Path, sha256: str) -> Checkpoint:
    """Read a checkpoint file.

    Raises:
        UserError: the file is missing, a link, damaged or of a newer format.
    """
    try:
        content = own_files.read(path)
    except OSError as error:
        raise UserError(f"Cannot read the checkpoint {path}: {error.strerror}.") from None
    if checksum(content) != sha256:
        raise UserError(f"The checkpoint {path} is damaged: its checksum differs from the stored one.")
    values = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    if values["format"] != FORMAT:
        raise UserError(
            f"The checkpoint {path} has format {values['format']}, this program reads {FORMAT}; "
            "use the version of the program that wrote it."
        )
    return Checkpoint(
        Position(**values["position"]), Counters(**values["counters"]), values["model"], values["optimizer"]
    )


def checksum(content: bytes) -> str:
    """Compute the sha256 of a file's content, in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def _copied(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, Mapping):
        return {key: _copied(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_copied(inner) for inner in value]
    return value

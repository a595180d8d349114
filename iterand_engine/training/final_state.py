"""What a trained network leaves behind: one safetensors file, and the digest of everything that was learned.

Keys are `weight/NAME` (every parameter of the plain network, masks not applied), `mask/NAME` (packed bits,
row-major), `score/NAME`, `last_redraw/NAME` (number of each weight's last redraw) and `buffer/NAME`
(batch-norm statistics); NAME is the plain network's own.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from iterand_engine.errors import UserError
from iterand_engine.pruning import MaskedLayer


@dataclass(frozen=True)
class FinalState:
    """Tensors on the host by the names above, and facts as text: shapes, epoch, step."""

    tensors: dict[str, Tensor]
    facts: dict[str, str]


def snapshot(module: nn.Module, layers: tuple[MaskedLayer, ...], facts: dict[str, str]) -> FinalState:
    """Copy a network's state to the host, its masks as selected last.

    Args:
        module: dense, or masked with `layers`.
        layers: its masked layers.
        facts: what to note in the file, e.g. epoch and step.
    """
    tensors: dict[str, Tensor] = {}
    for name, parameter in module.named_parameters():
        if ".parametrizations." not in f".{name}":
            tensors[f"weight/{name}"] = _host(parameter)
    for name, buffer in module.named_buffers():
        if ".parametrizations." not in f".{name}":
            tensors[f"buffer/{name}"] = _host(buffer)
    shapes = {}
    for layer in layers:
        masking = layer.masking
        bits = np.packbits(_host(masking.mask).numpy().reshape(-1))
        shapes[layer.name] = list(layer.weight.shape)
        tensors[f"weight/{layer.name}"] = _host(layer.weight)
        tensors[f"mask/{layer.name}"] = torch.from_numpy(bits)
        tensors[f"score/{layer.name}"] = _host(masking.scores)
        tensors[f"last_redraw/{layer.name}"] = _host(masking.last_redraw)
    return FinalState(dict(sorted(tensors.items())), facts | {"shapes": json.dumps(shapes)})


def to_bytes(state: FinalState) -> bytes:
    """Serialise."""
    return save(state.tensors, metadata=state.facts)


def read(path: Path) -> FinalState:
    """Read a file written from `to_bytes`.

    Raises:
        UserError: it is absent or damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            names = file.keys()
            return FinalState({name: file.get_tensor(name) for name in names}, dict(file.metadata()))
    except FileNotFoundError:
        raise UserError(
            f"There is no {path}; the run has not got that far, or its files were removed."
        ) from None
    except (SafetensorError, OSError) as error:
        raise UserError(f"Cannot read {path}: {error}; the file is damaged.") from None


def digest(state: FinalState) -> str:
    """sha256 over masks, scores, weights and batch-norm statistics, in the order of their names.

    Types and shapes count; the map of last redraws and the facts do not.
    """
    total = hashlib.sha256()
    for name, tensor in state.tensors.items():
        if name.startswith("last_redraw/"):
            continue
        total.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)}\n".encode())
        total.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


def pruned_state_dict(state: FinalState) -> dict[str, Tensor]:
    """The pruned network as the plain network's own state_dict, in float32: removed weights are zero."""
    shapes = json.loads(state.facts["shapes"])
    plain: dict[str, Tensor] = {}
    for key, tensor in state.tensors.items():
        kind, _, name = key.partition("/")
        if kind == "buffer":
            plain[name] = tensor
        elif kind == "weight":
            plain[name] = tensor.float()
            if name in shapes:
                plain[name] = plain[name] * unpack(state.tensors[f"mask/{name}"], shapes[name])
    return plain


def unpack(bits: Tensor, shape: list[int]) -> Tensor:
    """Unpack a mask: bool of this shape."""
    flat = np.unpackbits(bits.numpy(), count=math.prod(shape)).astype(bool)
    return torch.from_numpy(flat).reshape(shape)


def _host(tensor: Tensor) -> Tensor:
    return tensor.detach().to("cpu", copy=True).contiguous()

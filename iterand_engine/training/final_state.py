"""The file of a trained network (safetensors), and the digest of everything that it learned.

Keys are `weight/NAME` (every parameter of the plain network, masks not applied), `mask/NAME` (packed codes,
as `results/stored_mask` has them, whose header is the fact `masks`), `score/NAME`, `last_redraw/NAME` (number
of each weight's last redraw) and `buffer/NAME` (batch-norm statistics); NAME is the plain network's own.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from iterand_engine.errors import UserError
from iterand_engine.machine import own_files
from iterand_engine.pruning import MaskedLayer
from iterand_engine.results import stored_mask
from iterand_engine.results.stored_mask import LayerMask, UnknownMaskError
from iterand_engine.training.mask_snapshot import stored


@dataclass(frozen=True)
class FinalState:
    """Tensors on the host by the keys above, and facts as text: the masks' header, epoch, step."""

    tensors: dict[str, Tensor]
    facts: dict[str, str]

    @property
    def masks(self) -> dict[str, LayerMask]:
        """The masks by layer name; errors as `stored_mask.read_header`. Version 1 had a fact `shapes`."""
        facts = self.facts
        header = json.loads(facts["masks"]) if "masks" in facts else {"shapes": json.loads(facts["shapes"])}
        return stored_mask.read_header(header, lambda _, name: self.tensors[f"mask/{name}"].numpy())


def snapshot(module: nn.Module, layers: tuple[MaskedLayer, ...], facts: dict[str, str]) -> FinalState:
    """Copy a network's state to the host, with its present masks.

    Args:
        module: the network, dense or masked with `layers`.
        layers: its masked layers.
        facts: text to store in the file, e.g. epoch and step.
    """
    tensors: dict[str, Tensor] = {}
    for name, parameter in module.named_parameters():
        if ".parametrizations." not in f".{name}":
            tensors[f"weight/{name}"] = _host(parameter)
    for name, buffer in module.named_buffers():
        if ".parametrizations." not in f".{name}":
            tensors[f"buffer/{name}"] = _host(buffer)
    masks = {layer.name: stored(layer) for layer in layers}
    for layer in layers:
        tensors[f"weight/{layer.name}"] = _host(layer.weight)
        tensors[f"mask/{layer.name}"] = torch.from_numpy(masks[layer.name].packed)
        tensors[f"score/{layer.name}"] = _host(layer.masking.scores)
        tensors[f"last_redraw/{layer.name}"] = _host(layer.masking.last_redraw)
    return FinalState(dict(sorted(tensors.items())), facts | {"masks": stored_mask.write_header(masks)})


def to_bytes(state: FinalState) -> bytes:
    """Serialise a state to the content of a safetensors file."""
    return save(state.tensors, metadata=state.facts)


def read(path: Path) -> FinalState:
    """Read a file with the content of `to_bytes`.

    Raises:
        UserError: the file is missing or damaged, or its masks are of an unknown kind.
    """
    try:
        content = own_files.read(path)
        state = FinalState(dict(sorted(load(content).items())), _facts(content))
        _ = state.masks
        return state
    except FileNotFoundError:
        raise UserError(
            f"There is no {path}; the run has not got that far, or its files were removed."
        ) from None
    except UnknownMaskError as error:
        raise UserError(f"Cannot read {path}: {error}.") from None
    except (SafetensorError, OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise UserError(f"Cannot read {path}: {error}; the file is damaged.") from None


def _facts(content: bytes) -> dict[str, str]:
    """The facts in the header of a safetensors file, which `load` does not give."""
    length = int.from_bytes(content[:8], "little")
    return dict(json.loads(content[8 : 8 + length]).get("__metadata__", {}))


def digest(state: FinalState) -> str:
    """Compute the sha256 over masks, scores, weights and batch-norm statistics, in the order of their names.

    It includes types and shapes, but not the map of last redraws and the facts.
    """
    total = hashlib.sha256()
    for name, tensor in state.tensors.items():
        if name.startswith("last_redraw/"):
            continue
        total.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)}\n".encode())
        total.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


def pruned_state_dict(state: FinalState) -> dict[str, Tensor]:
    """Give the pruned network as the plain network's state_dict, in float32: removed weights are zero."""
    masks, plain = state.masks, dict[str, Tensor]()
    for key, tensor in state.tensors.items():
        kind, _, name = key.partition("/")
        if kind == "buffer":
            plain[name] = tensor
        elif kind == "weight":
            plain[name] = tensor.float()
            if name in masks:
                plain[name] = plain[name] * torch.from_numpy(masks[name].values)
    return plain


def _host(tensor: Tensor) -> Tensor:
    return tensor.detach().to("cpu", copy=True).contiguous()

"""Look at the network a configuration describes without making its values: layers, masks, what a batch saves.

Everything is built on torch's meta device, where tensors have shapes and no memory. Networks and methods are
the real ones, the user's own included. Limits: a network whose forward pass reads values cannot be followed,
and what it saves is not known.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from iterand_engine.building import build_network, make_method
from iterand_engine.catalog import METHODS, MODELS, Entry, find
from iterand_engine.config import RunConfig
from iterand_engine.devices import Precision
from iterand_engine.estimates import Tensors
from iterand_engine.masking.network import maskable_weights, plan_masks
from iterand_engine.masking.parametrization import record_type
from iterand_engine.masking.selection import threshold_rank
from iterand_engine.method_options import ScoreOptions
from iterand_engine.methods.base import Plan
from iterand_engine.methods.edge_popup import EdgePopup
from iterand_engine.methods.iterand import IteRand
from iterand_engine.models.spec import InputSpec
from iterand_engine.own_code import OwnCodeError, explained
from iterand_engine.probe_messages import LayerFacts

_META = torch.device("meta")
_KEPT = 64  # networks that are remembered


@dataclass(frozen=True)
class Subject:
    """What a look depends on: the configuration's network and method, its input, steps and precision.

    Two subjects are equal where steps, input, code (`entries`) and options (`key`) are.
    """

    config: RunConfig = field(compare=False)
    spec: InputSpec
    steps: int
    precision: Precision
    entries: tuple[Entry, ...]
    key: str

    @property
    def plan(self) -> Plan:
        """What the method is told."""
        dtype = torch.bfloat16 if self.precision == "bf16" else torch.float32
        return Plan(total_steps=self.steps, seed=self.config.training.seed, weight_dtype=dtype)


@dataclass(frozen=True)
class NetworkFacts:
    """A network as a run would train it."""

    layers: tuple[LayerFacts, ...]
    unmasked: tuple[str, ...]
    tensors: Tensors
    notes: tuple[str, ...]


@dataclass
class _Saved:
    """Bytes of what a forward pass keeps for the backward pass: each storage once, and not the network's own.

    Storages are told apart by their address, as they hold no data; they are held here so that no address
    is used again.
    """

    own: set[int]
    held: dict[int, torch.UntypedStorage] = field(default_factory=dict)
    float_bytes: int = 0
    other_bytes: int = 0

    def keep(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in self.own and storage._cdata not in self.held:
            self.held[storage._cdata] = storage
            if tensor.is_floating_point():
                self.float_bytes += storage.nbytes()
            else:
                self.other_bytes += storage.nbytes()
        return tensor

    @property
    def largest_bytes(self) -> int:
        return max((storage.nbytes() for storage in self.held.values()), default=0)


class _Norm(torch.autograd.Function):
    """Stands in for batch norm on the meta device, where torch's own takes 20 times as long.

    It keeps what batch norm keeps: its input, and mean and deviation of each channel.
    """

    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor | None) -> Tensor:
        ctx.save_for_backward(images, images.new_empty(2 * images.shape[1]))
        return torch.empty_like(images)


@dataclass(frozen=True)
class _Masks:
    """What a method makes of a network: sparsity by masked weight, values trained, bytes of `record`."""

    sparsities: dict[str, float]
    trained: int
    record_bytes: int = 0
    unmasked: tuple[str, ...] = ()


@lru_cache(maxsize=_KEPT)
def look(subject: Subject) -> NetworkFacts:
    """Build a network and its method on the meta device, and follow one batch.

    Raises:
        UserError, OwnCodeError: the network cannot be built, or is not what a network must be.
    """
    with _META:
        module = build_network(subject.config.model, subject.spec).to(_META)
        shapes = {
            name: tuple(owner.get_parameter("weight").shape) for name, owner in maskable_weights(module)
        }
        parameters = sum(parameter.numel() for parameter in module.parameters())
        buffer_bytes = sum(buffer.nbytes for buffer in module.buffers())
        saved, notes = _followed(module, subject)
        masks = _masks(module, subject)
    layers = tuple(_layer(name, shape, masks.sparsities.get(name)) for name, shape in shapes.items())
    under_mask = sum(layer.weights for layer in layers if layer.masked)
    tensors = Tensors(
        masked=under_mask,
        others=parameters - under_mask,
        trained=masks.trained,
        buffer_bytes=buffer_bytes,
        record_bytes=masks.record_bytes,
        saved_float_bytes=saved.float_bytes if saved else None,
        saved_other_bytes=saved.other_bytes if saved else 0,
        largest_bytes=saved.largest_bytes if saved else 0,
    )
    return NetworkFacts(layers, masks.unmasked, tensors, notes)


def subject_of(config: RunConfig, spec: InputSpec, steps: int, precision: Precision) -> Subject:
    """What a look at this configuration depends on."""
    mapping = config.to_mapping()
    entries: tuple[Entry, ...] = (
        find("model", MODELS, config.model.name),
        find("method", METHODS, config.method.name),
    )
    key = json.dumps([mapping["model"], mapping["method"], config.training.batch_size])
    return Subject(config, spec, steps, precision, entries, key)


def _masks(module: nn.Module, subject: Subject) -> _Masks:
    """Ask the method; those of the papers are known without making them, which takes most of the time."""
    options, plan = subject.config.method, subject.plan
    kind = find("method", METHODS, options.name).load()
    if kind in (EdgePopup, IteRand):
        assert isinstance(options, ScoreOptions)
        planned = plan_masks(module, options)
        sparsities = {one.name: one.sparsity for one in planned.masked}
        trained = sum(one.owner.get_parameter("weight").numel() for one in planned.masked)
        record = record_type(kind.planned_events(options, plan)).itemsize
        return _Masks(sparsities, trained, record, planned.report.unmasked)
    method = make_method(module, options, plan)
    sparsities = {layer.name: layer.sparsity for layer in method.layers}
    trained = sum(parameter.numel() for parameter in method.trained)
    record = method.layers[0].masking.record.itemsize if method.layers else 0
    unmasked = method.report.unmasked if isinstance(method, EdgePopup) else ()
    return _Masks(sparsities, trained, record, unmasked)


def _layer(name: str, shape: tuple[int, ...], sparsity: float | None) -> LayerFacts:
    weights = math.prod(shape)
    removed = 0 if sparsity is None else threshold_rank(sparsity, weights)
    return LayerFacts(
        name=name,
        shape=shape,
        weights=weights,
        kept=weights - removed,
        sparsity=sparsity or 0.0,
        masked=sparsity is not None,
    )


def _followed(module: nn.Module, subject: Subject) -> tuple[_Saved | None, tuple[str, ...]]:
    """Send one batch through the network; None and a note where it cannot be followed.

    Raises:
        OwnCodeError: the outputs are not one number for each image and class.
    """
    spec, batch_size = subject.spec, subject.config.training.batch_size
    images = torch.empty(batch_size, spec.channels, spec.height, spec.width)
    saved = _Saved({one.untyped_storage()._cdata for one in (*module.parameters(), *module.buffers())})
    try:
        with quick_norms(module.train()), saved_tensors_hooks(saved.keep, lambda tensor: tensor):
            module(images)
    except OwnCodeError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a user's network does without values
        return None, (
            f"Memory is not known: the network cannot be followed without values. {in_brief(error)}.",
        )
    return saved, ()


def in_brief(error: BaseException) -> str:
    """An error in a line: in own code with its place."""
    first = str(error).partition("\n")[0].rstrip(".")
    said = explained(error) or f"{type(error).__name__}{f': {first}' if first else ''}"
    return said.rstrip(".")


@contextmanager
def quick_norms(module: nn.Module) -> Iterator[None]:
    """Let batch norms be stood in for."""
    norms = [child for child in module.modules() if isinstance(child, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.forward = partial(_normed, norm)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for norm in norms:
            del norm.forward


def _normed(norm: nn.Module, images: Tensor) -> Tensor:
    out: Tensor = _Norm.apply(images, norm.weight)  # type: ignore[no-untyped-call]
    return out

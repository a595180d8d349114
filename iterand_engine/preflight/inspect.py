"""Inspect the network that a configuration describes without making its values: layers, masks, saved tensors.

Everything is built on torch's meta device, where tensors have shapes and no memory. Networks and methods are
the real ones, those of extensions included. Limits: a network whose forward pass reads values cannot be
followed, so the memory it saves for the backward pass is not known.
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

from iterand_engine.config.catalog import METHODS, MODELS, Entry, find
from iterand_engine.config.extension_code import ExtensionError, explained
from iterand_engine.config.method_options import ScoreOptions
from iterand_engine.config.run_config import ModelConfig, RunConfig
from iterand_engine.models.spec import InputSpec
from iterand_engine.preflight.estimates import Tensors
from iterand_engine.preflight.messages import LayerFacts
from iterand_engine.pruning.masked_network import maskable_weights, plan_masks
from iterand_engine.pruning.masked_weight import record_type
from iterand_engine.pruning.methods.base import RunPlan
from iterand_engine.pruning.methods.dense import Dense
from iterand_engine.pruning.methods.edge_popup import EdgePopup
from iterand_engine.pruning.methods.iterand import IteRand
from iterand_engine.pruning.selection import threshold_rank
from iterand_engine.runs.build import build_network, make_method

_META = torch.device("meta")
_KEPT = 16  # networks that are remembered, each with the storages it was followed through


@dataclass(frozen=True)
class NetworkFacts:
    """A network as a run would train it."""

    layers: tuple[LayerFacts, ...]
    unmasked: tuple[str, ...]
    tensors: Tensors
    notes: tuple[str, ...]


@dataclass
class _Saved:
    """Bytes that a forward pass keeps for the backward pass: each storage once, without the network's.

    Storages are identified by their address, as they hold no data; `of_network` has those of the network;
    `held` keeps them alive so that no address is used again.
    """

    of_network: set[int]
    held: dict[int, torch.UntypedStorage] = field(default_factory=dict)
    float_bytes: int = 0
    other_bytes: int = 0

    def keep(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in self.of_network and storage._cdata not in self.held:
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
    """Replaces batch norm on the meta device, where torch's takes 20 times as long.

    It keeps what batch norm keeps: its input, and mean and deviation of each channel.
    """

    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor | None) -> Tensor:
        ctx.save_for_backward(images, images.new_empty(2 * images.shape[1]))
        return torch.empty_like(images)


@dataclass(frozen=True)
class _Question:
    """What a network depends on, and the batch that is sent through it."""

    entry: Entry
    arguments: str  # the model's section, as text
    spec: InputSpec
    batch_size: int
    options: ModelConfig = field(compare=False)


@dataclass(frozen=True)
class _Network:
    """A network without a method; `saved` is None where it cannot be followed, and `notes` say why."""

    module: nn.Module
    shapes: dict[str, tuple[int, ...]]
    parameters: int
    buffer_bytes: int
    saved: _Saved | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Masks:
    """What a method masks and trains: sparsity by masked weight, values trained, bytes of `record`."""

    sparsities: dict[str, float]
    trained: int
    record_bytes: int = 0
    unmasked: tuple[str, ...] = ()


def look(config: RunConfig, spec: InputSpec, plan: RunPlan) -> NetworkFacts:
    """Build a network and its method on the meta device, and follow one batch.

    Args:
        config: of the run.
        spec: of its images.
        plan: the plan that its method gets.
    Raises:
        UserError, ExtensionError: the network cannot be built, or is not what a network must be.
    """
    model = config.model
    arguments = json.dumps(model.model_dump(mode="json"), sort_keys=True)
    entry = find("model", MODELS, model.name)
    network = _network(_Question(entry, arguments, spec, config.training.batch_size, model))
    with _META:
        masks = _masks(network, config, spec, plan)
    layers = tuple(_layer(name, shape, masks.sparsities.get(name)) for name, shape in network.shapes.items())
    under_mask = sum(layer.weights for layer in layers if layer.masked)
    saved = network.saved
    tensors = Tensors(
        masked=under_mask,
        others=network.parameters - under_mask,
        trained=masks.trained,
        buffer_bytes=network.buffer_bytes,
        record_bytes=masks.record_bytes,
        saved_float_bytes=saved.float_bytes if saved else None,
        saved_other_bytes=saved.other_bytes if saved else 0,
        largest_bytes=saved.largest_bytes if saved else 0,
    )
    return NetworkFacts(layers, masks.unmasked, tensors, network.notes)


@lru_cache(maxsize=_KEPT)
def _network(question: _Question) -> _Network:
    """Build a network and follow a batch; the cache spares that while only method or schedule changes."""
    with _META:
        module = build_network(question.options, question.spec).to(_META)
        weights = ((name, owner.weight) for name, owner in maskable_weights(module))
        shapes = {name: tuple(weight.shape) for name, weight in weights if isinstance(weight, Tensor)}
        parameters = sum(parameter.numel() for parameter in module.parameters())
        buffer_bytes = sum(buffer.nbytes for buffer in module.buffers())
        saved, notes = _followed(module, question.spec, question.batch_size)
    return _Network(module, shapes, parameters, buffer_bytes, saved, notes)


def _masks(network: _Network, config: RunConfig, spec: InputSpec, plan: RunPlan) -> _Masks:
    """Ask the method for its masks; those of built-in ones are computed, as making a method is slow."""
    options = config.method
    kind = find("method", METHODS, options.name).load()
    if kind is Dense:
        return _Masks({}, network.parameters)
    if kind in (EdgePopup, IteRand):
        assert isinstance(options, ScoreOptions)
        planned = plan_masks(network.module, options)
        sparsities = {one.name: one.sparsity for one in planned.masked}
        trained = sum(math.prod(network.shapes[name]) for name in sparsities)
        record = record_type(kind.planned_events(options, plan)).itemsize
        return _Masks(sparsities, trained, record, planned.report.unmasked)
    method = make_method(build_network(config.model, spec).to(_META), options, plan)
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


def _followed(module: nn.Module, spec: InputSpec, batch_size: int) -> tuple[_Saved | None, tuple[str, ...]]:
    """Send one batch through the network; None and a note where it cannot be followed.

    Raises:
        ExtensionError: the outputs are not one number for each image and class.
    """
    images = torch.empty(batch_size, spec.channels, spec.height, spec.width)
    saved = _Saved({one.untyped_storage()._cdata for one in (*module.parameters(), *module.buffers())})
    try:
        with quick_norms(module.train()), saved_tensors_hooks(saved.keep, lambda tensor: tensor):
            module(images)
    except ExtensionError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a user's network does without values
        return None, (
            f"Memory is not known: the network cannot be followed without values. {in_brief(error)}.",
        )
    return saved, ()


def in_brief(error: BaseException) -> str:
    """An error in one line without a full stop, with its place where it arose in an extension."""
    first = str(error).partition("\n")[0].rstrip(".")
    said = explained(error) or f"{type(error).__name__}{f': {first}' if first else ''}"
    return said.rstrip(".")


@contextmanager
def quick_norms(module: nn.Module) -> Iterator[None]:
    """Replace the forward pass of batch norms by `_Norm` for as long as the context lasts."""
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

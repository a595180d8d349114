"""Put masks on any torch.nn network: draw its weights, freeze them, and give each a score.

Every convolution and linear weight is masked unless a rule of `layers` says otherwise. Biases are set to
zero, affine norms to the identity, and both are frozen. Other parameters of the network keep their values and
are frozen too. The report names all of them. Sources: arXiv 2106.09269, arXiv 1911.13299.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from iterand_engine.config.method_options import LayerRule, ScoreOptions, WeightInit
from iterand_engine.errors import UserError
from iterand_engine.pruning.draws import draw_scores, draw_weights
from iterand_engine.pruning.masked_weight import MaskedWeight
from iterand_engine.pruning.selection import kept_mask

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_LISTED = 12  # layers that an error names
_NORMS = (nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.LayerNorm, nn.modules.instancenorm._InstanceNorm)


@dataclass(frozen=True)
class MaskedLayer:
    """One masked weight: its qualified parameter name, its frozen values, and the module with its mask."""

    name: str
    weight: nn.Parameter
    masking: MaskedWeight
    sparsity: float

    @property
    def count(self) -> int:
        """Number of weights of the layer, kept and removed."""
        return self.weight.numel()


@dataclass(frozen=True)
class MaskReport:
    """The treatment of each parameter of the network, by qualified name."""

    masked: tuple[str, ...]
    unmasked: tuple[str, ...]  # weights left without a mask, frozen at their draw or value
    frozen: tuple[str, ...]  # biases (0) and affine norms (1 and 0)


@dataclass(frozen=True)
class PlannedMask:
    """A weight that will be masked: its qualified parameter name and the module that owns it."""

    name: str
    owner: nn.Module
    sparsity: float


@dataclass(frozen=True)
class MaskPlan:
    """The weights that will be masked, in forward-declaration order, and the treatment of the others."""

    masked: tuple[PlannedMask, ...]
    report: MaskReport


@dataclass(frozen=True)
class MaskedNetwork:
    """A network whose weights are masked, its layers in forward-declaration order, and the report."""

    module: nn.Module
    layers: tuple[MaskedLayer, ...]
    report: MaskReport


def mask_model(
    module: nn.Module,
    options: ScoreOptions,
    *,
    seed: int,
    events: int = 0,
    weight_dtype: torch.dtype = torch.float32,
) -> MaskedNetwork:
    """Mask a network in place.

    Args:
        module: any torch.nn network on its device; its parameters are drawn anew or frozen.
        options: sparsity, distributions, ranking and exceptions by layer.
        seed: draws weights and scores.
        events: how many redraws are planned.
        weight_dtype: the frozen weights'; bfloat16 needs autocast, and rounds once, here.
    Returns:
        The masked network, with a report on all of its parameters.
    Raises:
        UserError: a rule of `layers` matches nothing, no layer is left to mask, or a weight is shared by two
            modules or has a parametrization already.
    """
    plan = plan_masks(module, options)
    draw_network(module, options.weight_init, seed=seed)
    module.requires_grad_(False)
    layers = tuple(
        _mask_weight(one.name, one.owner, one.sparsity, options, seed, events, weight_dtype)
        for one in plan.masked
    )
    return MaskedNetwork(module, layers, plan.report)


def plan_masks(module: nn.Module, options: ScoreOptions) -> MaskPlan:
    """Decide which weights of a network get a mask, without changing it; see `mask_model`."""
    weights = list(maskable_weights(module))
    _refuse_strange_weights(weights)
    _refuse_shared(module, weights)
    _refuse_idle_rules(weights, options.layers)
    masked, unmasked = [], []
    for name, owner in weights:
        rule = _rule_for(name, owner, options.layers)
        if rule is not None and not rule.mask:
            unmasked.append(name)
            continue
        sparsity = options.sparsity if rule is None or rule.sparsity is None else rule.sparsity
        masked.append(PlannedMask(name, owner, sparsity))
    if not masked:
        raise UserError(
            "No layer of this network is masked, so there are no scores to train: it needs a convolution or "
            "linear layer that no rule of method.layers leaves unmasked."
        )
    names, frozen = tuple(one.name for one in masked), tuple(_frozen_names(module))
    known = {*names, *unmasked, *frozen}
    others = [name for name, _ in module.named_parameters() if name not in known]
    return MaskPlan(tuple(masked), MaskReport(names, (*unmasked, *others), frozen))


def maskable_weights(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield every convolution and linear weight: its qualified parameter name and the module that owns it."""
    for name, child in module.named_modules():
        if isinstance(child, (*_CONVOLUTIONS, nn.Linear)):
            yield f"{name}.weight" if name else "weight", child


def draw_network(module: nn.Module, init: WeightInit, *, seed: int) -> None:
    """Draw every convolution and linear weight; set biases to 0, affine norms to the identity; in place."""
    with torch.no_grad():
        for name, owner in maskable_weights(module):
            weight = _parameter(owner, "weight")
            drawn = draw_weights(init, weight.shape, seed=seed, layer=name, event=0, device=weight.device)
            weight.copy_(drawn)
            if isinstance(owner.bias, Tensor):
                owner.bias.zero_()
        for child in module.modules():
            if isinstance(child, _NORMS) and isinstance(child.weight, Tensor):
                child.weight.fill_(1)
                if isinstance(child.bias, Tensor):
                    child.bias.zero_()


def _mask_weight(
    name: str,
    owner: nn.Module,
    sparsity: float,
    options: ScoreOptions,
    seed: int,
    events: int,
    weight_dtype: torch.dtype,
) -> MaskedLayer:
    weight = _parameter(owner, "weight")
    weight.data = weight.data.to(weight_dtype)
    drawn = draw_scores(options.score_init, weight.shape, seed=seed, layer=name, device=weight.device)
    scores = torch.empty_like(weight, dtype=torch.float32).copy_(drawn)
    mask = kept_mask(scores, sparsity, options.ranking)
    masking = MaskedWeight(scores, mask, by_magnitude=options.ranking == "magnitude", events=events)
    parametrize.register_parametrization(owner, "weight", masking)
    return MaskedLayer(name, weight, masking, sparsity)


def _parameter(owner: nn.Module, name: str) -> nn.Parameter:
    parameter = getattr(owner, name)
    assert isinstance(parameter, nn.Parameter)
    return parameter


def _rule_for(name: str, owner: nn.Module, rules: tuple[LayerRule, ...]) -> LayerRule | None:
    return next((rule for rule in rules if _matches(rule, name, owner)), None)


def _matches(rule: LayerRule, name: str, owner: nn.Module) -> bool:
    match rule.match:
        case "conv":
            return isinstance(owner, _CONVOLUTIONS)
        case "linear":
            return isinstance(owner, nn.Linear)
        case glob:
            return fnmatchcase(name, glob) or fnmatchcase(name.removesuffix(".weight"), glob)


def _refuse_idle_rules(weights: list[tuple[str, nn.Module]], rules: tuple[LayerRule, ...]) -> None:
    for rule in rules:
        if not any(_matches(rule, name, owner) for name, owner in weights):
            names = [name.removesuffix(".weight") for name, _ in weights]
            more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
            raise UserError(
                f"method.layers: {rule.match!r} matches no layer of this network; "
                f"use conv, linear, or a glob over its layers: {', '.join(names[:_LISTED])}{more}."
            )


def _refuse_strange_weights(weights: list[tuple[str, nn.Module]]) -> None:
    for name, owner in weights:
        weight = owner.weight
        if not isinstance(weight, nn.Parameter) or nn.parameter.is_lazy(weight):
            raise UserError(
                f"The weight {name!r} cannot be masked: it is parametrized already, or not yet made; "
                "give a network of plain layers."
            )


def _refuse_shared(module: nn.Module, weights: list[tuple[str, nn.Module]]) -> None:
    maskable = {id(owner.weight): name for name, owner in weights}
    for name, parameter in module.named_parameters(remove_duplicate=False):
        first = maskable.get(id(parameter), name)
        if first != name and not _is_one_place(module, first, name):
            names = " and ".join(repr(one) for one in sorted((first, name)))
            raise UserError(
                f"The weights {names} are one shared tensor, which cannot be masked; "
                "give each layer a weight of its own."
            )


def _is_one_place(module: nn.Module, first: str, second: str) -> bool:
    """Whether two names mean one layer that is used twice, which is allowed."""
    paths = (name.rpartition(".") for name in (first, second))
    (one, _, left), (other, _, right) = paths
    return module.get_submodule(one) is module.get_submodule(other) and left == right


def _frozen_names(module: nn.Module) -> Iterator[str]:
    for prefix, child in module.named_modules():
        norm = isinstance(child, _NORMS)
        biased = isinstance(child, (*_CONVOLUTIONS, nn.Linear))
        for name, _ in child.named_parameters(recurse=False):
            if norm or (biased and name == "bias"):
                yield f"{prefix}.{name}" if prefix else name

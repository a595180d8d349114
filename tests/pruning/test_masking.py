"""Masks on any network: what is masked, frozen and reported; how weights are drawn; where gradients go."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations

from iterand_engine.config.method_options import EdgePopupOptions, LayerRule, Ranking, ScoreInit, WeightInit
from iterand_engine.data.torchvision_import import import_torchvision
from iterand_engine.errors import UserError
from iterand_engine.pruning import MaskedNetwork, draw_network, mask_model
from iterand_engine.pruning.draws import draw_scores, draw_weights
from iterand_engine.pruning.masked_weight import MaskedWeight
from iterand_engine.pruning.selection import kept_mask
from iterand_engine.rng import RandomKey, Stream, normal, signs, uniform
from iterand_engine.training.numerics import Numerics

CPU = torch.device("cpu")
INITS: tuple[WeightInit, ...] = ("kaiming-uniform", "kaiming-normal", "signed-constant")


class Small(nn.Module):
    """A convolution with bias, a batch norm, a layer that is used twice, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.again = nn.Conv2d(8, 8, 1, bias=False)
        self.same = self.again
        self.fc = nn.Linear(8, 5)
        self.scale = nn.Parameter(torch.full((1,), 2.0))

    def forward(self, images: Tensor) -> Tensor:
        x = self.same(self.again(functional.relu(self.norm(self.conv(images)))))
        logits: Tensor = self.fc(x.mean((2, 3)) * self.scale)
        return logits


def masked(module: nn.Module, *rules: LayerRule, seed: int = 1, **options: Any) -> MaskedNetwork:
    return mask_model(module, EdgePopupOptions(layers=rules, **options), seed=seed)


def images(count: int = 2, size: int = 8) -> Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(0))


def gradient_names(network: MaskedNetwork, batch: Tensor) -> set[str]:
    network.module(batch).square().sum().backward()
    return {name for name, parameter in network.module.named_parameters() if parameter.grad is not None}


# how weights and scores are drawn


@pytest.mark.parametrize(("shape", "inputs"), [((64, 3, 3, 3), 27), ((10, 256), 256), ((8, 1, 5, 5), 25)])
def test_that_weights_come_from_the_fan_in_distributions(shape: tuple[int, ...], inputs: int) -> None:
    key = RandomKey(3, Stream.WEIGHTS, "a.weight", 2)
    drawn = {init: draw_weights(init, shape, seed=3, layer="a.weight", event=2, device=CPU) for init in INITS}
    assert torch.equal(drawn["kaiming-uniform"], uniform(key, math.sqrt(6 / inputs), shape, CPU))
    assert torch.equal(drawn["kaiming-normal"], normal(key, math.sqrt(2 / inputs), shape, CPU))
    constant = torch.tensor(math.sqrt(2 / inputs), dtype=torch.float32)
    assert torch.equal(drawn["signed-constant"], signs(key, shape, CPU) * constant)
    scores = RandomKey(3, Stream.SCORES, "a.weight")
    bounds: dict[ScoreInit, int] = {"kaiming-uniform": 6, "kaiming-uniform-a5": 1}
    for init, numerator in bounds.items():
        found = draw_scores(init, shape, seed=3, layer="a.weight", device=CPU)
        assert torch.equal(found, uniform(scores, math.sqrt(numerator / inputs), shape, CPU))


def test_that_the_distributions_have_the_deviation_that_keeps_a_relu_network_alive() -> None:
    for init in INITS:
        weights = draw_weights(init, (400, 100), seed=1, layer="a", event=0, device=CPU)
        assert weights.std().item() == pytest.approx(math.sqrt(2 / 100), rel=0.01)
        assert abs(weights.mean().item()) < 0.002


def test_that_a_draw_depends_on_seed_layer_and_event_only() -> None:
    def draw(seed: int = 1, layer: str = "a", event: int = 0) -> Tensor:
        return draw_weights("kaiming-normal", (20, 20), seed=seed, layer=layer, event=event, device=CPU)

    assert torch.equal(draw(), draw())
    for other in (draw(seed=2), draw(layer="b"), draw(event=1)):
        assert (draw() == other).float().mean() < 0.05


def test_that_layouts_and_other_layers_change_no_draw() -> None:
    plain, lying = masked(Small()), masked(Numerics(CPU, channels_last=True).place(Small()))
    for one, other in zip(plain.layers, lying.layers, strict=True):
        assert torch.equal(one.weight, other.weight)
        assert torch.equal(one.masking.scores, other.masking.scores)
        assert torch.equal(one.masking.mask, other.masking.mask)
        assert other.masking.mask.stride() == other.weight.stride() == other.masking.scores.stride()
    head_only = masked(Small(), LayerRule(match="conv", mask=False))
    assert torch.equal(head_only.layers[0].masking.scores, plain.layers[-1].masking.scores)


def test_that_a_dense_network_begins_with_the_same_weights() -> None:
    module = Small()
    nn.init.ones_(module.fc.bias)
    draw_network(module, "kaiming-normal", seed=1)
    network = masked(Small(), weight_init="kaiming-normal")
    state = module.state_dict()
    for layer in network.layers:
        assert torch.equal(layer.weight, state[layer.name])
    assert not module.fc.bias.any()
    assert module.norm.weight.eq(1).all()


# what is masked, frozen and reported


def test_that_every_parameter_is_reported_once() -> None:
    module = Small()
    names = [name for name, _ in module.named_parameters()]
    nn.init.constant_(module.norm.bias, 3.0)
    report = masked(module).report
    assert report.masked == ("conv.weight", "again.weight", "fc.weight")
    assert report.frozen == ("conv.bias", "norm.weight", "norm.bias", "fc.bias")
    assert report.unmasked == ("scale",)
    assert sorted([*report.masked, *report.frozen, *report.unmasked]) == sorted(names)
    assert not module.get_parameter("conv.bias").any()
    assert module.norm.weight.eq(1).all()
    assert not module.norm.bias.any()
    assert module.scale.item() == 2.0


def test_that_only_scores_get_gradients() -> None:
    network = masked(Small())
    found = gradient_names(network, images())
    assert found == {f"{name}.parametrizations.weight.0.scores" for name in ("conv", "again", "fc")}
    trained = {name for name, parameter in network.module.named_parameters() if parameter.requires_grad}
    assert trained == found


def test_that_the_masks_are_those_of_the_initial_scores() -> None:
    rankings: tuple[Ranking, ...] = ("signed", "magnitude")
    for ranking in rankings:
        for layer in masked(Small(), sparsity=0.7, ranking=ranking).layers:
            assert torch.equal(layer.masking.mask, kept_mask(layer.masking.scores, 0.7, ranking))
            assert int((~layer.masking.mask).sum()) == round(0.7 * (layer.count - 1))


def test_that_the_first_rule_that_matches_wins() -> None:
    network = masked(
        Small(),
        LayerRule(match="again", sparsity=0.9),
        LayerRule(match="conv", mask=False),
        LayerRule(match="*c*.weight", sparsity=0.2),
        sparsity=0.5,
    )
    assert {layer.name: layer.sparsity for layer in network.layers} == {"again.weight": 0.9, "fc.weight": 0.2}
    assert network.report.unmasked == ("conv.weight", "scale")
    conv = network.module.get_submodule("conv")
    drawn = draw_weights("signed-constant", (8, 3, 3, 3), seed=1, layer="conv.weight", event=0, device=CPU)
    assert isinstance(conv.weight, nn.Parameter)
    assert torch.equal(conv.weight, drawn)
    assert not conv.weight.requires_grad


def test_that_kinds_match_by_kind_and_globs_by_name() -> None:
    def sparse(match: str) -> list[str]:
        network = masked(Small(), LayerRule(match=match, sparsity=0.9), sparsity=0.5)
        return [layer.name.removesuffix(".weight") for layer in network.layers if layer.sparsity == 0.9]

    assert sparse("linear") == ["fc"]
    assert sparse("conv") == ["conv", "again"]  # the kind, even where a layer has this name
    assert sparse("fc.weight") == sparse("f?") == sparse("[f]c") == ["fc"]
    assert sparse("*") == ["conv", "again", "fc"]


@pytest.mark.parametrize(
    ("make", "rules", "said"),
    [
        (
            Small,
            [LayerRule(match="layer9.*", sparsity=0.5)],
            "method.layers: 'layer9.*' matches no layer of this network; use conv, linear, or a glob over "
            "its layers: conv, again, fc.",
        ),
        (
            Small,
            [LayerRule(match="*", mask=False)],
            "No layer of this network is masked, so there are no scores to train: it needs a convolution or "
            "linear layer that no rule of method.layers leaves unmasked.",
        ),
        (
            lambda: nn.Sequential(nn.ReLU()),
            [],
            "No layer of this network is masked, so there are no scores to train: it needs a convolution or "
            "linear layer that no rule of method.layers leaves unmasked.",
        ),
        (
            lambda: tied(nn.Linear(4, 4), nn.Linear(4, 4)),
            [],
            "The weights '0.weight' and '1.weight' are one shared tensor, which cannot be masked; "
            "give each layer a weight of its own.",
        ),
        (
            lambda: tied(nn.Embedding(4, 4), nn.Linear(4, 4)),
            [],
            "The weights '0.weight' and '1.weight' are one shared tensor, which cannot be masked; "
            "give each layer a weight of its own.",
        ),
        (
            lambda: nn.Sequential(parametrizations.weight_norm(nn.Linear(4, 4))),
            [],
            "The weight '0.weight' cannot be masked: it is parametrized already, or not yet made; "
            "give a network of plain layers.",
        ),
        (
            lambda: nn.Sequential(nn.LazyLinear(4)),
            [],
            "The weight '0.weight' cannot be masked: it is parametrized already, or not yet made; "
            "give a network of plain layers.",
        ),
    ],
)
def test_that_what_cannot_be_masked_is_refused(
    make: Callable[[], nn.Module], rules: list[LayerRule], said: str
) -> None:
    with pytest.raises(UserError) as caught:
        masked(make(), *rules)
    assert str(caught.value) == said


def tied(first: nn.Module, second: nn.Module) -> nn.Module:
    second.weight = first.weight
    return nn.Sequential(first, second)


def test_that_a_network_is_not_masked_twice() -> None:
    module = Small()
    masked(module)
    with pytest.raises(UserError, match="parametrized already"):
        masked(module)


def test_that_one_layer_alone_can_be_masked() -> None:
    network = masked(nn.Linear(6, 3))
    assert network.report.masked == ("weight",)
    assert network.report.frozen == ("bias",)
    assert gradient_names(network, torch.ones(2, 6)) == {"parametrizations.weight.0.scores"}


# networks of others


def test_that_torchvisions_resnet18_can_be_masked() -> None:
    module = import_torchvision().models.resnet18()
    names = [name for name, _ in module.named_parameters()]
    network = masked(module, sparsity=0.6)
    report = network.report
    convolutions = [name for name in names if "bn" not in name and "downsample.1" not in name]
    assert report.masked == tuple(name for name in convolutions if name != "fc.bias")
    assert set(report.frozen) == set(names) - set(report.masked)
    assert report.unmasked == ()
    assert sum(layer.count for layer in network.layers) == 11_678_912  # the papers' 11.68M
    assert len(gradient_names(network, images(size=64))) == len(report.masked) == 21


def test_that_torchvisions_mobilenet_can_be_masked() -> None:
    module = import_torchvision().models.mobilenet_v2(num_classes=10, width_mult=0.25)
    network = masked(module, LayerRule(match="linear", sparsity=0.2))
    assert network.report.masked[-1] == "classifier.1.weight"
    assert network.layers[-1].sparsity == 0.2
    assert set(network.report.frozen) == {n for n in named(module) if "weight" not in n or norm(module, n)}
    assert network.report.unmasked == ()
    assert len(gradient_names(network, images(size=32))) == len(network.layers) == 53


def named(module: nn.Module) -> list[str]:
    return [name for name, _ in module.named_parameters() if ".parametrizations." not in name]


def norm(module: nn.Module, name: str) -> bool:
    return isinstance(module.get_submodule(name.rpartition(".")[0]), nn.BatchNorm2d)


def test_that_attention_is_reported_as_not_masked() -> None:
    module = nn.Sequential(
        nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True), nn.Linear(8, 3)
    )
    in_proj = module.get_parameter("0.self_attn.in_proj_weight").detach().clone()
    network = masked(module)
    assert network.report.unmasked == ("0.self_attn.in_proj_weight", "0.self_attn.in_proj_bias")
    assert "0.self_attn.out_proj.weight" in network.report.masked
    assert torch.equal(module.get_parameter("0.self_attn.in_proj_weight"), in_proj)
    found = gradient_names(network, torch.randn(2, 4, 8, generator=torch.Generator().manual_seed(1)))
    assert len(found) == len(network.layers) == 4


def test_that_any_kind_of_convolution_can_be_masked() -> None:
    module = nn.Sequential(
        nn.Conv1d(3, 6, 3), nn.ConvTranspose1d(6, 4, 2), nn.GroupNorm(2, 4), nn.Conv1d(4, 2, 1)
    )
    network = masked(module)
    assert network.report.masked == ("0.weight", "1.weight", "3.weight")
    assert len(gradient_names(network, torch.randn(2, 3, 9))) == 3


# the mask as a function


@pytest.mark.parametrize("by_magnitude", [False, True])
def test_that_the_straight_through_gradient_reaches_every_score(by_magnitude: bool) -> None:
    generator = torch.Generator().manual_seed(3)
    weight, scores, upstream = (torch.randn(6, 5, generator=generator) for _ in range(3))
    scores[0, 0] = 0.0
    mask = kept_mask(scores, 0.5)
    masking = MaskedWeight(scores.clone(), mask, by_magnitude=by_magnitude, events=0)
    effective = masking(nn.Parameter(weight, requires_grad=False))
    assert torch.equal(effective, weight * mask)
    effective.backward(upstream)
    sign = torch.sign(scores) if by_magnitude else torch.ones(())
    assert masking.scores.grad is not None
    assert torch.equal(masking.scores.grad, upstream * weight * sign)
    assert masking.scores.grad[~mask].any()


def test_that_bfloat16_weights_are_rounded_once_and_scores_stay_exact() -> None:
    network = mask_model(
        Small(), EdgePopupOptions(weight_init="kaiming-normal"), seed=1, weight_dtype=torch.bfloat16
    )
    exact = masked(Small(), weight_init="kaiming-normal")
    for rough, layer in zip(network.layers, exact.layers, strict=True):
        assert rough.weight.dtype == torch.bfloat16
        assert torch.equal(rough.weight, layer.weight.bfloat16())
        assert rough.masking.scores.dtype == torch.float32
        assert torch.equal(rough.masking.scores, layer.masking.scores)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        network.module(images()).float().square().sum().backward()
    for layer in network.layers:
        assert layer.masking.scores.grad is not None
        assert layer.masking.scores.grad.dtype == torch.float32


@pytest.mark.parametrize(("events", "kind"), [(0, torch.int16), (8191, torch.int16), (8192, torch.int32)])
def test_that_the_record_is_as_wide_as_its_events_need(events: int, kind: torch.dtype) -> None:
    masking = MaskedWeight(torch.ones(4), torch.ones(4, dtype=torch.bool), by_magnitude=False, events=events)
    assert masking.record.dtype == kind
    assert not masking.last_redraw.any()

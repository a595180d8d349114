"""The networks: the papers' weight counts, torchvision's names, shapes, and what is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from iterand_engine import models
from iterand_engine.config import catalog
from iterand_engine.data.torchvision_import import import_torchvision
from iterand_engine.errors import UserError
from iterand_engine.models.spec import InputSpec

Builder = Callable[[float, InputSpec], nn.Module]

CIFAR = InputSpec(channels=3, height=32, width=32, classes=10)
IMAGENET = InputSpec(channels=3, height=224, width=224, classes=1000)
BUILDERS: dict[str, Builder] = {name: entry.load() for name, entry in catalog.MODELS.items()}
RESNETS = [name for name in BUILDERS if "resnet" in name]

# Chijiwa et al., 10 classes, 32 px, widths 0.25, 0.5, 1, 2.
CIFAR_COUNTS = {
    "conv6": (142_128, 566_368, 2_261_184, 9_036_160),
    "resnet18": (708_288, 2_804_928, 11_164_352, 44_576_448),
    "resnet34": (1_339_584, 5_330_112, 21_265_088, 84_979_392),
}
IMAGENET_MILLIONS = {"resnet18": 11.68, "resnet34": 21.78, "resnet50": 25.50, "resnet101": 44.44}


def built(name: str, width_factor: float = 1.0, spec: InputSpec = CIFAR) -> nn.Module:
    """On the meta device, so without memory."""
    with torch.device("meta"):
        return BUILDERS[name](width_factor, spec)


def masked_layers(network: nn.Module) -> dict[str, nn.Conv2d | nn.Linear]:
    return {n: m for n, m in network.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}


def weight_count(network: nn.Module) -> int:
    return sum(layer.weight.numel() for layer in masked_layers(network).values())


@pytest.mark.parametrize("name", CIFAR_COUNTS)
def test_that_weight_counts_are_those_of_the_paper(name: str) -> None:
    counts = tuple(weight_count(built(name, width)) for width in (0.25, 0.5, 1.0, 2.0))
    assert counts == CIFAR_COUNTS[name]


@pytest.mark.parametrize("name", IMAGENET_MILLIONS)
def test_that_weight_counts_for_imagenet_are_those_of_the_paper(name: str) -> None:
    assert round(weight_count(built(name, 1.0, IMAGENET)) / 1e6, 2) == IMAGENET_MILLIONS[name]


@pytest.mark.parametrize("name", RESNETS)
def test_that_residual_networks_have_the_parameters_of_torchvision(name: str) -> None:
    torchvision = import_torchvision()
    with torch.device("meta"):
        theirs = getattr(torchvision.models, name.replace("-", "_"))().state_dict()
    ours = built(name, 1.0, IMAGENET).state_dict()
    assert [(n, t.shape) for n, t in ours.items()] == [(n, t.shape) for n, t in theirs.items()]


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_that_residual_networks_compute_what_torchvision_computes(name: str) -> None:
    theirs = getattr(import_torchvision().models, name)(num_classes=7).eval()
    ours = BUILDERS[name](1.0, InputSpec(3, 72, 65, 7)).eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    images = torch.randn(2, 3, 72, 65, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        torch.testing.assert_close(ours(images), theirs(images))


@pytest.mark.parametrize("name", BUILDERS)
@pytest.mark.parametrize("side", [(32, 32), (64, 48), (65, 65), (224, 224)])
def test_that_every_network_maps_images_to_logits(name: str, side: tuple[int, int]) -> None:
    network = built(name, 0.25, InputSpec(3, *side, 5))
    assert network(torch.empty(2, 3, *side, device="meta")).shape == (2, 5)


@pytest.mark.parametrize("name", ["conv2", "conv8", "resnet18", "resnet50"])
def test_that_a_dense_network_trains(name: str) -> None:
    """Every parameter gets a finite gradient that is not zero throughout."""
    network = BUILDERS[name](0.125, InputSpec(1, 32, 32, 3))
    images = torch.randn(4, 1, 32, 32, generator=torch.Generator().manual_seed(1))
    loss = nn.functional.cross_entropy(network(images), torch.tensor([0, 1, 2, 0]))
    loss.backward()  # type: ignore[no-untyped-call]
    for parameter in network.parameters():
        assert isinstance(parameter.grad, Tensor)
        assert parameter.grad.isfinite().all()
        assert parameter.grad.any()


@pytest.mark.parametrize("depth", [2, 4, 6, 8])
def test_that_conv_networks_are_built_as_in_the_paper(depth: int) -> None:
    layers = masked_layers(built(f"conv{depth}", 0.5, InputSpec(3, 32, 32, 10)))
    assert list(layers) == [*(f"conv{n}" for n in range(1, depth + 1)), "fc1", "fc2", "fc3"]
    assert all(layer.bias is not None for layer in layers.values())
    outputs = [layer.weight.shape[0] for layer in layers.values()]
    assert outputs == [*(32, 32, 64, 64, 128, 128, 256, 256)[:depth], 128, 128, 10]
    left = 32 >> depth // 2
    assert layers["fc1"].weight.shape[1] == outputs[depth - 1] * left * left


def test_that_a_conv_network_pools_after_each_pair_and_ends_without_relu() -> None:
    network = BUILDERS["conv2"](1 / 64, InputSpec(1, 4, 4, 2))
    for parameter in network.parameters():
        nn.init.zeros_(parameter)
    convs = masked_layers(network)
    for name in ("conv1", "conv2"):
        convs[name].weight.data[0, 0, 1, 1] = 1.0  # passes the image on
    convs["fc1"].weight.data[0] = torch.tensor([1.0, 10.0, 100.0, 1000.0])
    convs["fc2"].weight.data[0, 0] = 1.0
    convs["fc3"].weight.data[:, 0] = torch.tensor([1.0, -1.0])
    image = torch.tensor([[1.0, 0, 0, 2], [0, 0, 0, -9], [3, 0, 0, 0], [-1, 0, 4, 0]]).view(1, 1, 4, 4)
    assert network(image).tolist() == [[4321.0, -4321.0]]


@pytest.mark.parametrize("name", RESNETS)
def test_that_only_the_head_of_a_residual_network_has_a_bias(name: str) -> None:
    biased = [n for n, layer in masked_layers(built(name)).items() if layer.bias is not None]
    assert biased == ["fc"]


@pytest.mark.parametrize("name", RESNETS)
def test_that_the_stem_depends_on_the_image_size_and_never_on_the_width(name: str) -> None:
    for side, kernel, stride in ((32, 3, 1), (64, 3, 1), (65, 7, 2), (224, 7, 2)):
        network = built(name, 0.5, InputSpec(3, side, side, 10))
        stem = masked_layers(network)["conv1"]
        assert isinstance(stem, nn.Conv2d)
        assert stem.weight.shape == (64, 3, kernel, kernel)
        assert stem.stride == (stride, stride)
        assert isinstance(network.get_submodule("maxpool"), nn.MaxPool2d) == (side > 64)


def test_that_each_width_is_rounded_down_by_itself() -> None:
    layers = masked_layers(built("wide-resnet50-2", 0.3))
    assert layers["layer1.0.conv1"].weight.shape[0] == int(128 * 0.3) == 38
    assert layers["layer1.0.conv3"].weight.shape[0] == int(256 * 0.3) == 76
    assert layers["layer4.0.conv2"].weight.shape[:2] == (int(1024 * 0.3), int(1024 * 0.3))
    assert layers["fc"].weight.shape[1] == int(2048 * 0.3)


def test_that_a_bottleneck_has_its_stride_on_the_3x3_convolution() -> None:
    network = built("resnet50")
    strides = [network.get_submodule(f"layer2.0.conv{n}").stride for n in (1, 2, 3)]
    assert strides == [(1, 1), (2, 2), (1, 1)]


@pytest.mark.parametrize("name", BUILDERS)
def test_that_a_width_without_channels_is_refused(name: str) -> None:
    with pytest.raises(UserError, match=r"model\.width_factor 0\.001 leaves no channel"):
        built(name, 0.001)


@pytest.mark.parametrize(("name", "smallest"), [("conv2", 2), ("conv4", 4), ("conv6", 8), ("conv8", 16)])
def test_that_a_conv_network_refuses_images_that_its_pools_use_up(name: str, smallest: int) -> None:
    built(name, 1.0, InputSpec(3, smallest, smallest, 10))
    with pytest.raises(UserError, match=f"at least {smallest}x{smallest} pixels"):
        built(name, 1.0, InputSpec(3, smallest, smallest - 1, 10))


@pytest.mark.parametrize("field", range(4))
def test_that_an_input_without_extent_is_a_defect(field: int) -> None:
    numbers = [3, 32, 32, 10]
    numbers[field] = 0
    with pytest.raises(ValueError, match="at least 1"):
        InputSpec(*numbers)


def test_that_the_package_exports_every_builder_of_the_catalog() -> None:
    assert {entry.target.partition(":")[2] for entry in catalog.MODELS.values()} | {"InputSpec"} == set(
        models.__all__
    )

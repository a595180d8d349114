"""ResNet18/34 (basic blocks), ResNet50/101 and WideResNet50-2 (bottlenecks), for small and large images.

Parameter names are torchvision's. Every channel count c but the stem's 64 becomes int(c * width_factor).
Images up to 64 px get a 3x3 stem with stride 1 and no max-pool, larger ones the 7x7 stem and the max-pool.

Source: He et al., arXiv:1512.03385; Zagoruyko and Komodakis, arXiv:1605.07146; a bottleneck has its stride on
the 3x3 convolution, as in torchvision; width factor and 32-px form as in Chijiwa et al., arXiv:2106.09269.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from iterand_engine.models.spec import InputSpec, scaled

STEM_CHANNELS = 64
STAGE_CHANNELS = (64, 128, 256, 512)
BOTTLENECK_EXPANSION = 4


@dataclass(frozen=True)
class BlockShape:
    """Channels and stride of one residual block."""

    before: int
    inner: int
    after: int
    stride: int


class ResidualBlock(nn.Module):
    """One residual block: a branch and a shortcut, their sum, ReLU."""

    downsample: nn.Sequential | None  # made last, so that the order of parameters is torchvision's too

    def __init__(self) -> None:
        super().__init__()
        self.relu = nn.ReLU(inplace=True)

    def branch(self, x: Tensor) -> Tensor:
        """The block without its shortcut and last ReLU."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, before, H, W) to (N, after, H / stride, W / stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        out: Tensor = self.relu(self.branch(x) + shortcut)
        return out


class BasicBlock(ResidualBlock):
    """Two 3x3 convolutions, the first with the stride."""

    def __init__(self, shape: BlockShape) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(shape.before, shape.inner, 3, stride=shape.stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(shape.inner)
        self.conv2 = nn.Conv2d(shape.inner, shape.after, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(shape.after)
        self.downsample = _shortcut(shape)

    def branch(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        out: Tensor = self.bn2(self.conv2(x))
        return out


class Bottleneck(ResidualBlock):
    """Convolutions of 1x1, 3x3 with the stride, and 1x1 to the block's outer channels."""

    def __init__(self, shape: BlockShape) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(shape.before, shape.inner, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(shape.inner)
        self.conv2 = nn.Conv2d(shape.inner, shape.inner, 3, stride=shape.stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(shape.inner)
        self.conv3 = nn.Conv2d(shape.inner, shape.after, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(shape.after)
        self.downsample = _shortcut(shape)

    def branch(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        out: Tensor = self.bn3(self.conv3(x))
        return out


def _shortcut(shape: BlockShape) -> nn.Sequential | None:
    """A 1x1 convolution and batch norm where the block changes the shape; otherwise None."""
    if shape.stride == 1 and shape.before == shape.after:
        return None
    return nn.Sequential(
        nn.Conv2d(shape.before, shape.after, 1, stride=shape.stride, bias=False),
        nn.BatchNorm2d(shape.after),
    )


class ResNet(nn.Module):
    """Stem, four stages of residual blocks, mean over the pixels, linear head.

    Args:
        block: kind of residual block.
        counts: blocks in each of the four stages.
        width_factor: scales the stages and so the head's input, not the stem.
        spec: decides the form of the stem.
        inner_factor: widens the inner convolutions of bottlenecks (2 in WideResNet50-2).
    Raises:
        UserError: the width leaves a layer without channels.
    """

    def __init__(
        self,
        block: type[ResidualBlock],
        counts: Sequence[int],
        width_factor: float,
        spec: InputSpec,
        inner_factor: int = 1,
    ) -> None:
        super().__init__()
        kernel, stride = (3, 1) if spec.is_small else (7, 2)
        self.conv1 = nn.Conv2d(
            spec.channels, STEM_CHANNELS, kernel, stride=stride, padding=kernel // 2, bias=False
        )
        self.bn1 = nn.BatchNorm2d(STEM_CHANNELS)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.Identity() if spec.is_small else nn.MaxPool2d(3, stride=2, padding=1)
        expansion = BOTTLENECK_EXPANSION if block is Bottleneck else 1
        before = STEM_CHANNELS
        for number, (channels, count) in enumerate(zip(STAGE_CHANNELS, counts, strict=True), start=1):
            inner = scaled(channels * inner_factor, width_factor)
            after = scaled(channels * expansion, width_factor)
            first = BlockShape(before, inner, after, stride=1 if number == 1 else 2)
            rest = BlockShape(after, inner, after, stride=1)
            self.add_module(f"layer{number}", nn.Sequential(*map(block, [first] + [rest] * (count - 1))))
            before = after
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(before, spec.classes)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, C, H, W) to logits (N, classes)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        for number in range(1, len(STAGE_CHANNELS) + 1):
            x = self.get_submodule(f"layer{number}")(x)
        logits: Tensor = self.fc(self.avgpool(x).flatten(1))
        return logits


def resnet18(width_factor: float, spec: InputSpec) -> nn.Module:
    """Build ResNet18; arguments and errors as `ResNet`."""
    return ResNet(BasicBlock, (2, 2, 2, 2), width_factor, spec)


def resnet34(width_factor: float, spec: InputSpec) -> nn.Module:
    """Build ResNet34; arguments and errors as `ResNet`."""
    return ResNet(BasicBlock, (3, 4, 6, 3), width_factor, spec)


def resnet50(width_factor: float, spec: InputSpec) -> nn.Module:
    """Build ResNet50; arguments and errors as `ResNet`."""
    return ResNet(Bottleneck, (3, 4, 6, 3), width_factor, spec)


def resnet101(width_factor: float, spec: InputSpec) -> nn.Module:
    """Build ResNet101; arguments and errors as `ResNet`."""
    return ResNet(Bottleneck, (3, 4, 23, 3), width_factor, spec)


def wide_resnet50_2(width_factor: float, spec: InputSpec) -> nn.Module:
    """Build WideResNet50-2; arguments and errors as `ResNet`."""
    return ResNet(Bottleneck, (3, 4, 6, 3), width_factor, spec, inner_factor=2)

"""Conv2, Conv4, Conv6 and Conv8: 3x3 convolutions in pairs, then three linear layers; no batch norm.

The first linear layer fits the image: after k pools a side of n pixels has n // 2**k left, so a 224-px image
makes it very large.

Source: Ramanujan et al., arXiv:1911.13299; Chijiwa et al., arXiv:2106.09269 (width factor).
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

from iterand_engine.errors import UserError
from iterand_engine.models.spec import InputSpec, scaled

PAIR_CHANNELS = (64, 128, 256, 512)
HIDDEN_UNITS = 256


class ConvNet(nn.Module):
    """Convolutions conv1 ... convN with bias, a 2x2 max-pool after each pair, then fc1, fc2 and fc3.

    Args:
        depth: number of convolutions, 2, 4, 6 or 8.
        width_factor: scales every convolution and both hidden linear layers.
        spec: its images must have a pixel left after depth / 2 pools.
    Raises:
        UserError: the images are too small, or the width leaves a layer without channels.
    """

    def __init__(self, depth: int, width_factor: float, spec: InputSpec) -> None:
        super().__init__()
        pools = depth // 2
        widths = [scaled(PAIR_CHANNELS[index // 2], width_factor) for index in range(depth)]
        convs = [nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise([spec.channels, *widths])]
        for number, conv in enumerate(convs, start=1):
            self.add_module(f"conv{number}", conv)
        hidden = scaled(HIDDEN_UNITS, width_factor)
        self.depth = depth
        self.fc1 = nn.Linear(widths[-1] * _pixels_left(spec, pools), hidden)
        self.fc2 = nn.Linear(hidden, hidden)
        self.fc3 = nn.Linear(hidden, spec.classes)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, C, H, W) to logits (N, classes)."""
        x = images
        for number in range(1, self.depth + 1):
            x = functional.relu(self.get_submodule(f"conv{number}")(x))
            if number % 2 == 0:
                x = functional.max_pool2d(x, 2)
        x = functional.relu(self.fc1(x.flatten(1)))
        x = functional.relu(self.fc2(x))
        logits: Tensor = self.fc3(x)
        return logits


def _pixels_left(spec: InputSpec, pools: int) -> int:
    height, width = spec.height >> pools, spec.width >> pools
    if height * width == 0:
        raise UserError(
            f"model.name 'conv{2 * pools}' halves images {pools} times, which leaves nothing of "
            f"{spec.height}x{spec.width} pixels; use images of at least {1 << pools}x{1 << pools} pixels or "
            f"another network."
        )
    return height * width


def conv2(width_factor: float, spec: InputSpec) -> nn.Module:
    """Build Conv2; arguments and errors as `ConvNet`."""
    return ConvNet(2, width_factor, spec)


def conv4(width_factor: float, spec: InputSpec) -> nn.Module:
    """Build Conv4; arguments and errors as `ConvNet`."""
    return ConvNet(4, width_factor, spec)


def conv6(width_factor: float, spec: InputSpec) -> nn.Module:
    """Build Conv6; arguments and errors as `ConvNet`."""
    return ConvNet(6, width_factor, spec)


def conv8(width_factor: float, spec: InputSpec) -> nn.Module:
    """Build Conv8; arguments and errors as `ConvNet`."""
    return ConvNet(8, width_factor, spec)
